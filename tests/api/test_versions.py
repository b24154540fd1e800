"""Changes of one thing by several at the same moment, on a real database: none is lost.

Agents, trunks, phone numbers and webhooks are alike in this.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.house import AGENT, House, house
from tests.postgres import database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Kind:
    """One kind of thing: how it is made, and changes of different fields of it."""

    path: str
    new: dict[str, Any]
    changes: tuple[dict[str, Any], ...]


KINDS = {
    "agent": Kind(
        "/v1/agents",
        AGENT,
        ({"name": "Bob"}, {"prompt": "Sell tea."}, {"timezone": "Europe/Madrid"}),
    ),
    "trunk": Kind(
        "/v1/trunks",
        {"name": "A", "host": "127.0.0.1"},
        ({"name": "B"}, {"host": "127.0.0.2"}, {"max_calls": 3}, {"port": 5070}),
    ),
    "number": Kind(
        "/v1/phone-numbers",
        {"number": "+14155550111"},
        ({"label": "Front desk"}, {"max_calls": 3}),
    ),
    "webhook": Kind(
        "/v1/webhooks",
        {"url": "https://example.com/hook"},
        ({"url": "https://example.com/other"}, {"events": ["call.failed"]}, {"enabled": False}),
    ),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house(database_url, tmp_path) as made:
        yield made


async def made(home: House, headers: dict[str, str], kind: Kind) -> httpx2.Response:
    answer = await home.client.post(kind.path, json=kind.new, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_every_answer_tells_the_version_and_a_change_may_insist_on_it(
    home: House, kind: Kind
) -> None:
    headers, change = await home.key(), kind.changes[0]
    created = await made(home, headers, kind)
    path = f"{kind.path}/{created.json()['id']}"
    assert (created.headers["etag"], created.json()["version"]) == ('"1"', 1)
    first = {**headers, "If-Match": '"1"'}
    changed = await home.client.patch(path, json=change, headers=first)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    for stale in ('"1"', 'W/"2"', "2", '"two"', f'"{"2" * 5000}"'):
        late = {**headers, "If-Match": stale}
        refused = await home.client.patch(path, json=kind.changes[1], headers=late)
        assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
    same = await home.client.patch(path, json=change, headers={**headers, "If-Match": "*"})
    assert (same.status_code, same.headers["etag"]) == (200, '"2"')  # nothing to change
    read = await home.client.get(path, headers=headers)
    assert read.headers["etag"] == '"2"'
    assert read.json() == changed.json()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_changes_of_different_fields_at_the_same_moment_all_count(
    home: House, kind: Kind
) -> None:
    headers = await home.key()
    path = f"{kind.path}/{(await made(home, headers, kind)).json()['id']}"
    answers = await asyncio.gather(
        *(home.client.patch(path, json=change, headers=headers) for change in kind.changes)
    )
    assert {answer.status_code for answer in answers} == {200}
    wanted: dict[str, Any] = {"version": 1 + len(kind.changes)}
    for change in kind.changes:
        wanted |= change
    kept = (await home.client.get(path, headers=headers)).json()
    assert {name: kept[name] for name in wanted} == wanted


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_of_many_who_insist_on_the_same_version_one_succeeds(home: House, kind: Kind) -> None:
    headers = await home.key()
    path = f"{kind.path}/{(await made(home, headers, kind)).json()['id']}"
    mine = {**headers, "If-Match": '"1"'}
    answers = await asyncio.gather(
        *(home.client.patch(path, json=kind.changes[turn % 2], headers=mine) for turn in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    assert (await home.client.get(path, headers=headers)).json()["version"] == 2


async def test_a_trunk_that_loses_the_default_meanwhile_does_not_take_it_back(
    home: House,
) -> None:
    headers = await home.key()
    first, second = await home.trunk(headers), await home.trunk(headers)
    answers = await asyncio.gather(
        home.client.patch(f"/v1/trunks/{second}", json={"is_default": True}, headers=headers),
        *(
            home.client.patch(f"/v1/trunks/{first}", json={"name": f"{turn}"}, headers=headers)
            for turn in range(5)
        ),
    )
    assert {answer.status_code for answer in answers} == {200}
    one, other = [
        (await home.client.get(f"/v1/trunks/{id}", headers=headers)).json()
        for id in (first, second)
    ]
    assert (one["is_default"], other["is_default"]) == (False, True)
    # Five names, and the default it lost.
    assert one["version"] == 7


async def test_what_a_number_loses_by_a_deletion_makes_a_version_of_it(home: House) -> None:
    headers = await home.key()
    trunk = await home.trunk(headers)
    agent = (await made(home, headers, KINDS["agent"])).json()["id"]
    body = {"number": "+14155550111", "trunk_id": trunk, "inbound_agent_id": agent}
    number = (await home.client.post("/v1/phone-numbers", json=body, headers=headers)).json()
    for path in (f"/v1/trunks/{trunk}", f"/v1/agents/{agent}"):
        assert (await home.client.delete(path, headers=headers)).status_code == 204
    path = f"/v1/phone-numbers/{number['id']}"
    kept = (await home.client.get(path, headers=headers)).json()
    assert (kept["trunk_id"], kept["inbound_agent_id"], kept["version"]) == (None, None, 3)


async def test_a_rotation_makes_a_version_of_a_webhook(home: House) -> None:
    headers = await home.key()
    webhook = (await made(home, headers, KINDS["webhook"])).json()["id"]
    rotated = await home.client.post(f"/v1/webhooks/{webhook}/rotate", headers=headers)
    assert (rotated.headers["etag"], rotated.json()["version"]) == ('"2"', 2)
