"""The shapes of answers, for the OpenAPI document.

Answers are drawn by `calls/render.py`, once for the API and for webhooks; these models describe
them, and the tests hold every answer against its model.
"""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import Field, JsonValue

from strowger.agent import Scalar
from strowger.api.requests import AgentDefinition
from strowger.api.shapes import Strict, Timestamp
from strowger.lifecycle import CallStatus, EndReason
from strowger.ports import DeliveryState

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(AgentDefinition):
    """An agent, as it is now; calls name the version they used."""

    id: str
    """The agent's id."""
    workspace_id: str
    """The workspace the agent belongs to."""
    version: int
    """Grows by one with every change."""
    created_at: Timestamp
    """When the agent was made."""
    updated_at: Timestamp
    """When the agent was last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion(AgentDefinition):
    """An agent as it was until its next change."""

    agent_id: str
    """The agent's id."""
    version: int
    """The number of this version."""
    created_at: Timestamp
    """When this version was made."""


class RecordingState(Strict):
    """What there is of a recording."""

    available: bool
    """Whether `GET /v1/calls/{id}/recording` has it."""
    duration: float
    """Seconds."""
    channels: int
    """2: left the callee, right the agent."""


class TurnLatency(Strict):
    """Where the time of one reply went, in seconds; null where a stage did not take part."""

    endpointing: float | None
    """From the callee's last voiced sound to the decision that the turn is over."""
    transcription: float | None
    """What waiting for the words added after that decision."""
    model: float | None
    """From the decision to the first sentence of the reply."""
    speech: float | None
    """From the first sentence to its first audio on the wire."""
    total: float | None
    """From the callee's last voiced sound to the agent's first voiced packet."""


class Turn(Strict):
    """What one side said, as the other heard it."""

    role: Literal["agent", "callee", "tool"]
    """Who spoke."""
    text: str
    """The words, as heard: a sentence that was cut off ends where it was cut."""
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
    """Waiting for its first audio."""


class CallLatency(Distribution):
    """How long the callee waited for the agent, in seconds, over the replies of a call."""

    turns: int
    """How many replies were measured."""
    stages: LatencyStages
    """Where the time went."""


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
    trunk_id: str
    """The trunk the call goes through."""
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
    """Whether it was placed with a test key."""
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
    """The variables that the conversation set."""
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


class Event(Strict):
    """Something that happened on a call."""

    id: str
    """The event's id, the same in webhooks (`webhook-id`)."""
    sequence: int
    """Its place in the order of events."""
    type: str = Field(examples=["call.answered"])
    """What happened."""
    timestamp: Timestamp
    """When it happened."""
    call_id: str | None
    """The call it happened on."""
    data: dict[str, JsonValue]
    """What webhooks carry as `data`."""


class Trunk(Strict):
    """A way to the telephone network."""

    id: str
    """The trunk's id."""
    workspace_id: str
    """The workspace the trunk belongs to."""
    name: str
    """For people to read."""
    host: str
    """Host name or IP address."""
    port: int
    """SIP port."""
    transport: Literal["udp"]
    """How SIP travels."""
    username: str | None
    """For digest authentication."""
    has_password: bool
    """Whether a password is kept; it is never shown."""
    is_default: bool
    """Whether calls take it that no number sends elsewhere."""
    max_calls: int | None
    """Most calls at the same time; further ones wait."""
    calls_per_second: float | None
    """Fastest pace of new calls."""
    created_at: Timestamp
    """When the trunk was added."""
    updated_at: Timestamp
    """When the trunk was last changed."""


class TrunkCheck(Strict):
    """What came of asking a trunk whether it is there."""

    ok: bool
    """Whether calls can be expected to go through."""
    problem: str | None = Field(examples=["no_answer"])
    """What is wrong, for programs: `no_address`, `bad_address`, `no_answer`,
    `authentication_needed`, `authentication_failed`, `refused`, `trouble`, `no_calls` or
    `no_common_codec`; null where nothing is."""
    detail: str
    """The same in a sentence, with what to do."""
    address: str | None
    """The IP address that its name led to."""
    sip_status: int | None
    """The SIP status of its answer."""
    reason: str | None
    """The words that came with it."""
    methods: tuple[str, ...]
    """What it allows, where it says so."""
    codecs: tuple[str, ...]
    """The audio formats it speaks, where it says so."""
    round_trip: float | None
    """Seconds from the question to the answer."""


class PhoneNumber(Strict):
    """A number of yours."""

    id: str
    """The number's id."""
    workspace_id: str
    """The workspace the number belongs to."""
    number: str
    """The number, E.164."""
    label: str
    """For people to read."""
    trunk_id: str | None
    """The trunk that calls from this number take; null for the default trunk."""
    inbound_agent_id: str | None
    """The agent that answers calls to this number."""
    max_calls: int | None
    """Most calls from this number at the same time; further ones wait."""
    created_at: Timestamp
    """When the number was added."""
    updated_at: Timestamp
    """When the number was last changed."""


class Webhook(Strict):
    """An address of yours that wants to hear of events."""

    id: str
    """The webhook's id."""
    workspace_id: str
    """The workspace the webhook belongs to."""
    url: str
    """Where events are sent."""
    events: tuple[str, ...]
    """Event types wanted; `*` for all."""
    enabled: bool
    """Whether events are sent."""
    failing_since: Timestamp | None
    """When the failures began that no success has ended since; after five days of them the webhook
    is disabled."""
    previous_secret_until: Timestamp | None
    """Until when what is sent is signed with the secret before the last rotation too."""
    created_at: Timestamp
    """When the webhook was added."""
    updated_at: Timestamp
    """When the webhook was last changed."""


