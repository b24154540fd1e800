from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.store.calls import PostgresCallStore
from strowger.store.connect import open_engine
from strowger.store.outbox import PostgresOutbox
from strowger.store.records import PostgresRecords
from tests.postgres import KEYRING, database_url

__all__ = ["database_url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, keyring=KEYRING)
    yield engine
    await engine.dispose()


@pytest.fixture
def records(engine: AsyncEngine) -> PostgresRecords:
    return PostgresRecords(engine)


@pytest.fixture
def store(engine: AsyncEngine) -> PostgresCallStore:
    return PostgresCallStore(engine)


@pytest.fixture
def outbox(engine: AsyncEngine) -> PostgresOutbox:
    return PostgresOutbox(engine)
