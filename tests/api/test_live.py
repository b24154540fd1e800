"""Events as they happen, over a real socket and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strowger.lifecycle import CallStatus
from strowger.model import CallAnalysis, CallId, WorkerId
from strowger.store.analyses import PostgresAnalyses
from tests.api.house import CALL, PATIENCE, House, house, served
from tests.postgres import database_url
from tests.store.samples import RESULT

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

ANN = WorkerId("worker_ann")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def listening(url: str, folder: Path) -> AsyncIterator[tuple[House, httpx2.AsyncClient]]:
    async with house(url, folder) as home, asyncio.TaskGroup() as tasks:
        bell = tasks.create_task(home.bell.run(), name="bell")
        async with served(home.app) as client:
            yield home, client
        bell.cancel()


@asynccontextmanager
async def stream(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str]
) -> AsyncIterator["Stream"]:
    accept = {"Accept": "text/event-stream"}
    async with client.stream("GET", path, headers={**accept, **headers}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        heard = Stream(answer.aiter_lines())
        await heard.comment()
        yield heard


class Stream:
    """What a client of server-sent events reads."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def comment(self) -> None:
        assert (await anext(self._lines)).startswith(":")

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The id and the data of the next event."""
        id, told, type = "", {}, ""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    id = value
                elif name == "event":
                    type = value
                elif name == "data":
                    told = json.loads(value)
                elif not line and told:
                    assert told["type"] == type
                    assert str(told["sequence"]) == id
                    return id, told
        raise EOFError

    async def ended(self) -> bool:
        try:
            await self.next()
        except EOFError:
            return True
        return False


async def place(home: House, headers: dict[str, str], **agent: object) -> CallId:
    inline = CALL["agent"]
    assert isinstance(inline, dict)
    call = {**CALL, "agent": {**inline, **agent}}
    answer = await home.client.post("/v1/calls", json=call, headers=headers)
    assert answer.status_code == 201, answer.text
    return CallId(answer.json()["id"])


async def test_a_call_is_followed_from_now_to_its_end(database_url: str, tmp_path: Path) -> None:
    async with listening(database_url, tmp_path) as (home, client):
        headers = await home.key()
        await home.trunk(headers)
        call = await place(home, headers)
        async with stream(client, f"/v1/calls/{call}/live", headers) as heard:
            other = await place(home, headers)
            await home.store.claim_dial_attempt(call, ANN, now=1.0)
            await home.store.set_status(call, CallStatus.INITIATED, ANN, now=2.0)
            id, told = await heard.next()
            assert (told["type"], told["call_id"]) == ("call.initiated", call)
            await home.store.set_status(call, CallStatus.IN_PROGRESS, ANN, now=3.0)
            assert (await heard.next())[1]["type"] == "call.answered"
            await home.store.finish(call, RESULT)
            last, told = await heard.next()
            assert told["type"] == "call.completed"
            assert (await heard.next())[1]["type"] == "call.recording_ready"
            assert await heard.ended()
        again = {**headers, "Last-Event-ID": id}
        async with stream(client, f"/v1/calls/{call}/live", again) as heard:
            assert (await heard.next())[1]["type"] == "call.answered"
            assert (await heard.next())[0] == last
        begin = {**headers, "Last-Event-ID": "0"}
        async with stream(client, f"/v1/calls/{other}/live", begin) as heard:
            assert (await heard.next())[1]["type"] == "call.queued"


async def test_a_call_that_is_to_be_analysed_is_followed_until_it_is(
    database_url: str, tmp_path: Path
) -> None:
    async with listening(database_url, tmp_path) as (home, client):
        headers = await home.key()
        await home.trunk(headers)
        call = await place(home, headers, analysis={"summary": True})
        await home.store.claim_dial_attempt(call, ANN, now=1.0)
        for status in (CallStatus.INITIATED, CallStatus.IN_PROGRESS):
            await home.store.set_status(call, status, ANN, now=2.0)
        async with stream(client, f"/v1/calls/{call}/live", headers) as heard:
            await home.store.finish(call, RESULT)
            told = [await heard.next(), await heard.next()]
            assert told[0][1]["data"]["analysis"]["status"] == "pending"
            done = CallAnalysis(status="completed", attempts=1)
            analyses = PostgresAnalyses(home.engine)
            await analyses.write(call, done, "They talked.", retry_at=None, now=1100.0)
            _, last = await heard.next()
            assert (last["type"], last["data"]["summary"]) == ("call.analyzed", "They talked.")
            assert await heard.ended()
        shown = (await home.client.get(f"/v1/calls/{call}", headers=headers)).json()
        assert (shown["summary"], shown["analysis"]["status"]) == ("They talked.", "completed")


async def test_everything_is_followed_and_a_client_that_comes_back_misses_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with listening(database_url, tmp_path) as (home, client):
        headers, stranger = await home.key(), await home.key(workspace="workspace_other")
        await home.trunk(headers)
        await home.trunk(stranger)
        await place(home, headers)
        async with stream(client, "/v1/events", headers) as heard:
            first = await place(home, headers)
            await place(home, stranger)
            id, told = await heard.next()
            assert (told["type"], told["call_id"]) == ("call.queued", first)
        missed = [await place(home, headers) for _ in range(3)]
        async with stream(client, "/v1/events", {**headers, "Last-Event-ID": id}) as heard:
            now = await place(home, headers)
            seen = [(await heard.next())[1]["call_id"] for _ in range(4)]
            assert seen == [*missed, now]
        async with stream(client, f"/v1/events?after={id}", headers) as heard:
            assert (await heard.next())[1]["call_id"] == missed[0]


async def test_without_the_bell_the_stream_looks_by_the_clock(
    database_url: str, tmp_path: Path
) -> None:
    async with house(database_url, tmp_path) as home, served(home.app) as client:
        headers = await home.key()
        await home.trunk(headers)
        async with stream(client, "/v1/events", headers) as heard:
            call = await place(home, headers)
            assert (await heard.next())[1]["call_id"] == call
