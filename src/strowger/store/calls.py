"""Calls as the worker that holds them sees them: `ports.CallStore`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Double, cast, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.agent import AgentDefinition
from strowger.errors import Conflict, NotFound
from strowger.lifecycle import TERMINAL, CallStatus, EndReason, check_transition
from strowger.model import (
    AgentId,
    Call,
    CallCommand,
    CallId,
    CallResult,
    ProviderSwitch,
    Trunk,
    Turn,
    WorkerId,
    WorkspaceId,
)
from strowger.store import (
    agents,
    commands,
    consulting,
    customer_calls,
    gate,
    idempotency,
    rates,
    secrets,
    trunks,
)
from strowger.store.call_rows import (
    COLUMNS,
    call_of,
    change,
    find,
    locked,
    tell,
    write_turns,
)
from strowger.store.connect import reading, transaction
from strowger.store.schema import (
    LIVE,
    call_journals,
    call_turns,
    calls,
    dial_attempts,
    events,
    tool_uses,
    workers,
)

DATABASE_CLOCK = cast(func.extract("epoch", func.clock_timestamp()), Double)
"""Who has been silent for long is judged by one clock, wherever the workers run."""
SWITCHED = "call.provider_switched"
SETTLED_AT_ONCE = 100
"""How many lost calls one transaction ends; the rest has its turn at the next look."""

TIMES: dict[CallStatus, str] = {
    CallStatus.INITIATED: "started_at",
    CallStatus.IN_PROGRESS: "answered_at",
}
"""Which time a call's new status sets."""

