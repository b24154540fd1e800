"""Webhooks and what is sent to them."""

from strowger.api.answers.common import ListOf
from strowger.api.shapes import Strict, Timestamp
from strowger.ports import DeliveryState


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
    format: str
    """How what is sent is written: `strowger`, or a dialect's way."""
    agent_id: str | None
    """Only of calls that this agent conducts; null for all."""
    enabled: bool
    """Whether events are sent."""
    failing_since: Timestamp | None
    """When the failures began that no success has ended since; after five days of them the webhook
    is disabled."""
    previous_secret_until: Timestamp | None
    """Until when what is sent is signed with the secret before the last rotation too."""
    version: int
    """Grows by one with every change, a rotation and a disabling too; in quotes it is the `ETag`
    that `If-Match` takes."""
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


WebhookList = ListOf[Webhook]
DeliveryList = ListOf[DeliverySummary]
