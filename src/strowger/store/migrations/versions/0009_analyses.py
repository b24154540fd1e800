"""What a language model made of a call.

Revision: 0009, follows 0008.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE calls ADD COLUMN summary TEXT, ADD COLUMN analysis JSONB")


def downgrade() -> None:
    op.execute("ALTER TABLE calls DROP COLUMN summary, DROP COLUMN analysis")
