import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from strowger.errors import NotItsTurn, Unavailable
from strowger.model import DEFAULT_WORKSPACE
from strowger.store.commands import CHANNEL as COMMAND_CHANNEL
from strowger.store.connect import connect
from strowger.store.events import CHANNEL
from strowger.store.jobs import Handler, JobQueue, pause_after
from strowger.store.notices import Notices
from strowger.store.queue import Kind, channel_of
from strowger.store.records import PostgresRecords
from tests.store.samples import a_call

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds until a test gives up

KILLED_WORKER = """
import asyncio, sys
from strowger.store.jobs import JobQueue

async def main():
    async def hold(call_id):
        print(call_id, flush=True)
        await asyncio.sleep(60)

    await JobQueue(sys.argv[1], taken_over_after=1.0).run({"dial": hold}, capacity=lambda: 10)

asyncio.run(main())
"""


@asynccontextmanager
async def working(
    url: str, handlers: Mapping[str, Handler], capacity: Callable[[], int] = lambda: 100
) -> AsyncIterator[None]:
    """A process that does jobs, for as long as the block lasts."""
    queue = JobQueue(url, taken_over_after=1.0, patience=1.0)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(queue.run(handlers, capacity=capacity))
        try:
            yield
        finally:
            work.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def queued(url: str) -> int:
    connection = await connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pgqueuer"))
    finally:
        await connection.close()


