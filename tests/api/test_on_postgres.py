"""The same day at the API, over records in memory and over PostgreSQL: both keep the contract."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strowger.api.answers import answer_of
from strowger.api.app import create_app
from strowger.api.requests import CALL_EXAMPLE
from strowger.api.services import Surroundings, build_services
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import KeyService
from strowger.model import DEFAULT_WORKSPACE, WorkspaceId
from strowger.ports import Deliveries, Records
from strowger.store.connect import open_engine
from strowger.store.deliveries import PostgresDeliveries
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords
from tests.api.conftest import conforming, refusal
from tests.fakes import InMemoryRecords
from tests.fakes_around import ContentChecker, FixedCatalogue, InMemoryDeliveries
from tests.postgres import KEYRING, database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000.125
OTHER = WorkspaceId("workspace_other")
AGENT = {"name": "Größe \U0001f4de", "prompt": "Remind them.", "default_variables": {"a": 1}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """A database; None for records in memory."""
    made: str = request.getfixturevalue("database_url") if request.param == "postgres" else ""
    return made or None


@pytest.fixture
async def records(url: str | None) -> AsyncIterator[Records]:
    if url is None:
        yield InMemoryRecords()
        return
    engine = open_engine(url, keyring=KEYRING)
    records = PostgresRecords(engine)
    await records.ensure_workspace(OTHER, now=NOW)
    yield records
    await engine.dispose()


class Caller:
    """A customer with a key."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, answer: str = "", **how: Any) -> Any:
        response = await self._client.request(method, path, headers=self._headers, **how)
        assert response.status_code < 300, response.text
        return conforming(response, answer_of(answer)) if answer else None

    async def refused(self, method: str, path: str, status: int, code: str, **how: Any) -> None:
        response = await self._client.request(method, path, headers=self._headers, **how)
        refusal(response, status, code)


