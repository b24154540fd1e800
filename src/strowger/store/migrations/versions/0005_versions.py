"""Versions of trunks, phone numbers and webhooks; a workspace's secret that rotates.

Revision: 0005, follows 0004.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

VERSIONED = ("trunks", "phone_numbers", "webhooks")


def upgrade() -> None:
    for table in VERSIONED:
        op.execute(f"ALTER TABLE {table} ADD version INTEGER NOT NULL DEFAULT 1")
    op.execute(
        "ALTER TABLE workspaces"
        " ADD webhook_secret_at DOUBLE PRECISION,"
        " ADD previous_webhook_secret BYTEA,"
        " ADD previous_webhook_secret_until DOUBLE PRECISION"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE workspaces"
        " DROP webhook_secret_at,"
        " DROP previous_webhook_secret,"
        " DROP previous_webhook_secret_until"
    )
    for table in VERSIONED:
        op.execute(f"ALTER TABLE {table} DROP version")
