"""The queue for a line, where lines are limited: who may be dialled now, and who is next.

A workspace, a trunk and a number may each have a most of calls at the same time, and a trunk a
pace. A call that one of them keeps back is `waiting`: it has no job, so nobody looks at it again
and again. Whatever may free a line (a call that ends, a limit that is raised) commits a job that
releases who waited longest; a `released` call takes up its line from then on and has a dial job.

Everything here happens under the lock on the workspace's row, so that two workers do not count
the same free line, and a call that starts to wait is seen by the job of the call that ends. The
lock is always taken before that of a call; who ends a call only leaves a job, and takes none.

Test calls take up lines of the workspace as others do, but none of a trunk or number: they use
neither. A call that `consults` takes up two: see `consulting`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import Call, CallId, WorkspaceId
from strowger.store.queue import Kind, enqueue

LOOKED_AT_ONCE = 100
"""Waiting calls read by one statement."""

LIMITS_OF_CALL = text("""
    SELECT c.workspace_id, c.trunk_id, c.gate, CASE WHEN NOT c.test THEN c."from" END AS number,
        w.max_calls AS workspace_calls, t.max_calls AS trunk_calls,
        t.calls_per_second AS pace, n.max_calls AS number_calls
    FROM calls c
    JOIN workspaces w ON w.id = c.workspace_id
    LEFT JOIN trunks t ON t.id = c.trunk_id
    LEFT JOIN phone_numbers n ON n.workspace_id = c.workspace_id AND n.number = c."from"
        AND NOT c.test
    WHERE c.id = :call AND c.status = 'queued' AND c.worker_id IS NULL
""")
LOCK = text("SELECT max_calls FROM workspaces WHERE id = :workspace FOR NO KEY UPDATE")
# A call that waits goes first, if it waits for something that this one needs as well.
STATE_OF_CALL = text("""
    SELECT c.gate,
        (SELECT count(*) + count(*) FILTER (WHERE b.consults) FROM calls b
            WHERE b.workspace_id = :workspace AND b.ended_at IS NULL
            AND (b.worker_id IS NOT NULL OR b.gate = 'released')) AS busy_workspace,
        (SELECT count(*) + count(*) FILTER (WHERE b.consults) FROM calls b
            WHERE b.workspace_id = :workspace AND b.ended_at IS NULL
            AND (b.worker_id IS NOT NULL OR b.gate = 'released')
            AND b.trunk_id = :trunk) AS busy_trunk,
        (SELECT count(*) + count(*) FILTER (WHERE b.consults) FROM calls b
            WHERE b.workspace_id = :workspace AND b.ended_at IS NULL
            AND (b.worker_id IS NOT NULL OR b.gate = 'released')
            AND b."from" = :number AND NOT b.test) AS busy_number,
        EXISTS (SELECT 1 FROM calls b WHERE b.workspace_id = :workspace AND b.gate = 'waiting'
            AND b.id < c.id
            AND (:whole OR (:of_trunk AND b.trunk_id = :trunk)
                OR (:of_number AND b."from" = :number AND NOT b.test))) AS others_first,
        (SELECT next_at FROM trunk_paces p WHERE p.trunk_id = :trunk) AS next_at
    FROM calls c WHERE c.id = :call AND c.status = 'queued' AND c.worker_id IS NULL
""")
SET_GATE = text("""
    UPDATE calls SET gate = :gate, gate_at = :now
    WHERE id = ANY(:calls) AND status = 'queued' AND worker_id IS NULL
    RETURNING id
""")
SET_PACE = text("""
    INSERT INTO trunk_paces (trunk_id, next_at) VALUES (:trunk, :next_at)
    ON CONFLICT (trunk_id) DO UPDATE SET next_at = excluded.next_at
""")
IS_LIMITED = text("""
    SELECT EXISTS (SELECT 1 FROM workspaces WHERE id = :workspace AND max_calls IS NOT NULL)
        OR EXISTS (SELECT 1 FROM trunks WHERE id = :trunk AND max_calls IS NOT NULL)
        OR EXISTS (SELECT 1 FROM phone_numbers WHERE workspace_id = :workspace
            AND number = :number AND max_calls IS NOT NULL)
""")
BUSY = text("""
    SELECT trunk_id, CASE WHEN NOT test THEN "from" END AS number,
        count(*) + count(*) FILTER (WHERE consults) AS lines
    FROM calls WHERE workspace_id = :workspace AND ended_at IS NULL
        AND (worker_id IS NOT NULL OR gate = 'released')
    GROUP BY 1, 2
