"""The tables. Times are Unix seconds, as in the records; ids sort by the time they were made.

Every change here needs a migration; a test compares the two.
"""

from collections.abc import Mapping

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
    MetaData,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from strowger.agent import AgentDefinition, Scalar
from strowger.lifecycle import TERMINAL
from strowger.model import CallAnalysis, LineFigures, Recording, Turn
from strowger.store.codec import CleanText, Id, Json

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

LIVE = text("status NOT IN ({})".format(", ".join(f"'{status}'" for status in sorted(TERMINAL))))
"""Condition of the small indexes that hold only calls that are not over."""

WAITING = text("gate = 'waiting'")
"""A call that a limit keeps from being dialled."""
BUSY = text("ended_at IS NULL AND (worker_id IS NOT NULL OR gate = 'released')")
"""A call that takes up a line, or is about to."""

UNSETTLED = text("state IN ('pending', 'waiting')")

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("max_calls", Integer),
    Column("webhook_secret", LargeBinary),  # sealed, see `sealing`; as is the one before
    Column("created_at", Double, nullable=False),
    Column("webhook_secret_at", Double),
    Column("previous_webhook_secret", LargeBinary),
    Column("previous_webhook_secret_until", Double),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("name", CleanText, nullable=False),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(CleanText), nullable=False),
    Column("expires_at", Double),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("test", Boolean, nullable=False, server_default=text("false")),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("workspace_id", Id, primary_key=True),
    Column("key", Id, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("location", CleanText),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False, index=True),
)

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key_id", Id, primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("used", Integer, nullable=False),
    prefixes=["UNLOGGED"],
)

agents = Table(
    "agents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", Json[AgentDefinition](AgentDefinition), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    UniqueConstraint("workspace_id", "id"),
)

