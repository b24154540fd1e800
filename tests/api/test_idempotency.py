"""A POST with an Idempotency-Key is done once, whatever goes wrong on the way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, APIRouter

from strowger.api.app import bare_app
from strowger.api.idempotency import IdempotentRoute
from strowger.model import DEFAULT_WORKSPACE
from strowger.store.calls import PostgresWaitingCalls
from tests.api.conftest import refusal
from tests.api.house import CALL, House, house
from tests.postgres import database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house(database_url, tmp_path) as made:
        yield made


def keyed(headers: dict[str, str], key: str) -> dict[str, str]:
    return {**headers, "Idempotency-Key": key}


def test_every_post_heeds_the_key() -> None:
    posts = [
        route
        for part in bare_app().routes
        for route in getattr(part, "original_router", APIRouter()).routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    ]
    documented = [path for path in bare_app().openapi()["paths"].values() if "post" in path]
    assert len(posts) == len(documented) >= 8
    for route in posts:
        assert isinstance(route, IdempotentRoute), route.path


async def test_the_same_request_again_is_answered_the_same_and_places_one_call(
    home: House,
) -> None:
    headers = await home.key()
    await home.trunk(headers)
    first = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "order 42"))
    again = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "order 42"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await home.count("calls") == 1
    other = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "order 43"))
    assert other.json()["id"] != first.json()["id"]


async def test_another_body_or_another_path_is_a_conflict(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    done = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    changed = {**CALL, "to": "+14155550101"}
    other = await home.client.post("/v1/calls", json=changed, headers=keyed(headers, "k"))
    refusal(other, 409, "idempotency_conflict")
    path = f"/v1/calls/{done.json()['id']}/end"
    refusal(await home.client.post(path, headers=keyed(headers, "k")), 409, "idempotency_conflict")
    assert await home.count("calls") == 1


@pytest.mark.parametrize("key", ["", "a" * 256, "tab\there", "gr\u00f6\u00dfe", "\x7f"])
async def test_a_key_that_cannot_be_one_is_refused(home: House, key: str) -> None:
    headers = await home.key()
    await home.trunk(headers)
    raw = [*headers.items(), ("Idempotency-Key", key.encode())]
    answer = await home.client.post("/v1/calls", json=CALL, headers=_raw(raw))
    refusal(answer, 422, "invalid_idempotency_key")
    twice = [*headers.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await home.client.post("/v1/calls", json=CALL, headers=_raw(twice))
    refusal(answer, 422, "invalid_idempotency_key")
    longest = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "~" * 255))
    assert longest.status_code == 201
    assert await home.count("calls") == 1


def _raw(headers: list[tuple[str, Any]]) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers
    ]


async def test_keys_are_a_workspaces_own(home: House) -> None:
    ours, theirs = await home.key(), await home.key(workspace="workspace_other")
    colleague = await home.key(name="colleague")
    await home.trunk(ours)
    await home.trunk(theirs)
    first = await home.client.post("/v1/calls", json=CALL, headers=keyed(ours, "k"))
    stranger = await home.client.post("/v1/calls", json=CALL, headers=keyed(theirs, "k"))
    assert stranger.json()["id"] != first.json()["id"]
    same = await home.client.post("/v1/calls", json=CALL, headers=keyed(colleague, "k"))
    assert same.content == first.content


async def test_a_replay_takes_the_same_rights(home: House) -> None:
    headers, reader = await home.key(), await home.key("calls:read")
    await home.trunk(headers)
    await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    answer = await home.client.post("/v1/calls", json=CALL, headers=keyed(reader, "k"))
    refusal(answer, 403, "missing_scope")
    answer = await home.client.post("/v1/calls", json=CALL, headers={"Idempotency-Key": "k"})
    refusal(answer, 401, "unauthenticated")


async def test_what_was_refused_leaves_the_key_free(home: House) -> None:
    headers = await home.key()
    refused = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    refusal(refused, 409, "no_trunk")
    assert await home.count("idempotency_keys") == 0
    await home.trunk(headers)
    accepted = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    assert accepted.status_code == 201


async def test_of_many_at_once_one_places_the_call(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    for round in range(5):
        key = keyed(headers, f"race {round}")
        answers = await asyncio.gather(
            *(home.client.post("/v1/calls", json=CALL, headers=key) for _ in range(16))
        )
        done = [answer for answer in answers if answer.status_code == 201]
        assert len({answer.content for answer in done}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
        for answer in answers:
            if answer.status_code != 201:
                refusal(answer, 409, "idempotency_in_progress")
        assert await home.count("calls") == round + 1
        assert await home.count("events") == round + 1


async def test_while_the_first_still_runs_the_second_is_told_so(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    begun, finish = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with home.records.together():
            found = home.records.find_answer(DEFAULT_WORKSPACE, "k", b"", now=home.now[0])
            assert await found is None
            begun.set()
            await finish.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        await begun.wait()
        answer = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
        finish.set()
    refusal(answer, 409, "idempotency_in_progress")
    freed = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    assert freed.status_code == 201


async def test_key_call_event_and_job_are_committed_together(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    before = await home.count("pgqueuer")
    await home.order("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON idempotency_keys
        FOR EACH ROW EXECUTE FUNCTION refuse();
    """)
    answer = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    refusal(answer, 503, "unavailable")
    for table in ("calls", "events", "idempotency_keys"):
        assert await home.count(table) == 0, table
    assert await home.count("pgqueuer") == before
    await home.order("DROP TRIGGER refuse ON idempotency_keys")
    answer = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    assert answer.status_code == 201
    assert await home.count("pgqueuer") == before + 1


