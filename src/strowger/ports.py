"""What the application needs of the world, in its own words."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from strowger.agent import (
    AgentDefinition,
    HttpTool,
    McpTool,
    ModelSettings,
    Scalar,
    TranscriberSettings,
    VoiceSettings,
)
from strowger.conversation.dialogue import Message, OfferedTool, ToolCall
from strowger.conversation.events import FoundTool, ProviderKind
from strowger.lifecycle import CallStatus, EndReason
from strowger.media import events as media
from strowger.model import (
    NATIVE_FORMAT,
    Actor,
    Agent,
    AgentId,
    AgentVersion,
    ApiKey,
    AuditEntry,
    Call,
    CallAnalysis,
    CallCommand,
    CallId,
    CallResult,
    DeliveryId,
    DialectRecord,
    Event,
    KeptAnswer,
    KeyId,
    LineFigures,
    NumberId,
    Page,
    PhoneNumber,
    Recording,
    Secret,
    SecretId,
    StoredAnswer,
    Trunk,
    TrunkId,
    Turn,
    Webhook,
    WebhookId,
    WorkerId,
    Workspace,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDial:
    """A call of a test key. It names no trunk, so there is none that it could reach."""

    call_id: CallId
    to: str
    """Who is to answer: see `calls/simulated.py`."""
    caller_id: str | None
    ring_timeout: float
    recording: Path | None


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

    async def transfer(self, to: str, on_accepted: Callable[[], None]) -> None:
        """Have the far end put the callee through to an E.164 number or `sip:` URI.

        `on_accepted` hears that it tries; from then on it may end this call at any moment.
        Returns when it says that somebody has answered. Raises TransferRefused.
        """

    def recorded(self) -> Recording:
        """What has been written to the recording so far."""

    def measured(self) -> LineFigures | None:
        """What became of the audio; None until the line is closed."""


class Telephone(Protocol):
    def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[Line]:
        """Ring the callee; enter when somebody answered, hang up on exit.

        `on_ringing` hears the status of each provisional answer. Raises CallRefused.
        """


class SimulatedTelephone(Protocol):
    def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[Line]:
        """The same for a callee that is simulated on this machine, over real SIP and RTP.

        Raises CallRefused, and Unavailable where no callee can be simulated.
        """


# ── providers ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Word:
    """One word and where it lies, in seconds from the first sample of the turn or utterance."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    """From 0 to 1, where a recogniser says how sure it is."""


class TurnSign(StrEnum):
    """What a recogniser that listens for ends of turns makes of the present one."""

    PERHAPS_OVER = "perhaps_over"
    """Good enough to begin on a reply; RESUMED takes it back."""
    OVER = "over"
    RESUMED = "resumed"
    """The callee speaks on after all."""


@dataclass(frozen=True, slots=True)
class Recognised:
    text: str
    """All words of the turn so far."""
    final: bool
    """Includes everything sent before the last `flush`."""
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    """Those of `text`, where the recogniser tells their times."""
    sign: TurnSign | None = None
    """What changed with this result, where the recogniser listens for ends of turns."""


class Recognition(Protocol):
    """The recognition of one turn of the callee's."""

    async def send(self, pcm: bytes) -> None: ...

    async def flush(self) -> None:
        """The callee fell silent: a final result for all that was sent so far is wanted.

        More may follow, when the silence was only a pause.
        """

    def results(self) -> AsyncIterator[Recognised]: ...


class SpeechToText(Protocol):
    async def warm(self, settings: TranscriberSettings, *, language: str) -> None:
        """Get ready, so that the first turn need not wait for a start; may do nothing.

        What goes wrong here is not told: the first turn will.
        """

    def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AbstractAsyncContextManager[Recognition]:
        """Recognise one turn. `phrases` are the answers that may come; empty for any.

        Everything here raises ProviderError and nothing else.
        """


class TurnJudge(Protocol):
    async def judge(self, pcm: bytes) -> float | None:
        """From the sound up to a pause: 0, the callee goes on, to 1, he is done.

        At most 8 seconds are looked at. None where it cannot tell, or not in time.
        """


class TextToSpeech(Protocol):
    def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        """PCM at LINE_RATE in pieces as they become ready. Raises ProviderError.

        A voice that knows when its words are spoken says so between the pieces, each word once
        and in order; a word may come before its sound or after it.
        """


