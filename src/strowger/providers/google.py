"""Replies by Google's Gemini API, streamed.

https://ai.google.dev/api/generate-content (`streamGenerateContent` with `alt=sse`)
https://ai.google.dev/gemini-api/docs/function-calling
https://ai.google.dev/gemini-api/docs/thought-signatures (a function call has to come back with
the signature it came with)
https://ai.google.dev/gemini-api/docs/whats-new-gemini-3.6 (and with the id; how long they think)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.ports import ReplyEnd
from strowger.providers.anthropic import CALL_BEGINS, GO_ON, arguments_of
from strowger.providers.streamed_model import WrittenCalls, whole
from strowger.providers.websocket import Garbage, VendorFailed, as_json, read_json

URL = "https://generativelanguage.googleapis.com/v1beta"
DEFAULT_MODEL = "gemini-3.5-flash-lite"
THINK_LITTLE = re.compile(r"gemini-3(\.\d+)?-(?!flash-lite)")
"""Models that think for long unless they are told not to: `low` is the least that all of them
take. The smallest ones think little by themselves."""
WANT_IDS = re.compile(r"gemini-(3\.[5-9]|[4-9])")
"""Models that refuse an answer to a function call without the id of the call. Earlier ones that
give ids take them; those that give none refuse them."""
UNNAMED = "unnamed_"
"""How the ids begin that were given here."""
NO_SIGNATURE = "skip_thought_signature_validator"
"""What the service takes for a call whose signature is not known any more."""
MOST_SIGNATURES = 4096
REFUSALS = {
    "BLOCKLIST", "LANGUAGE", "OTHER", "PROHIBITED_CONTENT", "RECITATION", "SAFETY", "SPII",
}  # fmt: skip
MALFORMED = {"MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE", "UNEXPECTED_TOOL_CALL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleSettings:
    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL

    @property
    def configured(self) -> bool:
        return self.api_key is not None


class Gemini:
    """ModelVendor over `models/…:streamGenerateContent`."""

    def __init__(self, default_model: str = DEFAULT_MODEL) -> None:
        self._default_model = default_model
        self._replies = 0
        self._signatures: dict[str, str | None] = {}
        """By the id of a tool call, where there is one; the newest only."""

    def path(self, settings: ModelSettings) -> str:
        model = quote(settings.model or self._default_model, safe="")
        return f"models/{model}:streamGenerateContent?alt=sse"

    def new_reply(self) -> "GeminiReply":
        self._replies += 1
        return GeminiReply(self._replies, self._signatures)

    def request(
        self, dialogue: Sequence[Message], settings: ModelSettings, tools: Sequence[OfferedTool]
    ) -> Mapping[str, object]:
        generation: dict[str, object] = {}
        if settings.temperature is not None:
            generation["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            generation["maxOutputTokens"] = settings.max_tokens
        model = settings.model or self._default_model
        if model.startswith("gemini-2.5-flash"):
            generation["thinkingConfig"] = {"thinkingBudget": 0}  # a call cannot wait
        elif THINK_LITTLE.match(model):
            generation["thinkingConfig"] = {"thinkingLevel": "low"}
        request: dict[str, object] = {"contents": self._contents(dialogue, model)}
        system = "\n\n".join(said.text for said in dialogue if said.role is Role.SYSTEM)
        if system.strip():
            request["systemInstruction"] = {"parts": [{"text": system}]}
        if tools:
            declared = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "parametersJsonSchema": dict(tool.parameters),
                }
                for tool in tools
            ]
            request["tools"] = [{"functionDeclarations": declared}]
        if generation:
            request["generationConfig"] = generation
        while len(self._signatures) > MOST_SIGNATURES:
            del self._signatures[next(iter(self._signatures))]
        return request

    def _contents(self, dialogue: Sequence[Message], model: str) -> list[dict[str, object]]:
        names = {call.id: call.name for said in dialogue for call in said.tool_calls}
        contents: list[tuple[str, list[object]]] = []
        for said in dialogue:
            if said.role is Role.SYSTEM:
                continue
            role = "model" if said.role is Role.ASSISTANT else "user"
            parts = self._parts(said, names, model)
            if not parts:
                continue
            if not contents and role == "model":
                contents.append(("user", [{"text": CALL_BEGINS}]))
            if contents and contents[-1][0] == role:
                contents[-1][1].extend(parts)
            else:
                contents.append((role, parts))
        if not contents:
            contents.append(("user", [{"text": CALL_BEGINS}]))
        if contents[-1][0] == "model":
            contents.append(("user", [{"text": GO_ON}]))
        return [{"role": role, "parts": parts} for role, parts in contents]

    def _parts(self, said: Message, names: Mapping[str, str], model: str) -> list[object]:
        if said.role is Role.TOOL:
            id = said.tool_call_id or ""
            answer = {"name": names.get(id, "unknown"), "response": {"result": said.text}}
            return [{"functionResponse": {**self._id(id, model), **answer}}]
        parts: list[object] = [{"text": said.text}] if said.text.strip() else []
        for call in said.tool_calls:
            signature = self._signatures.get(call.id) or NO_SIGNATURE
            asked = {**self._id(call.id, model), "name": call.name, "args": arguments_of(call)}
            parts.append({"functionCall": asked, "thoughtSignature": signature})
        return parts

    def _id(self, id: str, model: str) -> Mapping[str, object]:
        """What is told of the id of a call, maybe one of another service's."""
        given = id in self._signatures and not id.startswith(UNNAMED)
        return {"id": id} if id and (given or WANT_IDS.match(model)) else {}


