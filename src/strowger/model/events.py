"""What happened, and who is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from strowger.model.ids import AgentId, CallId, EventId, WebhookId, WorkspaceId

NATIVE_FORMAT = "strowger"
"""The format of webhooks that are written Strowger's own way."""


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
