import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import ConfigurationError
from strowger.model import DEFAULT_WORKSPACE
from strowger.ports import Attempt
from strowger.store.connect import connect, open_engine, plain
from strowger.store.house import PostgresHouse
from strowger.store.migrate import downgrade, migrate
from strowger.store.outbox import PostgresOutbox
from strowger.store.queue import settings
from strowger.store.records import PostgresRecords
from strowger.store.schema import metadata
from tests.postgres import KEYRING
from tests.store.samples import a_call, a_trunk, a_webhook

pytestmark = pytest.mark.anyio

JOBS = "SELECT payload FROM pgqueuer WHERE entrypoint = 'deliver'"
QUEUE_TABLES = {
    settings().queue_table,
    settings().queue_table_log,
    settings().statistics_table,
    settings().schedules_table,
}


def differences(connection: Connection) -> list[object]:
    def ours(name: str | None, kind: str, parents: object) -> bool:
        return not (kind == "table" and name in QUEUE_TABLES)

    context = MigrationContext.configure(
        connection, opts={"include_name": ours, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


async def tables(url: str) -> set[str]:
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


async def test_the_migrated_tables_are_those_of_the_schema(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_house_expects_the_newest_of_the_migrations(engine: AsyncEngine) -> None:
    found = await PostgresHouse(engine).readiness()
    assert found.tables == found.expected


async def test_everything_goes_down_and_up_again(database_url: str, engine: AsyncEngine) -> None:
    await downgrade(database_url)
    assert await tables(database_url) == {"alembic_version"}
    await migrate(database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    assert await tables(database_url) == set(metadata.tables) | QUEUE_TABLES | {"alembic_version"}


async def test_jobs_of_deliveries_that_were_tried_learn_their_attempt(
    database_url: str, engine: AsyncEngine
) -> None:
    records, outbox = PostgresRecords(engine), PostgresOutbox(engine)
    await records.add_webhook(a_webhook())
    for _ in range(2):
        await records.add_call(a_call())
    connection = await connect(database_url)
    try:
        tried, fresh = await connection.fetch("SELECT id FROM deliveries ORDER BY sequence")
        attempt = Attempt(at=1.0, status=500, answer="", duration=0.1)
        await outbox.record_attempt(
            tried["id"], attempt, number=0, delivered=False, retry_at=3600.0
        )
        await downgrade(database_url, revision="0003", keyring=KEYRING)
        before = await connection.fetch(JOBS)
        assert [bytes(row["payload"]).decode() for row in before].count(tried["id"]) == 2
        await migrate(database_url, keyring=KEYRING)
        after = await connection.fetch(JOBS)
        assert sorted(bytes(row["payload"]).decode() for row in after) == sorted(
            [f"{tried['id']}:1", f"{tried['id']}:1", fresh["id"]]
        )
    finally:
        await connection.close()


async def test_several_may_migrate_at_once_and_again(database_url: str) -> None:
    await downgrade(database_url)
    await asyncio.gather(*(migrate(database_url) for _ in range(4)))
    engine = open_engine(database_url, pool_size=1, keyring=KEYRING)
    records = PostgresRecords(engine)
    await records.ensure_workspace(DEFAULT_WORKSPACE, now=0.0)
    trunk = a_trunk()
    await records.add_trunk(trunk)
    await migrate(database_url)
    assert await records.get_trunk(DEFAULT_WORKSPACE, trunk.id) == trunk
    await engine.dispose()


@pytest.mark.parametrize("url", ["", "mysql://host/db", "host/db", "sqlite:///x.db"])
def test_a_url_of_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_engine(url)


def test_a_driver_in_the_url_is_left_out() -> None:
    assert plain("postgresql+asyncpg://u:p@h/db?sslmode=require") == (
        "postgresql://u:p@h/db?sslmode=require"
    )
    assert plain("postgres://h/db") == "postgresql://h/db"
