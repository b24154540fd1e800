"""The job queue's tables, and how a transaction puts jobs into them.

The queue is PgQueuer's, in the same database, so that a job and the change that calls for it are
committed together or not at all. Every setting is given here: by itself PgQueuer would read its
names from the environment.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache

import asyncpg
import structlog
from opentelemetry import propagate
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.store.connect import driver_of

REQUEST = "request_id"
"""The header of a job that names the request it came from."""
EVERYTHING = Channel("ch_pgqueuer")
"""Where PgQueuer tells of every change; nobody here listens to that."""


class Kind(StrEnum):
    """What a job is about; its payload is an id, or has one."""

    DIAL = "dial"
    """A call's id."""
    DELIVER = "deliver"
    """A delivery's id, and which attempt is due: see `outbox.job_for`."""
    QUEUE = "queue"
    """The id of a call whose time has come."""
    RELEASE = "release"
    """The id of a workspace in which a line may be free for a call that waits."""
    ANALYZE = "analyze"
    """The id of a call that is over, and which attempt is due: see `analyses.job_for`."""


def channel_of(kind: Kind) -> Channel:
    """Where it is told that there are jobs of this kind, by a trigger of ours on the queue."""
    return Channel(f"jobs_{kind}")


@cache
def settings(channel: Channel = EVERYTHING) -> DBSettings:
    return DBSettings(
        prefix="",
        db_schema=None,
        channel=channel,
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
        durability=Durability.balanced,  # jobs are safe; the log of finished ones may be lost
        widen_id=True,
    )


@cache
def builders(
    channel: Channel = EVERYTHING,
) -> tuple[QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder]:
    chosen = settings(channel)
    return (
        QueryBuilderEnvironment(chosen),
        QueryQueueBuilder(chosen),
        QuerySchedulerBuilder(chosen),
    )


def queries(connection: asyncpg.Connection) -> Queries:
    return Queries(AsyncpgDriver(connection), *builders())


def headers() -> str:
    """JSON for a job's headers: the trace and the request that it belongs to."""
    carried: dict[str, str] = {}
    propagate.inject(carried)
    request = structlog.contextvars.get_contextvars().get("request_id")
    if request is not None:
        carried[REQUEST] = str(request)
    return json.dumps(carried or None)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is about to be added."""

    kind: Kind
    id: str
    after: float = 0.0
    """Seconds from now until it starts."""
    headers: str = field(default_factory=headers)


async def enqueue(
    connection: AsyncConnection, kind: Kind, ids: Sequence[str], *, after: float = 0.0
) -> None:
    """Add one job per id within this transaction; they start `after` seconds from now.

    The transaction must have run a statement already: the first one opens it.
    """
    if ids:
        await add_jobs(await driver_of(connection), [NewJob(kind, id, after) for id in ids])


async def add_jobs(driver: asyncpg.Connection, jobs: Sequence[NewJob]) -> None:
    """Add jobs, in this order, within the transaction that the driver is in."""
    if not jobs:
        return
    assert driver.is_in_transaction()
    await driver.execute(
        _enqueue_statement(),
        [0] * len(jobs),
        [job.kind.value for job in jobs],
        [job.id.encode() for job in jobs],
        [timedelta(seconds=max(0.0, job.after)) for job in jobs],
        [None] * len(jobs),
        [job.headers for job in jobs],
    )


@cache
def _enqueue_statement() -> str:
    """Takes arrays of priorities, kinds, payloads, delays, keys and headers."""
    return builders()[1].build_enqueue_query()


async def hasten(connection: AsyncConnection, kind: Kind, id: str) -> None:
    """Let the job that waits for its time start now; one that runs already is left alone."""
    table = settings().queue_table
    hastened = text(
        f"UPDATE {table} SET execute_after = now(), updated = now()"  # noqa: S608 - our own name
        " WHERE entrypoint = :kind AND payload = :id AND status = 'queued'"
    )
    await connection.execute(hastened, {"kind": kind.value, "id": id.encode()})
