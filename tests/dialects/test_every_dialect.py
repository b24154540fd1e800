"""What holds for every endpoint of every dialect, whatever it does."""

import re
from pathlib import Path

import pytest

from strowger.api.dialects.endpoints import Dialect, Endpoint, Standing
from strowger.api.dialects.forms import uuid_of
from strowger.api.dialects.spoken import NAMES, SPOKEN, page
from strowger.calls.resources import SCOPES
from strowger.lifecycle import CallStatus
from tests.dialects.conftest import Shop

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
