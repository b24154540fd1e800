"""Both clients by every route, over a real socket and a real database."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strowger.api.app import bare_app
from strowger.client import ApiError, AsyncClient, Client
from strowger.lifecycle import CallStatus
from strowger.model import CallId, WorkerId
from tests.api.house import AGENT, House, house, served
from tests.postgres import database_url
from tests.store.samples import RESULT

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

ANN = WorkerId("worker_ann")
WAV = b"RIFF" + bytes(96)
NOT_THE_CLIENTS = {"GET /healthz", "GET /readyz", "GET /metrics"}
"""For machines that watch the server; `get` reaches them."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class User:
    """Somebody with one of the clients; what they ask of it is done whichever it is."""

    def __init__(self, client: Client | AsyncClient, seen: list[httpx2.Request]) -> None:
        self._client = client
        self.seen = seen

    async def __call__(self, what: Callable[[Any], Any], *, most: int | None = None) -> Any:
        """What it answers; of a series all there is, or the first `most`."""
        if isinstance(self._client, AsyncClient):
            return await _awaited(what(self._client), most)
        client = self._client
        return await asyncio.to_thread(lambda: _walked(what(client), most))


async def _awaited(answer: Any, most: int | None) -> Any:
    if not hasattr(answer, "__aiter__"):
        return await answer
    found: list[Any] = []
    async for item in answer:
        found.append(item)
        if len(found) == most:
            break
    await answer.aclose()
    return found


def _walked(answer: Any, most: int | None) -> Any:
    if not isinstance(answer, Iterator):
        return answer
    found: list[Any] = []
    for item in answer:
        found.append(item)
        if len(found) == most:
            break
    return found


@asynccontextmanager
async def user(kind: str, url: str, key: str) -> AsyncIterator[User]:
    seen: list[httpx2.Request] = []
    if kind == "blocking":
        with Client(url, key, transport=Noting(seen)) as client:
            yield User(client, seen)
        return
    async with AsyncClient(url, key, transport=AsyncNoting(seen)) as asynchronous:
        yield User(asynchronous, seen)


class Noting(httpx2.HTTPTransport):
    def __init__(self, seen: list[httpx2.Request]) -> None:
        super().__init__()
        self._seen = seen

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._seen.append(request)
        return super().handle_request(request)


class AsyncNoting(httpx2.AsyncHTTPTransport):
    def __init__(self, seen: list[httpx2.Request]) -> None:
        super().__init__()
        self._seen = seen

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._seen.append(request)
        return await super().handle_async_request(request)


