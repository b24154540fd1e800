"""Dialects: what they keep, the formats of webhooks, webhooks of one agent.

Revision: 0006, follows 0005.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE calls ADD dialect TEXT",
    'CREATE INDEX calls_from_idx ON calls (workspace_id, "from", id)',
    """ALTER TABLE webhooks
        ADD format TEXT NOT NULL DEFAULT 'strowger',
        ADD agent_id TEXT COLLATE "C",
        ADD CONSTRAINT webhooks_workspace_id_agent_id_fkey FOREIGN KEY (workspace_id, agent_id)
            REFERENCES agents (workspace_id, id) ON DELETE CASCADE""",
    "CREATE INDEX webhooks_agent_idx ON webhooks (workspace_id, agent_id)",
    """CREATE TABLE dialect_records (
        id TEXT COLLATE "C" NOT NULL,
        workspace_id TEXT COLLATE "C" NOT NULL,
        dialect TEXT NOT NULL,
        kind TEXT NOT NULL,
        record_id TEXT COLLATE "C" NOT NULL,
        body BYTEA NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL,
        CONSTRAINT dialect_records_pkey PRIMARY KEY (id),
        CONSTRAINT dialect_records_workspace_id_fkey FOREIGN KEY (workspace_id)
            REFERENCES workspaces (id)
    )""",
    """CREATE INDEX dialect_records_list_idx
        ON dialect_records (workspace_id, dialect, kind, record_id)""",
)
DOWN = (
    "DROP TABLE dialect_records",
    "DROP INDEX webhooks_agent_idx",
    "ALTER TABLE webhooks DROP agent_id, DROP format",
    "DROP INDEX calls_from_idx",
    "ALTER TABLE calls DROP dialect",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
