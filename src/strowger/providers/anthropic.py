"""Replies by Anthropic's Messages API, streamed.

https://docs.claude.com/en/api/messages (system apart, user and assistant in turns)
https://docs.claude.com/en/docs/build-with-claude/streaming (the events)
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.ports import ReplyEnd
from strowger.providers.claude_models import hurried, takes_temperature
from strowger.providers.streamed_model import WrittenCalls, whole
from strowger.providers.websocket import Garbage, VendorFailed, in_words, read_json

URL = "https://api.anthropic.com/v1"
VERSION = "2023-06-01"
DEFAULT_MODEL = "claude-haiku-4-5"
LONGEST_REPLY = 1024
"""Tokens, where the agent sets no limit: the service wants one."""
LONGEST_THOUGHT = 4096
"""Tokens besides, of a model that cannot be kept from thinking: they count, too."""
WARMEST = 1.0
CALL_BEGINS = "(The call has been answered.)"
"""Stands before the agent's first words: a dialogue has to begin with the user."""
GO_ON = "(Go on from there.)"
"""Stands after words of the agent's that are to be gone on with: newer models want the user's to
be last."""
FATAL = {
    "authentication_error", "billing_error", "invalid_request_error", "not_found_error",
    "permission_error", "request_too_large",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicSettings:
    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL

    @property
    def configured(self) -> bool:
        return self.api_key is not None


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """ModelVendor over `/messages`."""

    default_model: str = DEFAULT_MODEL

    def path(self, settings: ModelSettings) -> str:
        return "messages"

    def new_reply(self) -> "MessagesReply":
        return MessagesReply()

    def request(
        self, dialogue: Sequence[Message], settings: ModelSettings, tools: Sequence[OfferedTool]
    ) -> Mapping[str, object]:
        model = settings.model or self.default_model
        haste = hurried(model)
        longest = LONGEST_REPLY + (LONGEST_THOUGHT if "output_config" in haste else 0)
        request: dict[str, object] = {
            "model": model,
            "max_tokens": settings.max_tokens or longest,
            "messages": turns(dialogue),
            "stream": True,
            **haste,
        }
        system = "\n\n".join(said.text for said in dialogue if said.role is Role.SYSTEM)
        if system.strip():
            # What stays the same in every turn of a call is read once.
            cached = {"type": "ephemeral"}
            request["system"] = [{"type": "text", "text": system, "cache_control": cached}]
        if tools:
            request["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": dict(tool.parameters),
                }
                for tool in tools
            ]
        if settings.temperature is not None and takes_temperature(model):
            request["temperature"] = min(settings.temperature, WARMEST)
        return request


def turns(dialogue: Sequence[Message]) -> list[dict[str, object]]:
    """The dialogue as turns of user and assistant by turns, each of some blocks."""
    merged: list[tuple[str, list[object]]] = []
    for said in dialogue:
        if said.role is Role.SYSTEM:
            continue
        role = "assistant" if said.role is Role.ASSISTANT else "user"
        blocks = blocks_of(said)
        if not blocks:
            continue
        if not merged and role == "assistant":
            merged.append(("user", [{"type": "text", "text": CALL_BEGINS}]))
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(blocks)
        else:
            merged.append((role, blocks))
    if not merged:
        merged.append(("user", [{"type": "text", "text": CALL_BEGINS}]))
    if merged[-1][0] == "assistant":
        merged.append(("user", [{"type": "text", "text": GO_ON}]))
    return [{"role": role, "content": blocks} for role, blocks in merged]


def blocks_of(said: Message) -> list[object]:
    if said.role is Role.TOOL:
        return [
            {"type": "tool_result", "tool_use_id": said.tool_call_id or "", "content": said.text}
        ]
    blocks: list[object] = []
    if said.text.strip():
        blocks.append({"type": "text", "text": said.text.strip()})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}
        for call in said.tool_calls
    ]
    return blocks


def arguments_of(call: ToolCall) -> dict[str, object]:
    """As an object, as the service wants them; broken ones are shown for what they are."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    return arguments if isinstance(arguments, dict) else {"malformed": call.arguments}


@dataclass(slots=True)
class MessagesReply:
    """ReplyReader over the events of one message."""

    finished: bool = False
    closed: bool = False
    _end: ReplyEnd = field(default_factory=ReplyEnd)
    _calls: WrittenCalls = field(default_factory=WrittenCalls)
    _places: dict[int, int] = field(default_factory=dict)
    """The block that holds a tool call, and the call's place among them."""

    def take(self, event: str) -> str:
        message = read_json(event)
        match message:
            case {"type": "content_block_start", "content_block": dict(block)}:
                return self._begin(message.get("index"), block)
            case {"type": "content_block_delta", "delta": dict(delta)}:
                return self._delta(message.get("index"), delta)
            case {"type": "message_start", "message": {"usage": dict(usage)}}:
                self._count_read(usage)
            case {"type": "message_delta", "delta": dict(delta)}:
                if delta.get("stop_reason") is not None:
                    self.finished = True
                self._count_written(delta.get("stop_reason"), message.get("usage"))
            case {"type": "message_stop"}:
                self.finished = self.closed = True
            case {"type": "error", "error": dict(error)}:
                fatal = in_words(error.get("type")) in FATAL
                raise VendorFailed(in_words(error.get("message")), retryable=not fatal)
            case {"type": str()}:
                pass  # pings, ends of blocks, and what is added to the protocol
            case _:
                raise Garbage("sent an event of an unknown form")
        return ""

    def tool_calls(self) -> Sequence[ToolCall]:
        return self._calls.whole()

    def end(self) -> ReplyEnd:
        return self._end

    def _begin(self, index: object, block: Mapping[str, object]) -> str:
        if block.get("type") == "text":
            text = block.get("text")
            return whole(text) if isinstance(text, str) else ""
        if block.get("type") == "tool_use":
            match index, block:
                case int(place), {"id": str(id), "name": str(name)}:
                    self._places[place] = len(self._calls)
                    self._calls.add(self._places[place], id=id, name=name)
                case _:
                    raise Garbage("asked for a tool without naming it")
        return ""

    def _delta(self, index: object, delta: Mapping[str, object]) -> str:
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                return whole(text)
            case {"type": "input_json_delta", "partial_json": str(piece)}:
                if not isinstance(index, int) or index not in self._places:
                    raise Garbage("wrote arguments for a tool it did not ask for")
                self._calls.add(self._places[index], arguments=piece)
                return ""
            case {"type": "text_delta" | "input_json_delta"}:
                raise Garbage("sent a piece without a text")
        return ""  # what it thinks is not said

    def _count_read(self, usage: Mapping[str, object]) -> None:
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        counts = [value if isinstance(value := usage.get(name), int) else 0 for name in names]
        self._end = replace(self._end, input_tokens=sum(counts), cached_tokens=counts[2])

    def _count_written(self, reason: object, usage: object) -> None:
        match usage:
            case {"output_tokens": int(written)}:
                self._end = replace(self._end, output_tokens=written)
            case _:
                pass
        if reason == "refusal":
            raise VendorFailed("it refuses to go on", retryable=False)
        self._end = replace(self._end, truncated=reason == "max_tokens")
