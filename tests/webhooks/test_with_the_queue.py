"""Events of the real store, jobs of the real queue, requests to real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from itertools import count

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.lifecycle import CallStatus
from strowger.model import Call, CallId, WorkerId
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import connect, open_engine
from strowger.store.jobs import Handler, JobQueue
from strowger.store.outbox import PostgresOutbox
from strowger.store.queue import Kind, queries
from strowger.store.records import PostgresRecords
from strowger.webhooks.deliver import Deliverer
from strowger.webhooks.egress import guarded_client
from strowger.webhooks.signing import verify
from tests.postgres import KEYRING
from tests.store.samples import RESULT, a_call, a_webhook
from tests.webhooks.server import OK, Received, listening

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds until a test gives up
ANN = WorkerId("worker_ann")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SORRY = b"HTTP/1.1 503 Sorry\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
TOLD = [
    "call.queued",
    "call.initiated",
    "call.answered",
    "call.completed",
    "call.recording_ready",
]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, keyring=KEYRING)
    yield engine
    await engine.dispose()


@asynccontextmanager
async def delivering(
    url: str, engine: AsyncEngine, *, delays: Sequence[float] = (0.02,)
) -> AsyncIterator[None]:
    async with guarded_client((ip_network("127.0.0.0/8"),)) as client:
        deliverer = Deliverer(PostgresOutbox(engine), client, delays=delays)
        async with asyncio.TaskGroup() as tasks:
            handlers: dict[str, Handler] = {Kind.DELIVER: deliverer.deliver}
            work = tasks.create_task(JobQueue(url, patience=1.0).run(handlers, capacity=lambda: 0))
            try:
                yield
            finally:
                work.cancel()


async def live_through(engine: AsyncEngine) -> Call:
    """A call from its acceptance to its end."""
    now = time.time()
    call = a_call(created_at=now)
    store = PostgresCallStore(engine)
    await PostgresRecords(engine).add_call(call)
    await store.set_status(call.id, CallStatus.INITIATED, ANN, now=now + 0.1)
    await store.set_status(call.id, CallStatus.IN_PROGRESS, ANN, now=now + 0.2)
    await store.finish(call.id, replace(RESULT, ended_at=now + 0.3))
    return call


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def types_of(received: list[Received], call: CallId) -> list[str]:
    bodies = [json.loads(request.body) for request in received]
    return [body["type"] for body in bodies if body["data"]["call_id"] == call]


async def test_every_event_of_a_call_arrives_signed_and_in_order(
    database_url: str, engine: AsyncEngine
) -> None:
    async with listening() as endpoint, delivering(database_url, engine):
        await PostgresRecords(engine).add_webhook(a_webhook(url=endpoint.url, secret=SECRET))
        call = await live_through(engine)
        await until(lambda: len(endpoint.received) == len(TOLD))
    assert types_of(endpoint.received, call.id) == TOLD
    assert len({request.headers["webhook-id"] for request in endpoint.received}) == len(TOLD)
    for request in endpoint.received:
        verify(SECRET, request.headers, request.body)


async def test_an_endpoint_that_fails_every_other_time_still_gets_all_in_order(
    database_url: str, engine: AsyncEngine
) -> None:
    accepted: list[Received] = []
    turns = count()

    async def moody(received: Received, writer: asyncio.StreamWriter) -> None:
        if next(turns) % 2 == 0:
            writer.write(SORRY)
        else:
            accepted.append(received)
            writer.write(OK)

    async with listening(moody) as endpoint, delivering(database_url, engine):
        await PostgresRecords(engine).add_webhook(a_webhook(url=endpoint.url))
        calls = [await live_through(engine) for _ in range(2)]
        await until(lambda: len(accepted) >= 2 * len(TOLD))
    for call in calls:
        assert types_of(accepted, call.id) == TOLD


async def test_a_slow_endpoint_does_not_delay_another(
    database_url: str, engine: AsyncEngine
) -> None:
    release = asyncio.Event()

    async def slow(received: Received, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    async with listening(slow) as sluggish, listening() as quick:
        records = PostgresRecords(engine)
        await records.add_webhook(a_webhook(url=sluggish.url))
        await records.add_webhook(a_webhook(url=quick.url))
        async with delivering(database_url, engine):
            call = await live_through(engine)
            await until(lambda: len(quick.received) == len(TOLD))
            assert types_of(sluggish.received, call.id) == TOLD[:1]
            release.set()
            await until(lambda: len(sluggish.received) == len(TOLD))
        assert types_of(sluggish.received, call.id) == TOLD


async def put_back(url: str, job: str) -> None:
    """Have a job done once more, as one whose process was killed before it was off the queue."""
    connection = await connect(url)
    try:
        await queries(connection).enqueue([Kind.DELIVER], [job.encode()], [0])
    finally:
        await connection.close()


async def test_a_job_that_runs_again_begins_no_second_chain_of_attempts(
    database_url: str, engine: AsyncEngine
) -> None:
    def sorry(received: Received, writer: asyncio.StreamWriter) -> Awaitable[None]:
        writer.write(SORRY)
        return asyncio.sleep(0)

    async with listening(sorry) as endpoint:
        await PostgresRecords(engine).add_webhook(a_webhook(url=endpoint.url))
        await PostgresRecords(engine).add_call(a_call(created_at=time.time()))
        (first,) = await jobs(database_url)
        async with delivering(database_url, engine, delays=(3600.0,)):
            await until(lambda: len(endpoint.received) == 1)
            await until_jobs_are(database_url, [f"{first}:1"])
            await put_back(database_url, first)
            await put_back(database_url, first)
            await until_jobs_are(database_url, [f"{first}:1"])
    assert len(endpoint.received) == 1, "an attempt that has been made is not made again"


async def test_two_runs_of_one_job_at_once_plan_one_next_attempt(
    database_url: str, engine: AsyncEngine
) -> None:
    both = asyncio.Event()

    async def slow(received: Received, writer: asyncio.StreamWriter) -> None:
        await both.wait()
        writer.write(SORRY)

    async with listening(slow) as endpoint:
        await PostgresRecords(engine).add_webhook(a_webhook(url=endpoint.url))
        await PostgresRecords(engine).add_call(a_call(created_at=time.time()))
        (first,) = await jobs(database_url)
        await put_back(database_url, first)
        async with delivering(database_url, engine, delays=(3600.0,)):
            await until(lambda: len(endpoint.received) == 2)
            both.set()
            await until_jobs_are(database_url, [f"{first}:1"])
    (attempt,) = await PostgresOutbox(engine).attempts_of(first)
    assert attempt.status == 503


async def jobs(url: str) -> list[str]:
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = 'deliver'")
        return [row["payload"].decode() for row in rows]
    finally:
        await connection.close()


async def until_jobs_are(url: str, wanted: list[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await jobs(url) != wanted:
            await asyncio.sleep(0.01)
