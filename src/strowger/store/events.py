"""Events: written with the change they tell of, and sent on their way to whoever listens.

Order. `sequence` comes from a counter that does not wait for commits, so across calls a reader
may see 12 before 11. Within a call it cannot: whoever writes an event of a call holds the lock on
the call's row from before the counter is read until the commit. A reader who has seen number n of
a call will never find a smaller one of that call later. The same lock orders the deliveries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import CallId, WorkspaceId
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
    urls: Sequence[str] = ()
    """Where to send it besides the workspace's webhooks."""


async def publish(connection: AsyncConnection, happening: Happening) -> None:
    """Write the event, its deliveries and their jobs. The call's row must be locked."""
    written = insert(events).values(
        id=new_id("event"),
        workspace_id=happening.workspace,
        call_id=happening.call,
        type=happening.type,
        payload=happening.payload,
        created_at=happening.at,
    )
    told = func.pg_notify(CHANNEL, happening.call or "")
    row = (await connection.execute(written.returning(events.c.sequence, told))).one()
    await _address(connection, happening, row.sequence)


async def _address(connection: AsyncConnection, happening: Happening, sequence: int) -> None:
    """One delivery for each endpoint that wants the event.

    A delivery waits while an earlier one of the same call to the same endpoint is not settled;
    `outbox` wakes it.
    """
    wanting = select(webhooks.c.id, webhooks.c.url).where(
        webhooks.c.workspace_id == happening.workspace,
        webhooks.c.enabled,
        webhooks.c.events.overlap(["*", happening.type]),
    )
    rows: list[dict[str, Any]] = [
        {"endpoint": hook.id, "webhook_id": hook.id, "url": hook.url}
        for hook in await connection.execute(wanting)
    ]
    rows += [
        {"endpoint": url, "webhook_id": None, "url": url} for url in dict.fromkeys(happening.urls)
    ]
    if not rows:
        return
    busy = await _busy_endpoints(connection, happening.call)
    for row in rows:
        row["id"] = new_id("delivery")
        row["workspace_id"] = happening.workspace
        row["sequence"] = sequence
        row["call_id"] = happening.call
        row["state"] = "waiting" if row["endpoint"] in busy else "pending"
    await connection.execute(insert(deliveries), rows)
    ready = [row["id"] for row in rows if row["state"] == "pending"]
    await enqueue(connection, Kind.DELIVER, ready)


async def _busy_endpoints(connection: AsyncConnection, call: CallId | None) -> set[str]:
    if call is None:
        return set()
    earlier = select(deliveries.c.endpoint).where(deliveries.c.call_id == call, UNSETTLED)
    return set((await connection.execute(earlier.distinct())).scalars())
