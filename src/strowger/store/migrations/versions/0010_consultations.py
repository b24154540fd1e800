"""A call may take up a second line while somebody else is called from it.

Revision: 0010, follows 0009.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE calls ADD COLUMN consults BOOLEAN")


def downgrade() -> None:
    op.execute("ALTER TABLE calls DROP COLUMN consults")