async def pcm_of(speech: AsyncIterator[bytes | Word]) -> AsyncGenerator[bytes, None]:
    """The sound alone. Closing this closes the speech, and with it what it holds open."""
    try:
        async for piece in speech:
            if isinstance(piece, bytes):
                yield piece
    finally:
        if isinstance(speech, AsyncGenerator):
            await speech.aclose()


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A piece of what the model wants said, as it writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnd:
    """The model is done: nothing follows."""

    input_tokens: int | None = None
    """What was read, where the provider tells."""
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """How many of `input_tokens` the provider knew already."""
    truncated: bool = False
    """The limit of tokens cut the reply off."""


ReplyPart = ReplyText | ToolCall | ReplyEnd


class LanguageModel(Protocol):
    def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        """The reply as the model writes it, ended by exactly one ReplyEnd.

        A ToolCall comes whole, once the model has finished it; its arguments are handed on as
        they were written, broken or not, but its name is one of `tools`' or of the model's own
        invention, never empty. A reply without a text and without a tool is a failure.

        Leaving early stops the model. Raises ProviderError and nothing else.
        """


# ── tools ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The call that a tool is used in."""

    workspace_id: WorkspaceId
    """Whose secrets it may use."""
    variables: Mapping[str, Scalar]


class Toolbox(Protocol):
    """Does what agents' tools say, on servers of the customer's, for one call."""

    async def use(self, tool: HttpTool | McpTool, remote: str, arguments: str, *, key: str) -> str:
        """What the server answered, for the model to read. Tried once.

        `remote` is the name of an MCP server's tool; `arguments` a JSON object; `key` is the same
        for the same use and goes to the server, which may know it again. Raises ToolFailed, or
        Unavailable before anything was asked.
        """

    async def find(self, server: McpTool) -> Sequence[FoundTool]:
        """The tools of an MCP server. Raises ToolFailed or Unavailable."""


class Toolboxes(Protocol):
    def opened(self, context: ToolContext) -> AbstractAsyncContextManager[Toolbox]:
        """The toolbox of one call."""


class Secrets(Protocol):
    async def secrets(self, workspace: WorkspaceId, names: Sequence[str]) -> Mapping[str, str]:
        """Those that there are. Raises Unavailable."""


class Providers(Protocol):
    """The configured providers by name. An unknown name raises ProviderError."""

    def speech_to_text(self, name: str) -> SpeechToText: ...
    def text_to_speech(self, name: str) -> TextToSpeech: ...
    def language_model(self, name: str) -> LanguageModel: ...
    def fallback_voice(self) -> TextToSpeech | None:
        """A voice that needs no network, where one is installed."""


class ProviderObserver(Protocol):
    """Hears how the providers do."""

    def provider_answered(self, kind: ProviderKind, name: str, seconds: float) -> None:
        """It took so long from the question to the first sound or word, or from a pause of the
        callee's to the final words."""

    def provider_failed(self, kind: ProviderKind, name: str) -> None:
        """It failed, or kept silent for too long; whether another went on, this does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDescription:
    """One provider, as `strowger doctor` and the lists of voices and models show it."""

    kind: ProviderKind
    name: str
    available: bool
    problem: str | None = None
    """Why it is not available."""
    voices: tuple[str, ...] = ()
    default: str | None = None
    """The voice or model that is used where an agent names none."""


class Catalogue(Protocol):
    """What the configured providers offer."""

    async def describe(self) -> Sequence[ProviderDescription]: ...


# ── a trunk, looked at without a call ────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkReport:
    """What came of asking a trunk whether it is there."""

    problem: str | None
    """None where calls can be expected to go through; else a word for programs, such as
    `no_answer`."""
    detail: str
    """The same in a sentence, with what to do."""
    address: str | None = None
    """What its name led to."""
    sip_status: int | None = None
    reason: str | None = None
    """What it answered."""
    methods: tuple[str, ...] = ()
    """From its Allow header."""
    codecs: tuple[str, ...] = ()
    """From the description in its answer, where it sent one."""
    round_trip: float | None = None
    """Seconds from the question to the answer."""


class TrunkChecker(Protocol):
    async def check(self, trunk: Trunk) -> TrunkReport:
        """Answers within some seconds, whatever the trunk does."""


# ── store, as the worker sees it ─────────────────────────────────────────────────────────────


class CallStore(Protocol):
    """Calls in progress. Each method is one transaction; status and event go together."""

    async def get_call(self, call_id: CallId) -> Call:
        """Raises NotFound."""

    async def get_trunk_of(self, call: Call) -> Trunk:
        """Raises NotFound for one that has been deleted, and for a test call, which has none."""

    async def get_agent_of(self, call: Call, agent: AgentId) -> AgentDefinition:
        """As it is now. Raises NotFound where the call's workspace has no such agent."""

    async def note_tool_use(
        self, call_id: CallId, use: int, name: str, arguments: str, *, now: float
    ) -> bool:
        """Commit that a tool is about to be used; False where that was noted before."""

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        """Commit the one dial attempt a call has; False where it was made before."""

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        """Move a call on, with its event. Raises Conflict where its status does not allow it."""

    async def add_turn(self, call_id: CallId, turn: Turn, *, now: float) -> None: ...

    async def finish(self, call_id: CallId, result: CallResult) -> None:
        """Write the terminal status, everything the call left, and its events, once."""

    async def beat(self, worker: WorkerId, *, lines: int, busy: int) -> None:
        """This worker lives."""

    async def settle_lost_calls(self, *, now: float, silent_for: float) -> list[CallId]:
        """End the calls of workers that have not beaten for that long: failed, worker_lost.

        The silence is measured by the database's clock, as the workers' own may differ; `now` is
        when the calls ended, in the clock that writes all times of calls.
        """

    async def held(self, worker: WorkerId) -> frozenset[CallId]:
        """Calls of this worker that are not over."""

    async def waiting_commands(self, calls: Sequence[CallId]) -> list[CallCommand]:
        """What customers want of these calls, in order. Handed out until `obeyed`: an answer that
        gets lost loses no command, so who performs them has to remember which it has done."""

    async def obeyed(self, ids: Sequence[int]) -> None:
        """The commands with these ids need not be handed out any more."""


