"""Replies by any server that speaks OpenAI's chat completions."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from strowger.agent import ModelSettings
from strowger.ports import Message
from strowger.providers.http import HttpAnswer, HttpConnection
from strowger.providers.sse import EventReader, MalformedEvent

END = "[DONE]"


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
        self, dialogue: Sequence[Message], settings: ModelSettings
    ) -> AsyncIterator[str]:
        spoke = False
        async with self._connection.post(
            "chat/completions", self._request(dialogue, settings)
        ) as answer:
            async with aclosing(deltas(answer)) as texts:
                async for text in texts:
                    spoke = True
                    yield text
            if not spoke:
                raise answer.error("replied without any text", retryable=True)

    def _request(self, dialogue: Sequence[Message], settings: ModelSettings) -> dict[str, object]:
        request: dict[str, object] = {
            "model": settings.model or self._default_model,
            "messages": [{"role": said.role, "content": said.text} for said in dialogue],
            "stream": True,
        }
        if settings.temperature is not None:
            request["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            request[self._limit_name] = settings.max_tokens
        return request


async def deltas(answer: HttpAnswer) -> AsyncGenerator[str, None]:
    """The texts of a streamed reply, up to its proper end."""
    if answer.media_type != "text/event-stream":
        raise answer.error(f"answered {answer.media_type or 'no type'} instead of an event stream")
    reader = EventReader()
    finished = False
    async with aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            try:
                events = reader.feed(piece)
            except MalformedEvent as error:
                raise answer.error(f"sent {error}") from error
            for event in events:
                if event == END:
                    return
                text, last = delta_of(event, answer)
                finished = finished or last
                if text:
                    yield text
    if not finished:
        raise answer.error("broke off in the middle of a reply", retryable=True)


def delta_of(event: str, answer: HttpAnswer) -> tuple[str, bool]:
    """The text of one chunk, and whether the reply is complete with it."""
    try:
        chunk = json.loads(event)
    except (ValueError, RecursionError):
        raise answer.error("sent a chunk that is not JSON") from None
    match chunk:
        case {"error": {"message": str(message)}} | {"error": str(message)}:
            raise answer.error(f"failed in the middle of a reply: {message[:300]}", retryable=True)
        case {"choices": [{"delta": dict(delta)} as choice, *_]}:
            text = delta.get("content") or delta.get("refusal") or ""
            if not isinstance(text, str):
                raise answer.error("sent a chunk whose content is no text")
            # Half an escaped character is valid JSON, but nothing that can be said or stored.
            text = text.encode(errors="replace").decode()
            return text, choice.get("finish_reason") is not None
        case {"choices": [{"finish_reason": str()}, *_]}:
            return "", True
        case {"choices": []}:  # figures of use
            return "", False
    raise answer.error("sent a chunk of an unknown form")
