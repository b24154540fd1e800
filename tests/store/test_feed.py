"""The feed of a workspace: in order, and nothing that commits late is skipped."""

import asyncio
import json

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.model import DEFAULT_WORKSPACE
from strowger.store.connect import connect
from strowger.store.feed import events_since
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords
from tests.store.samples import OTHER_WORKSPACE, a_call

pytestmark = pytest.mark.anyio


async def tell(connection: asyncpg.Connection, workspace: str = DEFAULT_WORKSPACE) -> int:
    """One event, as `publish` would write it."""
    return int(
        await connection.fetchval(
            "INSERT INTO events (id, workspace_id, type, payload, created_at)"
            " VALUES ($1, $2, 'call.queued', $3, 1.0) RETURNING sequence",
            new_id("event"),
            workspace,
            json.dumps({}),
        )
    )


async def test_events_come_in_order_page_by_page(
    engine: AsyncEngine, records: PostgresRecords
) -> None:
    made = [a_call() for _ in range(5)]
    for call in made:
        await records.add_call(call)
    first = await records.events_since(DEFAULT_WORKSPACE, after=0, limit=3)
    rest = await records.events_since(DEFAULT_WORKSPACE, after=first[-1].sequence, limit=9)
    assert [event.call_id for event in first + rest] == [call.id for call in made]
    assert await records.last_sequence(DEFAULT_WORKSPACE) == rest[-1].sequence
    assert await records.events_since(OTHER_WORKSPACE, after=0, limit=9) == ()
    assert await records.last_sequence(OTHER_WORKSPACE) == 0


async def test_an_event_that_commits_late_is_waited_for(
    engine: AsyncEngine, database_url: str
) -> None:
    slow, quick = await connect(database_url), await connect(database_url)
    late = slow.transaction()
    await late.start()
    first = await tell(slow)
    second = await tell(quick)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(events_since(engine, DEFAULT_WORKSPACE, after=0, limit=9))
        done, _ = await asyncio.wait({reading}, timeout=0.2)
        assert not done, "it must not answer with the second alone"
        await late.commit()
    assert [event.sequence for event in reading.result()] == [first, second]
    await slow.close()
    await quick.close()


async def test_the_feed_stops_before_what_takes_too_long_and_goes_on_afterwards(
    engine: AsyncEngine, database_url: str
) -> None:
    slow, quick = await connect(database_url), await connect(database_url)
    before = await tell(quick)
    late = slow.transaction()
    await late.start()
    held = await tell(slow)
    after = await tell(quick)
    found = await events_since(engine, DEFAULT_WORKSPACE, after=0, limit=9, patience=0.05)
    assert [event.sequence for event in found] == [before]
    await late.commit()
    found = await events_since(engine, DEFAULT_WORKSPACE, after=before, limit=9)
    assert [event.sequence for event in found] == [held, after]
    await slow.close()
    await quick.close()


async def test_a_number_that_was_rolled_back_and_other_workspaces_hold_nothing_up(
    engine: AsyncEngine, database_url: str
) -> None:
    connection = await connect(database_url)
    first = await tell(connection)
    undone = connection.transaction()
    await undone.start()
    await tell(connection)
    await undone.rollback()
    await tell(connection, OTHER_WORKSPACE)
    last = await tell(connection)
    found = await events_since(engine, DEFAULT_WORKSPACE, after=0, limit=9, patience=0.0)
    assert [event.sequence for event in found] == [first, last]
    await connection.close()


async def test_readers_at_the_tail_of_busy_writers_miss_nothing(
    engine: AsyncEngine, records: PostgresRecords
) -> None:
    made = [a_call() for _ in range(60)]
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < len(made):
            after = seen[-1] if seen else 0
            found = await records.events_since(DEFAULT_WORKSPACE, after=after, limit=7)
            seen.extend(event.sequence for event in found)

    async def write(calls: list[int]) -> None:
        for index in calls:
            await records.add_call(made[index])

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        for number in range(6):
            tasks.create_task(write(list(range(number, len(made), 6))))
    events = await records.events_since(DEFAULT_WORKSPACE, after=0, limit=100)
    assert seen == [event.sequence for event in events]
    assert len(seen) == len(made)
