"""Who waits for jobs of one kind is told of those only.

PgQueuer's own notice says that something about the queue has changed, and everybody looks.

Revision: 0008, follows 0007.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = (
    # The notice is in PgQueuer's form; `queue.channel_of` names the channels.
    """
    CREATE FUNCTION tell_of_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify(
            'jobs_' || kind,
            json_build_object(
                'channel', 'jobs_' || kind, 'operation', lower(TG_OP), 'sent_at', now(),
                'table', TG_TABLE_NAME, 'type', 'table_changed_event'
            )::text
        )
        FROM (SELECT DISTINCT entrypoint AS kind FROM fresh WHERE status = 'queued') AS kinds;
        RETURN NULL;
    END;
    $$
    """,
    """
    CREATE TRIGGER tell_of_new_jobs AFTER INSERT ON pgqueuer
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION tell_of_jobs()
    """,
    """
    CREATE TRIGGER tell_of_jobs_put_back AFTER UPDATE ON pgqueuer
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION tell_of_jobs()
    """,
)
DOWN = (
    "DROP TRIGGER tell_of_jobs_put_back ON pgqueuer",
    "DROP TRIGGER tell_of_new_jobs ON pgqueuer",
    "DROP FUNCTION tell_of_jobs()",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
