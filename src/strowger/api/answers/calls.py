"""Calls: how they stand, what was said, how fast it went."""

from typing import Literal

from pydantic import Field, JsonValue

from strowger.agent import Scalar
from strowger.api.answers.common import ListOf
from strowger.api.shapes import Strict, Timestamp
from strowger.lifecycle import CallStatus, EndReason


class RecordingState(Strict):
    """What there is of a recording."""

    available: bool
    """Whether `GET /v1/calls/{id}/recording` has it."""
    duration: float
    """Seconds."""
    channels: int
    """2: left the callee, right the agent."""


class TurnLatency(Strict):
    """Where the time of one reply went, in seconds; null where a stage did not take part.

    Each stage begins where the one before it ends: together they are the total.
    """

    endpointing: float | None
    """From the callee's last voiced sound to the decision that the turn is over."""
    transcription: float | None
    """What waiting for the words added after that decision."""
    model: float | None
    """From the words to the first sentence of the reply, or to what is said until that comes;
    tools that the model wants first are in it."""
    speech: float | None
    """From there to the first sound of the voice."""
    wire: float | None
    """From that sound to the packet that carries it."""
    total: float | None
    """From the callee's last voiced sound to the agent's first voiced packet."""


class UsedTool(Strict):
    """Which tool an agent used, and how."""

    name: str
    """What the language model calls it."""
    arguments: str
    """As the model wrote them: JSON, unless it erred."""
    ok: bool
    """Whether it did what it was to do."""


class Turn(Strict):
    """What one side said, as the other heard it."""

    role: Literal["agent", "callee", "tool"]
    """Who spoke."""
    text: str
    """The words, as heard: a sentence that was cut off ends where it was cut. For `tool`: what
    came of it."""
    started_at: float
    """Seconds since the answer."""
    ended_at: float
    """Seconds since the answer."""
    interrupted: bool
    """Whether the other side cut it short."""
    confidence: float | None
    """The recogniser's, from 0 to 1, where it tells."""
    latency: TurnLatency | None
    """For the agent's replies: where the time went."""
    tool: UsedTool | None
    """For `tool`: which."""


class Distribution(Strict):
    """Seconds, by nearest rank: each value was measured."""

    p50: float
    """Half of the replies were at least this fast."""
    p95: float
    """19 of 20 replies were at least this fast."""
    max: float
    """The slowest."""


class LatencyStages(Strict):
    """The same by stage; null where no reply had it."""

    endpointing: Distribution | None
    """Deciding that the callee's turn is over."""
    transcription: Distribution | None
    """Waiting for the words."""
    model: Distribution | None
    """Waiting for the first sentence."""
    speech: Distribution | None
    """Waiting for its first sound."""
    wire: Distribution | None
    """Waiting for that to leave."""


class CallLatency(Distribution):
    """How long the callee waited for the agent, in seconds, over the replies of a call."""

    turns: int
    """How many replies were measured."""
    stages: LatencyStages
    """Where the time went."""


class Analysis(Strict):
    """What a language model made of the call once it was over."""

    status: Literal["pending", "completed", "failed"]
    """`failed` after five tries within an hour."""
    attempts: int
    """How often it was tried so far."""
    error: str | None
    """Why the last try failed."""
    success: bool | None
    """Whether the call met the agent's criteria; null where there are none, or where it cannot be
    told."""
    success_reason: str | None
    """Why, in a sentence."""
    sentiment: Literal["positive", "neutral", "negative"] | None
    """The callee's mood, where the agent asks for it."""
    answers: dict[str, str]
    """To the agent's own questions, by their names."""
    extracted: dict[str, JsonValue]
    """What was found, as the agent's schema has it."""


