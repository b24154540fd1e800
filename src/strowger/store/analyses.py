"""What is made of calls that are over: `ports.Analyses`.

A job is for one try, by its number, as those of deliveries are: see `outbox`.
"""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.agent import Scalar
from strowger.errors import NotFound
from strowger.model import Call, CallAnalysis, CallId
from strowger.store.call_rows import call_of, find, locked, snapshot, tell, turns_of
from strowger.store.connect import reading, transaction
from strowger.store.queue import Kind, enqueue
from strowger.store.schema import calls

EVENT = "call.analyzed"


def job_for(call: CallId, made: int) -> str:
    """The payload of the job for the try after so many; of the first, the call's id."""
    return f"{call}:{made}" if made else call


class PostgresAnalyses:
    """`ports.Analyses` on PostgreSQL. Raises Unavailable where the database cannot be used."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due(self, job: str) -> Call | None:
        id, _, made = job.partition(":")
        try:
            async with reading(self._engine) as connection:
                call = await find(connection, calls.c.id == id)
        except NotFound:
            return None
        return call if _waits_for(call.analysis, int(made or 0) + 1) else None

    async def write(
        self,
        call_id: CallId,
        analysis: CallAnalysis,
        summary: str | None,
        *,
        retry_at: float | None,
        now: float,
    ) -> None:
        async with transaction(self._engine) as connection:
            try:
                call = call_of(await locked(connection, calls.c.id == call_id))
            except NotFound:
                return
            if not _waits_for(call.analysis, analysis.attempts):
                return
            if analysis.status == "pending":
                await _put(connection, call_id, analysis=analysis)
                after = 0.0 if retry_at is None else retry_at - now
                job = job_for(call_id, analysis.attempts)
                await enqueue(connection, Kind.ANALYZE, [job], after=after)
                return
            extracted = {**_plain(analysis), **call.extracted}
            await _put(connection, call_id, analysis=analysis, summary=summary, extracted=extracted)
            # As it was read back: what the database cannot keep is not told either.
            told = call_of(
                await locked(connection, calls.c.id == call_id),
                await turns_of(connection, call_id),
            )
            await tell(connection, told, EVENT, snapshot(told), now=now)


def _waits_for(analysis: CallAnalysis | None, attempt: int) -> bool:
    """Whether this try is the one that is due."""
    return (
        analysis is not None and analysis.status == "pending" and analysis.attempts == attempt - 1
    )


def _plain(analysis: CallAnalysis) -> dict[str, Scalar]:
    """What the conversation could have set as variables as well."""
    return {
        name: value
        for name, value in analysis.extracted.items()
        if value is None or isinstance(value, str | int | float | bool)
    }


async def _put(connection: AsyncConnection, call: CallId, **values: object) -> None:
    await connection.execute(update(calls).where(calls.c.id == call).values(**values))
