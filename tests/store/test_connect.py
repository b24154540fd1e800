import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import ConfigurationError, Conflict, Unavailable
from strowger.lifecycle import CallStatus
from strowger.model import DEFAULT_WORKSPACE, CallId, TrunkId, WorkerId
from strowger.ports import CallFilter
from strowger.store import embedded
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import connect, open_engine, transaction
from strowger.store.migrate import migrate
from strowger.store.outbox import PostgresOutbox
from strowger.store.records import PostgresRecords
from tests.store.samples import RESULT, a_call, a_trunk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[embedded.EmbeddedPostgres]:
    """A server of one's own, to stop."""
    data = Path(tempfile.mkdtemp(prefix="strowger-"))
    server = await asyncio.to_thread(embedded.start, data)
    yield server
    await asyncio.to_thread(server.stop)
    shutil.rmtree(data)


async def test_a_lost_database_is_unavailable_and_comes_back(
    server: embedded.EmbeddedPostgres,
) -> None:
    await migrate(server.url)
    engine = open_engine(server.url, pool_size=2)
    records, store, outbox = (
        PostgresRecords(engine), PostgresCallStore(engine), PostgresOutbox(engine)
    )  # fmt: skip
    await records.ensure_workspace(DEFAULT_WORKSPACE, now=0.0)
    call = a_call()
    await records.add_call(call)
    await asyncio.to_thread(server.stop)
    nobody, worker = CallId("call_none"), WorkerId("worker_1")
    for attempt in (
        records.ping,
        lambda: records.add_call(a_call()),
        lambda: records.add_trunk(a_trunk()),
        lambda: records.get_trunk(DEFAULT_WORKSPACE, TrunkId("trunk_none")),
        lambda: records.list_calls(DEFAULT_WORKSPACE, CallFilter(), limit=1, cursor=None),
        lambda: records.key_by_hash(b""),
        lambda: store.get_call(nobody),
        lambda: store.claim_dial_attempt(nobody, worker, now=1.0),
        lambda: store.set_status(nobody, CallStatus.INITIATED, worker, now=1.0),
        lambda: store.finish(nobody, RESULT),
        lambda: store.beat(worker, lines=1, busy=0),
        lambda: outbox.get_delivery("delivery_none"),
        lambda: connect(server.url),
        lambda: migrate(server.url),
    ):
        with pytest.raises(Unavailable):
            await attempt()
    await asyncio.to_thread(embedded.start, server.folder.parent)
    assert await store.get_call(call.id) == call
    await records.ping()
    await engine.dispose()


async def test_a_connection_cut_in_the_middle_takes_its_transaction_along(
    engine: AsyncEngine,
) -> None:
    with pytest.raises(Unavailable):
        async with transaction(engine) as connection:
            await connection.exec_driver_sql(
                "INSERT INTO workspaces (id, name, created_at) VALUES ('workspace_x', 'x', 0)"
            )
            await connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    async with transaction(engine) as connection:
        found = await connection.exec_driver_sql("SELECT id FROM workspaces")
        assert [row.id for row in found] == [DEFAULT_WORKSPACE]


async def test_nobody_waits_for_ever_for_a_connection(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=1)
    engine.sync_engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("SELECT 1")
        with pytest.raises(Unavailable):
            await PostgresRecords(engine).ping()
    await engine.dispose()


async def test_nobody_there_is_unavailable_and_a_wrong_door_is_the_operators_to_mend(
    database_url: str,
) -> None:
    with pytest.raises(Unavailable):
        await connect("postgresql://postgres@127.0.0.1:1/postgres")
    with pytest.raises(ConfigurationError):
        await connect(database_url.replace("strowger_test_", "strowger_none_"))


async def test_what_fails_among_several_together_is_undone_alone(
    engine: AsyncEngine, records: PostgresRecords
) -> None:
    await records.ensure_workspace(DEFAULT_WORKSPACE, now=0.0)
    busy, idle = a_trunk(), a_trunk()
    for trunk in (busy, idle):
        await records.add_trunk(trunk)
    await records.add_call(replace(a_call(), trunk_id=busy.id))
    async with records.together():
        with pytest.raises(Conflict, match="use this trunk"):
            await records.delete_trunk(DEFAULT_WORKSPACE, busy.id)
        with pytest.raises(Conflict):
            await records.add_trunk(busy)
        await records.delete_trunk(DEFAULT_WORKSPACE, idle.id)
    left = await records.list_trunks(DEFAULT_WORKSPACE, limit=10, cursor=None)
    assert [trunk.id for trunk in left.data] == [busy.id]


async def test_a_defect_of_ours_is_not_dressed_up(engine: AsyncEngine) -> None:
    with pytest.raises(ProgrammingError):
        async with transaction(engine) as connection:
            await connection.exec_driver_sql("SELECT nonsense")


async def test_a_value_that_no_column_can_hold_is_a_defect_too(
    engine: AsyncEngine, database_url: str
) -> None:
    store = PostgresCallStore(engine)
    with pytest.raises(DBAPIError):
        await store.beat(WorkerId("worker_1"), lines=2**40, busy=0)