@pytest.fixture(params=["blocking", "asyncio"])
async def at_home(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[tuple[User, House]]:
    async with house(database_url, tmp_path) as home, asyncio.TaskGroup() as tasks:
        bell = tasks.create_task(home.bell.run(), name="bell")
        async with served(home.app) as http:
            key = (await home.key())["Authorization"].removeprefix("Bearer ")
            async with user(request.param, str(http.base_url), key) as somebody:
                yield somebody, home
        bell.cancel()


async def answered(home: House, call: str) -> None:
    await home.store.claim_dial_attempt(CallId(call), ANN, now=1.0)
    await home.store.set_status(CallId(call), CallStatus.INITIATED, ANN, now=2.0)
    await home.store.set_status(CallId(call), CallStatus.IN_PROGRESS, ANN, now=3.0)


def routes() -> dict[str, str]:
    """Method and path to the pattern of its addresses."""
    return {
        f"{method.upper()} {path}": method.upper() + " " + re.sub(r"{\w+}", "[^/]+", path)
        for path, item in bare_app().openapi()["paths"].items()
        for method in item
    }


async def test_every_route_has_a_method_that_works(
    at_home: tuple[User, House], tmp_path: Path
) -> None:
    do, home = at_home
    await owned_things(do)
    await webhooks(do)
    await calls(do, home, tmp_path)
    await the_rest(do)
    asked = {f"{one.method} {one.url.path}" for one in do.seen}
    untried = {
        name
        for name, pattern in routes().items()
        if not any(re.fullmatch(pattern, request) for request in asked)
    }
    assert untried == NOT_THE_CLIENTS


async def owned_things(do: User) -> None:
    agent = await do(lambda c: c.agents.create(**AGENT))
    assert (await do(lambda c: c.agents.get(agent["id"]))) == agent
    changed = await do(lambda c: c.agents.update(agent["id"], if_version=1, name="Bob"))
    assert (changed["name"], changed["version"]) == ("Bob", 2)
    with pytest.raises(ApiError) as stale:
        await do(lambda c: c.agents.update(agent["id"], if_version=1, name="Ann"))
    assert stale.value.code == "version_mismatch"
    assert [one["version"] for one in await do(lambda c: c.agents.versions(agent["id"]))] == [2, 1]
    assert (await do(lambda c: c.agents.version(agent["id"], 1)))["name"] == AGENT["name"]
    copy = await do(lambda c: c.agents.duplicate(agent["id"]))
    page = await do(lambda c: c.agents.page(limit=1))
    assert [one["id"] for one in page["data"]] == [copy["id"]]
    trunk = await do(lambda c: c.trunks.create(name="t", host="127.0.0.1"))
    assert (await do(lambda c: c.trunks.update(trunk["id"], port=5070)))["port"] == 5070
    assert (await do(lambda c: c.trunks.check(trunk["id"])))["ok"]
    number = await do(lambda c: c.phone_numbers.create(number="+14155550199"))
    labelled = await do(lambda c: c.phone_numbers.update(number["id"], label="Reception"))
    assert labelled["label"] == "Reception"
    key = await do(lambda c: c.api_keys.create(name="CRM", scopes=["calls:read"]))
    assert key["key"].startswith("strowger_live_")
    secret = await do(lambda c: c.secrets.create(name="CRM_KEY", value="k"))
    assert (await do(lambda c: c.secrets.update(secret["id"], value="l")))["name"] == "CRM_KEY"
    webhook = await do(lambda c: c.webhooks.create(url="https://example.com/hook"))
    for kind, id in (
        ("webhooks", webhook["id"]), ("phone_numbers", number["id"]), ("trunks", trunk["id"]),
        ("agents", agent["id"]), ("api_keys", key["id"]), ("secrets", secret["id"]),
    ):  # fmt: skip
        assert (await do(lambda c: getattr(c, kind).get(id)))["id"] == id  # noqa: B023
        assert id in [one["id"] for one in await do(lambda c: getattr(c, kind).list())]  # noqa: B023
        await do(lambda c: getattr(c, kind).delete(id))  # noqa: B023
        with pytest.raises(ApiError) as gone:
            await do(lambda c: getattr(c, kind).get(id))  # noqa: B023
        assert gone.value.code == "not_found"


async def webhooks(do: User) -> None:
    webhook = await do(lambda c: c.webhooks.create(url="https://example.com/hook"))
    id = webhook["id"]
    assert (await do(lambda c: c.webhooks.rotate(id)))["secret"] != webhook["secret"]
    changed = await do(lambda c: c.webhooks.update(id, events=["call.failed"]))
    assert changed["events"] == ["call.failed"]
    sent = await do(lambda c: c.webhooks.test(id))
    assert sent["event_type"] == "webhook.test"
    (listed,) = await do(lambda c: c.webhooks.deliveries(id, state="pending"))
    assert listed["id"] == sent["id"]
    assert (await do(lambda c: c.deliveries.get(sent["id"])))["attempt_log"] == []
    assert (await do(lambda c: c.deliveries.retry(sent["id"])))["id"] == sent["id"]
    replayed = await do(
        lambda c: c.webhooks.replay(id, since="2020-01-01T00:00:00Z", until="2030-01-01T00:00:00Z")
    )
    assert replayed == {"deliveries": 0, "next_from": None}


async def calls(do: User, home: House, folder: Path) -> None:
    await do(lambda c: c.trunks.create(name="t", host="127.0.0.1"))
    call = (await do(lambda c: c.calls.create(to="+14155550100", agent=AGENT)))["id"]
    for end in ("end", "cancel"):
        other = await do(lambda c: c.calls.create(to="+14155550101", agent=AGENT))
        ended = await do(lambda c: getattr(c.calls, end)(other["id"]))  # noqa: B023
        assert ended["status"] == "canceled"
    queued = await do(lambda c: c.calls.list(status="queued"))
    assert [one["id"] for one in queued] == [call]
    assert (await do(lambda c: c.calls.page(to="+14155550101")))["has_more"] is False

    begin = (await do(lambda c: c.calls.events(call), most=1))[0]["sequence"]
    async with asyncio.TaskGroup() as tasks:
        live = tasks.create_task(do(lambda c: c.calls.live(call, after=begin)))
        everything = tasks.create_task(do(lambda c: c.events.stream(after=begin), most=3))
        waited = tasks.create_task(do(lambda c: c.calls.wait(call, timeout=60)))
        await answered(home, call)
        assert (await do(lambda c: c.calls.say(call, "One moment.")))["id"] == call
        assert (await do(lambda c: c.calls.digits(call, "12#")))["id"] == call
        await home.store.finish(CallId(call), RESULT)
    assert waited.result()["outcome"] == RESULT.outcome
    heard = [event["type"] for event in live.result()]
    assert heard[:3] == ["call.initiated", "call.answered", "call.completed"]
    assert len(everything.result()) == 3

    told = [event["type"] for event in await do(lambda c: c.calls.events(call))]
    assert told == ["call.queued", *heard]
    fed = await do(lambda c: c.events.list())
    assert [one["type"] for one in fed if one["call_id"] == call] == told
    assert (await do(lambda c: c.events.page(after=begin, limit=1)))["has_more"]
    assert (await do(lambda c: c.calls.transcript(call)))["turns"]
    assert (await do(lambda c: c.calls.metrics(call)))["media"] is None
    (folder / f"{call}.wav").write_bytes(WAV)
    assert await do(lambda c: c.calls.recording(call)) == WAV
    assert await do(lambda c: c.calls.recording(call, first=4, last=7)) == WAV[4:8]
    assert await do(lambda c: c.calls.recording_size(call)) == len(WAV)
    assert (await do(lambda c: c.calls.get(call)))["status"] == "completed"


async def the_rest(do: User) -> None:
    assert (await do(lambda c: c.workspace.get()))["webhook_secret_at"] is None
    rotated = await do(lambda c: c.workspace.rotate_webhook_secret(idempotency_key="k"))
    again = await do(lambda c: c.workspace.rotate_webhook_secret(idempotency_key="k"))
    assert rotated == again
    (entry,) = await do(lambda c: c.audit(resource_id=rotated["id"]))
    assert entry["action"] == "rotate"
    assert {one["provider"] for one in await do(lambda c: c.voices())}
    assert {one["kind"] for one in await do(lambda c: c.models())}
    assert (await do(lambda c: c.get("/v1/agents", limit=1)))["data"]
    made = await do(lambda c: c.post("/v1/agents", AGENT))
    assert made["version"] == 1
