"""Events: written with the change they tell of, and sent on their way to whoever listens.

Order. `sequence` comes from a counter that does not wait for commits, so across calls a reader
may see 12 before 11. Within a call it cannot: whoever writes an event of a call holds the lock on
the call's row from before the counter is read until the commit. A reader who has seen number n of
a call will never find a smaller one of that call later. The same lock orders the deliveries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, bindparam, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import AgentId, CallId, WorkspaceId
from strowger.store.ids import new_id
from strowger.store.queue import Kind, enqueue
from strowger.store.schema import UNSETTLED, deliveries, events, webhooks

CHANNEL = "strowger_events"
"""Told the id of the call, or nothing, whenever an event is committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event that is about to be written."""

    workspace: WorkspaceId
    type: str
    payload: Mapping[str, object]
    at: float
    call: CallId | None = None
    agent: AgentId | None = None
    """Who conducts the call: some webhooks want one agent's calls only."""
    urls: Sequence[str] = ()
    """Where to send it besides the workspace's webhooks."""


def _publish_statement() -> Select[Any]:
    """Write an event, tell who listens, and find the webhooks that want it, in one round trip."""
    names = ("id", "workspace_id", "call_id", "type", "payload", "created_at")
    values = {name: bindparam(name, type_=events.c[name].type) for name in names}
    agent = bindparam("agent_id", type_=webhooks.c.agent_id.type)
    written = insert(events).values(values).returning(events.c.sequence).cte("written")
    wanting = (
        (webhooks.c.workspace_id == values["workspace_id"])
        & webhooks.c.enabled
        & (webhooks.c.agent_id.is_(None) | (webhooks.c.agent_id == agent))
        & webhooks.c.events.overlap(cast(array([literal("*"), values["type"]]), ARRAY(Text)))
    )
    told = func.pg_notify(CHANNEL, func.coalesce(values["call_id"], ""))
    found = select(written.c.sequence, webhooks.c.id, webhooks.c.url, told)
    return found.select_from(written.outerjoin(webhooks, wanting))


PUBLISH = _publish_statement()


async def publish(connection: AsyncConnection, happening: Happening) -> None:
    """Write the event, its deliveries and their jobs. The call's row must be locked.

    A delivery waits while an earlier one of the same call to the same endpoint is not settled;
    `outbox` wakes it.
    """
    values = {
        "id": new_id("event"),
        "workspace_id": happening.workspace,
        "call_id": happening.call,
        "type": happening.type,
        "payload": happening.payload,
        "created_at": happening.at,
        "agent_id": happening.agent,
    }
    found = (await connection.execute(PUBLISH, values)).all()
    endpoints = {hook.id: (hook.id, hook.url) for hook in found if hook.id is not None}
    endpoints |= {url: (None, url) for url in happening.urls}
    if not endpoints:
        return
    busy = await _busy_endpoints(connection, happening.call)
    rows = [
        {
            "id": new_id("delivery"),
            "workspace_id": happening.workspace,
            "sequence": found[0].sequence,
            "call_id": happening.call,
            "webhook_id": webhook_id,
            "endpoint": endpoint,
            "url": url,
            "state": "waiting" if endpoint in busy else "pending",
        }
        for endpoint, (webhook_id, url) in endpoints.items()
    ]
    await connection.execute(insert(deliveries), rows)
    ready = [row["id"] for row in rows if row["state"] == "pending"]
    await enqueue(connection, Kind.DELIVER, ready)


async def _busy_endpoints(connection: AsyncConnection, call: CallId | None) -> set[str]:
    if call is None:
        return set()
    earlier = select(deliveries.c.endpoint).where(deliveries.c.call_id == call, UNSETTLED)
    return set((await connection.execute(earlier.distinct())).scalars())
