"""Calls that come at the same time: written together, and each as if it had come alone."""

import asyncio
from contextvars import Context
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import Conflict
from strowger.lifecycle import CallStatus
from strowger.model import (
    DEFAULT_WORKSPACE,
    AgentId,
    KeptAnswer,
    StoredAnswer,
    WorkspaceId,
)
from strowger.ports import CallFilter
from strowger.store.records import PostgresRecords
from tests.store.samples import (
    DEFINITION,
    OTHER_WORKSPACE,
    TURNS,
    a_call,
    a_number,
    a_trunk,
    a_webhook,
    an_agent,
)

pytestmark = pytest.mark.anyio

OURS = DEFAULT_WORKSPACE
EVERY = CallFilter()


def kept(key: str, answer: str = "done", at: float = 1000.0) -> KeptAnswer:
    stored = StoredAnswer(status=201, location="/v1/calls/1", body=answer.encode())
    return KeptAnswer(key=key, hash=b"hash", answer=stored, at=at)


async def rows(engine: AsyncEngine, statement: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.exec_driver_sql(statement)]


async def test_calls_of_one_moment_are_each_whole_and_in_order(
    records: PostgresRecords, engine: AsyncEngine
) -> None:
    await records.add_webhook(webhook := a_webhook(events=("call.queued",)))
    calls = [
        a_call(),
        a_call(webhook_url="https://call.example.net/", to="+14155550101"),
        a_call(status=CallStatus.SCHEDULED, scheduled_at=1600.0, queued_at=None),
        a_call(
            agent=replace(DEFINITION, webhook_url="https://agent.example.net/"),
            metadata={"note": "NUL \x00, half \ud800, and J\u00fcrgen"},
            max_duration=0.1 + 0.2,
        ),
        a_call(status=CallStatus.IN_PROGRESS, transcript=TURNS),
    ]
    await asyncio.gather(*(records.add_call(call) for call in calls))
    for call in (calls[0], calls[1], calls[2], calls[4]):
        assert await records.get_call_of(OURS, call.id) == call
    mended = {"note": "NUL \ufffd, half ?, and J\u00fcrgen"}
    assert await records.get_call_of(OURS, calls[3].id) == replace(calls[3], metadata=mended)
    told = [call for call in calls if call.status is not CallStatus.SCHEDULED]
    events = "SELECT call_id, type FROM events ORDER BY sequence"
    types = ["call.queued"] * 3 + ["call.answered"]
    assert await rows(engine, events) == [
        (call.id, type) for call, type in zip(told, types, strict=True)
    ]
    found = await rows(
        engine,
        "SELECT d.call_id, d.url, d.state, e.call_id FROM deliveries d JOIN events e USING"
        " (sequence) ORDER BY d.call_id, d.url",
    )
    to_webhook = [(call.id, webhook.url, "pending", call.id) for call in told[:3]]
    to_others = [
        (calls[1].id, "https://call.example.net/", "pending", calls[1].id),
        (calls[3].id, "https://agent.example.net/", "pending", calls[3].id),
    ]
    assert found == sorted(to_webhook + to_others)
    jobs = (
        "SELECT entrypoint, convert_from(payload, 'UTF8') FROM pgqueuer"
        " WHERE entrypoint <> 'deliver' ORDER BY id"
    )
    assert await rows(engine, jobs) == [
        ("dial", calls[0].id),
        ("dial", calls[1].id),
        ("queue", calls[2].id),
        ("dial", calls[3].id),
    ]
    deliver = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'deliver'"
    assert await rows(engine, deliver) == [(5,)]


async def test_one_that_cannot_be_written_does_not_keep_the_others_from_it(
    records: PostgresRecords, engine: AsyncEngine
) -> None:
    await records.add_call(there := a_call())
    calls = [a_call(), a_call(), there, a_call()]
    found = await asyncio.gather(
        *(records.add_call(call) for call in calls), return_exceptions=True
    )
    assert isinstance(found[2], Conflict)
    assert (found[0], found[1], found[3]) == (None, None, None)
    for table in ("calls", "events"):
        assert await rows(engine, f"SELECT count(*) FROM {table}") == [(4,)], table


