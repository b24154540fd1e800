"""What the application needs of the world, in its own words."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from strowger.agent import AgentDefinition, ModelSettings, TranscriberSettings, VoiceSettings
from strowger.lifecycle import CallStatus
from strowger.media import events as media
from strowger.model import (
    Agent,
    AgentId,
    ApiKey,
    Call,
    CallId,
    CallResult,
    Event,
    NumberId,
    Page,
    PhoneNumber,
    Recording,
    Trunk,
    TrunkId,
    Turn,
    Webhook,
    WebhookId,
    WorkerId,
    WorkspaceId,
)

LINE_RATE = 8000
"""Samples per second of all PCM at these ports: mono, signed 16-bit, little-endian."""


# ── telephony ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    call_id: CallId
    to: str
    """E.164 number, or a `sip:` URI."""
    caller_id: str | None
    trunk: Trunk
    ring_timeout: float
    recording: Path | None
    """Where to write the stereo WAV file; None to record nothing."""


@dataclass(frozen=True, slots=True)
class LineHungUp:
    """The far end or the network ended the call."""

    reason: str
    hangup_cause: int | None = None


LineEvent = (
    media.SpeechStarted
    | media.SpeechStopped
    | media.DigitReceived
    | media.PlayoutStarted
    | media.PlayoutEnded
    | media.DigitsSent
    | media.MediaLost
    | LineHungUp
)


class Line(Protocol):
    """One answered call: audio in, audio out, and what happens on it."""

    async def next_event(self) -> LineEvent:
        """Wait for the next thing to happen. After LineHungUp nothing more comes."""

    def captured(self, position: int) -> tuple[bytes, int]:
        """The far end's PCM from `position` until now, and the position where it ends.

        A position older than the ring is moved to the oldest sample kept (some 8 seconds).
        """

    def begin_utterance(self, utterance: int) -> None: ...

    async def write(self, pcm: bytes) -> None:
        """Queue PCM of the utterance begun last; waits while the ring is full."""

    def end_utterance(self, utterance: int) -> None: ...

    def stop_playing(self) -> None:
        """Silence the line at once; a PlayoutEnded follows for each utterance not yet ended."""

    def send_digits(self, digits: str) -> None: ...

    def recorded(self) -> Recording:
        """What has been written to the recording so far."""


class Telephone(Protocol):
    def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[Line]:
        """Ring the callee; enter when somebody answered, hang up on exit.

        `on_ringing` hears the status of each provisional answer. Raises CallRefused.
        """


# ── providers ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Recognised:
    text: str
    """All words of the turn so far."""
    final: bool
    """Includes everything sent before the last `flush`."""
    confidence: float | None = None


class Recognition(Protocol):
    """The recognition of one turn of the callee's."""

    async def send(self, pcm: bytes) -> None: ...

    async def flush(self) -> None:
        """The callee fell silent: a final result for all that was sent so far is wanted.

        More may follow, when the silence was only a pause.
        """

    def results(self) -> AsyncIterator[Recognised]: ...


class SpeechToText(Protocol):
    async def warm(self) -> None:
        """Get ready, so that the first turn need not wait for a start; may do nothing."""

    def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AbstractAsyncContextManager[Recognition]:
        """Recognise one turn. `phrases` are the answers that may come; empty for any.

        Everything here raises ProviderError and nothing else.
        """


class TextToSpeech(Protocol):
    def speak(self, text: str, settings: VoiceSettings, *, language: str) -> AsyncIterator[bytes]:
        """PCM at LINE_RATE in pieces as they become ready. Raises ProviderError."""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    """`system`, `user` or `assistant`."""
    text: str


class LanguageModel(Protocol):
    def reply(self, dialogue: Sequence[Message], settings: ModelSettings) -> AsyncIterator[str]:
        """Pieces of the reply's text as the model writes them. Raises ProviderError."""


class Providers(Protocol):
    """The configured providers by name. An unknown name raises ProviderError."""

    def speech_to_text(self, name: str) -> SpeechToText: ...
    def text_to_speech(self, name: str) -> TextToSpeech: ...
    def language_model(self, name: str) -> LanguageModel: ...
    def fallback_voice(self) -> TextToSpeech | None:
        """A voice that needs no network, where one is installed."""


# ── store, as the worker sees it ─────────────────────────────────────────────────────────────


