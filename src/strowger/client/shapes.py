"""The API's JSON, as types. The server may add fields; what is named here stays.

docs/reference/openapi.json describes each field; tests hold these types against it.
"""

from collections.abc import Mapping
from typing import Any, Generic, Literal, NotRequired, Required, TypedDict, TypeVar

T = TypeVar("T")

Scalar = str | int | float | bool | None
Status = Literal[
    "scheduled", "queued", "initiated", "ringing", "in_progress",
    "completed", "busy", "no_answer", "failed", "canceled",
]  # fmt: skip
TERMINAL = frozenset({"completed", "busy", "no_answer", "failed", "canceled"})


class Listed(TypedDict, Generic[T]):
    """One page of a list, newest first."""

    data: list[T]
    has_more: bool
    next_cursor: str | None


class Turn(TypedDict):
    """What one side said, as the other heard it. Times are seconds since the answer."""

    role: Literal["agent", "callee", "tool"]
    text: str
    started_at: float
    ended_at: float
    interrupted: bool
    confidence: float | None
    latency: dict[str, float | None] | None


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
    trunk_id: str
    variables: dict[str, Scalar]
    metadata: dict[str, Any]
    webhook_url: str | None
    record: bool
    max_duration: float
    ring_timeout: float
    created_at: str
    queued_at: str | None
    started_at: str | None
    answered_at: str | None
    ended_at: str | None
    duration: float | None
    answered_by: Literal["human", "machine", "unknown"]
    outcome: str | None
    extracted: dict[str, Scalar]
    recording: Recording


class Call(CallSummary):
    """A call with everything that is known of it."""

    transcript: list[Turn]
    latency: dict[str, Any] | None


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


class Event(TypedDict):
    """Something that happened, in order of `sequence`."""

    id: str
    sequence: int
    type: str
    timestamp: str
    call_id: str | None
    data: dict[str, Any]


class Transcript(TypedDict):
    call_id: str
    status: Status
    turns: list[Turn]


class AgentFields(TypedDict, total=False):
    """How an agent behaves. Give a `flow`, or a `prompt` and a language model."""

    name: str
    prompt: str
    first_message: str
    language: str
    timezone: str
    voice: Mapping[str, Any]
    model: Mapping[str, Any]
    transcriber: Mapping[str, Any]
    flow: Mapping[str, Any] | None
    turn_taking: Mapping[str, Any]
    limits: Mapping[str, Any]
    voicemail: Mapping[str, Any]
    end_call_phrases: list[str]
    recording: bool
    default_variables: Mapping[str, Scalar]
    webhook_url: str | None
    caller_id: str | None


class Agent(AgentFields):
    id: Required[str]
    workspace_id: Required[str]
    version: Required[int]
    created_at: Required[str]
    updated_at: Required[str]


class NewTrunk(TypedDict, total=False):
    name: str
    host: str
    port: int
    transport: Literal["udp"]
    username: str | None
    password: str | None
    is_default: bool


class Trunk(TypedDict):
    id: str
    workspace_id: str
    name: str
    host: str
    port: int
    transport: Literal["udp"]
    username: str | None
    has_password: bool
    is_default: bool
    created_at: str
    updated_at: str


class NewPhoneNumber(TypedDict, total=False):
    number: str
    label: str
    trunk_id: str | None
    inbound_agent_id: str | None


class PhoneNumber(TypedDict):
    id: str
    workspace_id: str
    number: str
    label: str
    trunk_id: str | None
    inbound_agent_id: str | None
    created_at: str
    updated_at: str


class NewWebhook(TypedDict, total=False):
    url: str
    events: list[str]
    format: str
    agent_id: str | None


class Webhook(TypedDict):
    id: str
    workspace_id: str
    url: str
    events: list[str]
    format: str
    agent_id: str | None
    enabled: bool
    created_at: str
    updated_at: str
    secret: NotRequired[str]
    """Only in the answer that made it."""


class WebhookMessage(TypedDict):
    """What Strowger posts to a webhook."""

    type: str
    timestamp: str
    data: dict[str, Any]