# The update is the claim: of two who try at once the second waits for the first's commit and
# then finds the call taken. The insert is the promise kept for ever: one row per call.
CLAIM = text("""
    WITH claimed AS (
        UPDATE calls SET worker_id = :worker
        WHERE id = :call AND status = 'queued' AND worker_id IS NULL
        RETURNING id
    )
    INSERT INTO dial_attempts (call_id, worker_id, made_at)
    SELECT id, :worker, extract(epoch FROM clock_timestamp()) FROM claimed
    ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class DialAttempt:
    """The one time a call was rung, or was about to be."""

    worker: WorkerId
    made_at: float
    """By the database's clock."""


class PostgresCallStore:
    """`ports.CallStore` on PostgreSQL. Raises Unavailable where the database cannot be used."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get_call(self, call_id: CallId) -> Call:
        async with reading(self._engine) as connection:
            return await find(connection, calls.c.id == call_id)

    async def get_trunk_of(self, call: Call) -> Trunk:
        if call.trunk_id is None:
            raise NotFound("a test call goes through no trunk")
        async with transaction(self._engine) as connection:
            return await trunks.get(connection, call.workspace_id, call.trunk_id)

    async def get_agent_of(self, call: Call, agent: AgentId) -> AgentDefinition:
        async with transaction(self._engine) as connection:
            found = await agents.get(connection, call.workspace_id, agent)
        return found.definition

    async def secrets(self, workspace: WorkspaceId, names: Sequence[str]) -> dict[str, str]:
        """`ports.Secrets`."""
        async with transaction(self._engine) as connection:
            return await secrets.named(connection, workspace, names)

    async def note_tool_use(
        self, call_id: CallId, use: int, name: str, arguments: str, *, now: float
    ) -> bool:
        noted = upsert(tool_uses).values(
            call_id=call_id, use=use, name=name, arguments=arguments, noted_at=now
        )
        async with transaction(self._engine) as connection:
            return (await connection.execute(noted.on_conflict_do_nothing())).rowcount == 1

    async def take_line_to_consult(self, call_id: CallId, worker: WorkerId, *, now: float) -> float:
        async with transaction(self._engine) as connection:
            return await consulting.take_line(connection, call_id, worker, now=now)

    async def give_consulted_line_back(self, call_id: CallId) -> None:
        async with transaction(self._engine) as connection:
            await consulting.give_line_back(connection, call_id)

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        """Also False for a call that is over, or was never there: nobody is to be rung.

        And for one that a limit keeps back: a new job comes when its turn has come.
        """
        values = {"call": call_id, "worker": worker}
        async with transaction(self._engine) as connection:
            if not await gate.admits(connection, call_id, now=now):
                return False
            return (await connection.execute(CLAIM, values)).rowcount == 1

    async def dial_attempt(self, call_id: CallId) -> DialAttempt | None:
        """What a job that runs again wants to know: who made the attempt, and when."""
        wanted = select(dial_attempts).where(dial_attempts.c.call_id == call_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else DialAttempt(row.worker_id, row.made_at)

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        async with transaction(self._engine) as connection:
            row = await locked(connection, calls.c.id == call_id)
            if row.worker_id not in {None, worker}:
                raise Conflict("another worker has this call", code="call_state")
            check_transition(CallStatus(row.status), status)
            changes: dict[str, object] = {"status": status, "worker_id": worker}
            if status in TIMES:
                changes[TIMES[status]] = now
            if status in TERMINAL:
                changes["ended_at"] = now
            await change(connection, row, changes, now=now)

    async def add_turn(self, call_id: CallId, turn: Turn, *, now: float) -> None:
        """Turns of a call that is over are ignored: its result had them all."""
        async with transaction(self._engine) as connection:
            row = await locked(connection, calls.c.id == call_id)
            if CallStatus(row.status) in TERMINAL:
                return
            of_call = select(call_turns).where(call_turns.c.call_id == call_id)
            latest = of_call.order_by(call_turns.c.position.desc()).limit(1)
            last = (await connection.execute(latest)).one_or_none()
            if last is not None and last.turn == turn:
                return  # it comes again, as its commit's answer was lost
            position = 0 if last is None else last.position + 1
            await connection.execute(
                insert(call_turns).values(call_id=call_id, position=position, turn=turn)
            )
            payload = {"call_id": call_id, "position": position, "turn": turn}
            event = "call.tool_called" if turn.role == "tool" else "call.turn"
            await tell(connection, call_of(row), event, payload, now=now)

    async def add_provider_switch(
        self, call_id: CallId, switch: ProviderSwitch, *, now: float
    ) -> None:
        """Switches of a call that is over are ignored, as turns are."""
        told = {"kind": switch.kind, "from": switch.before, "to": switch.after}
        of_call = select(events.c.payload).where(events.c.call_id == call_id)
        latest = of_call.where(events.c.type == SWITCHED).order_by(events.c.sequence.desc())
        async with transaction(self._engine) as connection:
            row = await locked(connection, calls.c.id == call_id)
            if CallStatus(row.status) in TERMINAL:
                return
            last = (await connection.execute(latest.limit(1))).scalar_one_or_none()
            if last is not None and told.items() <= last.items():
                return  # it comes again, as its commit's answer was lost
            payload = {"call_id": call_id, **told, "reason": switch.reason}
            await tell(connection, call_of(row), SWITCHED, payload, now=now)

    async def finish(self, call_id: CallId, result: CallResult) -> None:
        """The result of a call that is over already is ignored."""
        async with transaction(self._engine) as connection:
            row = await locked(connection, calls.c.id == call_id)
            if CallStatus(row.status) in TERMINAL:
                return
            check_transition(CallStatus(row.status), result.status)
            await _write_remains(connection, call_id, result)
            changes = {
                name: getattr(result, name)
                for name in (
                    "status", "end_reason", "ended_at", "sip_status", "hangup_cause", "error",
                    "answered_by", "outcome", "extracted", "recording",
                )
            }  # fmt: skip
            call = await change(connection, row, changes, now=result.ended_at)
            if result.figures is not None:
                figures = update(calls).where(calls.c.id == call_id).values(figures=result.figures)
                await connection.execute(figures)
            if result.recording.available:
                payload = {"call_id": call_id, "recording": result.recording}
                await tell(connection, call, "call.recording_ready", payload, now=result.ended_at)

    async def journal(self, call_id: CallId) -> bytes:
        """The journal that the call's result brought. Raises NotFound where there is none."""
        wanted = select(call_journals.c.journal).where(call_journals.c.call_id == call_id)
        async with transaction(self._engine) as connection:
            found = (await connection.execute(wanted)).scalar_one_or_none()
        if found is None:
            raise NotFound("this call has no journal")
        return bytes(found)

    async def beat(self, worker: WorkerId, *, lines: int, busy: int) -> None:
        state = {"lines": lines, "busy": busy, "beat_at": DATABASE_CLOCK}
        beaten = upsert(workers).values(id=worker, **state)
        beaten = beaten.on_conflict_do_update(index_elements=[workers.c.id], set_=state)
        async with transaction(self._engine) as connection:
            await connection.execute(beaten)

    async def settle_lost_calls(self, *, now: float, silent_for: float) -> list[CallId]:
        """A worker that never beat counts as silent since it made the dial attempt."""
        last_sign = func.coalesce(workers.c.beat_at, dial_attempts.c.made_at)
        lost = (
            select(*COLUMNS)
            .outerjoin(workers, workers.c.id == calls.c.worker_id)
            .outerjoin(dial_attempts, dial_attempts.c.call_id == calls.c.id)
            .where(LIVE, calls.c.worker_id.is_not(None), last_sign < DATABASE_CLOCK - silent_for)
            .limit(SETTLED_AT_ONCE)
            # Several may look at once; what one has in hand the others leave alone.
            .with_for_update(of=calls, key_share=True, skip_locked=True)
        )
        changes = {
            "status": CallStatus.FAILED,
            "end_reason": EndReason.WORKER_LOST,
            "ended_at": now,
            "error": "the worker that held this call has gone",
        }
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(lost)).all()
            for row in rows:
                await change(connection, row, changes, now=now)
        return [row.id for row in rows]

    async def held(self, worker: WorkerId) -> frozenset[CallId]:
        wanted = select(calls.c.id).where(calls.c.worker_id == worker, LIVE)
        async with reading(self._engine) as connection:
            return frozenset((await connection.execute(wanted)).scalars())

    async def waiting_commands(self, calls: Sequence[CallId]) -> list[CallCommand]:
        async with reading(self._engine) as connection:
            return await commands.waiting(connection, calls)

    async def obeyed(self, ids: Sequence[int]) -> None:
        async with reading(self._engine) as connection:
            await commands.take_out(connection, ids)


