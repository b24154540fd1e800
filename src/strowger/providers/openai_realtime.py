"""Whole conversations over OpenAI's Realtime API, in its general form.

https://developers.openai.com/api/docs/guides/realtime-conversations
https://developers.openai.com/api/reference/resources/realtime/client-events

Sound is µ-law both ways. The service detects turns and answers them by itself; it speaks one
response at a time, so what else it is to say waits here until that is done. An `error` is mostly
about one message and no reason to end a conversation; which ones are, `FATAL` says.
"""

import json
from collections.abc import Mapping, Sequence
from typing import assert_never

from strowger.conversation.dialogue import Role
from strowger.conversation.events import ToolRequested
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    AnswerTool,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Hush,
    Inform,
    ItemOver,
    OfferTools,
    PassOn,
    ReportHeard,
    Respond,
    ResponseOver,
    Say,
    ToService,
)
from strowger.ports import DialogueEvent, Sound
from strowger.providers.openai_realtime_items import (
    RealtimeConversationSettings,
    created,
    items_of,
    output,
    session_of,
    text_item,
    tool_of,
)
from strowger.providers.sound_text import decoded, from_ulaw, to_text, to_ulaw
from strowger.providers.streamed_dialogue import Received
from strowger.providers.websocket import (
    Dial,
    Frame,
    Garbage,
    VendorFailed,
    in_words,
    read_json,
    socket_url,
    to_json,
)

BUSY = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"
FATAL = frozenset({"server_error", "authentication_error", "permission_error"})
"""Types of errors after which nothing more is to be expected."""
FATAL_CODES = frozenset({"session_expired", "insufficient_quota", "invalid_api_key"})
FOREVER = frozenset({"authentication_error", "permission_error", "invalid_request_error"})
"""Types that another connection would be answered with, too."""
FOREVER_CODES = frozenset({"insufficient_quota", "invalid_api_key", "model_not_found"})
WORDS_AT_A_TIME = 40
"""Characters of the agent's words that are told at a time, while they come."""
MOST_WAITING = 20
ASKED = "asked_"
"""How the ids of messages begin that ask for a response."""
EXACTLY = "Say exactly the following to the caller, word for word, and nothing else: "


class OpenAIConversations:
    """DialogueVendor over `/realtime?model=…`."""

    name = "openai"
    greets = False
    resumes = True
    leaves = False

    def __init__(self, settings: RealtimeConversationSettings) -> None:
        self._settings = settings

    async def dial(self, brief: Brief) -> Dial:
        model = brief.settings.model or self._settings.model
        key = self._settings.api_key
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "realtime", [("model", model)], name=self.name),
            headers=() if key is None else (("Authorization", f"Bearer {key}"),),
            secret=key,
        )

    def new_session(self, brief: Brief) -> "RealtimeConversation":
        return RealtimeConversation(brief, self._settings)


