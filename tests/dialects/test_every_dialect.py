"""What holds for every endpoint of every dialect, whatever it does."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from strowger.api.auth import KeyRing
from strowger.api.dialects.endpoints import Dialect, Endpoint, Standing
from strowger.api.dialects.forms import uuid_of
from strowger.api.dialects.spoken import NAMES, SPOKEN, page
from strowger.calls.resources import SCOPES
from strowger.errors import Unavailable
from strowger.lifecycle import CallStatus
from tests.dialects.conftest import Shop, crowded
from tests.dialects.odd import Odd

SOURCE = Path(__file__).parents[2] / "src" / "strowger"
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "dialects"
ENDPOINTS = [
    pytest.param(dialect, endpoint, id=f"{dialect.name} {endpoint.method} {endpoint.path}")
    for dialect in SPOKEN
    for endpoint in dialect.endpoints
]


def url(dialect: Dialect, endpoint: Endpoint) -> str:
    path = re.sub(r"\{\w+\}", "0192f0c1-0000-7000-8000-000000000000", endpoint.path)
    return f"/{dialect.name}{path}"


def failing(failure: Exception) -> Any:
    """A method that does nothing else."""

    async def fail(self: object, *_: object) -> None:
        raise failure

    return fail


def bearer(key: str) -> dict[str, str]:
    """A key in both ways at once: each vendor reads its own."""
    return {"Authorization": f"Bearer {key}", "X-API-Key": key}


@pytest.mark.parametrize("dialect", SPOKEN, ids=NAMES)
def test_no_endpoint_opens_without_a_key_or_its_scope(shop: Shop, dialect: Dialect) -> None:
    for endpoint in dialect.endpoints:
        assert endpoint.scope is None or endpoint.scope in SCOPES, endpoint.path
        if endpoint.scope is None:
            continue
        where = url(dialect, endpoint)
        nobody = shop.client.request(endpoint.method, where, json={})
        assert nobody.status_code in (401, 403), endpoint
        others = [scope for scope in SCOPES if scope != endpoint.scope]
        lacking = bearer(shop.new_key(*others))
        refused = shop.client.request(endpoint.method, where, json={}, headers=lacking)
        assert refused.status_code in (401, 403), endpoint
        assert refused.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("path", ["*", "", "/"])
def test_a_path_of_no_part_leads_to_no_dialect(shop: Shop, path: str) -> None:
    """As servers pass on `OPTIONS *`; no client library sends a path without a slash."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "OPTIONS", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [], "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    shop.behind(shop.client.app(scope, receive, send))
    assert sent[0]["status"] in (404, 405)


@pytest.mark.parametrize("dialect", SPOKEN, ids=NAMES)
def test_a_test_key_does_nothing_to_a_live_call(shop: Shop, dialect: Dialect) -> None:
    call = shop.native("POST", "/v1/calls", {"to": "+14155550111", "agent_id": shop.agent()})["id"]
    tried = bearer(shop.new_key(test=True))
    for endpoint in dialect.endpoints:
        if endpoint.scope == "calls:write" and endpoint.standing is not Standing.REFUSED:
            path = re.sub(r"\{\w+\}", uuid_of(call), endpoint.path)
            where = f"/{dialect.name}{path}?id={uuid_of(call)}"
            shop.client.request(endpoint.method, where, json={}, headers=tried)
    assert shop.call(call).status is CallStatus.QUEUED


@pytest.mark.parametrize("dialect", SPOKEN, ids=NAMES)
def test_what_is_refused_says_why(shop: Shop, dialect: Dialect) -> None:
    for endpoint in dialect.endpoints:
        if endpoint.standing is Standing.REFUSED:
            assert endpoint.note, endpoint.path
            answer = shop.client.request(
                endpoint.method, url(dialect, endpoint), json={}, headers=bearer(shop.key)
            )
            assert 400 <= answer.status_code < 600, endpoint
            assert endpoint.note[:40] in answer.text, (endpoint, answer.text)
        if endpoint.standing is Standing.TRANSLATED:
            assert endpoint.note, f"{endpoint.path}: say what differs"


@pytest.mark.parametrize("dialect", SPOKEN, ids=NAMES)
def test_malformed_json_is_answered_in_the_vendors_shape(shop: Shop, dialect: Dialect) -> None:
    for endpoint in dialect.endpoints:
        if endpoint.method in {"POST", "PUT", "PATCH"} and endpoint.standing is Standing.SERVED:
            answer = shop.client.request(
                endpoint.method,
                url(dialect, endpoint),
                content=b'{"a": ',
                headers=bearer(shop.key) | {"Content-Type": "application/json"},
            )
            assert answer.status_code < 500, (endpoint, answer.text)