agent_versions = Table(
    "agent_versions",
    metadata,
    Column("agent_id", Id, ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("definition", Json[AgentDefinition](AgentDefinition), nullable=False),
    Column("created_at", Double, nullable=False),
)

trunks = Table(
    "trunks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("name", CleanText, nullable=False),
    Column("host", CleanText, nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", CleanText, nullable=False),
    Column("username", CleanText),
    Column("password", LargeBinary),  # sealed
    Column("is_default", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("max_calls", Integer),
    Column("calls_per_second", Double),
    Column("version", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("workspace_id", "id"),
)
Index("trunks_default_idx", trunks.c.workspace_id, unique=True, postgresql_where=text("is_default"))

trunk_paces = Table(
    "trunk_paces",
    metadata,
    Column("trunk_id", Id, ForeignKey("trunks.id", ondelete="CASCADE"), primary_key=True),
    # When the trunk may be sent its next call.
    Column("next_at", Double, nullable=False),
)

phone_numbers = Table(
    "phone_numbers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("number", CleanText, nullable=False),
    Column("label", CleanText, nullable=False),
    Column("trunk_id", Id),
    Column("inbound_agent_id", Id),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("max_calls", Integer),
    Column("version", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("workspace_id", "number"),
    # With the workspace in the key, a number cannot point into another workspace.
    ForeignKeyConstraint(
        ["workspace_id", "trunk_id"],
        ["trunks.workspace_id", "trunks.id"],
        ondelete="SET NULL (trunk_id)",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "inbound_agent_id"],
        ["agents.workspace_id", "agents.id"],
        ondelete="SET NULL (inbound_agent_id)",
    ),
)
Index("phone_numbers_page_idx", phone_numbers.c.workspace_id, phone_numbers.c.id)

# Calls name their agent and trunk without foreign keys: those may go, the call stays.
calls = Table(
    "calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, nullable=False),
    Column("agent_id", Id),
    Column("agent_version", Integer),
    Column("agent", Json[AgentDefinition](AgentDefinition), nullable=False),
    Column("to", CleanText, nullable=False),
    Column("from", CleanText, key="from_"),
    Column("trunk_id", Id),
    Column("direction", CleanText, nullable=False),
    Column("channel", CleanText, nullable=False),
    Column("status", CleanText, nullable=False),
    Column("end_reason", CleanText),
    Column("sip_status", Integer),
    Column("hangup_cause", Integer),
    Column("error", CleanText),
    Column("variables", Json[Mapping[str, Scalar]](Mapping[str, Scalar]), nullable=False),
    Column("metadata", Json[Mapping[str, object]](Mapping[str, object]), nullable=False),
    Column("webhook_url", CleanText),
    Column("record", Boolean, nullable=False),
    Column("max_duration", Double, nullable=False),
    Column("ring_timeout", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("queued_at", Double),
    Column("started_at", Double),
    Column("answered_at", Double),
    Column("ended_at", Double),
    Column("answered_by", CleanText, nullable=False),
    Column("outcome", CleanText),
    Column("extracted", Json[Mapping[str, Scalar]](Mapping[str, Scalar]), nullable=False),
    Column("recording", Json[Recording](Recording), nullable=False),
    Column("worker_id", Id),
    Column("scheduled_at", Double),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("dialect", CleanText),
    Column("figures", Json[LineFigures](LineFigures)),
    # How far it is in the queue for a line, where lines are limited: see `gate`.
    Column("gate", CleanText),
    Column("gate_at", Double),
    Column("summary", CleanText),
    Column("analysis", Json[CallAnalysis](CallAnalysis)),
)
Index("calls_page_idx", calls.c.workspace_id, calls.c.id)
Index("calls_status_idx", calls.c.workspace_id, calls.c.status, calls.c.id)
Index("calls_agent_idx", calls.c.workspace_id, calls.c.agent_id, calls.c.id)
Index("calls_to_idx", calls.c.workspace_id, calls.c.to, calls.c.id)
Index("calls_from_idx", calls.c.workspace_id, calls.c.from_, calls.c.id)
Index("calls_worker_idx", calls.c.worker_id, postgresql_where=LIVE)
Index("calls_trunk_idx", calls.c.trunk_id, postgresql_where=LIVE)
Index("calls_waiting_idx", calls.c.workspace_id, calls.c.id, postgresql_where=WAITING)
Index("calls_busy_idx", calls.c.workspace_id, calls.c.trunk_id, postgresql_where=BUSY)

call_turns = Table(
    "call_turns",
    metadata,
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("turn", Json[Turn](Turn), nullable=False),
)

call_commands = Table(
    "call_commands",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", CleanText, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("created_at", Double, nullable=False),
)

call_journals = Table(
    "call_journals",
    metadata,
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("journal", LargeBinary, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("name", CleanText, nullable=False),
    Column("value", LargeBinary, nullable=False),  # sealed
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    UniqueConstraint("workspace_id", "name"),
    Index("secrets_page_idx", "workspace_id", "id"),
)

tool_uses = Table(
    "tool_uses",
    metadata,
    # The key is the promise that no use is made twice: see calls.note_tool_use.
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("use", Integer, primary_key=True, autoincrement=False),
    Column("name", CleanText, nullable=False),
    Column("arguments", CleanText, nullable=False),
    Column("noted_at", Double, nullable=False),
)

dial_attempts = Table(
    "dial_attempts",
    metadata,
    # The key is the promise that nobody is rung twice: see calls.claim_dial_attempt.
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("worker_id", Id, nullable=False),
    Column("made_at", Double, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("busy", Integer, nullable=False),
    Column("beat_at", Double, nullable=False),
)

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

# Names keys and things without foreign keys: these may go, what they did stays.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, nullable=False),
    Column("at", Double, nullable=False),
    Column("key_id", Id),
    Column("request_id", Id),
    Column("resource", CleanText, nullable=False),
    Column("resource_id", Id, nullable=False),
    Column("action", CleanText, nullable=False),
    Column("fields", ARRAY(CleanText), nullable=False),
)
Index("audit_log_page_idx", audit_log.c.workspace_id, audit_log.c.id)
Index("audit_log_thing_idx", audit_log.c.workspace_id, audit_log.c.resource_id, audit_log.c.id)

# What dialects keep. The id names workspace, dialect, kind and the record's own id.
dialect_records = Table(
    "dialect_records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("dialect", CleanText, nullable=False),
    Column("kind", CleanText, nullable=False),
    Column("record_id", Id, nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)
Index(
    "dialect_records_list_idx",
    dialect_records.c.workspace_id,
    dialect_records.c.dialect,
    dialect_records.c.kind,
    dialect_records.c.record_id,
)
