"""Reading and writing one call's rows: what the worker's and the API's view share.

Every change locks the call's row first (`locked`), then touches the rows around it. One order of
locks for all, so nobody waits in a circle; and the order of a call's events, see `events`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, func, insert, select, type_coerce, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import NotFound
from strowger.lifecycle import TERMINAL, CallStatus, EndReason
from strowger.model import Call, CallAnalysis, CallId, Turn
from strowger.store.codec import Json
from strowger.store.events import Happening, publish
from strowger.store.gate import line_freed
from strowger.store.queue import Kind, enqueue
from strowger.store.schema import call_turns, calls

FIELDS = tuple(field.name for field in fields(Call) if field.name != "transcript")
COLUMNS: tuple[Column[Any], ...] = tuple(calls.c[name] for name in FIELDS)

EVENT_OF: dict[CallStatus, str] = {
    CallStatus.QUEUED: "call.queued",
    CallStatus.INITIATED: "call.initiated",
    CallStatus.RINGING: "call.ringing",
    CallStatus.IN_PROGRESS: "call.answered",
    CallStatus.COMPLETED: "call.completed",
    CallStatus.BUSY: "call.failed",
    CallStatus.NO_ANSWER: "call.failed",
    CallStatus.FAILED: "call.failed",
    CallStatus.CANCELED: "call.failed",
}
"""The event that tells of a call's new status; `scheduled` has none."""


def call_of(row: Row[Any], transcript: Sequence[Turn] = ()) -> Call:
    values = {name: getattr(row, name) for name in FIELDS}
    values["status"] = CallStatus(row.status)
    values["end_reason"] = None if row.end_reason is None else EndReason(row.end_reason)
    return Call(**values, transcript=tuple(transcript))


def values_of(call: Call) -> dict[str, object]:
    return {name: getattr(call, name) for name in FIELDS}


TURNS_OF_CALL = (
    select(func.jsonb_agg(aggregate_order_by(call_turns.c.turn, call_turns.c.position)))
    .where(call_turns.c.call_id == calls.c.id)
    .scalar_subquery()
)
WITH_TURNS: Select[Any] = select(
    *COLUMNS, type_coerce(TURNS_OF_CALL, Json[tuple[Turn, ...]](tuple[Turn, ...])).label("turns")
)


async def find(connection: AsyncConnection, *where: ColumnElement[bool]) -> Call:
    """One call with its transcript, by one statement. Raises NotFound."""
    row = (await connection.execute(WITH_TURNS.where(*where))).one_or_none()
    if row is None:
        raise NotFound("no such call")
    return call_of(row, row.turns or ())


async def locked(connection: AsyncConnection, *where: ColumnElement[bool]) -> Row[Any]:
    """The row of one call, ours until the transaction ends. Raises NotFound."""
    wanted = select(*COLUMNS).where(*where)
    # NO KEY UPDATE: does not get into the way of rows that refer to the call.
    row = (await connection.execute(wanted.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise NotFound("no such call")
    return row


async def turns_of(connection: AsyncConnection, call: CallId) -> list[Turn]:
    wanted = select(call_turns.c.turn).where(call_turns.c.call_id == call)
    return list((await connection.execute(wanted.order_by(call_turns.c.position))).scalars())


async def change(
    connection: AsyncConnection, row: Row[Any], changes: Mapping[str, Any], *, now: float
) -> Call:
    """Write `changes` to a locked call; where its status is among them, the event goes with it."""
    over = changes.get("status") in TERMINAL
    gate = {"gate": None} if over else {}
    changed = update(calls).where(calls.c.id == row.id).values(**changes, **gate)
    await connection.execute(changed)
    call = replace(call_of(row), **changes)
    if "status" in changes:
        if over:
            await line_freed(connection, call)
            call = replace(call, transcript=tuple(await turns_of(connection, call.id)))
            call = await _have_analysed(connection, call)
        await tell(connection, call, EVENT_OF[call.status], snapshot(call), now=now)
    return call


async def _have_analysed(connection: AsyncConnection, call: Call) -> Call:
    """Where the agent of a call that has just ended wants to know what came of it, plan that."""
    if not call.agent.analysis.wanted or call.answered_at is None or not call.transcript:
        return call
    pending = CallAnalysis()
    planned = update(calls).where(calls.c.id == call.id).values(analysis=pending)
    await connection.execute(planned)
    await enqueue(connection, Kind.ANALYZE, [call.id])
    return replace(call, analysis=pending)


async def tell(
    connection: AsyncConnection, call: Call, type: str, payload: Mapping[str, object], *, now: float
) -> None:
    """Publish an event of this call."""
    await publish(connection, happening_of(call, type, payload, now=now))


def happening_of(call: Call, type: str, payload: Mapping[str, object], *, now: float) -> Happening:
    return Happening(
        workspace=call.workspace_id,
        type=type,
        payload=payload,
        at=now,
        call=call.id,
        agent=call.agent_id,
        urls=[url for url in (call.webhook_url, call.agent.webhook_url) if url],
    )


def snapshot(call: Call) -> dict[str, object]:
    """What an event says of its call: all of it but the agent's definition, as plain values.

    The transcript is in it once the call is over; until then each turn has an event of its own.
    """
    state = {"call_id": call.id, "status": call.status, "end_reason": call.end_reason}
    rest = {
        name: getattr(call, name)
        for name in FIELDS
        if name not in {"id", "agent", "from_", "worker_id", "dialect", *state}
    }
    over = {"transcript": call.transcript} if call.status in TERMINAL else {}
    return {**state, "from": call.from_, **rest, **over}


async def write_turns(connection: AsyncConnection, call: CallId, turns: Sequence[Turn]) -> None:
    rows = [{"call_id": call, "position": at, "turn": turn} for at, turn in enumerate(turns)]
    if rows:
        await connection.execute(insert(call_turns), rows)