class PostgresWaitingCalls:
    """`ports.WaitingCalls` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def queue_scheduled(self, call_id: CallId, *, now: float) -> None:
        async with transaction(self._engine) as connection:
            await customer_calls.queue_scheduled(connection, call_id, now=now)

    async def release(self, workspace: WorkspaceId, *, now: float) -> float | None:
        async with transaction(self._engine) as connection:
            return await gate.release(connection, workspace, now=now)

    async def workspaces_waiting(self) -> list[WorkspaceId]:
        async with reading(self._engine) as connection:
            return await gate.workspaces_waiting(connection)

    async def forget(self, *, now: float) -> None:
        async with transaction(self._engine) as connection:
            await idempotency.forget(connection, now=now)
            await commands.forget(connection, now=now)
            await rates.forget(connection, now=now)


async def _write_remains(connection: AsyncConnection, call_id: CallId, result: CallResult) -> None:
    """Transcript and journal. The turns written while the call went on give way to the result's,
    which know what was heard of each; a result without any leaves them as they are."""
    if result.transcript:
        await connection.execute(delete(call_turns).where(call_turns.c.call_id == call_id))
        await write_turns(connection, call_id, result.transcript)
    if result.journal:
        await connection.execute(
            insert(call_journals).values(call_id=call_id, journal=result.journal)
        )