async def no_job_left(url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await queued(url):
            await asyncio.sleep(0.05)


async def test_a_new_call_is_a_dial_job(database_url: str, records: PostgresRecords) -> None:
    dialled: list[str] = []

    async def dial(call_id: str) -> None:
        dialled.append(call_id)

    async with working(database_url, {Kind.DIAL: dial}):
        call = a_call()
        await records.add_call(call)
        await until(lambda: bool(dialled))
        await no_job_left(database_url)
    assert dialled == [call.id]


async def test_who_waits_for_other_kinds_of_jobs_is_left_in_peace(
    database_url: str, records: PostgresRecords
) -> None:
    connection = await connect(database_url)
    told: list[str] = []
    for kind in Kind:
        await connection.add_listener(
            channel_of(kind), lambda *notice: told.append(f"{notice[2]} {len(notice[3]) > 0}")
        )
    await records.add_call(a_call())
    await connection.execute("UPDATE pgqueuer SET status = 'picked'")
    await connection.execute("UPDATE pgqueuer SET status = 'queued'")
    await connection.execute("DELETE FROM pgqueuer")
    await connection.execute("SELECT 1")
    await connection.close()
    assert told == ["jobs_dial True"] * 2


async def test_a_call_that_is_not_accepted_leaves_no_job(
    database_url: str, records: PostgresRecords
) -> None:
    call = a_call()
    await records.add_call(call)
    assert await queued(database_url) == 1
    with pytest.raises(Exception, match="there is one like it"):
        await records.add_call(call)
    assert await queued(database_url) == 1


async def test_dial_jobs_are_taken_in_order_and_only_while_lines_are_free(
    database_url: str, records: PostgresRecords
) -> None:
    busy: list[str] = []
    seen: list[str] = []

    async def dial(call_id: str) -> None:
        # As a dispatcher does: the handler returns, the line stays taken.
        busy.append(call_id)
        seen.append(call_id)

    calls = [a_call() for _ in range(5)]
    for call in calls:
        await records.add_call(call)
    async with working(database_url, {Kind.DIAL: dial}, lambda: 2 - len(busy)):
        await until(lambda: len(seen) == 2)
        await asyncio.sleep(0.3)  # more of them have time to be taken, and are not
        assert seen == [call.id for call in calls[:2]]
        busy.pop()
        await until(lambda: len(seen) == 3)
        busy.clear()
        await until(lambda: len(seen) == 5)
    assert seen == [call.id for call in calls]


async def test_a_job_whose_handler_fails_is_tried_again(
    database_url: str, records: PostgresRecords
) -> None:
    tries: list[str] = []

    async def dial(call_id: str) -> None:
        tries.append(call_id)
        if len(tries) == 1:
            raise Unavailable("not now")

    async with working(database_url, {Kind.DIAL: dial}):
        await records.add_call(a_call())
        await until(lambda: len(tries) == 2)
        await no_job_left(database_url)


async def test_a_job_that_only_waits_for_its_turn_is_never_put_off_for_long() -> None:
    waits = [pause_after(NotItsTurn("ten are under way"), attempts) for attempts in range(40)]
    assert waits[:3] == [1.0, 2.0, 4.0]
    assert max(waits) == 4.0
    assert pause_after(Unavailable("no database"), 39) == 300.0


async def test_a_killed_workers_job_goes_to_another(
    database_url: str, records: PostgresRecords
) -> None:
    call = a_call()
    await records.add_call(call)
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED_WORKER, database_url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout is not None
        taken = await asyncio.to_thread(worker.stdout.readline)
        assert taken.strip() == call.id
    finally:
        worker.kill()
        worker.communicate()
    dialled: list[str] = []

    async def dial(call_id: str) -> None:
        dialled.append(call_id)

    async with working(database_url, {Kind.DIAL: dial}):
        await until(lambda: dialled == [call.id])


async def test_a_worker_told_to_stop_lets_its_jobs_finish(
    database_url: str, records: PostgresRecords
) -> None:
    began, done = asyncio.Event(), asyncio.Event()

    async def dial(call_id: str) -> None:
        began.set()
        await asyncio.sleep(0.3)
        done.set()

    async with working(database_url, {Kind.DIAL: dial}):
        await records.add_call(a_call())
        await asyncio.wait_for(began.wait(), PATIENCE)
    assert done.is_set()
    assert await queued(database_url) == 0


async def test_a_job_too_slow_for_the_stop_is_left_to_others(
    database_url: str, records: PostgresRecords
) -> None:
    began = asyncio.Event()

    async def dial(call_id: str) -> None:
        began.set()
        await asyncio.sleep(PATIENCE)

    async with working(database_url, {Kind.DIAL: dial}):
        await records.add_call(a_call())
        await asyncio.wait_for(began.wait(), PATIENCE)
    assert await queued(database_url) == 1
    again = asyncio.Event()

    async def quick(call_id: str) -> None:
        again.set()

    async with working(database_url, {Kind.DIAL: quick}):
        await asyncio.wait_for(again.wait(), PATIENCE)


async def test_a_queue_whose_connection_is_cut_connects_again(
    database_url: str, records: PostgresRecords
) -> None:
    dialled: list[str] = []

    async def dial(call_id: str) -> None:
        dialled.append(call_id)

    async with working(database_url, {Kind.DIAL: dial}):
        first = a_call()
        await records.add_call(first)
        await until(lambda: dialled == [first.id])
        connection = await connect(database_url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND query NOT LIKE 'COMMIT%'"
        )
        await connection.close()
        second = a_call()
        await eventually(lambda: records.add_call(second))
        await until(lambda: second.id in dialled)


async def eventually(act: Callable[[], Awaitable[None]]) -> None:
    """A pool whose connections were cut may fail once before it opens new ones."""
    try:
        await act()
    except Unavailable:
        await act()


async def test_who_listens_hears_of_events_and_of_calls_to_end(
    database_url: str, records: PostgresRecords
) -> None:
    call = a_call()
    async with Notices.listen(database_url, CHANNEL) as notices:
        await records.add_call(call)
        assert await notices.next(timeout=PATIENCE) == call.id
        assert await notices.next(timeout=0.01) is None
        assert not notices.lost
    connection = await connect(database_url)
    await connection.execute("UPDATE calls SET worker_id = 'worker_1'")
    await connection.close()
    async with Notices.listen(database_url, COMMAND_CHANNEL) as notices:
        await records.request_end(DEFAULT_WORKSPACE, call.id, now=1.0)
        assert await notices.next(timeout=PATIENCE) == "worker_1"
