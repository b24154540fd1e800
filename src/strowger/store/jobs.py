"""Taking jobs: what a process does with the queue that `queue` fills.

Every job runs at least once, and now and then twice: after a crash, or when the process was too
busy to say that it lives. Handlers must bear that. What a handler raises puts its job off and is
tried again, with growing pauses, for as long as it takes.

A dial job is short: its handler returns as soon as the dial attempt is committed and the call has
a task of its own. Nothing of a call hangs on the job after that; a killed worker's jobs go to
another, which finds the attempt made, and its calls are settled by `settle_lost_calls`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import structlog
from opentelemetry import propagate, trace
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.executors import EntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Context, Job, TracebackRecord
from pgqueuer.domain.types import JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.repository import EntrypointExecutionParameter

from strowger.errors import NotItsTurn, StrowgerError, Unavailable, leaves
from strowger.store.connect import FAILURES, connect
from strowger.store.queue import REQUEST, Kind, builders, channel_of, settings

Handler = Callable[[str], Awaitable[None]]
"""Does one job, given its id: of a call to dial, of a delivery to make."""

DELIVERIES_AT_ONCE = 100
ANALYSES_AT_ONCE = 8
BATCH = 10  # jobs taken by one statement
LOOK_AGAIN_AFTER = timedelta(seconds=5)  # should a notification get lost
RECONNECT_AFTER = 1.0  # seconds
CANCEL_AGAIN_AFTER = 1.0  # seconds
FIRST_PAUSE = 1.0  # seconds until a job whose handler failed is tried again; doubled each time
LONGEST_PAUSE = 300.0
LONGEST_WAIT = 4.0  # seconds between two tries of a job that others go before
FORGET_AFTER = timedelta(days=1)  # how long the log of finished jobs is kept
FORGET_EVERY = 3600.0  # seconds

log = structlog.get_logger()
TRACER = trace.get_tracer("strowger")


class JobQueue:
    """The jobs of one database, for one process."""

    def __init__(
        self,
        url: str,
        *,
        taken_over_after: float = 10.0,
        patience: float = 20.0,
    ) -> None:
        """`taken_over_after`: seconds of silence after which a worker's jobs go to another.
        `patience`: seconds that running handlers have to finish when we are to stop.
        """
        self._url = url
        self._silence = timedelta(seconds=taken_over_after)
        self._patience = patience

    async def run(self, handlers: Mapping[str, Handler], *, capacity: Callable[[], int]) -> None:
        """Take and do jobs of the kinds that `handlers` names, until cancelled.

        `capacity` says how many more calls this process can hold: dial jobs are taken only
        while that is more than the jobs in hand, in the order in which they were queued.
        All others have a limit of their own. A lost database is waited for.
        """
        async with asyncio.TaskGroup() as tasks:
            for name, handler in handlers.items():
                room = capacity if name == Kind.DIAL else _ROOMS.get(Kind(name), _plenty)
                tasks.create_task(self._serve(Kind(name), handler, room), name=f"jobs:{name}")
            tasks.create_task(self._forget(), name="jobs:forget")

    async def _serve(self, kind: Kind, handler: Handler, room: Callable[[], int]) -> None:
        while True:
            try:
                connection = await connect(self._url)
            except StrowgerError as error:  # whatever the database says for now, calls go on
                log.warning("job queue not reached", kind=kind, error=str(error))
                await asyncio.sleep(RECONNECT_AFTER)
                continue
            try:
                await self._take(connection, kind, handler, room)
            except* (*FAILURES, FailingListenerError) as lost:
                errors = [repr(error) for error in leaves(lost)]
                log.warning("job queue lost, connecting again", kind=kind, errors=errors)
            finally:
                connection.terminate()
            await asyncio.sleep(RECONNECT_AFTER)

    async def _take(
        self,
        connection: asyncpg.Connection,
        kind: Kind,
        handler: Handler,
        room: Callable[[], int],
    ) -> None:
        """Do jobs over one connection until it is lost, or until cancelled: then take no more,
        and let those in hand finish."""
        gate, channel = _Gate(room), channel_of(kind)
        queries = _GatedQueries(AsyncpgDriver(connection), *builders(channel), gate=gate)
        manager = QueueManager(queries, channel=channel)
        manager.register_executor(kind.value, _Persistent(_parameters(handler), gate=gate))
        # It would find out by itself, but only when it next has something to ask.
        connection.add_termination_listener(lambda _: manager.shutdown.set())
        async with asyncio.TaskGroup() as tasks:
            runner = tasks.create_task(
                manager.run(
                    dequeue_timeout=min(LOOK_AGAIN_AFTER, self._silence / 2),
                    batch_size=BATCH,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=self._silence,
                ),
                name=f"queue:{kind}",
            )
            try:
                await asyncio.wait({runner})
            except asyncio.CancelledError:
                manager.shutdown.set()
                await asyncio.wait({runner}, timeout=self._patience)
                # The first cancellation has it wait for the handlers; the next reaches these.
                while not runner.done():
                    runner.cancel()
                    await asyncio.wait({runner}, timeout=CANCEL_AGAIN_AFTER)
                raise

    async def _forget(self) -> None:
        """Keep the log of finished jobs short."""
        table = settings().queue_table_log
        while True:
            try:
                connection = await connect(self._url)
                try:
                    await connection.execute(
                        f"DELETE FROM {table} WHERE created < now() - $1::interval",  # noqa: S608
                        FORGET_AFTER,
                    )
                finally:
                    connection.terminate()
            except (StrowgerError, *FAILURES) as error:
                log.warning("log of finished jobs not shortened", error=str(error))
            await asyncio.sleep(FORGET_EVERY)


@dataclass
class _Gate:
    """How many more jobs may be taken: those in hand count until their handler is done."""

    room: Callable[[], int]
    in_hand: set[JobId] = field(default_factory=set)

    def open_for(self) -> int:
        return self.room() - len(self.in_hand)


@dataclass
class _GatedQueries(Queries):
    """The queue's queries, taking no more jobs than there is room for."""

    gate: _Gate = field(kw_only=True)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        room = self.gate.open_for()
        if room <= 0:
            return []
        jobs = await super().dequeue(
            min(batch_size, room),
            entrypoints,
            queue_manager_id,
            global_concurrency_limit,
            heartbeat_timeout,
        )
        self.gate.in_hand.update(job.id for job in jobs)
        return jobs

    async def retry_job(
        self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None
    ) -> None:
        """A job that cannot be put back stays ours and, as nobody vouches for it any more, is
        taken over. PgQueuer itself would count it as failed and delete it."""
        try:
            await super().retry_job(job, delay, traceback_record)
        except FAILURES as error:
            log.warning("job not put back", kind=job.entrypoint, id=_payload(job), error=str(error))