class CallSummary(Strict):
    """A call as lists show it: everything but what was said."""

    id: str
    """The call's id."""
    workspace_id: str
    """The workspace the call belongs to."""
    agent_id: str | None
    """The agent that conducts the call; null for one given inline."""
    agent_version: int | None
    """The version of the agent that the call uses."""
    channel: Literal["phone", "web"]
    """How the callee is reached."""
    direction: Literal["outbound", "inbound"]
    """Who called whom, seen from the agent."""
    status: CallStatus
    """Where the call stands; it always reaches completed, busy, no_answer, failed or canceled."""
    end_reason: EndReason | None
    """Why the call is over; null while it is not."""
    sip_status: int | None
    """The SIP status of the network's last answer, where there was one."""
    hangup_cause: int | None
    """The Q.850 cause, where the network gave one."""
    error: str | None
    """What went wrong, in a sentence."""
    from_: str | None = Field(alias="from")
    """The number the callee sees."""
    to: str
    """The number or address that is called."""
    trunk_id: str | None
    """The trunk the call goes through; null for a test call."""
    variables: dict[str, Scalar]
    """The values for `{{name}}`, the agent's own included."""
    metadata: dict[str, JsonValue]
    """Yours, as it was given."""
    webhook_url: str | None
    """Where this call's events go, besides the workspace's webhooks."""
    record: bool
    """Whether the call is to be recorded."""
    max_duration: float
    """Longest call in seconds from the answer."""
    ring_timeout: float
    """Seconds to let it ring."""
    test: bool
    """Whether it was placed with a test key, and is answered by a simulated callee."""
    scheduled_at: Timestamp | None
    """When it is to be queued; null for at once."""
    created_at: Timestamp
    """When the call was asked for."""
    queued_at: Timestamp | None
    """When it began to wait for a line."""
    started_at: Timestamp | None
    """When it was dialled."""
    answered_at: Timestamp | None
    """When the callee answered."""
    ended_at: Timestamp | None
    """When it was over."""
    duration: float | None
    """Seconds from the answer to the end; null where either is missing."""
    answered_by: Literal["human", "machine", "unknown"]
    """Who or what answered."""
    outcome: str | None
    """What the call came to, as the flow put it."""
    extracted: dict[str, Scalar]
    """The variables that the conversation set; once the call is analysed, also those texts,
    numbers and booleans of `analysis.extracted` whose names the conversation has not used."""
    summary: str | None
    """The call in some sentences, where the agent asks for that; null until it is analysed."""
    analysis: Analysis | None
    """Null where the agent asks for none, nobody answered or nothing was said."""
    recording: RecordingState
    """Whether there is a recording."""


class Call(CallSummary):
    """A call with everything that is known of it."""

    transcript: tuple[Turn, ...]
    """What was said, in order."""
    latency: CallLatency | None
    """How fast the agent replied; null before its first measured reply."""


class MediaFigures(Strict):
    """What became of the audio of a call, both ways."""

    packets_received: int
    """From the callee."""
    packets_sent: int
    """To the callee."""
    packets_lost: int
    """Expected by sequence number, never come."""
    packets_late: int
    """Came after their moment."""
    loss: float
    """The part of the expected packets that was lost, 0 to 1."""
    jitter: float
    """Seconds (RFC 3550 section 6.4.1)."""
    concealed: float
    """Seconds of the callee's sound made up for packets that had not come."""
    underrun: float
    """Seconds of silence within the agent's speech because the voice was late."""


class CallMetrics(Strict):
    """How a call went, in numbers."""

    call_id: str
    """The call."""
    status: CallStatus
    """Where the call stands."""
    duration: float | None
    """Seconds from the answer to the end; null where either is missing."""
    latency: CallLatency | None
    """How fast the agent replied; null before its first measured reply."""
    media: MediaFigures | None
    """What became of the audio; null until the call is over, or where it was not answered."""


class Transcript(Strict):
    """What was said on a call so far."""

    call_id: str
    """The call."""
    status: CallStatus
    """Where the call stands: until it is over, more may come."""
    turns: tuple[Turn, ...]
    """What was said, in order."""


CallList = ListOf[CallSummary]