async def test_other_posts_are_done_once_as_well(home: House) -> None:
    headers = await home.key()
    body = {"name": "A", "host": "127.0.0.1"}
    first = await home.client.post("/v1/trunks", json=body, headers=keyed(headers, "t"))
    again = await home.client.post("/v1/trunks", json=body, headers=keyed(headers, "t"))
    assert again.content == first.content
    assert await home.count("trunks") == 1
    call = (await home.client.post("/v1/calls", json=CALL, headers=headers)).json()["id"]
    ended = await home.client.post(f"/v1/calls/{call}/end", headers=keyed(headers, "e"))
    again = await home.client.post(f"/v1/calls/{call}/end", headers=keyed(headers, "e"))
    assert (ended.status_code, again.content) == (200, ended.content)
    unkeyed = await home.client.post(f"/v1/calls/{call}/end", headers=headers)
    refusal(unkeyed, 409, "call_state")


async def test_an_answer_that_shows_a_secret_is_not_kept_in_the_open(
    home: House, database_url: str
) -> None:
    headers = await home.key()
    body = {"url": "https://example.com/hook"}
    first = await home.client.post("/v1/webhooks", json=body, headers=keyed(headers, "w"))
    again = await home.client.post("/v1/webhooks", json=body, headers=keyed(headers, "w"))
    assert again.json()["secret"] == first.json()["secret"]
    async with home.engine.connect() as connection:
        kept = await connection.exec_driver_sql("SELECT body FROM idempotency_keys")
        assert first.json()["secret"].encode() not in kept.scalar_one()


async def test_after_a_day_a_key_is_new_again_and_old_ones_are_forgotten(home: House) -> None:
    headers = await home.key()
    await home.trunk(headers)
    first = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "unused"))
    home.now[0] += 86_399
    same = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    assert same.content == first.content
    home.now[0] += 2
    fresh = await home.client.post("/v1/calls", json=CALL, headers=keyed(headers, "k"))
    assert fresh.status_code == 201
    assert fresh.json()["id"] != first.json()["id"]
    await PostgresWaitingCalls(home.engine).forget(now=home.now[0])
    assert await home.count("idempotency_keys") == 1
