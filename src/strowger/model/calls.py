"""A call, what was said in it, what it came to, and what can be asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from strowger.agent import AgentDefinition, Scalar
from strowger.lifecycle import CallStatus, EndReason
from strowger.model.ids import AgentId, CallId, TrunkId, WorkerId, WorkspaceId


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
class ProviderSwitch:
    """From here on another provider does this part of the call."""

    kind: str
    """A `conversation.events.ProviderKind`."""
    before: str
    """The name of the one that did it, or was to do it."""
    after: str
    reason: str
    """A sentence for the customer."""


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
