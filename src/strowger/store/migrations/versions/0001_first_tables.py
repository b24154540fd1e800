"""The first tables, and the job queue's.

Revision: 0001, follows nothing.
"""

from alembic import op
from sqlalchemy.util import await_only

from strowger.store.queue import builders

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE calls (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C",
    agent_version INTEGER,
    agent JSONB NOT NULL,
    "to" TEXT NOT NULL,
    "from" TEXT,
    trunk_id TEXT COLLATE "C" NOT NULL,
    direction TEXT NOT NULL,
    channel TEXT NOT NULL,
    status TEXT NOT NULL,
    end_reason TEXT,
    sip_status INTEGER,
    hangup_cause INTEGER,
    error TEXT,
    variables JSONB NOT NULL,
    metadata JSONB NOT NULL,
    webhook_url TEXT,
    record BOOLEAN NOT NULL,
    max_duration DOUBLE PRECISION NOT NULL,
    ring_timeout DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    queued_at DOUBLE PRECISION,
    started_at DOUBLE PRECISION,
    answered_at DOUBLE PRECISION,
    ended_at DOUBLE PRECISION,
    answered_by TEXT NOT NULL,
    outcome TEXT,
    extracted JSONB NOT NULL,
    recording JSONB NOT NULL,
    worker_id TEXT COLLATE "C",
    end_requested BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT calls_pkey PRIMARY KEY (id)
);

CREATE INDEX calls_agent_idx ON calls (workspace_id, agent_id, id);

CREATE INDEX calls_page_idx ON calls (workspace_id, id);

CREATE INDEX calls_status_idx ON calls (workspace_id, status, id);

CREATE INDEX calls_to_idx ON calls (workspace_id, "to", id);

CREATE INDEX calls_trunk_idx ON calls (trunk_id)
    WHERE status NOT IN ('busy', 'canceled', 'completed', 'failed', 'no_answer');

CREATE INDEX calls_worker_idx ON calls (worker_id)
    WHERE status NOT IN ('busy', 'canceled', 'completed', 'failed', 'no_answer');

CREATE TABLE events (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY,
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    call_id TEXT COLLATE "C",
    type TEXT NOT NULL,
    payload JSON NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (sequence),
    CONSTRAINT events_id_key UNIQUE (id)
);

CREATE INDEX events_call_idx ON events (call_id, sequence);

CREATE INDEX events_workspace_idx ON events (workspace_id, sequence);

CREATE TABLE workers (
    id TEXT COLLATE "C" NOT NULL,
    lines INTEGER NOT NULL,
    busy INTEGER NOT NULL,
    beat_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
);

CREATE TABLE workspaces (
    id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    webhook_secret TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT workspaces_pkey PRIMARY KEY (id)
);

CREATE TABLE agents (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    definition JSONB NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT agents_pkey PRIMARY KEY (id),
    CONSTRAINT agents_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT agents_workspace_id_fkey
        FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    expires_at DOUBLE PRECISION,
    created_at DOUBLE PRECISION NOT NULL,
    last_used_at DOUBLE PRECISION,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_workspace_id_fkey
        FOREIGN KEY (workspace_id) REFERENCES workspaces (id),
    CONSTRAINT api_keys_sha256_key UNIQUE (sha256)
);

CREATE TABLE call_journals (
    call_id TEXT COLLATE "C" NOT NULL,
    journal BYTEA NOT NULL,
    CONSTRAINT call_journals_pkey PRIMARY KEY (call_id),
    CONSTRAINT call_journals_call_id_fkey
        FOREIGN KEY (call_id) REFERENCES calls (id) ON DELETE CASCADE
);

CREATE TABLE call_turns (
    call_id TEXT COLLATE "C" NOT NULL,
    position INTEGER NOT NULL,
    turn JSONB NOT NULL,
    CONSTRAINT call_turns_pkey PRIMARY KEY (call_id, position),
    CONSTRAINT call_turns_call_id_fkey
        FOREIGN KEY (call_id) REFERENCES calls (id) ON DELETE CASCADE
);

CREATE TABLE dial_attempts (
    call_id TEXT COLLATE "C" NOT NULL,
    worker_id TEXT COLLATE "C" NOT NULL,
    made_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT dial_attempts_pkey PRIMARY KEY (call_id),
    CONSTRAINT dial_attempts_call_id_fkey
        FOREIGN KEY (call_id) REFERENCES calls (id) ON DELETE CASCADE
);

