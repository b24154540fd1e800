"""A second line for a call, while somebody else is called from it (an attended transfer).

It is of the call's own trunk and number, and counts as a call of them does; nothing else is kept
of it than that the call takes up two. So it is given back with the call at the latest, however
that ends: a worker that dies takes both with it.

Somebody listens on the first, so it does not wait in the queue: it goes before those that do, and
where no line is free that is said at once, and so is a pace that would let nobody go for long.
"""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import Conflict, Unavailable
from strowger.model import CallId, WorkerId, WorkspaceId
from strowger.store import gate
from strowger.store.call_rows import call_of, locked
from strowger.store.schema import calls

LONGEST_PAUSE = 10.0
"""Seconds that the callee may be kept waiting for the trunk's pace alone."""

LIMITS = text("""
    SELECT c.workspace_id, c.trunk_id, c.consults, CASE WHEN NOT c.test THEN c."from" END AS number,
        t.max_calls AS trunk_calls, n.max_calls AS number_calls,
        t.calls_per_second AS pace,
        w.max_calls IS NOT NULL OR t.max_calls IS NOT NULL OR t.calls_per_second IS NOT NULL
            OR n.max_calls IS NOT NULL AS limited
    FROM calls c
    JOIN workspaces w ON w.id = c.workspace_id
    LEFT JOIN trunks t ON t.id = c.trunk_id
    LEFT JOIN phone_numbers n ON n.workspace_id = c.workspace_id AND n.number = c."from"
        AND NOT c.test
    WHERE c.id = :call AND c.worker_id = :worker AND c.ended_at IS NULL
""")
TAKE = text("""
    UPDATE calls SET consults = true
    WHERE id = :call AND worker_id = :worker AND ended_at IS NULL
""")
GIVE_BACK = text("UPDATE calls SET consults = false WHERE id = :call")


async def take_line(
    connection: AsyncConnection, call: CallId, worker: WorkerId, *, now: float
) -> float:
    """Take up a second line for a call; seconds until the trunk may be sent the other call.

    Raises Unavailable where none is free or the trunk's pace leaves no moment soon, Conflict for a
    call that is over or another worker's.
    """
    asked = {"call": call, "worker": worker}
    limits = (await connection.execute(LIMITS, asked)).one_or_none()
    if limits is None:
        raise Conflict("the call is over", code="call_state")
    pause = await _admitted(connection, limits, now=now) if limits.limited else 0.0
    if (await connection.execute(TAKE, asked)).rowcount == 0:
        raise Conflict("the call is over", code="call_state")
    return pause


async def _admitted(connection: AsyncConnection, limits: Row[Any], *, now: float) -> float:
    workspace = WorkspaceId(limits.workspace_id)
    held = (await connection.execute(gate.LOCK, {"workspace": workspace})).one()
    room = await gate.headroom(connection, workspace, held.max_calls)
    full = room.full(limits.trunk_id, limits.number)
    if full is not None and not limits.consults:
        most = {
            "workspace": held.max_calls,
            "trunk": limits.trunk_calls,
            "number": limits.number_calls,
        }
        raise Unavailable(_no_line(full, most[full]))
    if limits.pace is None:
        return 0.0
    at = max(now, room.next_at.get(limits.trunk_id, now))
    if at - now > LONGEST_PAUSE:
        pause = f"in {at - now:.0f} s at the soonest"
        raise Unavailable(f"the trunk may be sent another call {pause} (calls_per_second)")
    pace = {"trunk": limits.trunk_id, "next_at": at + 1.0 / limits.pace}
    await connection.execute(gate.SET_PACE, pace)
    return at - now


def _no_line(full: str, most: int | None) -> str:
    if most == 1:  # and will never be free
        return f"the {full} is full: it takes calls one at a time, and this is one (max_calls)"
    return f"the {full} is full: no line is free for another call"


async def give_line_back(connection: AsyncConnection, call: CallId) -> None:
    """Somebody may wait for it. Harmless where none was taken."""
    row = await locked(connection, calls.c.id == call)
    await connection.execute(GIVE_BACK, {"call": call})
    await gate.line_freed(connection, call_of(row))
