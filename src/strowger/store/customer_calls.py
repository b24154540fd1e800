"""Calls as the customer who asked for them sees them: one workspace's, within a transaction."""

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import Conflict, NotFound
from strowger.lifecycle import TERMINAL, CallStatus, EndReason
from strowger.model import (
    Call,
    CallCommand,
    CallId,
    CommandKind,
    Event,
    LineFigures,
    Page,
    WorkspaceId,
)
from strowger.ports import CallFilter
from strowger.store import audit, commands, owned
from strowger.store.call_rows import call_of, change, locked, turns_of
from strowger.store.queue import Kind, enqueue
from strowger.store.schema import calls, events


async def queue_scheduled(connection: AsyncConnection, call: CallId, *, now: float) -> None:
    """Queue a call whose time has come; look again later where it has not."""
    row = await locked(connection, calls.c.id == call)
    if CallStatus(row.status) is not CallStatus.SCHEDULED:
        return
    if now < row.scheduled_at:
        await enqueue(connection, Kind.QUEUE, [call], after=row.scheduled_at - now)
        return
    await change(connection, row, {"status": CallStatus.QUEUED, "queued_at": now}, now=now)
    await enqueue(connection, Kind.DIAL, [call])


async def page(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    which: CallFilter,
    *,
    limit: int,
    cursor: str | None,
) -> Page[Call]:
    wanted = {calls.c.status: which.status, calls.c.agent_id: which.agent_id, calls.c.to: which.to}
    where = [column == value for column, value in wanted.items() if value is not None]
    return await owned.page(
        connection, calls, call_of, workspace, *where, limit=limit, cursor=cursor
    )


async def request_end(
    connection: AsyncConnection, workspace: WorkspaceId, call: CallId, *, now: float
) -> Call:
    """A call that a worker has taken is the worker's to end, even before it has rung."""
    return await _end(connection, workspace, call, CommandKind.END, now=now)


async def cancel(
    connection: AsyncConnection, workspace: WorkspaceId, call: CallId, *, now: float
) -> Call:
    """The same for a call that nobody has answered yet."""
    return await _end(connection, workspace, call, CommandKind.CANCEL, now=now)


async def command(
    connection: AsyncConnection, workspace: WorkspaceId, wanted: CallCommand, *, now: float
) -> Call:
    """For a call on which somebody talks."""
    row = await locked(connection, calls.c.workspace_id == workspace, calls.c.id == wanted.call_id)
    if CallStatus(row.status) is not CallStatus.IN_PROGRESS:
        raise Conflict(f"nobody is on the line: the call is {row.status}", code="call_state")
    await commands.give(connection, wanted, row.worker_id, now=now)
    await audit.note(connection, workspace, "call", wanted.call_id, wanted.kind)
    return call_of(row, await turns_of(connection, wanted.call_id))


async def figures_of(
    connection: AsyncConnection, workspace: WorkspaceId, call: CallId
) -> LineFigures | None:
    wanted = select(calls.c.figures).where(calls.c.workspace_id == workspace, calls.c.id == call)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("no such call")
    figures: LineFigures | None = row.figures
    return figures


async def _end(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    call: CallId,
    kind: CommandKind,
    *,
    now: float,
) -> Call:
    row = await locked(connection, calls.c.workspace_id == workspace, calls.c.id == call)
    status = CallStatus(row.status)
    if status in TERMINAL:
        raise Conflict(f"the call is over: {status}", code="call_state")
    if kind is CommandKind.CANCEL and status is CallStatus.IN_PROGRESS:
        raise Conflict("somebody has answered: end the call instead", code="call_state")
    await audit.note(connection, workspace, "call", call, kind)
    if row.worker_id is None:
        changes = {
            "status": CallStatus.CANCELED,
            "end_reason": EndReason.API_REQUEST,
            "ended_at": now,
        }
        return await change(connection, row, changes, now=now)
    await commands.give(connection, CallCommand(call_id=call, kind=kind), row.worker_id, now=now)
    return call_of(row, await turns_of(connection, call))


async def events_of(
    connection: AsyncConnection, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
) -> tuple[Event, ...]:
    there = select(calls.c.id).where(calls.c.workspace_id == workspace, calls.c.id == call)
    if (await connection.execute(there)).one_or_none() is None:
        raise NotFound("no such call")
    wanted = (
        select(events)
        .where(events.c.call_id == call, events.c.sequence > after)
        .order_by(events.c.sequence)
        .limit(limit)
    )
    return tuple(event_of(row) for row in await connection.execute(wanted))


def event_of(row: Row[Any]) -> Event:
    return Event(
        id=row.id,
        workspace_id=row.workspace_id,
        type=row.type,
        created_at=row.created_at,
        payload=row.payload,
        call_id=row.call_id,
        sequence=row.sequence,
    )
