"""What customers want of live calls, on its way to the workers that hold them.

A command is a row that its worker reads, performs and then takes out, in the order they were given.
Where an answer gets lost on the way the row is still there and is read again; the worker remembers
which it has performed. Its memory lasts as long as the call: no other worker ever gets either.
Written under the lock on the call's row, so that a call that is over gets none.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import CallCommand, CallId, CommandKind, WorkerId
from strowger.store.schema import call_commands

CHANNEL = "strowger_commands"
"""Told the id of a worker when there is a command for one of its calls."""

KEPT_FOR = 86_400.0
"""Seconds."""


async def give(
    connection: AsyncConnection, command: CallCommand, worker: WorkerId, *, now: float
) -> None:
    """The call's row must be locked."""
    await connection.execute(
        insert(call_commands).values(
            call_id=command.call_id, kind=command.kind, text=command.text, created_at=now
        )
    )
    await connection.execute(select(func.pg_notify(CHANNEL, worker)))


async def forget(connection: AsyncConnection, *, now: float) -> None:
    """Drop those that came too late to be performed."""
    await connection.execute(
        delete(call_commands).where(call_commands.c.created_at < now - KEPT_FOR)
    )


async def waiting(connection: AsyncConnection, calls: Sequence[CallId]) -> list[CallCommand]:
    wanted = select(call_commands).where(call_commands.c.call_id.in_(calls))
    rows = await connection.execute(wanted.order_by(call_commands.c.id))
    return [
        CallCommand(id=row.id, call_id=row.call_id, kind=CommandKind(row.kind), text=row.text)
        for row in rows
    ]


async def take_out(connection: AsyncConnection, ids: Sequence[int]) -> None:
    await connection.execute(delete(call_commands).where(call_commands.c.id.in_(ids)))
