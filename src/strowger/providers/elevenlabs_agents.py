"""Conversations with an agent that is kept at ElevenLabs.

https://elevenlabs.io/docs/eleven-agents/api-reference/eleven-agents/websocket
https://elevenlabs.io/docs/eleven-agents/customization/events/client-events

The agent's prompt, voice, model and tools are those kept there, but for what is overridden. It
takes turns, greets and breaks silences by itself, and cuts itself where it is interrupted. Which
sound it takes and sends, it says when the conversation begins: µ-law, or PCM at a rate of its own.

There are no ends of what it says and no names for it: what comes after words of the callee's, an
interruption or a tool is another item. It cannot be told an earlier conversation, so a connection
that is lost is not replaced.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import urlsplit

import httpx2

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
    Say,
    ToService,
)
from strowger.errors import ProviderError
from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE, DialogueEvent, Sound, Word
from strowger.providers.complaints import RETRIED_STATUSES, complaint_of, describe, fault_of
from strowger.providers.elevenlabs import SpelledWords
from strowger.providers.sound_text import decoded, from_ulaw, to_text, to_ulaw
from strowger.providers.streamed_dialogue import Received
from strowger.providers.websocket import (
    Dial,
    Frame,
    Garbage,
    VendorFailed,
    as_json,
    checked_key,
    in_words,
    read_json,
    socket_url,
    to_json,
)

RATES = frozenset({8000, 16000, 22050, 24000, 44100, 48000})
ULAW = "ulaw_8000"
PCM = "pcm_16000"
"""What is meant where nothing is said."""
SIGNED_WITHIN = 5.0
POLICY = 1008
"""How errors are numbered that another connection would meet with, too."""
UNDERSTOOD = frozenset(
    {
        "agent_response", "audio", "client_tool_call", "conversation_initiation_metadata", "ping",
        "user_transcript",
    }
)  # fmt: skip
"""Messages that have to be as they are expected; others may be anything."""
EXACTLY = (
    "(This is an instruction of the system and not said by the caller. Say exactly the following,"
    " word for word, and nothing else: "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevenLabsAgentsSettings:
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    """None for agents that are public."""


class ElevenLabsAgents:
    """DialogueVendor over `/v1/convai/conversation`."""

    name = "elevenlabs"
    greets = True
    resumes = False
    leaves = True

    def __init__(self, settings: ElevenLabsAgentsSettings) -> None:
        self._settings = settings

    async def dial(self, brief: Brief) -> Dial:
        """Where the service says that the conversation is; without a key, the agent's address."""
        agent = brief.settings.agent_id
        if agent is None:
            raise ProviderError("elevenlabs: the agent names no agent_id", retryable=False)
        query, key = [("agent_id", agent)], self._settings.api_key
        if key is None:
            path = "v1/convai/conversation"
            url = socket_url(self._settings.base_url, path, query, name=self.name)
            return Dial(name=self.name, url=url)
        url = await signed_url(self._settings.base_url, key, agent)
        return Dial(name=self.name, url=url, secret=urlsplit(url).query)

    def new_session(self, brief: Brief) -> "AgentsConversation":
        return AgentsConversation(brief)


async def signed_url(base_url: str, key: str, agent: str) -> str:
    """The address of one conversation with an agent, which nobody else can use."""
    name = ElevenLabsAgents.name
    path = f"{base_url.rstrip('/')}/v1/convai/conversation/get-signed-url"
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=SIGNED_WITHIN) as client:
            headers = {"xi-api-key": checked_key(key, name=name)}
            answer = await client.get(path, params={"agent_id": agent}, headers=headers)
    except httpx2.HTTPError as error:
        problem = f"{name} cannot be reached: {describe(error)}"
        raise ProviderError(problem, retryable=True) from error
    if not answer.is_success:
        _, said = complaint_of(answer.content)
        problem = f"{name} {fault_of(answer.status_code)} ({answer.status_code}"
        problem += f": {said})" if said else ")"
        retryable = answer.status_code in RETRIED_STATUSES
        raise ProviderError(problem.replace(key, "***"), retryable=retryable)
    try:
        url = answer.json()["signed_url"]
    except (ValueError, TypeError, KeyError, RecursionError):
        url = None
    if not isinstance(url, str) or urlsplit(url).scheme not in {"ws", "wss"}:
        raise ProviderError(f"{name} sent no address of a conversation", retryable=True)
    return url


