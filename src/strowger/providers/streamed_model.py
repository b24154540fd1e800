"""Replies streamed over HTTP as server-sent events: what all vendors of them have in common.

A vendor is a `ModelVendor`, which turns a dialogue into a request, and a `ReplyReader`, which
turns events into text, tool calls and the end, both without I/O.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, ToolCall
from strowger.ports import ReplyEnd, ReplyPart, ReplyText
from strowger.providers.http import HttpAnswer, HttpConnection
from strowger.providers.sse import EventReader, MalformedEvent
from strowger.providers.websocket import Garbage, VendorFailed

MOST_TOOL_CALLS = 32
"""In one reply."""
LONGEST_ARGUMENTS = 1 << 16
"""Characters of one tool's arguments."""


class ReplyReader(Protocol):
    """What has come of one reply so far."""

    @property
    def finished(self) -> bool:
        """The model has said that it is done."""

    @property
    def closed(self) -> bool:
        """Nothing of use follows: the rest of the answer need not be waited for."""

    def take(self, event: str) -> str:
        """The text that an event adds. Raises Garbage or VendorFailed."""

    def tool_calls(self) -> Sequence[ToolCall]:
        """In the order the model asked for them; complete once `finished`."""

    def end(self) -> ReplyEnd: ...


class ModelVendor(Protocol):
    def path(self, settings: ModelSettings) -> str: ...
    def request(
        self, dialogue: Sequence[Message], settings: ModelSettings, tools: Sequence[OfferedTool]
    ) -> Mapping[str, object]: ...
    def new_reply(self) -> ReplyReader: ...


class StreamedModel:
    """LanguageModel by a vendor's HTTP service."""

    def __init__(self, vendor: ModelVendor, connection: HttpConnection) -> None:
        self._vendor = vendor
        self._connection = connection

    async def warm(self, settings: ModelSettings) -> None:
        await self._connection.warm()

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        request = self._vendor.request(dialogue, settings, tools)
        reply, spoke = self._vendor.new_reply(), False
        async with self._connection.post(self._vendor.path(settings), request) as answer:
            async with aclosing(texts(reply, answer)) as pieces:
                async for text in pieces:
                    spoke = True
                    yield ReplyText(text)
            if not reply.finished:
                raise answer.error("broke off in the middle of a reply", retryable=True)
            calls = reply.tool_calls()
            if not spoke and not calls:
                raise answer.error("replied without any text", retryable=True)
            for call in calls:
                yield call
            yield reply.end()


async def texts(reply: ReplyReader, answer: HttpAnswer) -> AsyncGenerator[str, None]:
    """The pieces of a reply's text that hold anything. Raises ProviderError."""
    async with aclosing(events_of(answer)) as events:
        async for event in events:
            try:
                text = reply.take(event)
            except Garbage as garbage:
                raise answer.error(str(garbage)) from garbage
            except VendorFailed as failed:
                problem = f"failed in the middle of a reply: {failed}"
                raise answer.error(problem, retryable=failed.retryable) from None
            if text:
                yield text
            if reply.closed:
                answer.settled = True
                return


async def events_of(answer: HttpAnswer) -> AsyncGenerator[str, None]:
    """The events of a streamed answer. Raises ProviderError."""
    if answer.media_type != "text/event-stream":
        raise answer.error(f"answered {answer.media_type or 'no type'} instead of an event stream")
    reader = EventReader()
    async with aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            try:
                events = reader.feed(piece)
            except MalformedEvent as error:
                raise answer.error(f"sent {error}") from error
            for event in events:
                yield event


@dataclass(slots=True)
class WrittenCall:
    """A tool call whose pieces are still coming."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    size: int = 0
    """Characters of the arguments."""


@dataclass(slots=True)
class WrittenCalls:
    """The tool calls of a reply, as their pieces come. Its limits raise Garbage."""

    _calls: dict[int, WrittenCall] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, index: int, *, id: str = "", name: str = "", arguments: str = "") -> None:
        """Add to the call at that place; its id and name stay as they came first."""
        if not 0 <= index < MOST_TOOL_CALLS:
            raise Garbage(f"asked for more than {MOST_TOOL_CALLS} tools at once")
        call = self._calls.setdefault(index, WrittenCall())
        call.id = call.id or whole(id)
        call.name = call.name or whole(name)
        if not call.name:
            raise Garbage("asked for a tool without naming it")
        if arguments:
            call.arguments.append(whole(arguments))
            call.size += len(arguments)
        if call.size > LONGEST_ARGUMENTS:
            raise Garbage(f"wrote more than {LONGEST_ARGUMENTS} characters for a tool")

    def whole(self) -> list[ToolCall]:
        """In their order; a server that names none is helped out."""
        return [
            ToolCall(call.id or f"call_{index}", call.name, "".join(call.arguments) or "{}")
            for index, call in sorted(self._calls.items())
        ]


def whole(text: str) -> str:
    """Half an escaped character is valid JSON, but nothing that can be said or stored."""
    return text.encode(errors="replace").decode()
