"""Replies by any server that speaks OpenAI's chat completions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.ports import ReplyEnd
from strowger.providers.http import HttpConnection
from strowger.providers.streamed_model import StreamedModel, WrittenCalls, whole
from strowger.providers.websocket import Garbage, VendorFailed, read_json

END = "[DONE]"
REASONS_UNLESS_TOLD = re.compile(r"gpt-(5\.[4-9]|6-sol|6-luna)(?!.*(pro|codex|chat))")
"""OpenAI's models that may be told not to reason before they speak, and that take no tools here
unless they are: https://developers.openai.com/api/docs/guides/latest-model"""


class OpenAIChat(StreamedModel):
    """LanguageModel over `/chat/completions`, streamed."""

    def __init__(
        self, connection: HttpConnection, *, default_model: str, limit_name: str = "max_tokens"
    ) -> None:
        """`limit_name` is what the server calls the limit of a reply's tokens."""
        super().__init__(ChatCompletions(default_model, limit_name), connection)


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """ModelVendor by OpenAI's protocol."""

    default_model: str
    limit_name: str = "max_tokens"

    def path(self, settings: ModelSettings) -> str:
        return "chat/completions"

    def new_reply(self) -> "ChatReply":
        return ChatReply()

    def request(
        self, dialogue: Sequence[Message], settings: ModelSettings, tools: Sequence[OfferedTool]
    ) -> dict[str, object]:
        request: dict[str, object] = {
            "model": settings.model or self.default_model,
            "messages": [message_for(said) for said in dialogue],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if REASONS_UNLESS_TOLD.match(str(request["model"])):
            request["reasoning_effort"] = "none"
        if tools:
            request["tools"] = [tool_for(tool) for tool in tools]
        if settings.temperature is not None:
            request["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            request[self.limit_name] = settings.max_tokens
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


@dataclass(slots=True)
class ChatReply:
    """ReplyReader over `chat.completion.chunk` objects."""

    finished: bool = False
    closed: bool = False
    _end: ReplyEnd = field(default_factory=ReplyEnd)
    _calls: WrittenCalls = field(default_factory=WrittenCalls)

    def take(self, event: str) -> str:
        if event == END:
            self.finished = self.closed = True
            return ""
        chunk = read_json(event)
        usage = chunk.get("usage")
        match chunk:
            case {"error": {"message": str(message)}} | {"error": str(message)}:
                raise VendorFailed(message[:300], retryable=True)
            case {"choices": [dict({"delta": dict(delta)} as choice), *_]}:
                self._end_by(choice.get("finish_reason"))
                text = self._delta(delta)
            case {"choices": [{"finish_reason": str(reason)}, *_]}:
                self._end_by(reason)
                text = ""
            case {"choices": []}:
                text = ""
            case _:
                raise Garbage("sent a chunk of an unknown form")
        self._count(usage)
        return text

    def tool_calls(self) -> Sequence[ToolCall]:
        return self._calls.whole()

    def end(self) -> ReplyEnd:
        return self._end

    def _end_by(self, reason: object) -> None:
        if reason is not None:
            self.finished = True
            self._end = replace(self._end, truncated=reason == "length")

    def _delta(self, delta: Mapping[str, object]) -> str:
        text = delta.get("content") or delta.get("refusal") or ""
        if not isinstance(text, str):
            raise Garbage("sent a chunk whose content is no text")
        pieces = delta.get("tool_calls") or []
        if not isinstance(pieces, list):
            raise Garbage("sent a chunk whose tool calls are no list")
        for piece in pieces:
            self._piece(piece)
        return whole(text)

    def _piece(self, piece: object) -> None:
        """Add to a tool call; servers send its id and name with the first piece only."""
        if not isinstance(piece, dict) or not isinstance(piece.get("function"), dict):
            raise Garbage("sent a tool call of an unknown form")
        index, function = piece.get("index"), piece["function"]
        fields = {"id": piece.get("id"), **function}
        known = {
            name: value
            for name in ("id", "name", "arguments")
            if isinstance(value := fields.get(name), str)
        }
        self._calls.add(index if isinstance(index, int) else len(self._calls), **known)

    def _count(self, usage: object) -> None:
        match usage:
            case {"prompt_tokens": int(read), "completion_tokens": int(written)}:
                self._end = replace(self._end, input_tokens=read, output_tokens=written)
            case _:
                pass  # not told, or not in this form
        match usage:
            case {"prompt_tokens_details": {"cached_tokens": int(cached)}}:
                self._end = replace(self._end, cached_tokens=cached)
            case _:
                pass
