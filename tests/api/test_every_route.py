"""What holds for every route there is: a new one fails here until its case is written.

One workspace, `home`, has one of everything. A key of another, the stranger's, then asks for all
of it, by every route. The same over records in memory and over PostgreSQL.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from strowger.api.app import bare_app, create_app
from strowger.api.services import Surroundings, build_services
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import SCOPES, KeyService
from strowger.model import DEFAULT_WORKSPACE, WorkspaceId
from strowger.ports import Deliveries, Records
from strowger.store.connect import connect, open_engine
from strowger.store.deliveries import PostgresDeliveries
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords
from tests.fakes import InMemoryRecords
from tests.fakes_around import ContentChecker, FixedCatalogue, InMemoryDeliveries
from tests.postgres import KEYRING, database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000.125
STRANGER = WorkspaceId("workspace_stranger")
AGENT = {"name": "Home's own agent", "prompt": "Talk."}
OPEN = {"/healthz", "/readyz"}
"""What needs no key."""
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/agents": {"name": "Somebody else's", "prompt": "Talk."},
    "PATCH /v1/agents/{agent_id}": {"prompt": "Say that you were taken over."},
    "POST /v1/api-keys": {"name": "mine", "scopes": ["api_keys:write"]},
    "POST /v1/calls": {"to": "+14155550100", "agent_id": "{agent_id}"},
    "POST /v1/calls/{call_id}/say": {"text": "You are being listened to."},
    "POST /v1/calls/{call_id}/digits": {"digits": "911#"},
    "POST /v1/phone-numbers": {
        "number": "+14155550199",
        "trunk_id": "{trunk_id}",
        "inbound_agent_id": "{agent_id}",
    },
    "PATCH /v1/phone-numbers/{number_id}": {"label": "Stolen"},
    "POST /v1/trunks": {"name": "theirs", "host": "sip.example.org", "is_default": True},
    "PATCH /v1/trunks/{trunk_id}": {"host": "evil.example.org", "is_default": True},
    "POST /v1/secrets": {"name": "CRM_KEY", "value": "theirs"},
    "PATCH /v1/secrets/{secret_id}": {"value": "theirs"},
    "POST /v1/webhooks": {"url": "https://example.org/hook"},
    "PATCH /v1/webhooks/{webhook_id}": {"url": "https://evil.example.org/"},
    "POST /v1/webhooks/{webhook_id}/replay": {
        "from": "2020-01-01T00:00:00Z",
        "to": "2030-01-01T00:00:00Z",
    },
}
"""A good body for each route that takes one; `{agent_id}` and the like are home's."""
BORROWING = {"POST /v1/calls", "POST /v1/phone-numbers"}
"""Routes without an id in the path whose body names things of the workspace."""
HOME_HAS_NONE = {"/v1/calls/{call_id}/recording"}
"""What is not there yet for a call that waits."""
OPERATORS = {"/metrics"}
"""For keys of the operator's own workspace only: figures of all workspaces."""
STREAMS = {"/v1/calls/{call_id}/live"}
"""What ends only with the call."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    scope: str | None
    takes_body: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def walked(found: Sequence[Any]) -> Iterator[APIRoute]:
    for route in found:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):  # what FastAPI makes of an included router
            yield from walked(route.original_router.routes)
        else:
            assert route.path == "/openapi.json", f"{route} is a kind of route nobody looks after"


def routes() -> Iterator[Route]:
    for route in walked(bare_app().routes):
        assert route.methods is not None
        (method,) = route.methods
        extra = route.openapi_extra or {}
        security = extra.get("security")
        scope = security[0]["bearer"][0] if security else None
        yield Route(method, route.path, scope, "requestBody" in extra)


GUARDED = [route for route in routes() if route.path not in OPEN]


@dataclass
class World:
    client: httpx2.AsyncClient
    keys: KeyService
    records: Records
    url: str | None
    home: str = ""
    stranger: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    async def ask(self, key: str | None, route: Route) -> httpx2.Response:
        """The route with home's ids in path and body."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        how: dict[str, Any] = {}
        if route.takes_body:
            assert route.name in BODIES, f"write a body for {route.name}"
            how["json"] = {
                name: self.filled(value) if isinstance(value, str) else value
                for name, value in BODIES[route.name].items()
            }
        path = self.filled(route.path)
        return await self.client.request(route.method, path, headers=headers, **how)

    def filled(self, template: str) -> str:
        """Raises KeyError for a kind of thing that home lacks: give it one in `furnish`."""
        return re.sub(r"{([a-z_]+)}", lambda found: self.ids[found.group(1)], template)

    async def make(self, path: str, body: Any = None, status: int = 201) -> str:
        headers = {"Authorization": f"Bearer {self.home}"}
        response = await self.client.post(path, json=body, headers=headers)
        assert response.status_code == status, response.text
        return str(response.json()["id"])

    async def furnish(self) -> None:
        """One of everything for home."""
        _, self.home = await self.keys.create(DEFAULT_WORKSPACE, "home")
        _, self.stranger = await self.keys.create(STRANGER, "stranger")
        key, _ = await self.keys.create(DEFAULT_WORKSPACE, "another of home's")
        trunk = {"name": "home's", "host": "sip.example.com", "username": "u", "password": "p4ss"}
        self.ids = {
            "key_id": key.id,
            "version": "1",
            "agent_id": await self.make("/v1/agents", AGENT),
            "trunk_id": await self.make("/v1/trunks", trunk),
            "number_id": await self.make("/v1/phone-numbers", {"number": "+14155550111"}),
            "webhook_id": await self.make("/v1/webhooks", {"url": "https://example.com/hook"}),
        }
        self.ids["secret_id"] = await self.make(
            "/v1/secrets", {"name": "OWN_KEY", "value": "homes-own-secret"}
        )
        self.ids["call_id"] = await self.make(
            "/v1/calls", {"to": "+14155550100", "agent_id": self.ids["agent_id"]}
        )
        test = f"/v1/webhooks/{self.ids['webhook_id']}/test"
        self.ids["delivery_id"] = await self.make(test, status=202)
        # Its last use is noted once a minute: after this no row changes by itself.
        await self.client.get("/v1/agents", headers={"Authorization": f"Bearer {self.stranger}"})

    async def everything(self) -> set[str]:
        """Every row there is, as text."""
        if self.url is None:
            assert isinstance(self.records, InMemoryRecords)
            kept = vars(self.records).values()
            return {
                repr(row)
                for table in kept
                if isinstance(table, dict | list)
                for row in (table.items() if isinstance(table, dict) else table)
            }
        connection = await connect(self.url)
        try:
            tables = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            return {
                f"{name} {row[0]}"
                for (name,) in tables
                for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')
            }
        finally:
            await connection.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def furnished(url: str | None, tmp_path: Path) -> AsyncIterator[World]:
    engine = None if url is None else open_engine(url, keyring=KEYRING)
    records: Records
    deliveries: Deliveries
    if engine is None:
        records = InMemoryRecords()
        deliveries = InMemoryDeliveries(records)
    else:
        records, deliveries = PostgresRecords(engine), PostgresDeliveries(engine)
        await records.ensure_workspace(STRANGER, now=NOW)
    around = Surroundings(
        deliveries=deliveries, catalogue=FixedCatalogue(), checker=ContentChecker()
    )
    services = build_services(
        records,
        around,
        ids=new_id,
        clock=lambda: NOW,
        policy=DialPolicy(),
        recording_path=lambda workspace, call: tmp_path / f"{call}.wav",
    )
    keys = KeyService(records, ids=new_id, clock=lambda: NOW)
    transport = httpx2.ASGITransport(create_app(services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://strowger") as client:
        world = World(client, keys, records, url)
        await world.furnish()
        yield world
    if engine is not None:
        await engine.dispose()


@pytest.fixture(params=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """A database; None for records in memory."""
    return request.getfixturevalue("database_url") if request.param == "postgres" else None


@pytest.fixture
async def world(url: str | None, tmp_path: Path) -> AsyncIterator[World]:
    async with furnished(url, tmp_path) as made:
        yield made


def test_every_route_names_its_scope_or_is_open() -> None:
    assert len(GUARDED) > 40
    for route in routes():
        if route.path in OPEN:
            assert route.scope is None
        else:
            assert route.scope in SCOPES, route.name
    assert {route.path for route in routes()} >= OPEN
    known = {route.name for route in routes()}
    assert set(BODIES) <= known, "a body for a route that is no more"


async def test_a_stranger_sees_and_changes_nothing_of_home_by_any_route(world: World) -> None:
    # The stranger's own may change: its workspace has a secret to rotate.
    before = {row for row in await world.everything() if STRANGER not in row}
    names = [*world.ids.values(), DEFAULT_WORKSPACE, "Home's own agent", "+14155550111"]
    for route in GUARDED:
        response = await world.ask(world.stranger, route)
        shown = response.text
        if "{" in route.path:
            assert response.status_code == 404, (route.name, shown)
            if route.method != "HEAD":
                assert response.json()["code"] == "not_found", (route.name, shown)
        elif route.path in OPERATORS:
            assert response.status_code == 403, (route.name, shown)
        elif route.name in BORROWING:
            assert response.status_code == 422, (route.name, shown)
        else:
            assert response.status_code in {200, 201}, (route.name, shown)
        asked = world.filled(route.path + str(BODIES.get(route.name, "")))
        for name in names:
            if name not in asked and name != "1":  # a refusal may repeat what was asked for
                assert name not in shown, route.name
        assert before <= await world.everything(), f"{route.name} changed something of home's"


async def test_home_itself_finds_all_of_that(world: World) -> None:
    """The control: the stranger was refused for who it is, and not for a slip in this file."""
    for route in GUARDED:
        if route.method in {"GET", "HEAD"} and route.path not in STREAMS:
            response = await world.ask(world.home, route)
            expected = 404 if route.path in HOME_HAS_NONE else 200
            assert response.status_code == expected, (route.name, response.text)


async def test_no_route_is_open_without_a_key_or_without_its_scope(world: World) -> None:
    before = await world.everything()
    without: dict[str, str] = {}
    for scope in SCOPES:
        rest = [other for other in SCOPES if other != scope]
        _, without[scope] = await world.keys.create(DEFAULT_WORKSPACE, "x", scopes=rest)
    for route in GUARDED:
        response = await world.ask(None, route)
        assert response.status_code == 401, (route.name, response.text)
        assert route.scope is not None
        response = await world.ask(without[route.scope], route)
        assert response.status_code == 403, (route.name, response.text)
        if route.method != "HEAD":
            assert response.json()["code"] == "missing_scope", route.name
            assert route.scope in response.json()["detail"], route.name
    assert before <= await world.everything()


async def test_the_scope_alone_is_enough(world: World) -> None:
    only = {
        scope: (await world.keys.create(DEFAULT_WORKSPACE, "x", scopes=[scope]))[1]
        for scope in SCOPES
    }
    order = {"HEAD": 0, "GET": 0, "POST": 1, "PATCH": 2, "DELETE": 3}
    for route in sorted(GUARDED, key=lambda one: order[one.method]):
        if route.path in STREAMS:
            continue
        assert route.scope is not None
        response = await world.ask(only[route.scope], route)
        assert response.status_code not in {401, 403}, (route.name, response.text)
        assert response.status_code < 500, (route.name, response.text)
