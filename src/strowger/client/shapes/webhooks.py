"""Webhooks and what is sent to them."""

from typing import Any, Literal, Required, TypedDict


class NewWebhook(TypedDict, total=False):
    url: Required[str]
    events: list[str]
    format: str
    agent_id: str | None


class WebhookFields(TypedDict, total=False):
    url: str
    events: list[str]
    enabled: bool


class Webhook(TypedDict):
    id: str
    workspace_id: str
    url: str
    events: list[str]
    format: str
    agent_id: str | None
    enabled: bool
    failing_since: str | None
    previous_secret_until: str | None
    version: int
    created_at: str
    updated_at: str


class CreatedWebhook(Webhook):
    """With the secret, which is shown this once."""

    secret: str


class DeliveryAttempt(TypedDict):
    at: str
    status: int | None
    answer: str
    duration: float


class DeliverySummary(TypedDict):
    """One event on its way to one address."""

    id: str
    workspace_id: str
    webhook_id: str | None
    url: str
    event_id: str
    event_type: str
    call_id: str | None
    state: Literal["pending", "waiting", "delivered", "given_up"]
    attempts: int
    last_attempt: DeliveryAttempt | None
    next_attempt_at: str | None
    happened_at: str
    settled_at: str | None


class Delivery(DeliverySummary):
    """With every try."""

    attempt_log: list[DeliveryAttempt]


class Replayed(TypedDict):
    deliveries: int
    next_from: str | None


class WebhookMessage(TypedDict):
    """What Strowger posts to a webhook."""

    type: str
    timestamp: str
    data: dict[str, Any]
