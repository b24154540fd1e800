"""Webhook deliveries: as they are sent, and as customers see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from strowger.model import (
    NATIVE_FORMAT,
    CallId,
    DeliveryId,
    Event,
    Page,
    WebhookId,
    WorkspaceId,
)


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
        """None where that way has no word for the event: it is then not sent.

        Raises NotItsTurn for what is to be told later: it is then tried again, and no attempt.
        """


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
