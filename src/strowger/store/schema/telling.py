"""What happened, and its way to customers."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from strowger.store.codec import CleanText, Id
from strowger.store.schema.conditions import UNSETTLED, metadata

# JSON and not JSONB: what customers receive keeps the order it was written in.
events = Table(
    "events",
    metadata,
    Column("sequence", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("workspace_id", Id, nullable=False),
    Column("call_id", Id),
    Column("type", CleanText, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
)
Index("events_call_idx", events.c.call_id, events.c.sequence)
Index("events_workspace_idx", events.c.workspace_id, events.c.sequence)
Index("events_time_idx", events.c.workspace_id, events.c.created_at)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("url", CleanText, nullable=False),
    Column("events", ARRAY(CleanText), nullable=False),
    Column("secret", LargeBinary, nullable=False),  # sealed, as is the one before
    Column("previous_secret", LargeBinary),
    Column("previous_secret_until", Double),
    Column("enabled", Boolean, nullable=False),
    Column("failing_since", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("format", CleanText, nullable=False, server_default=text("'strowger'")),
    Column("agent_id", Id),
    ForeignKeyConstraint(
        ["workspace_id", "agent_id"],
        ["agents.workspace_id", "agents.id"],
        ondelete="CASCADE",
    ),
)
Index("webhooks_agent_idx", webhooks.c.workspace_id, webhooks.c.agent_id)
Index("webhooks_page_idx", webhooks.c.workspace_id, webhooks.c.id)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, nullable=False),
    Column("sequence", BigInteger, ForeignKey("events.sequence"), nullable=False),
    Column("call_id", Id),
    Column("webhook_id", Id, ForeignKey("webhooks.id", ondelete="CASCADE")),
    Column("endpoint", CleanText, nullable=False),
    Column("url", CleanText, nullable=False),
    Column("state", CleanText, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Double),
    Column("settled_at", Double),
)
Index(
    "deliveries_line_idx",
    deliveries.c.call_id,
    deliveries.c.endpoint,
    deliveries.c.sequence,
    postgresql_where=UNSETTLED,
)
Index("deliveries_webhook_idx", deliveries.c.webhook_id, deliveries.c.id)
Index("deliveries_event_idx", deliveries.c.sequence)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("status", Integer),
    Column("answer", CleanText, nullable=False),
    Column("duration", Double, nullable=False),
)
