"""Everything that happened in a workspace, in order, without ever skipping what commits late.

`sequence` comes from a counter that does not wait for commits: a reader may see 12 while the
transaction that drew 11 is still running. Where numbers are missing, that is either such a
transaction or one that was rolled back, or another workspace's. The snapshot that showed 12 also
says which transactions were running then, and whoever drew a smaller number was one of them: it
had written before it drew. So the reader waits until all of those are over, and looks once more.
Transactions here take milliseconds; for one that takes longer, the answer stops before the gap.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.model import Event, WorkspaceId
from strowger.store.connect import reading
from strowger.store.customer_calls import event_of
from strowger.store.schema import events

PATIENCE = 2.0
"""Seconds to wait for transactions that may have drawn a missing number."""
FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.1

OLDEST_RUNNING = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
RUNNING_UNTIL = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


async def events_since(
    engine: AsyncEngine,
    workspace: WorkspaceId,
    *,
    after: int,
    limit: int,
    patience: float = PATIENCE,
) -> tuple[Event, ...]:
    async with reading(engine) as connection:
        rows = await _read(connection, workspace, after=after, limit=limit)
        whole = _without_gaps(rows, after)
        if len(whole) < len(rows):
            if not await _over(connection, rows[0].until, patience):
                return tuple(event_of(row) for row in whole)
            last = rows[-1].sequence
            rows = await _read(connection, workspace, after=after, limit=limit, last=last)
    return tuple(event_of(row) for row in rows)


async def last_sequence(connection: AsyncConnection, workspace: WorkspaceId) -> int:
    newest = select(func.max(events.c.sequence)).where(events.c.workspace_id == workspace)
    return int((await connection.execute(newest)).scalar_one() or 0)


async def _read(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    *,
    after: int,
    limit: int,
    last: int | None = None,
) -> Sequence[Row[Any]]:
    wanted = select(events, text(f"{RUNNING_UNTIL} AS until")).where(
        events.c.workspace_id == workspace, events.c.sequence > after
    )
    if last is not None:
        wanted = wanted.where(events.c.sequence <= last)
    return (await connection.execute(wanted.order_by(events.c.sequence).limit(limit))).all()


def _without_gaps(rows: Sequence[Row[Any]], after: int) -> Sequence[Row[Any]]:
    """Those before the first missing number."""
    for index, row in enumerate(rows):
        if row.sequence != after + index + 1:
            return rows[:index]
    return rows


async def _over(connection: AsyncConnection, until: int, patience: float) -> bool:
    """Whether every transaction before `until` is over, given some time."""
    waited, pause = 0.0, FIRST_PAUSE
    while (await connection.execute(OLDEST_RUNNING)).scalar_one() < until:
        if waited >= patience:
            return False
        await asyncio.sleep(pause)
        waited, pause = waited + pause, min(pause * 2, LONGEST_PAUSE)
    return True