@dataclass
class _Persistent(EntrypointExecutor):
    """Runs handlers; a job is done only when its handler returns."""

    gate: _Gate = field(kw_only=True)

    async def execute(self, job: Job, context: Context) -> None:
        try:
            await super().execute(job, context)
        except asyncio.CancelledError:
            # We are stopping and the handler was too slow. Another process shall have the job;
            # a cancellation that went further would count as the job's end.
            raise RetryRequested(reason="stopped") from None
        except Exception as error:
            # Whatever a handler raises, its job is not done: let through, it would count as failed
            # and be deleted. A defect is logged whole, and tried again in case it is mended.
            if not isinstance(error, Unavailable):
                log.exception("job failed", kind=job.entrypoint, id=_payload(job))
            pause = pause_after(error, job.attempts)
            raise RetryRequested(timedelta(seconds=pause), str(error)) from error
        finally:
            self.gate.in_hand.discard(job.id)


def pause_after(error: Exception, attempts: int) -> float:
    """Seconds until a job that failed `attempts` times before is tried again.

    One that only waits for its turn has not failed: its place may be free in a moment.
    """
    longest = LONGEST_WAIT if isinstance(error, NotItsTurn) else LONGEST_PAUSE
    return min(FIRST_PAUSE * 2.0 ** min(attempts, 30), longest)


def _parameters(handler: Handler) -> EntrypointExecutorParameters:
    async def do(job: Job) -> None:
        """Within the trace and, in the log, under the request that the job came from."""
        headers = {name: str(value) for name, value in (job.headers or {}).items()}
        known = {name: value for name, value in headers.items() if name == REQUEST}
        came_from = propagate.extract(headers)
        with (
            structlog.contextvars.bound_contextvars(**known),
            TRACER.start_as_current_span(
                f"job {job.entrypoint}", context=came_from, kind=trace.SpanKind.CONSUMER
            ),
        ):
            await handler(_payload(job))

    return EntrypointExecutorParameters(func=do, concurrency_limit=0)


def _payload(job: Job) -> str:
    return (job.payload or b"").decode()


def _plenty() -> int:
    return DELIVERIES_AT_ONCE


def _a_few() -> int:
    """Each waits for a language model, beside calls that want one at once."""
    return ANALYSES_AT_ONCE


_ROOMS: Mapping[Kind, Callable[[], int]] = {Kind.ANALYZE: _a_few}
