"""The state of the whole house, for whoever watches it: queue, calls, workers, schema, clock."""

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.ports import HouseState, Readiness
from strowger.store.connect import reading
from strowger.store.queue import settings
from strowger.store.schema import LIVE

STATE = text(f"""
    SELECT
        (SELECT jsonb_agg(j) FROM (
            SELECT entrypoint AS kind, status, count(*) AS count
            FROM {settings().queue_table} GROUP BY 1, 2) j) AS jobs,
        (SELECT jsonb_agg(c) FROM (
            SELECT status, count(*) AS count FROM calls WHERE {LIVE.text} GROUP BY 1) c) AS calls,
        (SELECT jsonb_agg(w) FROM (
            SELECT count(*) AS count, coalesce(sum(lines), 0) AS lines,
                coalesce(sum(busy), 0) AS busy
            FROM workers WHERE beat_at > extract(epoch FROM clock_timestamp()) - :silent) w)
            AS workers
""")  # noqa: S608 - our own names
READINESS = text("""
    SELECT (SELECT version_num FROM alembic_version) AS version,
        (SELECT count(*) FROM workers
            WHERE beat_at > extract(epoch FROM clock_timestamp()) - :silent) AS workers
""")
CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")

ALIVE_WITHIN = 10.0
"""Seconds since a worker's last sign of life; it gives one every two."""


class PostgresHouse:
    """`ports.House` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def state(self) -> HouseState:
        async with reading(self._engine) as connection:
            row = (await connection.execute(STATE, {"silent": ALIVE_WITHIN})).one()
        (workers,) = row.workers
        return HouseState(
            jobs={(job["kind"], job["status"]): job["count"] for job in row.jobs or ()},
            calls={call["status"]: call["count"] for call in row.calls or ()},
            workers=workers["count"],
            lines=workers["lines"],
            busy=workers["busy"],
        )

    async def readiness(self) -> Readiness:
        try:
            async with reading(self._engine) as connection:
                row = (await connection.execute(READINESS, {"silent": ALIVE_WITHIN})).one()
        except ProgrammingError:  # the tables are not there
            return Readiness(tables="none", expected=newest_revision(), workers=0)
        return Readiness(
            tables=row.version or "none", expected=newest_revision(), workers=row.workers
        )

    async def clock(self) -> float:
        """The time at the database, in Unix seconds. Raises Unavailable."""
        async with reading(self._engine) as connection:
            return float((await connection.execute(CLOCK)).scalar_one())


@cache
def newest_revision() -> str:
    """The version of the tables that this program works with.

    By the names of the migrations, which are numbered: Alembic would have to load all of them, and
    itself, only to say this.
    """
    versions = Path(__file__).parent / "migrations" / "versions"
    return max(path.name.partition("_")[0] for path in versions.glob("[0-9]*_*.py"))