class RealtimeConversation:
    """DialogueSession: what is asked of the service, and what it says."""

    def __init__(self, brief: Brief, settings: RealtimeConversationSettings) -> None:
        self._brief = brief
        self._settings = settings
        self.ready = False
        self._active = False
        """A response is on its way; only one may be."""
        self._waiting: list[Mapping[str, object]] = []
        """Responses to ask for once that is over."""
        self._pending: Mapping[str, object] | None = None
        """The one asked for last, until it is seen to begin."""
        self._asked = 0
        self._words: dict[str, str] = {}
        """By item, words that were not told yet."""

    # ── to the service ───────────────────────────────────────────────────────────────────────

    def begin(self) -> Sequence[Frame]:
        session = session_of(self._brief, self._settings)
        return (to_json(type="session.update", session=session),)

    def take_up(self) -> Sequence[Frame]:
        return [created(item) for message in self._brief.dialogue for item in items_of(message)]

    def audio(self, pcm: bytes) -> Sequence[Frame]:
        return (to_json(type="input_audio_buffer.append", audio=to_text(to_ulaw(pcm))),)

    def tell(self, what: ToService) -> Sequence[Frame]:
        match what:
            case Respond():
                return self._respond({})
            case Say(text):
                exactly = f"{EXACTLY}{json.dumps(text, ensure_ascii=False)}"
                return self._respond({"instructions": exactly, "tool_choice": "none"})
            case PassOn(text):
                return [created(text_item(Role.USER, text)), *self._respond({})]
            case Inform(text):
                return (created(text_item(Role.SYSTEM, text)),)
            case OfferTools(tools):
                session = {"type": "realtime", "tools": [tool_of(tool) for tool in tools]}
                return (to_json(type="session.update", session=session),)
            case AnswerTool(id, _, result):
                return (created(output(id, result)),)
            case ReportHeard(item, seconds):
                end = int(1000 * seconds)
                return (
                    to_json(
                        type="conversation.item.truncate",
                        item_id=item,
                        content_index=0,
                        audio_end_ms=end,
                    ),
                )
            case Hush():
                self._waiting.clear()
                busy = self._active or self._pending is not None
                return (to_json(type="response.cancel"),) if busy else ()
            case _:
                assert_never(what)

    def _respond(self, response: Mapping[str, object]) -> Sequence[Frame]:
        if not response and {} in self._waiting:
            return ()  # one answer will do for all that is to be answered
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(response)
        return self._next_response()

    def _next_response(self) -> Sequence[Frame]:
        if self._active or self._pending is not None or not self._waiting:
            return ()
        self._pending = self._waiting.pop(0)
        self._asked += 1
        response = {**self._pending, "metadata": {"asked": self._id()}}
        return (to_json(type="response.create", event_id=self._id(), response=response),)

    def _id(self) -> str:
        return f"asked_{self._asked}"

    # ── from the service ─────────────────────────────────────────────────────────────────────

    def receive(self, frame: Frame) -> Received:
        message = read_json(frame)
        match message:
            case {"type": "session.updated"}:
                self.ready = True
            case {"type": "error", "error": dict(error)}:
                return self._complained(error)
            case {"type": "response.created", "response": dict(response)}:
                self._active = True
                if response.get("metadata") == {"asked": self._id()}:
                    self._pending = None
            case {"type": "response.done", "response": dict(response)}:
                return self._response_done(response)
            case {"type": str(kind), "item_id": str(item)}:
                return Received(self._of_item(kind, item, message))
            case {"type": str(kind), "item": dict(item)} if kind.startswith("response."):
                return Received(self._output_item(kind, item))
            case {"type": str()}:
                pass
            case _:
                raise Garbage("sent a message without a type")
        return Received()

    def _of_item(
        self, kind: str, item: str, message: Mapping[str, object]
    ) -> Sequence[DialogueEvent]:
        match kind:
            case "input_audio_buffer.speech_started":
                return (CalleeBegan(item),)
            case "input_audio_buffer.speech_stopped":
                return (CalleeDone(item),)
            case "conversation.item.input_audio_transcription.completed":
                return (CalleeWords(item, _string(message, "transcript")),)
            case "conversation.item.input_audio_transcription.failed":
                return (CalleeWords(item, ""),)
            case "response.output_audio.delta":
                return (Sound(item, from_ulaw(decoded(message.get("delta")))),)
            case "response.output_audio_transcript.delta":
                return self._more_words(item, _string(message, "delta"))
            case "response.output_audio_transcript.done":
                self._words.pop(item, None)
                return (AgentWords(item, _string(message, "transcript"), True),)
            case _:
                return ()

    def _more_words(self, item: str, text: str) -> Sequence[DialogueEvent]:
        words = self._words.get(item, "") + text
        if len(words) < WORDS_AT_A_TIME and item in self._words:
            self._words[item] = words
            return ()
        self._words[item] = ""
        return (AgentWords(item, words, False),)

    def _output_item(self, kind: str, item: Mapping[str, object]) -> Sequence[DialogueEvent]:
        match kind, item:
            case (
                "response.output_item.done",
                {
                    "type": "function_call",
                    "call_id": str(call),
                    "name": str(name),
                    "arguments": str(arguments),
                },
            ):
                if item.get("status") != "incomplete":  # it was interrupted: it means nothing
                    return (ToolRequested(0, call, name, arguments),)
            case "response.output_item.done", {"type": "message", "id": str(id)}:
                return (ItemOver(id),)
            case "response.output_item.done", {"type": "function_call"}:
                raise Garbage("sent a function call without its name or arguments")
            case _:
                pass
        return ()

    def _response_done(self, response: Mapping[str, object]) -> Received:
        self._active, self._pending = False, None
        match response:
            case {"status": "failed", "status_details": {"error": dict(error)}}:
                retryable = in_words(error.get("code")) not in FOREVER_CODES
                raise VendorFailed(_told(error), retryable=retryable)
            case {"status": "failed"}:
                raise VendorFailed("a response failed", retryable=True)
            case _:
                return Received((ResponseOver(),), self._next_response())

    def _complained(self, error: Mapping[str, object]) -> Received:
        kind, code = in_words(error.get("type")), in_words(error.get("code"))
        if not self.ready or kind in FATAL or code in FATAL_CODES:
            forever = kind in FOREVER or code in FOREVER_CODES
            raise VendorFailed(_told(error), retryable=not forever or code == "session_expired")
        if error.get("event_id") == self._id() and self._pending is not None:
            if code == BUSY:  # it has begun to answer the callee by itself: ours follows that
                self._waiting.insert(0, self._pending)
            self._pending = None
        elif code == NOT_ACTIVE:
            self._active = False
        return Received((), self._next_response())


def _string(message: Mapping[str, object], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise Garbage(f"sent {message.get('type')} without {name}")
    return value


def _told(error: Mapping[str, object]) -> str:
    said = error.get("message") or error.get("code") or error.get("type")
    return in_words(said)