class CallStore(Protocol):
    """Calls in progress. Each method is one transaction; status and event go together."""

    async def get_call(self, call_id: CallId) -> Call:
        """Raises NotFound."""

    async def get_trunk_of(self, call: Call) -> Trunk: ...

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        """Commit the one dial attempt a call has; False where it was made before."""

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        """Move a call on, with its event. Raises Conflict where its status does not allow it."""

    async def add_turn(self, call_id: CallId, turn: Turn, *, now: float) -> None: ...

    async def finish(self, call_id: CallId, result: CallResult) -> None:
        """Write the terminal status, everything the call left, and its events, once."""

    async def beat(self, worker: WorkerId, *, lines: int, busy: int, now: float) -> None:
        """This worker lives."""

    async def settle_lost_calls(self, *, now: float, silent_for: float) -> list[CallId]:
        """End the calls of workers that have not beaten for that long: failed, worker_lost."""

    async def end_requested(self, worker: WorkerId) -> list[CallId]:
        """Calls of this worker that a customer asked to end."""


# ── store, as the API sees it ────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls a list is to hold; None for any."""

    status: CallStatus | None = None
    agent_id: AgentId | None = None
    to: str | None = None


class Records(Protocol):
    """What customers own. Every method is one transaction and sees one workspace only.

    `get_…`, `replace_…` and `delete_…` raise NotFound for what is not in the workspace; lists are
    newest first, and a cursor that was not made here raises InvalidRequest. Where the database
    cannot be reached everything raises Unavailable.
    """

    async def key_by_hash(self, sha256: bytes) -> ApiKey | None: ...
    async def add_key(self, key: ApiKey, sha256: bytes) -> None: ...

    async def add_agent(self, agent: Agent) -> None: ...
    async def get_agent(self, workspace: WorkspaceId, agent: AgentId) -> Agent: ...
    async def list_agents(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Agent]: ...
    async def replace_agent(
        self, workspace: WorkspaceId, agent: AgentId, definition: AgentDefinition, *, now: float
    ) -> Agent:
        """Store a new version; the event `agent.updated` goes with it."""

    async def delete_agent(self, workspace: WorkspaceId, agent: AgentId) -> None: ...

    async def add_trunk(self, trunk: Trunk) -> None:
        """A trunk with `is_default` takes that from the others of its workspace."""

    async def get_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk: ...
    async def default_trunk(self, workspace: WorkspaceId) -> Trunk | None: ...
    async def list_trunks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Trunk]: ...
    async def replace_trunk(self, trunk: Trunk) -> None: ...
    async def delete_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        """Raises Conflict while calls that are not over use it."""

    async def add_number(self, number: PhoneNumber) -> None:
        """Raises Conflict where the workspace has the number."""

    async def get_number(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber: ...
    async def find_number(self, workspace: WorkspaceId, number: str) -> PhoneNumber | None: ...
    async def list_numbers(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]: ...
    async def replace_number(self, number: PhoneNumber) -> None: ...
    async def delete_number(self, workspace: WorkspaceId, number: NumberId) -> None: ...

    async def add_call(self, call: Call) -> None:
        """Call, event `call.queued`, its webhook deliveries and the dial job, together."""

    async def get_call_of(self, workspace: WorkspaceId, call: CallId) -> Call: ...
    async def list_calls(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        """Without transcripts: `get_call_of` has them."""

    async def request_end(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        """End a call: one that waits is canceled at once, a live one is told to its worker.

        Raises Conflict for a call that is over.
        """

    async def events_of(
        self, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        """In order, those whose `sequence` is greater than `after`."""

    async def add_webhook(self, webhook: Webhook) -> None: ...
    async def get_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook: ...
    async def list_webhooks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Webhook]: ...
    async def replace_webhook(self, webhook: Webhook) -> None: ...
    async def delete_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> None: ...

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""


# ── store, as webhook delivery sees it ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one address."""

    id: str
    url: str
    secret: str
    event: Event
    attempts: int
    """Made so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one try."""

    at: float
    status: int | None
    """HTTP status, None where there was no answer."""
    answer: str
    """The first 2 KB of the answer's body, or what went wrong."""
    duration: float


class Outbox(Protocol):
    async def get_delivery(self, delivery: str) -> Delivery | None:
        """None for one that is done, given up or gone."""

    async def record_attempt(
        self, delivery: str, attempt: Attempt, *, delivered: bool, retry_at: float | None
    ) -> None:
        """`retry_at` None and not delivered: given up. Plans the next try in one transaction."""
