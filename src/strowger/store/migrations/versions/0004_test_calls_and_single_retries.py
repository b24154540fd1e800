"""Calls without a trunk, and jobs that say which attempt of a delivery they are for.

Revision: 0004, follows 0003.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE calls ALTER trunk_id DROP NOT NULL")
    # A delivery that has been tried already has a job without a number, or, from a time when
    # there could be two, several: the first that runs makes the attempt.
    op.execute("""
        UPDATE pgqueuer job
        SET payload = job.payload || convert_to(':' || delivery.attempts, 'UTF8')
        FROM deliveries delivery
        WHERE job.entrypoint = 'deliver' AND delivery.attempts > 0
            AND job.payload = convert_to(delivery.id, 'UTF8')
    """)


def downgrade() -> None:
    op.execute("""
        UPDATE pgqueuer
        SET payload = convert_to(split_part(convert_from(payload, 'UTF8'), ':', 1), 'UTF8')
        WHERE entrypoint = 'deliver'
    """)
    op.execute("UPDATE calls SET trunk_id = 'trunk_none' WHERE trunk_id IS NULL")
    op.execute("ALTER TABLE calls ALTER trunk_id SET NOT NULL")
