"""Replies by any server that speaks OpenAI's chat completions."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.ports import ReplyEnd, ReplyPart, ReplyText
from strowger.providers.http import HttpAnswer, HttpConnection
from strowger.providers.sse import EventReader, MalformedEvent

END = "[DONE]"
MOST_TOOL_CALLS = 32
"""In one reply."""
LONGEST_ARGUMENTS = 1 << 16
"""Characters of one tool's arguments."""


class OpenAIChat:
    """LanguageModel over `/chat/completions`, streamed."""

    def __init__(
        self, connection: HttpConnection, *, default_model: str, limit_name: str = "max_tokens"
    ) -> None:
        """`limit_name` is what the server calls the limit of a reply's tokens."""
        self._connection = connection
        self._default_model = default_model
        self._limit_name = limit_name

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        request = self._request(dialogue, settings, tools)
        reply = _Reply()
        async with self._connection.post("chat/completions", request) as answer:
            async with aclosing(chunks(answer)) as events:
                async for event in events:
                    if text := reply.take(event, answer):
                        yield ReplyText(text)
            if not reply.finished:
                raise answer.error("broke off in the middle of a reply", retryable=True)
            if reply.empty:
                raise answer.error("replied without any text", retryable=True)
            for call in reply.tool_calls():
                yield call
            yield reply.end

    def _request(
        self, dialogue: Sequence[Message], settings: ModelSettings, tools: Sequence[OfferedTool]
    ) -> dict[str, object]:
        request: dict[str, object] = {
            "model": settings.model or self._default_model,
            "messages": [message_for(said) for said in dialogue],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = [tool_for(tool) for tool in tools]
        if settings.temperature is not None:
            request["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            request[self._limit_name] = settings.max_tokens
        return request


def message_for(said: Message) -> dict[str, object]:
    """A message in the form of the request."""
    message: dict[str, object] = {"role": said.role.value, "content": said.text}
    if said.role is Role.TOOL:
        message["tool_call_id"] = said.tool_call_id
    if said.tool_calls:
        message["content"] = said.text or None
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in said.tool_calls
        ]
    return message


def tool_for(tool: OfferedTool) -> dict[str, object]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


async def chunks(answer: HttpAnswer) -> AsyncGenerator[str, None]:
    """The events of a streamed reply, up to the mark of its end or the end of the answer."""
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
                if event == END:
                    yield event
                    return
                yield event


@dataclass(slots=True)
class _Call:
    """A tool call whose pieces are still coming."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reply:
    """What has come of a reply so far."""

    finished: bool = False
    spoke: bool = False
    end: ReplyEnd = field(default_factory=ReplyEnd)
    calls: dict[int, _Call] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.spoke and not self.calls

    def take(self, event: str, answer: HttpAnswer) -> str:
        """The text that a chunk adds. Raises ProviderError for one that cannot be read."""
        if event == END:
            self.finished = True
            return ""
        try:
            chunk = json.loads(event)
        except (ValueError, RecursionError):
            raise answer.error("sent a chunk that is not JSON") from None
        match chunk:
            case {"error": {"message": str(message)}} | {"error": str(message)}:
                problem = f"failed in the middle of a reply: {message[:300]}"
                raise answer.error(problem, retryable=True)
            case {"choices": [{"delta": dict(delta)} as choice, *_]}:
                self._end_by(choice.get("finish_reason"))
                text = self._delta(delta, answer)
            case {"choices": [{"finish_reason": str(reason)}, *_]}:
                self._end_by(reason)
                text = ""
            case {"choices": []}:
                text = ""
            case _:
                raise answer.error("sent a chunk of an unknown form")
        self._count(chunk.get("usage"))
        self.spoke = self.spoke or bool(text)
        return text

    def tool_calls(self) -> list[ToolCall]:
        """In the order the model asked for them; a server that names none is helped out."""
        return [
            ToolCall(call.id or f"call_{index}", call.name, "".join(call.arguments) or "{}")
            for index, call in sorted(self.calls.items())
        ]

    def _end_by(self, reason: object) -> None:
        if reason is not None:
            self.finished = True
            self.end = replace(self.end, truncated=reason == "length")

    def _delta(self, delta: Mapping[str, object], answer: HttpAnswer) -> str:
        text = delta.get("content") or delta.get("refusal") or ""
        if not isinstance(text, str):
            raise answer.error("sent a chunk whose content is no text")
        pieces = delta.get("tool_calls") or []
        if not isinstance(pieces, list):
            raise answer.error("sent a chunk whose tool calls are no list")
        for piece in pieces:
            self._piece(piece, answer)
        # Half an escaped character is valid JSON, but nothing that can be said or stored.
        return _whole(text)

    def _piece(self, piece: object, answer: HttpAnswer) -> None:
        """Add to a tool call; servers send its id and name with the first piece only."""
        match piece:
            case {"function": dict(function), "index": int(index)}:
                pass
            case {"function": dict(function)}:
                index = len(self.calls)
            case _:
                raise answer.error("sent a tool call of an unknown form")
        match piece:
            case {"id": str(identity)}:
                pass
            case _:
                identity = ""
        if not 0 <= index < MOST_TOOL_CALLS:
            raise answer.error(f"asked for more than {MOST_TOOL_CALLS} tools at once")
        call = self.calls.setdefault(index, _Call())
        name, arguments = function.get("name"), function.get("arguments")
        call.id = call.id or _whole(identity)
        if isinstance(name, str) and not call.name:
            call.name = _whole(name)
        if isinstance(arguments, str):
            call.arguments.append(_whole(arguments))
        if not call.name:
            raise answer.error("asked for a tool without naming it")
        if sum(map(len, call.arguments)) > LONGEST_ARGUMENTS:
            raise answer.error(f"wrote more than {LONGEST_ARGUMENTS} characters for a tool")

    def _count(self, usage: object) -> None:
        match usage:
            case {"prompt_tokens": int(read), "completion_tokens": int(written)}:
                self.end = replace(self.end, input_tokens=read, output_tokens=written)
            case _:
                pass  # not told, or not in this form
        match usage:
            case {"prompt_tokens_details": {"cached_tokens": int(cached)}}:
                self.end = replace(self.end, cached_tokens=cached)
            case _:
                pass


def _whole(text: str) -> str:
    return text.encode(errors="replace").decode()