@pytest.fixture
async def callers(records: Records, tmp_path: Path) -> AsyncIterator[Callable[[str], Caller]]:
    deliveries: Deliveries
    match records:
        case InMemoryRecords():
            deliveries = InMemoryDeliveries(records)
        case _:
            assert isinstance(records, PostgresRecords)
            deliveries = PostgresDeliveries(records._engine)
    services = build_services(
        records,
        Surroundings(deliveries=deliveries, catalogue=FixedCatalogue(), checker=ContentChecker()),
        ids=new_id,
        clock=lambda: NOW,
        policy=DialPolicy(),
        recording_path=lambda workspace, call: tmp_path / f"{call}.wav",
    )
    keys = KeyService(records, ids=new_id, clock=lambda: NOW)
    texts = {w: (await keys.create(w, "test"))[1] for w in (DEFAULT_WORKSPACE, OTHER)}
    transport = httpx2.ASGITransport(create_app(services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://strowger") as client:
        yield lambda workspace: Caller(client, texts[WorkspaceId(workspace)])


async def test_a_day_at_the_api(callers: Callable[[str], Caller]) -> None:
    home, stranger = callers(DEFAULT_WORKSPACE), callers(OTHER)
    agent = await home.ask("POST", "/v1/agents", "Agent", json=AGENT)
    assert agent["name"] == AGENT["name"]
    change = {"first_message": "Hello {{a}}."}
    changed = await home.ask("PATCH", f"/v1/agents/{agent['id']}", "Agent", json=change)
    assert (changed["version"], changed["prompt"]) == (2, "Remind them.")

    wanted = {"to": "+14155550100", "agent_id": agent["id"]}
    await home.refused("POST", "/v1/calls", 409, "no_trunk", json=wanted)
    body = {"name": "A", "host": "127.0.0.1", "username": "u", "password": "swordfish"}
    first = await home.ask("POST", "/v1/trunks", "Trunk", json=body)
    second = await home.ask("POST", "/v1/trunks", "Trunk", json={**body, "is_default": True})
    assert (first["is_default"], second["is_default"]) == (True, True)
    assert not (await home.ask("GET", f"/v1/trunks/{first['id']}", "Trunk"))["is_default"]
    number = {"number": "+14155550111", "trunk_id": first["id"]}
    kept = await home.ask("POST", "/v1/phone-numbers", "PhoneNumber", json=number)
    await home.refused("POST", "/v1/phone-numbers", 409, "number_exists", json=number)
    hook = {"url": "https://example.com/hook", "events": ["call.completed"]}
    webhook = await home.ask("POST", "/v1/webhooks", "CreatedWebhook", json=hook)

    metadata = {"deal": "OPP-42", "nested": [1, 2.5, None, True, {"ü": "é"}], "big": 10**30}
    call = await home.ask("POST", "/v1/calls", "Call", json={**wanted, "metadata": metadata})
    assert call["metadata"] == metadata
    assert (call["from"], call["trunk_id"]) == ("+14155550111", first["id"])
    assert call["variables"] == {"a": 1}
    assert call["created_at"] == "2026-09-21T14:13:20.125Z"
    path = f"/v1/calls/{call['id']}"
    assert await home.ask("GET", path, "Call") == call
    await home.refused("DELETE", f"/v1/trunks/{first['id']}", 409, "trunk_in_use")

    for stranger_path in (path, f"{path}/events", f"/v1/agents/{agent['id']}",
                          f"/v1/trunks/{first['id']}", f"/v1/phone-numbers/{kept['id']}",
                          f"/v1/webhooks/{webhook['id']}"):  # fmt: skip
        await stranger.refused("GET", stranger_path, 404, "not_found")
    await stranger.refused("POST", f"{path}/end", 404, "not_found")

    ended = await home.ask("POST", f"{path}/end", "Call")
    assert (ended["status"], ended["end_reason"]) == ("canceled", "api_request")
    await home.refused("POST", f"{path}/end", 409, "call_state")
    events = await home.ask("GET", f"{path}/events?wait=30", "EventList")
    assert [event["type"] for event in events["data"]] == ["call.queued", "call.failed"]
    told = events["data"][1]["data"]
    assert {"transcript", "call_id"} <= set(told)
    assert {name: told[name] for name in call if name != "status"} == {
        name: ended[name] for name in call if name != "status"
    }
    inline = await home.ask("POST", "/v1/calls", "Call", json=CALL_EXAMPLE)
    assert await home.ask("GET", f"/v1/calls/{inline['id']}", "Call") == inline
    await home.ask("POST", f"/v1/calls/{inline['id']}/end", "Call")
    scripted = await home.ask("POST", "/v1/agents", "Agent", json=CALL_EXAMPLE["agent"])
    same = {"flow": scripted["flow"]}
    unchanged = await home.ask("PATCH", f"/v1/agents/{scripted['id']}", "Agent", json=same)
    assert unchanged == scripted
    for query in ("status=canceled", "to=%2B14155550100", f"agent_id={agent['id']}"):
        listed = await home.ask("GET", f"/v1/calls?{query}", "CallList")
        assert listed["data"][-1]["id"] == call["id"], query
        assert len(listed["data"]) == (1 if query.startswith("agent") else 2), query
    assert (await home.ask("GET", "/v1/calls?status=busy", "CallList"))["data"] == []
    for kind, made in (("phone-numbers", kept), ("trunks", first), ("webhooks", webhook),
                       ("agents", agent)):  # fmt: skip
        await home.ask("DELETE", f"/v1/{kind}/{made['id']}")
        await home.refused("GET", f"/v1/{kind}/{made['id']}", 404, "not_found")
    assert await home.ask("GET", path, "Call") == ended
    after = events["next_cursor"]
    rest = await home.ask("GET", f"{path}/events?after={after}&wait=30", "EventList")
    assert rest["data"] == []


async def test_lists_are_walked_and_their_cursors_guarded(
    callers: Callable[[str], Caller],
) -> None:
    home, stranger = callers(DEFAULT_WORKSPACE), callers(OTHER)
    made = [
        (await home.ask("POST", "/v1/agents", "Agent", json={**AGENT, "name": str(index)}))["id"]
        for index in range(5)
    ]
    await stranger.ask("POST", "/v1/agents", "Agent", json=AGENT)
    seen, cursor = [], ""
    while True:
        page = await home.ask("GET", f"/v1/agents?limit=2{cursor}", "AgentList")
        seen += [agent["id"] for agent in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == made[::-1]
    for bad in ("x", "AAAA", "%22", "~" * 512):
        await home.refused("GET", f"/v1/agents?cursor={bad}", 422, "invalid_cursor")
    for id in made:
        await home.ask("DELETE", f"/v1/agents/{id}")
    assert (await home.ask("GET", "/v1/agents", "AgentList"))["data"] == []