class Analyses(Protocol):
    """What is made of calls that are over. Each method is one transaction."""

    async def due(self, job: str) -> Call | None:
        """The call that a job is to analyse, with its transcript. None for one that is gone or
        has been analysed, and for a try that has been made."""

    async def write(
        self,
        call_id: CallId,
        analysis: CallAnalysis,
        summary: str | None,
        *,
        retry_at: float | None,
        now: float,
    ) -> None:
        """What came of a try, whose number is `analysis.attempts`; where that has been written
        before, nothing happens. One that is `pending` still has its next try planned at
        `retry_at`; else the event `call.analyzed` goes with it."""


class WaitingCalls(Protocol):
    """Calls that are not to be dialled yet. Each method is one transaction."""

    async def queue_scheduled(self, call_id: CallId, *, now: float) -> None:
        """Queue a scheduled call whose time has come, with its event and job. Raises NotFound."""

    async def release(self, workspace: WorkspaceId, *, now: float) -> float | None:
        """Let those be dialled that waited longest for a line, as far as there are lines.

        The answer is when to look again, where only a trunk's pace holds somebody back.
        """

    async def workspaces_waiting(self) -> list[WorkspaceId]:
        """Where any call waits for a line."""

    async def forget(self, *, now: float) -> None:
        """Drop what is kept for a time only: idempotency keys, commands nobody took."""


class Bell(Protocol):
    """Rings when something was committed, so that nobody has to look all the time.

    Only ever a reason to look sooner: it may not ring, so who waits looks by the clock as well.
    """

    def heard(self, topic: str | None) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something happens to `topic`, such as the id of a call
        or a worker; None for anything. The listener clears it before looking."""


class SilentBell:
    """A bell that never rings."""

    @contextmanager
    def heard(self, topic: str | None) -> Iterator[asyncio.Event]:
        yield asyncio.Event()


class RateStore(Protocol):
    """Requests counted per key, for all processes together."""

    async def count(self, key: KeyId, requests: int, *, window: float) -> int:
        """Count so many requests in the window that begins then; all of it so far."""


# ── store, as the API sees it ────────────────────────────────────────────────────────────────


ACTOR: ContextVar[Actor | None] = ContextVar("actor", default=None)
"""Who the present request comes from, for the audit log and for what a test key may not do; None
outside of requests.

Bound to a request's task as its log context is, so that what changes things need not be handed
something that only their record of it wants to know.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls a list is to hold; None for any."""

    status: CallStatus | None = None
    agent_id: AgentId | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGround:
    """What a workspace has for a new call to be drawn up from."""

    agent: Agent | None
    """The one asked for; None where there is none, or none was asked for."""
    default_trunk: TrunkId | None
    numbers: Mapping[str, TrunkId | None]
    """Phone numbers and the trunk of each: the one asked for or else the agent's own, where they
    are the workspace's, and two others at most: enough to know whether there is only one."""