""")
TRUNKS = text("""
    SELECT t.id, t.max_calls, t.calls_per_second AS pace, p.next_at
    FROM trunks t LEFT JOIN trunk_paces p ON p.trunk_id = t.id
    WHERE t.workspace_id = :workspace
        AND (t.max_calls IS NOT NULL OR t.calls_per_second IS NOT NULL)
""")
NUMBERS = text("""
    SELECT number, max_calls FROM phone_numbers
    WHERE workspace_id = :workspace AND max_calls IS NOT NULL
""")
NEXT_WAITING = text("""
    SELECT id, trunk_id, CASE WHEN NOT test THEN "from" END AS number FROM calls
    WHERE workspace_id = :workspace AND gate = 'waiting' AND id > :after
        AND (trunk_id IS NULL OR trunk_id <> ALL(:trunks))
        AND ("from" IS NULL OR test OR "from" <> ALL(:numbers))
    ORDER BY id LIMIT :limit
""")
WORKSPACES_WAITING = text("SELECT DISTINCT workspace_id FROM calls WHERE gate = 'waiting'")


async def admits(connection: AsyncConnection, call: CallId, *, now: float) -> bool:
    """Whether a queued call may be dialled now. One that may not is left waiting for its turn.

    False also for a call that is not queued any more, or that somebody has taken.
    """
    row = (await connection.execute(LIMITS_OF_CALL, {"call": call})).one_or_none()
    if row is None:
        return False
    ways = (row.workspace_calls, row.trunk_calls, row.pace, row.number_calls)
    if row.gate is None and all(limit is None for limit in ways):
        return True
    await connection.execute(LOCK, {"workspace": row.workspace_id})
    asked = {
        "call": call,
        "workspace": row.workspace_id,
        "trunk": row.trunk_id,
        "number": row.number,
        "whole": row.workspace_calls is not None,
        "of_trunk": row.trunk_calls is not None or row.pace is not None,
        "of_number": row.number_calls is not None,
    }
    state = (await connection.execute(STATE_OF_CALL, asked)).one_or_none()
    if state is None or state.gate == "waiting":
        return False
    if state.gate == "released":
        return True
    return await _take_line(connection, call, row, state, now=now)


async def _take_line(
    connection: AsyncConnection, call: CallId, limits: Row[Any], state: Row[Any], *, now: float
) -> bool:
    """Take up a line for a call that has just come, or let it wait."""
    full = any(
        most is not None and busy >= most
        for most, busy in (
            (limits.workspace_calls, state.busy_workspace),
            (limits.trunk_calls, state.busy_trunk),
            (limits.number_calls, state.busy_number),
        )
    )
    too_soon = limits.pace is not None and state.next_at is not None and now < state.next_at
    free = not (full or too_soon or state.others_first)
    gate = {"gate": "released" if free else "waiting", "calls": [call], "now": now}
    await connection.execute(SET_GATE, gate)
    if free and limits.pace is not None:
        pace = {"trunk": limits.trunk_id, "next_at": now + 1.0 / limits.pace}
        await connection.execute(SET_PACE, pace)
    if not free and not full:  # no call has to end for it, only time to pass
        await look_again(connection, WorkspaceId(limits.workspace_id))
    return free


async def look_again(connection: AsyncConnection, workspace: WorkspaceId) -> None:
    """Have a job see who may go now. The transaction must have run a statement."""
    await enqueue(connection, Kind.RELEASE, [workspace])


async def line_freed(connection: AsyncConnection, call: Call) -> None:
    """A call is over: where lines are limited, somebody may wait for its own."""
    number = None if call.test else call.from_
    asked = {"workspace": call.workspace_id, "trunk": call.trunk_id, "number": number}
    if (await connection.execute(IS_LIMITED, asked)).scalar_one():
        await look_again(connection, call.workspace_id)


@dataclass
class Headroom:
    """What is free in one workspace, counted down as calls are released."""

    whole: float
    trunks: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, float] = field(default_factory=dict)
    """Seconds between two calls of a trunk."""
    next_at: dict[str, float] = field(default_factory=dict)
    paced: set[str] = field(default_factory=set)
    """Trunks whose moment has changed."""

    def full(self, trunk: str | None, number: str | None) -> str | None:
        """Which of them has no line left."""
        if self.whole <= 0:
            return "workspace"
        if trunk is not None and self.trunks.get(trunk, 1) <= 0:
            return "trunk"
        if number is not None and self.numbers.get(number, 1) <= 0:
            return "number"
        return None

    def take(self, trunk: str | None, number: str | None, *, now: float) -> bool:
        if self.full(trunk, number) is not None:
            return False
        if trunk in self.intervals:
            if now < self.next_at.get(trunk, now):
                return False
            self.next_at[trunk] = now + self.intervals[trunk]
            self.paced.add(trunk)
        self.whole -= 1
        if trunk in self.trunks:
            self.trunks[trunk] -= 1
        if number in self.numbers:
            self.numbers[number] -= 1
        return True

    def closed_trunks(self, *, now: float) -> list[str]:
        """Those that are full, and those whose moment has not come."""
        full = [trunk for trunk, left in self.trunks.items() if left <= 0]
        return full + [trunk for trunk, at in self.next_at.items() if now < at]

    def full_numbers(self) -> list[str]:
        return [number for number, left in self.numbers.items() if left <= 0]


async def release(
    connection: AsyncConnection, workspace: WorkspaceId, *, now: float
) -> float | None:
    """Let those go that waited longest, as far as there are lines.

    The answer is when to look again for calls that only a trunk's pace holds back; None where
    there are none.
    """
    asked = {"workspace": workspace}
    locked = (await connection.execute(LOCK, asked)).one_or_none()
    if locked is None:
        return None
    room = await headroom(connection, workspace, locked.max_calls)
    chosen: list[str] = []
    after = ""
    while room.whole > 0:
        batch = {
            **asked,
            "after": after,
            "trunks": room.closed_trunks(now=now),
            "numbers": room.full_numbers(),
            "limit": LOOKED_AT_ONCE,
        }
        rows = (await connection.execute(NEXT_WAITING, batch)).all()
        if not rows:
            break
        chosen += [row.id for row in rows if room.take(row.trunk_id, row.number, now=now)]
        after = rows[-1].id
    await _let_go(connection, chosen, room, now=now)
    return await _next_moment(connection, workspace, room, now=now)


async def headroom(
    connection: AsyncConnection, workspace: WorkspaceId, most: int | None
) -> Headroom:
    """What is free now. To be asked under the lock on the workspace."""
    asked = {"workspace": workspace}
    room = Headroom(float("inf") if most is None else most)
    for trunk in await connection.execute(TRUNKS, asked):
        if trunk.max_calls is not None:
            room.trunks[trunk.id] = trunk.max_calls
        if trunk.pace is not None:
            room.intervals[trunk.id] = 1.0 / trunk.pace
            if trunk.next_at is not None:
                room.next_at[trunk.id] = trunk.next_at
    for number in await connection.execute(NUMBERS, asked):
        room.numbers[number.number] = number.max_calls
    for busy in await connection.execute(BUSY, asked):
        room.whole -= busy.lines
        if busy.trunk_id in room.trunks:
            room.trunks[busy.trunk_id] -= busy.lines
        if busy.number in room.numbers:
            room.numbers[busy.number] -= busy.lines
    return room


async def _let_go(
    connection: AsyncConnection, chosen: Sequence[str], room: Headroom, *, now: float
) -> None:
    if not chosen:
        return
    gate = {"gate": "released", "calls": list(chosen), "now": now}
    released = set((await connection.execute(SET_GATE, gate)).scalars())
    for trunk in sorted(room.paced):
        pace = {"trunk": trunk, "next_at": room.next_at[trunk]}
        await connection.execute(SET_PACE, pace)
    await enqueue(connection, Kind.DIAL, [call for call in chosen if call in released])


async def _next_moment(
    connection: AsyncConnection, workspace: WorkspaceId, room: Headroom, *, now: float
) -> float | None:
    """The earliest moment of a trunk that has room but for its pace, and somebody waiting."""
    if room.whole <= 0:
        return None
    moments = {
        trunk: at
        for trunk, at in room.next_at.items()
        if now < at and trunk in room.intervals and room.trunks.get(trunk, 1) > 0
    }
    if not moments:
        return None
    waiting = text("""
        SELECT DISTINCT trunk_id FROM calls
        WHERE workspace_id = :workspace AND gate = 'waiting' AND trunk_id = ANY(:trunks)
            AND ("from" IS NULL OR "from" <> ALL(:numbers))
    """)
    asked = {"workspace": workspace, "trunks": list(moments), "numbers": room.full_numbers()}
    due = [moments[trunk] for trunk in (await connection.execute(waiting, asked)).scalars()]
    return min(due, default=None)


async def workspaces_waiting(connection: AsyncConnection) -> list[WorkspaceId]:
    """Where anybody waits."""
    return list((await connection.execute(WORKSPACES_WAITING)).scalars())