CREATE TABLE trunks (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    transport TEXT NOT NULL,
    username TEXT,
    password TEXT,
    is_default BOOLEAN NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT trunks_pkey PRIMARY KEY (id),
    CONSTRAINT trunks_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT trunks_workspace_id_fkey
        FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE UNIQUE INDEX trunks_default_idx ON trunks (workspace_id) WHERE is_default;

CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    url TEXT NOT NULL,
    events TEXT[] NOT NULL,
    secret TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT webhooks_pkey PRIMARY KEY (id),
    CONSTRAINT webhooks_workspace_id_fkey
        FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX webhooks_page_idx ON webhooks (workspace_id, id);

CREATE TABLE agent_versions (
    agent_id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    definition JSONB NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT agent_versions_pkey PRIMARY KEY (agent_id, version),
    CONSTRAINT agent_versions_agent_id_fkey
        FOREIGN KEY (agent_id) REFERENCES agents (id) ON DELETE CASCADE
);

CREATE TABLE deliveries (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    call_id TEXT COLLATE "C",
    webhook_id TEXT COLLATE "C",
    endpoint TEXT NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    next_attempt_at DOUBLE PRECISION,
    settled_at DOUBLE PRECISION,
    CONSTRAINT deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT deliveries_sequence_fkey
        FOREIGN KEY (sequence) REFERENCES events (sequence),
    CONSTRAINT deliveries_webhook_id_fkey
        FOREIGN KEY (webhook_id) REFERENCES webhooks (id) ON DELETE CASCADE
);

CREATE INDEX deliveries_event_idx ON deliveries (sequence);

CREATE INDEX deliveries_line_idx ON deliveries (call_id, endpoint, sequence)
    WHERE state IN ('pending', 'waiting');

CREATE INDEX deliveries_webhook_idx ON deliveries (webhook_id, id);

CREATE TABLE phone_numbers (
    id TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    number TEXT NOT NULL,
    label TEXT NOT NULL,
    trunk_id TEXT COLLATE "C",
    inbound_agent_id TEXT COLLATE "C",
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    CONSTRAINT phone_numbers_pkey PRIMARY KEY (id),
    CONSTRAINT phone_numbers_workspace_id_number_key UNIQUE (workspace_id, number),
    CONSTRAINT phone_numbers_workspace_id_trunk_id_fkey
        FOREIGN KEY (workspace_id, trunk_id) REFERENCES trunks (workspace_id, id)
        ON DELETE SET NULL (trunk_id),
    CONSTRAINT phone_numbers_workspace_id_inbound_agent_id_fkey
        FOREIGN KEY (workspace_id, inbound_agent_id) REFERENCES agents (workspace_id, id)
        ON DELETE SET NULL (inbound_agent_id),
    CONSTRAINT phone_numbers_workspace_id_fkey
        FOREIGN KEY (workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX phone_numbers_page_idx ON phone_numbers (workspace_id, id);

CREATE TABLE delivery_attempts (
    delivery_id TEXT COLLATE "C" NOT NULL,
    number INTEGER NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    status INTEGER,
    answer TEXT NOT NULL,
    duration DOUBLE PRECISION NOT NULL,
    CONSTRAINT delivery_attempts_pkey PRIMARY KEY (delivery_id, number),
    CONSTRAINT delivery_attempts_delivery_id_fkey
        FOREIGN KEY (delivery_id) REFERENCES deliveries (id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    run(TABLES)
    run(builders()[0].build_install_query())


def downgrade() -> None:
    run(builders()[0].build_uninstall_query())
    run("""
        DROP TABLE delivery_attempts;
        DROP TABLE phone_numbers;
        DROP TABLE deliveries;
        DROP TABLE agent_versions;
        DROP TABLE webhooks;
        DROP TABLE trunks;
        DROP TABLE dial_attempts;
        DROP TABLE call_turns;
        DROP TABLE call_journals;
        DROP TABLE api_keys;
        DROP TABLE agents;
        DROP TABLE workspaces;
        DROP TABLE workers;
        DROP TABLE events;
        DROP TABLE calls;
    """)


def run(script: str) -> None:
    """Several statements at once, within the migration's transaction."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(script))