class AgentsConversation:
    """DialogueSession: numbers what both sides say, as the service does not."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self.ready = False
        self._encode: Callable[[bytes], bytes] = to_ulaw
        self._decode: Callable[[bytes], bytes] = from_ulaw
        self._agents = 0
        self._callees = 0
        """Items so far, the one that is open included."""
        self._open = False
        """What comes of the agent's belongs to its last item."""
        self._said = False
        """The words of that item are told."""
        self._sound = 0
        """Bytes of its sound so far, at LINE_RATE."""
        self._spelled = SpelledWords()
        self._cut_at = -1
        """The service's number of the last interruption: sound up to it is not wanted."""

    # ── to the service ───────────────────────────────────────────────────────────────────────

    def begin(self) -> Sequence[Frame]:
        brief = self._brief
        agent: dict[str, object] = {}
        if brief.instructions:
            agent["prompt"] = {"prompt": brief.instructions}
        if brief.waits_for_callee:
            agent["first_message"] = ""
        elif brief.first_message:
            agent["first_message"] = brief.first_message
        override: dict[str, object] = {"agent": agent} if agent else {}
        if brief.settings.voice is not None:
            override["tts"] = {"voice_id": brief.settings.voice}
        return (
            to_json(
                type="conversation_initiation_client_data",
                conversation_config_override=override,
                dynamic_variables=dict(brief.variables),
            ),
        )

    def take_up(self) -> Sequence[Frame]:
        """Agents that another one hands a call to are told of it in the background."""
        if not self._brief.dialogue:
            return ()
        said = "\n".join(
            f"{message.role.value}: {message.text}"
            for message in self._brief.dialogue
            if message.text
        )
        return self.tell(Inform(f"The call until now:\n{said}"))

    def audio(self, pcm: bytes) -> Sequence[Frame]:
        return (to_json(user_audio_chunk=to_text(self._encode(pcm))),)

    def tell(self, what: ToService) -> Sequence[Frame]:
        match what:
            case Say(text):
                exactly = f"{EXACTLY}{json.dumps(text, ensure_ascii=False)})"
                return (to_json(type="user_message", text=exactly),)
            case PassOn(text):
                return (to_json(type="user_message", text=text),)
            case Inform(text):
                return (to_json(type="contextual_update", text=text),)
            case AnswerTool(id, ok, result):
                kind = "client_tool_result"
                return (to_json(type=kind, tool_call_id=id, result=result, is_error=not ok),)
            case Respond() | OfferTools() | ReportHeard() | Hush():
                return ()  # it does so by itself, or cannot be asked to
            case _:
                assert_never(what)

    # ── from the service ─────────────────────────────────────────────────────────────────────

    def receive(self, frame: Frame) -> Received:
        message = read_json(frame)
        match message:
            case {
                "type": "conversation_initiation_metadata",
                "conversation_initiation_metadata_event": dict(told),
            }:
                return self._initiated(told)
            case {"type": "audio", "audio_event": dict(told)}:
                return Received(self._audio(told))
            case {"type": "agent_response", "agent_response_event": {"agent_response": str(text)}}:
                return Received(self._agent_said(text))
            case {
                "type": "user_transcript",
                "user_transcription_event": {"user_transcript": str(text)},
            }:
                return Received(self._callee_said(text))
            case {"type": "interruption"}:
                return Received(self._interrupted(message.get("interruption_event")))
            case {"type": "ping", "ping_event": {"event_id": int(id)}}:
                return Received((), (to_json(type="pong", event_id=id),))
            case {"type": "client_tool_call", "client_tool_call": dict(call)}:
                return Received(self._tool_called(call))
            case {"type": "error", "error_event": dict(error)}:
                said = error.get("message") or error.get("reason") or error.get("error_type")
                raise VendorFailed(in_words(said), retryable=error.get("code") != POLICY)
            case {"type": "error"}:
                raise VendorFailed("it ended the conversation", retryable=True)
            case {"type": str(kind)} if kind not in UNDERSTOOD:
                return Received()
        raise Garbage("sent a message that is not of its protocol")

    def _initiated(self, told: Mapping[str, object]) -> Received:
        sends = str(told.get("agent_output_audio_format", PCM))
        takes = str(told.get("user_input_audio_format", PCM))
        if sends != ULAW:
            self._decode = Resampler(_rate(sends), LINE_RATE).process
        if takes != ULAW:
            self._encode = Resampler(LINE_RATE, _rate(takes)).process
        self.ready = True
        return Received()

    def _audio(self, told: Mapping[str, object]) -> Sequence[DialogueEvent]:
        place = told.get("event_id")
        if isinstance(place, int) and place <= self._cut_at:
            return ()
        pcm = self._decode(decoded(told.get("audio_base_64")))
        events = list(self._opened())
        words = self._aligned(told.get("alignment"))
        self._sound += len(pcm)
        if words and not self._said:
            text = " ".join(word.text for word in words)
            events.append(AgentWords(self._item, f"{text} ", False))
        return [*events, Sound(self._item, pcm, words)]

    def _aligned(self, alignment: object) -> tuple[Word, ...]:
        match alignment:
            case {
                "chars": list(chars),
                "char_start_times_ms": list(starts),
                "char_durations_ms": list(durations),
            } if len(chars) == len(starts) == len(durations):
                began = self._sound / (2 * LINE_RATE)
                found = self._spelled.take(chars, starts, durations, began)
                return tuple(
                    Word(word.text, word.start - began, word.end - began) for word in found
                )
            case _:
                return ()  # words are counted without

    def _agent_said(self, text: str) -> Sequence[DialogueEvent]:
        events: list[DialogueEvent] = []
        if self._open and self._said:  # these are the words of something else
            events += self._closed()
        events += self._opened()
        self._said = True
        return [*events, AgentWords(self._item, text.strip(), True)]

    def _callee_said(self, text: str) -> Sequence[DialogueEvent]:
        item = self._callee_item()
        self._callees += 1
        return [*self._closed(), CalleeDone(item), CalleeWords(item, text)]

    def _interrupted(self, told: object) -> Sequence[DialogueEvent]:
        if isinstance(told, dict) and isinstance(told.get("event_id"), int):
            self._cut_at = told["event_id"]
        return [CalleeBegan(self._callee_item()), *self._closed()]

    def _tool_called(self, call: Mapping[str, object]) -> Sequence[DialogueEvent]:
        match call:
            case {"tool_name": str(name), "tool_call_id": str(id)}:
                arguments = as_json(call.get("parameters") or {})
                return [*self._closed(), ToolRequested(0, id, name, arguments)]
        raise Garbage("sent a tool call without its name or id")

    @property
    def _item(self) -> str:
        return f"agent {self._agents}"

    def _callee_item(self) -> str:
        return f"callee {self._callees + 1}"

    def _opened(self) -> Sequence[DialogueEvent]:
        if not self._open:
            self._open, self._said = True, False
            self._agents += 1
            self._sound, self._spelled = 0, SpelledWords()
        return ()

    def _closed(self) -> Sequence[DialogueEvent]:
        if not self._open:
            return ()
        self._open = False
        return (ItemOver(self._item),)


def _rate(name: str) -> int:
    """Of PCM at a rate that is told as `pcm_16000`."""
    kind, _, rate = name.partition("_")
    if kind != "pcm" or not rate.isdigit() or int(rate) not in RATES:
        problem = f"it speaks {name[:40]}, and can be heard only in ulaw_8000 or PCM"
        raise VendorFailed(problem, retryable=False)
    return int(rate)
