"""Workspaces, and what is kept of them besides what they own."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from strowger.store.codec import CleanText, Id
from strowger.store.schema.conditions import metadata

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