class Records(Protocol):
    """What customers own. Every method is one transaction and sees one workspace only.

    `get_…`, `replace_…` and `delete_…` raise NotFound for what is not in the workspace; lists are
    newest first, and a cursor that was not made here raises InvalidRequest. Where the database
    cannot be reached everything raises Unavailable.

    `replace_…` answers the new version. It raises PreconditionFailed where the present version is
    not the one that its argument was made from, as its `version` says.

    What adds, replaces or deletes a key, agent, trunk, number, secret or webhook, and what ends,
    cancels or commands a call, writes to the audit log too, in the same transaction.
    """

    async def get_workspace(self, workspace: WorkspaceId) -> Workspace: ...
    async def rotate_workspace_secret(
        self, workspace: WorkspaceId, secret: str, *, previous_until: float, now: float
    ) -> Workspace:
        """A new secret for the `webhook_url` of calls and agents; the one until now, if there is
        one, signs as well until `previous_until`."""

    async def key_by_hash(self, sha256: bytes) -> ApiKey | None: ...
    async def add_key(self, key: ApiKey, sha256: bytes) -> None: ...
    async def get_key(self, workspace: WorkspaceId, key: KeyId) -> ApiKey: ...
    async def list_keys(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[ApiKey]: ...
    async def delete_key(self, workspace: WorkspaceId, key: KeyId) -> None: ...

    async def add_agent(self, agent: Agent) -> None: ...
    async def get_agent(self, workspace: WorkspaceId, agent: AgentId) -> Agent: ...
    async def list_agents(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Agent]: ...
    async def replace_agent(
        self,
        workspace: WorkspaceId,
        agent: AgentId,
        definition: AgentDefinition,
        *,
        was: int,
        now: float,
    ) -> Agent:
        """Store a new version; the event `agent.updated` goes with it.

        Raises PreconditionFailed where the present version is not `was`.
        """

    async def get_agent_version(
        self, workspace: WorkspaceId, agent: AgentId, version: int
    ) -> AgentVersion: ...
    async def list_agent_versions(
        self, workspace: WorkspaceId, agent: AgentId, *, limit: int, cursor: str | None
    ) -> Page[AgentVersion]: ...

    async def delete_agent(self, workspace: WorkspaceId, agent: AgentId) -> None: ...

    async def add_trunk(self, trunk: Trunk) -> None:
        """A trunk with `is_default` takes that from the others of its workspace."""

    async def get_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk: ...
    async def default_trunk(self, workspace: WorkspaceId) -> Trunk | None: ...
    async def list_trunks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Trunk]: ...
    async def replace_trunk(self, trunk: Trunk) -> Trunk: ...
    async def delete_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        """Raises Conflict while calls that are not over use it."""

    async def add_number(self, number: PhoneNumber) -> None:
        """Raises Conflict where the workspace has the number."""

    async def get_number(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber: ...
    async def find_number(self, workspace: WorkspaceId, number: str) -> PhoneNumber | None: ...
    async def list_numbers(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]: ...
    async def replace_number(self, number: PhoneNumber) -> PhoneNumber: ...
    async def delete_number(self, workspace: WorkspaceId, number: NumberId) -> None: ...

    async def call_ground(
        self, workspace: WorkspaceId, agent: AgentId | None, number: str | None
    ) -> CallGround:
        """What there is for a new call that names these, as of one moment."""

    async def add_call(self, call: Call, kept: KeptAnswer | None = None) -> None:
        """Call, event `call.queued`, its webhook deliveries, the dial job and the answer that is
        to be kept for the call's request, together.

        Raises Conflict where another request has taken the key of that answer.
        """

    async def get_call_of(self, workspace: WorkspaceId, call: CallId) -> Call: ...
    async def list_calls(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        """Without transcripts: `get_call_of` has them."""

    def together(self) -> AbstractAsyncContextManager[None]:
        """All that this task asks of the records meanwhile is done as one, or not at all."""

    async def find_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        """What a request with this Idempotency-Key was answered with; None for a new key, which
        is ours until the end of `together`.

        Raises Conflict where the key stands for another request, or one that still runs.
        """

    async def kept_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        """The same for who keeps the answer with the one thing that the request does: the key is
        not taken before that."""

    async def keep_answer(self, workspace: WorkspaceId, kept: KeptAnswer) -> None:
        """Raises Conflict where another request has taken the key."""

    async def cancel_call(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        """`request_end` for a call that nobody has answered; Conflict for others."""

    async def command_call(
        self, workspace: WorkspaceId, command: CallCommand, *, now: float
    ) -> Call:
        """Tell the worker that holds a call. Raises Conflict unless it is in progress."""

    async def figures_of(self, workspace: WorkspaceId, call: CallId) -> LineFigures | None:
        """What became of the audio; None while the call is not over, or was not answered."""

    async def events_since(
        self, workspace: WorkspaceId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        """Of the whole workspace, in order, those whose `sequence` is greater than `after`.

        None that is committed later has a smaller number than the last of these.
        """

    async def last_sequence(self, workspace: WorkspaceId) -> int:
        """The number of the newest event; 0 where there is none."""

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
    async def replace_webhook(self, webhook: Webhook) -> Webhook: ...
    async def delete_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> None: ...
    async def rotate_webhook(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        secret: str,
        *,
        previous_until: float,
        now: float,
    ) -> Webhook:
        """A new secret; the one until now signs as well until `previous_until`."""

    async def add_secret(self, secret: Secret) -> None:
        """Raises Conflict where the workspace has one of that name."""

    async def get_secret(self, workspace: WorkspaceId, secret: SecretId) -> Secret: ...
    async def list_secrets(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Secret]: ...
    async def replace_secret(self, secret: Secret) -> None:
        """Its value."""

    async def delete_secret(self, workspace: WorkspaceId, secret: SecretId) -> None: ...

    async def list_audit(
        self, workspace: WorkspaceId, resource: str | None, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        """`resource` is the id of the thing that was changed; None for all."""

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""


# ── store, as the dialects see it ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSearch:
    """Which calls a dialect's list is to hold, and in which order; None for any."""

    ids: tuple[CallId, ...] | None = None
    statuses: frozenset[CallStatus] | None = None
    end_reasons: frozenset[EndReason] | None = None
    agent_id: AgentId | None = None
    to: str | None = None
    from_: str | None = None
    either: str | None = None
    """A number that called or was called."""
    text: str | None = None
    """Part of either number."""
    created_from: float | None = None
    created_to: float | None = None
    """Both times are included."""
    started_from: float | None = None
    started_to: float | None = None
    """When it was dialled; both times are included."""
    order_by: Literal["created_at", "started_at", "ended_at", "duration"] = "created_at"
    ascending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCalls:
    """One page of what was looked for."""

    calls: tuple[Call, ...]
    total: int
    """How many there are; no more than `MOST_COUNTED` are counted."""
    total_is_estimated: bool


MOST_COUNTED = 10_000
"""Counting takes time with every row: beyond this, lists say that there are more."""


class DialectRecords(Protocol):
    """What dialects keep, and lists in their ways. Every method is one transaction, or part of
    `Records.together`, and sees one workspace only."""

    async def add_record(self, record: DialectRecord) -> None:
        """Raises Conflict where there is one of its kind with its id."""

    async def put_record(self, record: DialectRecord) -> None:
        """The same, in place of one that is there; that one's `created_at` stays."""

    async def get_record(
        self, workspace: WorkspaceId, dialect: str, kind: str, id: str
    ) -> DialectRecord:
        """Raises NotFound."""

    async def find_records(
        self, workspace: WorkspaceId, dialect: str, kind: str, ids: Sequence[str]
    ) -> Mapping[str, DialectRecord]:
        """Those of `ids` that are there."""

    async def list_records(
        self, workspace: WorkspaceId, dialect: str, kind: str
    ) -> tuple[DialectRecord, ...]:
        """Newest first, at most `MOST_COUNTED`."""

    async def delete_record(self, workspace: WorkspaceId, dialect: str, kind: str, id: str) -> None:
        """Raises NotFound."""

    async def hold(self, workspace: WorkspaceId, dialect: str) -> None:
        """Wait until nobody else holds what the dialect keeps of the workspace, and hold it until
        the end of `Records.together`."""

    async def search_calls(
        self,
        workspace: WorkspaceId,
        search: CallSearch,
        *,
        offset: int,
        limit: int,
        transcripts: bool = False,
    ) -> FoundCalls:
        """A page by its place. Without `transcripts` the calls have none."""

    async def talk_time(self, workspace: WorkspaceId, *, since: float) -> float:
        """Seconds between answer and end, of all calls made since then."""

    async def take_line(self, call: CallId, *, now: float) -> bool:
        """Whether a call that was just queued can be dialled at once; its line is then its own.
        One that cannot waits for its turn."""

    async def waiting_for_line(
        self, workspace: WorkspaceId, ids: Sequence[CallId]
    ) -> frozenset[CallId]:
        """Those of `ids` that wait for a line."""


class LinkSigner(Protocol):
    """Signs links that open something without a key, such as a recording."""

    def sign(self, text: str) -> str:
        """A signature of URL-safe characters, the same in all processes of the house."""

    def verify(self, text: str, signature: str) -> bool: ...


# ── store, as webhook delivery sees it ───────────────────────────────────────────────────────


class DeliveryState(StrEnum):
    PENDING = "pending"
    """It is its turn: tried now, or again at its time."""
    WAITING = "waiting"
    """An earlier event of the same call comes first."""
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one address."""

    id: str
    url: str
    secret: str
    previous_secret: str | None = None
    """Signs as well, for a day after a rotation."""
    event: Event
    attempts: int
    """Made so far."""
    format: str = NATIVE_FORMAT
    """How it is to be written; see `Webhook.format`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one try."""

    at: float
    status: int | None
    """HTTP status, None where there was no answer."""
    answer: str
    """The first 2 KB of the answer's body, or what went wrong."""
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """A delivery as it is sent."""

    method: Literal["GET", "POST"] = "POST"
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Besides those every delivery has."""


class WebhookFormat(Protocol):
    """Writes deliveries in the way of one dialect."""

    async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
        """None where that way has no word for the event: it is then not sent."""


class Outbox(Protocol):
    async def due(self, job: str) -> Delivery | None:
        """What a job is to try. None for what is done, given up or gone, and for a try that has
        been made: then its job runs again, and the next try has one of its own."""

    async def record_attempt(
        self,
        delivery: str,
        attempt: Attempt,
        *,
        number: int,
        delivered: bool,
        retry_at: float | None,
    ) -> None:
        """`retry_at` None and not delivered: given up. Plans the next try in one transaction.

        `number` of attempts went before; where another with that number has been recorded since,
        nothing is recorded or planned, as the same job ran twice.
        """


# ── store, as customers see deliveries ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """How one event fares on its way to one address."""

    id: DeliveryId
    workspace_id: WorkspaceId
    webhook_id: WebhookId | None
    """None for the `webhook_url` of a call or agent."""
    url: str
    event_id: str
    event_type: str
    call_id: CallId | None
    state: DeliveryState
    attempts: int
    next_attempt_at: float | None
    settled_at: float | None
    happened_at: float
    """When the event happened."""
    tried: tuple[Attempt, ...] = ()
    """In order; lists have the last one only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to."""

    deliveries: int
    next_from: float | None
    """Where to go on: there was more in the range than one replay takes. None for all done."""


class Deliveries(Protocol):
    """Deliveries of one workspace. Each method is one transaction; raises NotFound for others'."""

    async def list_deliveries(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        state: DeliveryState | None,
        *,
        limit: int,
        cursor: str | None,
    ) -> Page[DeliveryReport]: ...

    async def get_delivery_of(
        self, workspace: WorkspaceId, delivery: DeliveryId
    ) -> DeliveryReport: ...

    async def retry_delivery(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        """Try now, whatever came of it so far. Raises Conflict while it waits for its turn."""

    async def test_webhook(
        self, workspace: WorkspaceId, webhook: WebhookId, *, now: float
    ) -> DeliveryReport:
        """Send an event `webhook.test` to this webhook alone. Raises Conflict if disabled."""

    async def replay(
        self, workspace: WorkspaceId, webhook: WebhookId, *, since: float, until: float
    ) -> Replayed:
        """Deliver once more what it wants of the events that happened from `since` to before
        `until`, in the order they happened. Raises Conflict where it is disabled."""


# ── the house, as whoever watches it sees it ─────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseState:
    """The state of everything that shares a database, as of one moment."""

    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By kind and state (`queued`, `picked`)."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Calls that are not over, by status."""
    workers: int = 0
    """That gave a sign of life lately."""
    lines: int = 0
    """Of those workers."""
    busy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a process can serve, and what it finds."""

    tables: str
    """The version of the database's tables."""
    expected: str
    """The version that this program works with."""
    workers: int
    """That gave a sign of life lately."""


class House(Protocol):
    async def state(self) -> HouseState: ...
    async def readiness(self) -> Readiness:
        """Both raise Unavailable."""


class CallObserver(Protocol):
    def call_over(self, call: Call, result: CallResult) -> None:
        """A call of this worker has ended, this way."""
