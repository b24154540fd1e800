"""Calls, and what happens on them."""

from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict

from strowger.client.shapes.common import Scalar

Status = Literal[
    "scheduled", "queued", "initiated", "ringing", "in_progress",
    "completed", "busy", "no_answer", "failed", "canceled",
]  # fmt: skip
TERMINAL = frozenset({"completed", "busy", "no_answer", "failed", "canceled"})


class TurnLatency(TypedDict):
    """Where the time of one reply went, in seconds; None where a stage did not take part."""

    endpointing: float | None
    transcription: float | None
    model: float | None
    speech: float | None
    wire: float | None
    total: float | None


class UsedTool(TypedDict):
    """Which tool an agent used, and how."""

    name: str
    arguments: str
    ok: bool


class Turn(TypedDict):
    """What one side said, as the other heard it. Times are seconds since the answer."""

    role: Literal["agent", "callee", "tool"]
    text: str
    started_at: float
    ended_at: float
    interrupted: bool
    confidence: float | None
    latency: TurnLatency | None
    tool: UsedTool | None


class Analysis(TypedDict):
    """What a language model made of the call once it was over."""

    status: Literal["pending", "completed", "failed"]
    attempts: int
    error: str | None
    success: bool | None
    success_reason: str | None
    sentiment: Literal["positive", "neutral", "negative"] | None
    answers: dict[str, str]
    extracted: dict[str, Any]


class Recording(TypedDict):
    available: bool
    duration: float
    channels: int


# `from` is a word of Python's own, so this one field needs the other notation.
_From = TypedDict("_From", {"from": str | None})


class CallSummary(_From):
    """A call as lists show it."""

    id: str
    workspace_id: str
    agent_id: str | None
    agent_version: int | None
    channel: Literal["phone", "web"]
    direction: Literal["outbound", "inbound"]
    status: Status
    end_reason: str | None
    sip_status: int | None
    hangup_cause: int | None
    error: str | None
    to: str
    trunk_id: str | None
    variables: dict[str, Scalar]
    metadata: dict[str, Any]
    webhook_url: str | None
    record: bool
    max_duration: float
    ring_timeout: float
    test: bool
    scheduled_at: str | None
    created_at: str
    queued_at: str | None
    started_at: str | None
    answered_at: str | None
    ended_at: str | None
    duration: float | None
    answered_by: Literal["human", "machine", "unknown"]
    outcome: str | None
    extracted: dict[str, Scalar]
    summary: str | None
    analysis: Analysis | None
    recording: Recording


class Distribution(TypedDict):
    """Seconds, by nearest rank."""

    p50: float
    p95: float
    max: float


class LatencyStages(TypedDict):
    endpointing: Distribution | None
    transcription: Distribution | None
    model: Distribution | None
    speech: Distribution | None
    wire: Distribution | None


class CallLatency(Distribution):
    """How long the callee waited for the agent, in seconds, over the replies of a call."""

    turns: int
    stages: LatencyStages


class Call(CallSummary):
    """A call with everything that is known of it."""

    transcript: list[Turn]
    latency: CallLatency | None


class NewCall(TypedDict, total=False):
    """A call to place: `to`, and either `agent_id` or `agent`. `from_` is sent as `from`."""

    to: Required[str]
    agent_id: str
    agent: Mapping[str, Any]
    from_: str
    variables: Mapping[str, Scalar]
    metadata: Mapping[str, Any]
    webhook_url: str
    record: bool
    max_duration: float
    ring_timeout: float
    scheduled_at: str
    """When to queue it, RFC 3339; at once without it."""


class Transcript(TypedDict):
    call_id: str
    status: Status
    turns: list[Turn]


class MediaFigures(TypedDict):
    """What became of the audio of a call, both ways."""

    packets_received: int
    packets_sent: int
    packets_lost: int
    packets_late: int
    loss: float
    jitter: float
    concealed: float
    underrun: float


class CallMetrics(TypedDict):
    call_id: str
    status: Status
    duration: float | None
    latency: CallLatency | None
    media: MediaFigures | None


class Event(TypedDict):
    """Something that happened, in order of `sequence`."""

    id: str
    sequence: int
    type: str
    timestamp: str
    call_id: str | None
    data: dict[str, Any]


class EventList(TypedDict):
    """Events in the order they happened."""

    data: list[Event]
    has_more: bool
    next_cursor: str