class CreatedWebhook(Webhook):
    """A webhook just made, with the secret that is shown this once."""

    secret: str
    """Signs what is sent, as Standard Webhooks say: `whsec_` and base64."""


class DeliveryAttempt(Strict):
    """One try."""

    at: Timestamp
    """When it began."""
    status: int | None
    """The HTTP status; null where there was no answer."""
    answer: str
    """The first 2 KB of the answer's body, or what went wrong."""
    duration: float
    """Seconds."""


class DeliverySummary(Strict):
    """One event on its way to one address."""

    id: str
    """The delivery's id."""
    workspace_id: str
    """The workspace the event belongs to."""
    webhook_id: str | None
    """The webhook; null for the `webhook_url` of a call or agent."""
    url: str
    """Where it was to go when the event happened."""
    event_id: str
    """The event (`webhook-id`)."""
    event_type: str
    """What happened."""
    call_id: str | None
    """The call it happened on."""
    state: DeliveryState
    """`waiting` while an earlier event of the same call comes first."""
    attempts: int
    """How often it was tried."""
    last_attempt: DeliveryAttempt | None
    """What came of the last try."""
    next_attempt_at: Timestamp | None
    """When it is tried again."""
    happened_at: Timestamp
    """When the event happened."""
    settled_at: Timestamp | None
    """When it was delivered or given up."""


class Delivery(DeliverySummary):
    """A delivery with every try."""

    attempt_log: tuple[DeliveryAttempt, ...]
    """In order."""


class Replayed(Strict):
    """What a replay came to."""

    deliveries: int
    """How many events are on their way once more."""
    next_from: Timestamp | None
    """Send it as `from` of another replay for the rest of the range; null where there is none."""


class ApiKey(Strict):
    """A key, without its text."""

    id: str
    """The key's id."""
    workspace_id: str
    """The workspace it opens."""
    name: str
    """What the key is for."""
    scopes: tuple[str, ...]
    """What it may do; `*` for all."""
    test: bool
    """Whether its calls never reach a carrier."""
    expires_at: Timestamp | None
    """When it stops working."""
    created_at: Timestamp
    """When it was made."""
    last_used_at: Timestamp | None
    """When it was last used, to the minute."""


class CreatedApiKey(ApiKey):
    """A key just made, with its text that is shown this once."""

    key: str
    """`strowger_live_…`; only its hash is kept."""


class AuditEntry(Strict):
    """Who changed what."""

    id: str
    """The entry's id."""
    workspace_id: str
    """The workspace."""
    at: Timestamp
    """When."""
    key_id: str | None
    """The API key; null for the operator (command line, configuration)."""
    request_id: str | None
    """The request, as in its `X-Request-Id` header and in the server's log."""
    resource: str = Field(examples=["trunk"])
    """The kind of thing."""
    resource_id: str
    """Its id."""
    action: str = Field(examples=["update"])
    """`create`, `update`, `delete`, `rotate`, `test`, `retry` or `replay`."""
    fields: tuple[str, ...]
    """The fields that an update changed; never what they hold."""


class Voice(Strict):
    """A voice that agents can have."""

    provider: str
    """For `voice.provider` of an agent."""
    voice_id: str
    """For `voice.voice_id` of an agent."""
    default: bool
    """Whether agents have it that name the provider only."""


class VoiceList(Strict):
    """Every voice of the providers that can be used here."""

    data: tuple[Voice, ...]
    """The voices."""


class Model(Strict):
    """A provider of speech, recognition or language."""

    kind: Literal["speech_to_text", "language_model", "text_to_speech"]
    """What it does."""
    provider: str
    """Its name, for `model.provider` and the like of an agent."""
    available: bool
    """Whether it can be used here."""
    problem: str | None
    """Why it cannot."""
    default: str | None
    """The model or voice of agents that name none."""


class ModelList(Strict):
    """The providers that this server knows."""

    data: tuple[Model, ...]
    """The providers."""


class ListOf(Strict, Generic[T]):
    """One page of a list, newest first."""

    data: tuple[T, ...]
    """The items of this page."""
    has_more: bool
    """Whether another page follows."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null where there is none."""


class EventList(Strict):
    """Events in the order they happened."""

    data: tuple[Event, ...]
    """The events."""
    has_more: bool
    """Whether more were there already."""
    next_cursor: str
    """Send it as `after` for what follows."""


class Health(Strict):
    """The server's state."""

    status: Literal["ok"]
    """`ok`; anything else is answered as a problem."""


class Readiness(Strict):
    """What a server that can serve finds around it."""

    status: Literal["ok"]
    """`ok`; anything else is answered as a problem."""
    database: Literal["ok"]
    """It answers."""
    tables: str | None
    """The version of the database's tables."""
    workers: int | None
    """Workers that gave a sign of life in the last ten seconds; with none, calls wait."""


class FieldError(Strict):
    """What is wrong with one field."""

    field: str
    """Dotted path of the field, such as `variables.name`."""
    message: str
    """What was expected."""


class Problem(Strict):
    """Why a request was refused or failed (RFC 9457)."""

    type: str
    """A URI for this kind of problem."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened this time, for people to read."""
    code: str = Field(examples=["invalid_phone_number"])
    """What happened, for programs to read."""
    errors: tuple[FieldError, ...]
    """Every field that is wrong; empty where no field is."""
    request_id: str
    """The request, as in the `X-Request-Id` header and in the server's log."""
