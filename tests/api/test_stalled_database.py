"""A database that is there and does not answer: 503 in time, nothing half done, nothing twice.

One that dies, and a disk that is full, are in tests/crash/test_outages.py, with real processes.
"""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from strowger.store.connect import connect
from tests.api.conftest import refusal
from tests.api.house import AGENT, CALL, House, house
from tests.postgres import database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

PATIENCE = 1.0
"""Seconds that a statement may take here: one that nothing stalls takes less on a busy machine."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house(database_url, tmp_path, statement_timeout=PATIENCE) as made:
        yield made


@asynccontextmanager
async def stalled(home: House, table: str) -> AsyncIterator[None]:
    """Whoever reads or writes the table waits."""
    connection = await connect(home.url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@contextmanager
def hanging(pids: list[int]) -> Iterator[None]:
    """These processes of the database neither work nor die."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("table", "path", "body"),
    [("agents", "/v1/agents", AGENT), ("events", "/v1/calls", CALL), ("calls", "/v1/calls", CALL)],
)
async def test_what_a_stalled_database_kept_from_being_done_is_done_once_when_asked_again(
    home: House, table: str, path: str, body: dict[str, Any]
) -> None:
    headers = await home.key()
    await home.trunk(headers)
    headers["Idempotency-Key"] = "once"
    async with stalled(home, table):
        answer = await home.client.post(path, json=body, headers=headers)
        assert refusal(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    counted = path.rpartition("/")[2]
    assert await home.count(counted) == 0
    first = await home.client.post(path, json=body, headers=headers)
    assert first.status_code == 201, first.text
    again = await home.client.post(path, json=body, headers=headers)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert await home.count(counted) == 1


async def test_reading_waits_no_longer_and_goes_on_when_the_database_does(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    call = (await home.client.post("/v1/calls", json=CALL, headers=headers)).json()
    async with stalled(home, "calls"):
        for path in (f"/v1/calls/{call['id']}", "/v1/calls"):
            refusal(await home.client.get(path, headers=headers), 503, "unavailable")
    answer = await home.client.get(f"/v1/calls/{call['id']}", headers=headers)
    assert answer.json() == call


async def test_a_database_that_hangs_altogether_is_given_up_as_well(home: House) -> None:
    headers = await home.key()
    assert (await home.client.get("/v1/calls", headers=headers)).status_code == 200
    connection = await connect(home.url)
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND client_port IS NOT NULL"
    )
    await connection.close()
    assert rows
    with hanging([row["pid"] for row in rows]):
        refusal(await home.client.get("/v1/calls", headers=headers), 503, "unavailable")
    assert (await home.client.get("/v1/calls", headers=headers)).status_code == 200
