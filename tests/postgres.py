"""A real PostgreSQL for tests: one server per test run, one fresh database per test.

In a conftest: `from tests.postgres import database_url`, then ask for the fixture `database_url`.
"""

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from strowger.model import DEFAULT_WORKSPACE
from strowger.store import embedded
from strowger.store.connect import connect, open_engine
from strowger.store.keyring import GivenKeys, Keyring, Keys
from strowger.store.migrate import migrate
from strowger.store.records import PostgresRecords

NUMBERS = count(1)
TEMPLATE = "strowger_template"
KEYRING = Keyring(GivenKeys(Keys({"test": b"\x07" * 32})))


@cache
def server_url() -> str:
    """The URL of a server that lives as long as this process, with the template made."""
    data = Path(tempfile.mkdtemp(prefix="strowger-test-"))
    server = embedded.start(data)

    def clear() -> None:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)

    atexit.register(clear)
    asyncio.run(_make_template(server.url))
    return server.url


def url_of(database: str) -> str:
    return server_url().replace("@/postgres?", f"@/{database}?")


async def _make_template(url: str) -> None:
    await _order(url, "ALTER SYSTEM SET fsync = off")  # nothing here has to survive the machine
    await _order(url, "SELECT pg_reload_conf()")
    await _order(url, f"CREATE DATABASE {TEMPLATE}")
    template = url.replace("@/postgres?", f"@/{TEMPLATE}?")
    await migrate(template)
    engine = open_engine(template, pool_size=1)
    await PostgresRecords(engine).ensure_workspace(DEFAULT_WORKSPACE, now=0.0)
    await engine.dispose()


async def _order(url: str, statement: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def database_url() -> Iterator[str]:
    """A database of one's own with all tables and the default workspace."""
    with fresh_database() as url:
        yield url


@contextmanager
def fresh_database() -> Iterator[str]:
    """The same for whoever keeps it longer than one test."""
    name = f"strowger_test_{next(NUMBERS)}"
    url = server_url()
    asyncio.run(_order(url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy"))
    yield url_of(name)
    asyncio.run(_order(url, f"DROP DATABASE {name} WITH (FORCE)"))