GOOD: dict[str, dict[str, Any]] = {
    "ryvo": {"agent_id": "AGENT", "to": "+14155550111"},
    "ravan": {
        "type": "outbound_call", "agent_id": "AGENT", "from_phone_number": "+14155550000",
        "to_phone_number": "+14155550111", "name": "n", "description": "d", "definition": {},
        "phone": "+14155550122", "status": "ACTIVE", "ids": [], "content": "c",
    },
    "revring": {
        "agentId": "AGENT", "fromNumber": "+14155550000", "toNumber": "+14155550111", "name": "n",
        "promptTemplate": "p", "webhookUrl": "https://example.com/t", "ids": ["x"],
    },
    "ringyo": {
        "agent_id": "AGENT", "to": "+14155550111", "name": "n", "system_prompt": "p",
        "voice_id": "v", "url": "https://example.com/h", "events": ["*"],
    },
    "vocode": {
        "prompt": {"content": "p"}, "content": "p", "type": "voice_azure",
        "voice": {"type": "voice_azure", "voice_name": "v"}, "voice_name": "v", "agent": "AGENT",
        "from_number": "+14155550000", "to_number": "+14155550111", "subscriptions": [],
        "url": "https://example.com/h", "phone_number": "+14155550000",
    },
}  # fmt: skip
ERRORS = {
    "ryvo": {"error"},
    "ravan": {"code", "message", "details", "success", "error"},
    "revring": {"error"},
    "ringyo": {"error", "meta"},
    "vocode": {"detail"},
}
"""What stands in the errors of each."""
ODD_REQUESTS = int(os.environ.get("STROWGER_ODD_REQUESTS", "5"))
"""To each endpoint; more of them find more."""


@pytest.mark.parametrize("dialect", SPOKEN, ids=NAMES)
def test_odd_requests_are_answered_in_the_vendors_shape(shop: Shop, dialect: Dialect) -> None:
    agent, trunk = shop.agent(), shop.native("GET", "/v1/trunks")["data"][0]["id"]
    call = shop.native("POST", "/v1/calls", {"to": "+14155550111", "agent_id": agent})["id"]
    ids = [agent, uuid_of(agent), call, uuid_of(call), trunk]
    good = {
        name: agent if value == "AGENT" else value for name, value in GOOD[dialect.name].items()
    }
    odd = Odd(dialect, good, ids, seed=ODD_REQUESTS)
    for endpoint in ODD_REQUESTS * dialect.endpoints:
        path = re.sub(r"\{\w+\}", lambda _: odd.segment(), endpoint.path)
        where, body = f"/{dialect.name}{path}?{odd.query()}", odd.body()
        headers: dict[str, Any] = {**bearer(shop.key), "Content-Type": odd.content_type()}
        answer = shop.client.request(endpoint.method, where, content=body, headers=headers)
        asked = f"{endpoint.method} {where[:300]} {body[:1000]!r}: {answer.text[:300]}"
        assert (
            answer.status_code < 500
            or endpoint.standing is Standing.REFUSED
            or (answer.status_code == 501)
        ), asked
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/json", asked
            assert answer.json().keys() <= ERRORS[dialect.name], asked


@pytest.mark.parametrize("dialect", SPOKEN, ids=NAMES)
def test_what_is_not_the_requests_fault_is_answered_in_the_vendors_shape(
    shop: Shop, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = next(one for one in dialect.endpoints if one.scope is not None)

    def asked(status: int) -> Any:
        answer = shop.client.request(
            endpoint.method, url(dialect, endpoint), json={}, headers=bearer(shop.key)
        )
        assert answer.status_code == status, answer.text
        assert answer.json().keys() <= ERRORS[dialect.name]
        assert "db-1" not in answer.text
        return answer

    with crowded(shop):
        assert int(asked(429).headers["Retry-After"]) >= 1
    for failure, status in ((Unavailable("db-1 is away"), 503), (ZeroDivisionError("db-1"), 500)):
        monkeypatch.setattr(KeyRing, "find", failing(failure))
        asked(status)


def test_the_page_says_where_every_endpoint_stands() -> None:
    assert (DOCS / "README.md").read_text() == page(), (
        "run: python -m strowger.api.dialects > docs/reference/dialects/README.md"
    )
    for name in NAMES:
        assert (DOCS / f"{name}.md").exists()


def test_no_vendors_name_appears_outside_its_dialect() -> None:
    for path in SOURCE.rglob("*.py"):
        if "dialects" not in path.parts:
            text = path.read_text().lower()
            for name in NAMES:
                assert not re.search(rf"\b{name}\b", text), f"{path} names {name}"
