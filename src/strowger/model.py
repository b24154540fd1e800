"""What Strowger keeps: frozen records with typed ids. Times are Unix seconds, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Literal, NewType, TypeVar

from strowger.agent import AgentDefinition, Scalar
from strowger.lifecycle import CallStatus, EndReason

WorkspaceId = NewType("WorkspaceId", str)
AgentId = NewType("AgentId", str)
CallId = NewType("CallId", str)
NumberId = NewType("NumberId", str)
TrunkId = NewType("TrunkId", str)
WebhookId = NewType("WebhookId", str)
EventId = NewType("EventId", str)
KeyId = NewType("KeyId", str)
WorkerId = NewType("WorkerId", str)
DeliveryId = NewType("DeliveryId", str)
SecretId = NewType("SecretId", str)

T = TypeVar("T")

DEFAULT_WORKSPACE = WorkspaceId("workspace_default")
NATIVE_FORMAT = "strowger"
"""The format of webhooks that are written Strowger's own way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Who owns everything else. Its secret is told apart: see `Records`."""

    id: WorkspaceId
    name: str
    max_calls: int | None = None
    """Most calls at the same time; None for as many as come. The operator sets it."""
    webhook_secret_at: float | None = None
    """When the secret was made that signs for the `webhook_url` of calls and agents; None where
    nobody has asked for it yet."""
    previous_webhook_secret_until: float | None = None
    """Until when the one before it signs as well."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    id: AgentId
    workspace_id: WorkspaceId
    version: int
    """Grows by one with every change; a call names the version it used."""
    definition: AgentDefinition
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """An agent as it was until its next change."""

    agent_id: AgentId
    version: int
    definition: AgentDefinition
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A way to the telephone network: one SIP peer and how to speak to it."""

    id: TrunkId
    workspace_id: WorkspaceId
    name: str
    host: str
    port: int = 5060
    transport: Literal["udp"] = "udp"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """Secret: never printed, logged or answered."""
    is_default: bool = False
    max_calls: int | None = None
    """Most calls at the same time; None for as many as come. Further ones wait."""
    calls_per_second: float | None = None
    """Fastest pace of new calls; None for any."""
    version: int = 1
    """Grows by one with every change."""
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Something that agents' tools need and nobody may read: `{{secrets.NAME}}`."""

    id: SecretId
    workspace_id: WorkspaceId
    name: str
    value: str = field(repr=False)
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    id: NumberId
    workspace_id: WorkspaceId
    number: str
    """E.164."""
    label: str = ""
    trunk_id: TrunkId | None = None
    inbound_agent_id: AgentId | None = None
    max_calls: int | None = None
    """Most calls from this number at the same time; None for as many as come."""
    version: int = 1
    """Grows by one with every change."""
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLatency:
    """Where the time of one reply went, in seconds; None where a stage did not take part.

    Each stage begins where the one before it ends: together they are the total.
    """

    endpointing: float | None = None
    """From the callee's last voiced sound to the decision that the turn is over."""
    transcription: float | None = None
    """What waiting for the words added after that decision."""
    model: float | None = None
    """From the words to the first sentence of the reply, or to what is said until that comes;
    tools that the model wants first are in it."""
    speech: float | None = None
    """From there to the first sound of the voice."""
    wire: float | None = None
    """From that sound to the packet that carries it."""
    total: float | None = None
    """From the callee's last voiced sound to the agent's first voiced packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTool:
    """Which tool an agent used, and how."""

    name: str
    arguments: str
    """As the model wrote them."""
    ok: bool
    """Whether it did what it was to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side said, as the other heard it. Times are seconds since the answer."""

    role: Literal["agent", "callee", "tool"]
    text: str
    """For `tool`: what came of it."""
    started_at: float
    ended_at: float
    interrupted: bool = False
    confidence: float | None = None
    latency: TurnLatency | None = None
    tool: UsedTool | None = None
    """For `tool`: which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    available: bool = False
    duration: float = 0.0
    """Seconds."""
    channels: int = 2
    """Left the callee, right the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFigures:
    """What became of the audio of one call, both ways."""

    packets_received: int
    packets_sent: int
    packets_lost: int
    """Expected by sequence number, never come."""
    packets_late: int
    """Came after their moment."""
    jitter: float
    """Seconds; RFC 3550 section 6.4.1."""
    concealed: float
    """Seconds of the callee's sound that were made up for packets that had not come."""
    underrun: float
    """Seconds of silence sent within the agent's speech because the voice was late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnalysis:
    """What a language model made of a call that is over; its agent says what it is asked."""

    status: Literal["pending", "completed", "failed"] = "pending"
    attempts: int = 0
    """How often it was tried so far."""
    error: str | None = None
    """Why the last try failed."""
    success: bool | None = None
    """Whether the call met the agent's criteria; None where it was not asked, or cannot be told:
    then `success_reason` says why."""
    success_reason: str | None = None
    sentiment: Literal["positive", "neutral", "negative"] | None = None
    """The callee's mood."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """To the agent's own questions, by their names."""
    extracted: Mapping[str, object] = field(default_factory=dict)
    """Plain JSON values that fit the agent's schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    id: CallId
    workspace_id: WorkspaceId
    agent_id: AgentId | None
    """None for an agent that was given inline."""
    agent_version: int | None
    agent: AgentDefinition
    """The definition the call uses, as it was when the call was accepted."""
    to: str
    from_: str | None
    """E.164 number shown to the callee."""
    trunk_id: TrunkId | None
    """None for a test call: it has no way to the telephone network."""
    direction: Literal["outbound", "inbound"] = "outbound"
    channel: Literal["phone", "web"] = "phone"
    status: CallStatus = CallStatus.QUEUED
    end_reason: EndReason | None = None
    sip_status: int | None = None
    hangup_cause: int | None = None
    """Q.850 cause, where the network gave one."""
    error: str | None = None
    """What went wrong, in a sentence for the operator."""
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    webhook_url: str | None = None
    record: bool = True
    max_duration: float = 1800.0
    ring_timeout: float = 45.0
    test: bool = False
    """Placed with a test key: answered by a simulated callee of the worker's own."""
    dialect: str | None = None
    """The dialect of the API it was placed in; None for Strowger's own. What is sent to its
    `webhook_url` is written in that."""
    scheduled_at: float | None = None
    """When it is to be queued; None for at once."""
    created_at: float = 0.0
    queued_at: float | None = None
    started_at: float | None = None
    """When the INVITE was sent."""
    answered_at: float | None = None
    ended_at: float | None = None
    answered_by: Literal["human", "machine", "unknown"] = "unknown"
    transcript: tuple[Turn, ...] = ()
    outcome: str | None = None
    extracted: Mapping[str, Scalar] = field(default_factory=dict)
    """Variables that the conversation set; once the call is analysed, also those plain values of
    the analysis whose names the conversation has not used."""
    summary: str | None = None
    """Of the call, by its analysis."""
    analysis: CallAnalysis | None = None
    """None where the agent wants none, nobody answered or nothing was said."""
    recording: Recording = field(default_factory=Recording)
    worker_id: WorkerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How a call went, as the worker that held it reports it once."""

    status: CallStatus
    end_reason: EndReason
    ended_at: float
    sip_status: int | None = None
    hangup_cause: int | None = None
    error: str | None = None
    answered_by: Literal["human", "machine", "unknown"] = "unknown"
    transcript: tuple[Turn, ...] = ()
    outcome: str | None = None
    extracted: Mapping[str, Scalar] = field(default_factory=dict)
    recording: Recording = field(default_factory=Recording)
    figures: LineFigures | None = None
    """None for a call that was not answered."""
    journal: bytes = b""
    """The call's journal as JSON lines; see `conversation/journal.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address of the customer's that wants to hear of events."""

    id: WebhookId
    workspace_id: WorkspaceId
    url: str
    events: tuple[str, ...] = ("*",)
    """Event types wanted; `*` for all."""
    secret: str = field(default="", repr=False)
    """Standard Webhooks secret `whsec_…`; shown once, when made."""
    previous_secret: str | None = field(default=None, repr=False)
    """Signs as well until `previous_secret_until`: after a rotation receivers need some time."""
    previous_secret_until: float | None = None
    format: str = NATIVE_FORMAT
    """How what is sent is written: Strowger's own way, or a dialect's (`NAME` or `NAME:KIND`)."""
    agent_id: AgentId | None = None
    """Only of calls that this agent conducts; None for all."""
    enabled: bool = True
    failing_since: float | None = None
    """When the failures began that no success has ended since."""
    version: int = 1
    """Grows by one with every change, a rotation and a disabling too."""
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, in the order it happened."""

    id: EventId
    workspace_id: WorkspaceId
    type: str
    """Such as `call.completed`."""
    created_at: float
    payload: Mapping[str, object]
    call_id: CallId | None = None
    sequence: int = 0
    """Place in the order of all events of the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    id: KeyId
    workspace_id: WorkspaceId
    name: str
    scopes: tuple[str, ...]
    """Such as `calls:write`; `*` for all."""
    expires_at: float | None = None
    created_at: float = 0.0
    last_used_at: float | None = None
    test: bool = False
    """Its calls never reach a carrier."""


class CommandKind(StrEnum):
    END = "end"
    """Hang up, or stop dialling."""
    CANCEL = "cancel"
    """Stop dialling; nothing where somebody has answered meanwhile."""
    SAY = "say"
    DIGITS = "digits"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCommand:
    """What a customer wants of a live call."""

    call_id: CallId
    kind: CommandKind
    text: str = ""
    """The words to say, or the digits to send."""
    id: int = 0
    """Given by the store: by this a worker knows what it has done already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What a request was answered with, kept to answer the same again."""

    status: int
    location: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The answer to a request that named an Idempotency-Key, to be kept with what it did."""

    key: str
    hash: bytes
    """Of the request: the key stands for this one only."""
    answer: StoredAnswer
    at: float
    """When it was answered, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who a request comes from."""

    key_id: KeyId
    request_id: str
    test: bool = False
    """It comes with a test key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who changed what. Names of fields only: what they hold may be secret."""

    id: str
    workspace_id: WorkspaceId
    at: float
    key_id: KeyId | None
    """None for the operator: the command line and the configuration."""
    request_id: str | None
    resource: str
    """Such as `trunk`."""
    resource_id: str
    action: str
    """`create`, `update`, `delete`, `rotate`, `test`, `retry` or `replay`; of a call `end`,
    `cancel`, `say` or `digits`: that it was created says the call itself."""
    fields: tuple[str, ...] = ()
    """What an update changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectRecord:
    """What a dialect keeps that Strowger itself has no place for.

    Either a thing of its own, or the rest of a native one, whose id it then has.
    """

    workspace_id: WorkspaceId
    dialect: str
    kind: str
    """Such as `prompt`, or `agent` for the rest of an agent."""
    id: str
    body: Mapping[str, object] = field(repr=False)
    """Plain JSON values; sealed in the database, as they may hold secrets."""
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list, newest first."""

    data: tuple[T, ...]
    next_cursor: str | None
