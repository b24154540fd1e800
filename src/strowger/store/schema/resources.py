"""What workspaces have: agents, trunks, numbers, secrets of tools."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    text,
)

from strowger.agent import AgentDefinition
from strowger.store.codec import CleanText, Id, Json
from strowger.store.schema.conditions import metadata

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