class GeminiReply:
    """ReplyReader over whole responses, each of which adds to the last."""

    closed = False
    """There is no mark of the end: it is where the answer ends."""

    def __init__(self, number: int, signatures: dict[str, str | None]) -> None:
        """The service may leave tool calls without an id; their numbers make them ones."""
        self.finished = False
        self._number = number
        self._signatures = signatures
        self._end = ReplyEnd()
        self._calls = WrittenCalls()

    def take(self, event: str) -> str:
        response = read_json(event)
        usage = response.get("usageMetadata")
        match response:
            case {"error": dict({"message": str(message)} as error)}:
                code = error.get("code")
                fatal = isinstance(code, int) and 400 <= code < 500 and code != 429
                raise VendorFailed(message[:300], retryable=not fatal)
            case {"promptFeedback": {"blockReason": str(reason)}}:
                raise VendorFailed(f"it refuses to answer ({reason})", retryable=False)
            case {"candidates": [dict(candidate), *_]}:
                text = self._candidate(candidate)
            case {"usageMetadata": _} | {"candidates": []}:
                text = ""
            case _:
                raise Garbage("sent an event of an unknown form")
        self._count(usage)
        return text

    def tool_calls(self) -> Sequence[ToolCall]:
        return self._calls.whole()

    def end(self) -> ReplyEnd:
        return self._end

    def _candidate(self, candidate: Mapping[str, object]) -> str:
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if parts is not None and not isinstance(parts, list):
            raise Garbage("sent a content whose parts are no list")
        text = "".join(self._part(part) for part in parts or [])
        reason = candidate.get("finishReason")
        if isinstance(reason, str):
            self.finished = True
            self._end = replace(self._end, truncated=reason == "MAX_TOKENS")
            if reason in REFUSALS:
                raise VendorFailed(f"it refuses to go on ({reason})", retryable=False)
            if reason in MALFORMED:
                raise VendorFailed(f"its tool call is broken ({reason})", retryable=True)
        return text

    def _part(self, part: object) -> str:
        match part:
            case {"thought": True}:
                return ""
            case {"text": str(text)}:
                return whole(text)
            case {"functionCall": {"name": str(name)} as asked}:
                self._call(name, asked, part)
        return ""

    def _call(self, name: str, asked: Mapping[str, object], part: object) -> None:
        place = len(self._calls)
        given = asked.get("id")
        id = given if isinstance(given, str) and given else f"{UNNAMED}{self._number}_{place}"
        arguments = as_json(asked.get("args") or {})
        self._calls.add(place, id=id, name=name, arguments=arguments)
        signature = part.get("thoughtSignature") if isinstance(part, dict) else None
        self._signatures[id] = signature if isinstance(signature, str) else None

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        names = ("promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount")
        counts = [value if isinstance(value := usage.get(name), int) else None for name in names]
        self._end = replace(
            self._end, input_tokens=counts[0], output_tokens=counts[1], cached_tokens=counts[2]
        )
