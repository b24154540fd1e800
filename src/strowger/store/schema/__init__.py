"""The tables. Times are Unix seconds, as in the records; ids sort by the time they were made.

Every change here needs a migration; a test compares the two.
"""

from strowger.store.schema.calling import (
    call_commands,
    call_journals,
    call_turns,
    calls,
    dial_attempts,
    tool_uses,
    workers,
)
from strowger.store.schema.conditions import (
    BUSY,
    LIVE,
    UNSETTLED,
    WAITING,
    metadata,
)
from strowger.store.schema.resources import (
    agent_versions,
    agents,
    phone_numbers,
    secrets,
    trunk_paces,
    trunks,
)
from strowger.store.schema.telling import (
    deliveries,
    delivery_attempts,
    events,
    webhooks,
)
from strowger.store.schema.tenants import (
    api_keys,
    audit_log,
    dialect_records,
    idempotency_keys,
    rate_windows,
    workspaces,
)

__all__ = [
    "BUSY",
    "LIVE",
    "UNSETTLED",
    "WAITING",
    "agent_versions",
    "agents",
    "api_keys",
    "audit_log",
    "call_commands",
    "call_journals",
    "call_turns",
    "calls",
    "deliveries",
    "delivery_attempts",
    "dial_attempts",
    "dialect_records",
    "events",
    "idempotency_keys",
    "metadata",
    "phone_numbers",
    "rate_windows",
    "secrets",
    "tool_uses",
    "trunk_paces",
    "trunks",
    "webhooks",
    "workers",
    "workspaces",
]
