"""Secrets of agents' tools, and the tools that calls have used.

Revision: 0007, follows 0006.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE secrets (
        id TEXT COLLATE "C" NOT NULL,
        workspace_id TEXT COLLATE "C" NOT NULL,
        name TEXT NOT NULL,
        value BYTEA NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        updated_at DOUBLE PRECISION NOT NULL,
        CONSTRAINT secrets_pkey PRIMARY KEY (id),
        CONSTRAINT secrets_workspace_id_name_key UNIQUE (workspace_id, name),
        CONSTRAINT secrets_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
    )
    """,
    "CREATE INDEX secrets_page_idx ON secrets (workspace_id, id)",
    """
    CREATE TABLE tool_uses (
        call_id TEXT COLLATE "C" NOT NULL,
        use INTEGER NOT NULL,
        name TEXT NOT NULL,
        arguments TEXT NOT NULL,
        noted_at DOUBLE PRECISION NOT NULL,
        CONSTRAINT tool_uses_pkey PRIMARY KEY (call_id, use),
        CONSTRAINT tool_uses_call_id_fkey FOREIGN KEY (call_id)
            REFERENCES calls (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE tool_uses")
    op.execute("DROP TABLE secrets")
