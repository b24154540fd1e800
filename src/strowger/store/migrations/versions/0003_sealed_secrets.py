"""Secrets sealed, webhooks that rotate and are disabled, and who changed what.

Revision: 0003, follows 0002.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from alembic import context, op
from sqlalchemy.util import await_only

from strowger.errors import ConfigurationError
from strowger.store.keyring import Keyring, Place

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SECRETS = (("trunks", "password"), ("webhooks", "secret"), ("workspaces", "webhook_secret"))

TABLES = """
ALTER TABLE webhooks
    ADD previous_secret BYTEA,
    ADD previous_secret_until DOUBLE PRECISION,
    ADD failing_since DOUBLE PRECISION;

CREATE INDEX events_time_idx ON events (workspace_id, created_at);

CREATE TABLE audit_log (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    key_id TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    resource TEXT NOT NULL,
    resource_id TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,
    fields TEXT[] NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (id)
);

CREATE INDEX audit_log_page_idx ON audit_log (workspace_id, id);

CREATE INDEX audit_log_thing_idx ON audit_log (workspace_id, resource_id, id);
"""


def upgrade() -> None:
    for table, column in SECRETS:
        run(
            f"ALTER TABLE {table} ALTER COLUMN {column}"
            f" TYPE BYTEA USING convert_to({column}, 'UTF8')"
        )
        translate(table, column, lambda keyring, place, value: keyring.seal(value.decode(), place))
    run(TABLES)


def downgrade() -> None:
    run("""
        DROP TABLE audit_log;
        DROP INDEX events_time_idx;
        ALTER TABLE webhooks
            DROP previous_secret, DROP previous_secret_until, DROP failing_since;
    """)
    for table, column in SECRETS:
        translate(table, column, lambda keyring, place, value: keyring.open(value, place).encode())
        run(
            f"ALTER TABLE {table} ALTER COLUMN {column}"
            f" TYPE TEXT USING convert_from({column}, 'UTF8')"
        )


def translate(table: str, column: str, change: Callable[[Keyring, Place, bytes], bytes]) -> None:
    """Write every secret of a column anew."""
    rows = wait(driver().fetch(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL"))  # noqa: S608
    if not rows:
        return
    keyring = context.config.attributes["keyring"]
    if keyring is None:
        raise ConfigurationError(f"{table} holds secrets: this migration needs the keys for them")
    for id, value in rows:
        fresh = change(keyring, Place(table, column, id), value)
        wait(driver().execute(f"UPDATE {table} SET {column} = $1 WHERE id = $2", fresh, id))  # noqa: S608


def run(script: str) -> None:
    """Several statements at once, within the migration's transaction."""
    wait(driver().execute(script))


def driver() -> Any:
    found = op.get_bind().connection.driver_connection
    assert found is not None
    return found


def wait(asked: Awaitable[Any]) -> Any:
    return await_only(asked)