async def test_of_several_with_one_key_one_is_written_and_its_answer_kept(
    records: PostgresRecords, engine: AsyncEngine
) -> None:
    await records.ensure_workspace(OTHER_WORKSPACE, now=0.0)
    theirs = a_call(workspace_id=OTHER_WORKSPACE)
    calls = [a_call(), a_call(), a_call(), a_call(), theirs]
    keys = ["warm up", "k", "k", "other", "k"]
    found = await asyncio.gather(
        *(
            records.add_call(call, kept(key, call.id))
            for call, key in zip(calls, keys, strict=True)
        ),
        return_exceptions=True,
    )
    assert [type(one) for one in found] == [type(None), type(None), Conflict, *[type(None)] * 2]
    assert getattr(found[2], "code", None) == "idempotency_in_progress"
    written = {id for (id,) in await rows(engine, "SELECT id FROM calls")}
    assert written == {call.id for call in calls if call is not calls[2]}

    async def answer(workspace: WorkspaceId, key: str) -> str | None:
        answered = await records.kept_answer(workspace, key, b"hash", now=1000.0)
        return None if answered is None else answered.body.decode()

    assert await answer(OURS, "k") == calls[1].id
    assert await answer(OTHER_WORKSPACE, "k") == theirs.id
    assert await answer(OTHER_WORKSPACE, "other") is None
    with pytest.raises(Conflict):
        await records.kept_answer(OURS, "k", b"of another request", now=1000.0)
    with pytest.raises(Conflict):
        await records.add_call(a_call(), kept("k"))
    assert await records.kept_answer(OURS, "k", b"hash", now=1000.0 + 86_400.0) is None
    await records.add_call(tomorrow := a_call(), kept("k", "again", at=1000.0 + 86_400.0))
    assert await records.get_call_of(OURS, tomorrow.id) == tomorrow


async def test_a_call_is_a_part_of_the_transaction_that_somebody_is_in(
    records: PostgresRecords,
) -> None:
    call = a_call()
    with pytest.raises(ZeroDivisionError):
        async with records.together():
            await records.add_call(call, kept("k"))
            assert await records.get_call_of(OURS, call.id) == call
            raise ZeroDivisionError
    assert await records.kept_answer(OURS, "k", b"hash", now=1000.0) is None
    page = await records.list_calls(OURS, EVERY, limit=1, cursor=None)
    assert page.data == ()


async def test_whoever_has_taken_a_key_keeps_it_from_a_call(
    records: PostgresRecords, engine: AsyncEngine
) -> None:
    async with records.together():
        assert await records.find_answer(OURS, "k", b"hash", now=1000.0) is None

        async def elsewhere() -> None:
            await PostgresRecords(engine).add_call(a_call(), kept("k"))

        with pytest.raises(Conflict):
            await asyncio.create_task(elsewhere(), context=Context())


async def test_the_ground_for_a_call_is_what_its_workspace_has(records: PostgresRecords) -> None:
    await records.ensure_workspace(OTHER_WORKSPACE, now=0.0)
    agent = an_agent(definition=replace(DEFINITION, caller_id="+14155550133"))
    trunk = a_trunk(is_default=True)
    numbers = [a_number(number=f"+1415555013{digit}") for digit in range(6)]
    numbers[3] = replace(numbers[3], trunk_id=trunk.id)
    await records.add_agent(agent)
    await records.add_trunk(trunk)
    await records.add_number(only := a_number(workspace_id=OTHER_WORKSPACE))
    for number in numbers:
        await records.add_number(number)
    named, agents_own, theirs, unknown = await asyncio.gather(
        records.call_ground(OURS, None, numbers[5].number),
        records.call_ground(OURS, agent.id, None),
        records.call_ground(OTHER_WORKSPACE, agent.id, None),
        records.call_ground(OURS, AgentId("agent_none"), "+14155550199"),
    )
    assert named.agent is None
    assert named.default_trunk == trunk.id
    assert numbers[5].number in named.numbers
    assert agents_own.agent == agent
    assert agents_own.numbers["+14155550133"] == trunk.id
    assert (theirs.agent, theirs.default_trunk) == (None, None)
    assert theirs.numbers == {only.number: None}
    assert unknown.agent is None
    assert len(unknown.numbers) == 2
    assert "+14155550199" not in unknown.numbers
