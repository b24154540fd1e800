"""Idempotency, rate and line limits, commands to calls, schedules.

Revision: 0002, follows 0001.
"""

from alembic import op
from sqlalchemy.util import await_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE idempotency_keys (
    workspace_id TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    request_hash BYTEA NOT NULL,
    status INTEGER NOT NULL,
    location TEXT,
    body BYTEA NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (workspace_id, key)
);

CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- A server that crashes forgets these; that only gives a key a fresh minute.
CREATE UNLOGGED TABLE rate_windows (
    key_id TEXT COLLATE "C" NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    used INTEGER NOT NULL,
    CONSTRAINT rate_windows_pkey PRIMARY KEY (key_id)
);

CREATE TABLE call_commands (
    id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
    call_id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT call_commands_pkey PRIMARY KEY (id),
    CONSTRAINT call_commands_call_id_fkey
        FOREIGN KEY (call_id) REFERENCES calls (id) ON DELETE CASCADE
);

CREATE INDEX call_commands_call_id_idx ON call_commands (call_id);

INSERT INTO call_commands (call_id, kind, text, created_at)
SELECT id, 'end', '', created_at FROM calls WHERE end_requested AND ended_at IS NULL;

CREATE TABLE trunk_paces (
    trunk_id TEXT COLLATE "C" NOT NULL,
    next_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT trunk_paces_pkey PRIMARY KEY (trunk_id),
    CONSTRAINT trunk_paces_trunk_id_fkey
        FOREIGN KEY (trunk_id) REFERENCES trunks (id) ON DELETE CASCADE
);

ALTER TABLE calls
    DROP COLUMN end_requested,
    ADD COLUMN scheduled_at DOUBLE PRECISION,
    ADD COLUMN test BOOLEAN DEFAULT false NOT NULL,
    ADD COLUMN figures JSONB,
    ADD COLUMN gate TEXT,
    ADD COLUMN gate_at DOUBLE PRECISION;

CREATE INDEX calls_waiting_idx ON calls (workspace_id, id) WHERE gate = 'waiting';

CREATE INDEX calls_busy_idx ON calls (workspace_id, trunk_id)
    WHERE ended_at IS NULL AND (worker_id IS NOT NULL OR gate = 'released');

ALTER TABLE workspaces ADD COLUMN max_calls INTEGER;

ALTER TABLE trunks
    ADD COLUMN max_calls INTEGER,
    ADD COLUMN calls_per_second DOUBLE PRECISION;

ALTER TABLE phone_numbers ADD COLUMN max_calls INTEGER;

ALTER TABLE api_keys ADD COLUMN test BOOLEAN DEFAULT false NOT NULL;
"""

DOWN = """
ALTER TABLE api_keys DROP COLUMN test;
ALTER TABLE phone_numbers DROP COLUMN max_calls;
ALTER TABLE trunks DROP COLUMN max_calls, DROP COLUMN calls_per_second;
ALTER TABLE workspaces DROP COLUMN max_calls;
ALTER TABLE calls
    DROP COLUMN scheduled_at,
    DROP COLUMN test,
    DROP COLUMN figures,
    DROP COLUMN gate,
    DROP COLUMN gate_at,
    ADD COLUMN end_requested BOOLEAN DEFAULT false NOT NULL;
DROP TABLE trunk_paces;
DROP TABLE call_commands;
DROP TABLE rate_windows;
DROP TABLE idempotency_keys;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)


def run(script: str) -> None:
    """Several statements at once, within the migration's transaction."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(script))
