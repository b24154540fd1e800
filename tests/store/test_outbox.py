import time
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.lifecycle import CallStatus
from strowger.model import DEFAULT_WORKSPACE, CallId, WorkerId
from strowger.ports import Attempt
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import transaction
from strowger.store.outbox import PostgresOutbox
from strowger.store.records import PostgresRecords
from tests.store.recording import record
from tests.store.samples import DEFINITION, OTHER_WORKSPACE, a_call, a_webhook, an_agent

pytestmark = pytest.mark.anyio

ANN = WorkerId("worker_ann")
OK = Attempt(at=1010.0, status=200, answer="ok", duration=0.5)
REFUSED = Attempt(at=1010.0, status=500, answer="no", duration=0.5)


async def rows(engine: AsyncEngine, question: str) -> list[tuple[object, ...]]:
    async with transaction(engine) as connection:
        return [tuple(row) for row in await connection.exec_driver_sql(question)]


async def deliveries(engine: AsyncEngine, state: str = "pending") -> list[str]:
    found = await rows(
        engine,
        f"SELECT id FROM deliveries WHERE state = '{state}' ORDER BY sequence, endpoint",
    )
    return [str(id) for (id,) in found]


async def jobs(engine: AsyncEngine) -> list[str]:
    found = await rows(
        engine,
        "SELECT convert_from(payload, 'UTF8') FROM pgqueuer "
        "WHERE entrypoint = 'deliver' ORDER BY id",
    )
    return [str(id) for (id,) in found]


async def move(store: PostgresCallStore, call: CallId, status: CallStatus) -> None:
    await store.set_status(call, status, ANN, now=1005.0)


async def test_an_event_goes_to_the_webhooks_that_want_it(
    records: PostgresRecords, outbox: PostgresOutbox, engine: AsyncEngine
) -> None:
    await records.ensure_workspace(OTHER_WORKSPACE, now=0.0)
    everything = a_webhook()
    for webhook in (
        everything,
        a_webhook(events=("call.completed",)),
        a_webhook(enabled=False),
        a_webhook(workspace_id=OTHER_WORKSPACE),
    ):
        await records.add_webhook(webhook)
    call = a_call()
    await records.add_call(call)
    (id,) = await deliveries(engine)
    assert await jobs(engine) == [id]
    delivery = await outbox.get_delivery(id)
    assert delivery is not None
    (event,) = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=10)
    assert delivery.event == event
    assert (delivery.url, delivery.secret) == (everything.url, everything.secret)
    assert delivery.attempts == 0


async def test_the_calls_and_the_agents_own_address_get_the_events_too(
    records: PostgresRecords, outbox: PostgresOutbox, engine: AsyncEngine
) -> None:
    agent = replace(DEFINITION, webhook_url="https://agent.example.net/")
    await records.add_call(a_call(agent=agent, webhook_url="https://call.example.net/"))
    await records.add_call(a_call(agent=agent, webhook_url="https://agent.example.net/"))
    found = [await outbox.get_delivery(id) for id in await deliveries(engine)]
    assert [delivery and delivery.url for delivery in found] == [
        "https://agent.example.net/",
        "https://call.example.net/",
        "https://agent.example.net/",
    ]
    secret = await records.workspace_webhook_secret(DEFAULT_WORKSPACE)
    assert {delivery and delivery.secret for delivery in found} == {secret}


async def test_events_of_a_call_wait_for_the_earlier_ones_to_the_same_endpoint(
    records: PostgresRecords,
    store: PostgresCallStore,
    outbox: PostgresOutbox,
    engine: AsyncEngine,
) -> None:
    await records.add_webhook(a_webhook())
    call, other = a_call(), a_call()
    await records.add_call(call)
    await move(store, call.id, CallStatus.INITIATED)
    await move(store, call.id, CallStatus.RINGING)
    await records.add_call(other)
    first, of_other = await deliveries(engine)
    second, third = await deliveries(engine, "waiting")
    assert await jobs(engine) == [first, of_other]
    assert await outbox.get_delivery(second) is None

    await record(outbox, first, REFUSED, delivered=False, retry_at=1015.5)
    assert await deliveries(engine, "waiting") == [second, third]
    await record(outbox, first, OK, delivered=True, retry_at=None)
    assert await deliveries(engine, "waiting") == [third]
    assert (await jobs(engine))[-1] == second
    await record(outbox, second, REFUSED, delivered=False, retry_at=None)
    assert await deliveries(engine, "given_up") == [second]
    assert (await jobs(engine))[-1] == third
    await record(outbox, third, OK, delivered=True, retry_at=None)
    assert await deliveries(engine, "waiting") == []
    assert await deliveries(engine) == [of_other]


async def test_another_endpoint_does_not_wait(
    records: PostgresRecords, store: PostgresCallStore, engine: AsyncEngine, outbox: PostgresOutbox
) -> None:
    slow, quick = a_webhook(), a_webhook(url="https://quick.example.net/")
    await records.add_webhook(slow)
    await records.add_webhook(quick)
    call = a_call()
    await records.add_call(call)
    for id in await deliveries(engine):
        delivery = await outbox.get_delivery(id)
        if delivery is not None and delivery.url == quick.url:
            await record(outbox, id, OK, delivered=True, retry_at=None)
    await move(store, call.id, CallStatus.INITIATED)
    urls = [await outbox.get_delivery(id) for id in await deliveries(engine)]
    assert {delivery and delivery.url for delivery in urls} == {slow.url, quick.url}
    assert len(await deliveries(engine, "waiting")) == 1


async def test_a_retry_is_a_job_for_later_and_every_attempt_is_kept(
    records: PostgresRecords, outbox: PostgresOutbox, engine: AsyncEngine
) -> None:
    await records.add_webhook(a_webhook())
    await records.add_call(a_call())
    (id,) = await deliveries(engine)
    silent = Attempt(at=1020.0, status=None, answer="no answer", duration=15.0)
    await record(outbox, id, REFUSED, delivered=False, retry_at=1310.5)
    await record(outbox, id, silent, delivered=False, retry_at=2000.0)
    delivery = await outbox.get_delivery(id)
    assert delivery is not None
    assert delivery.attempts == 2
    assert await outbox.attempts_of(id) == (REFUSED, silent)
    (pause,) = await rows(
        engine,
        "SELECT round(extract(epoch FROM execute_after - created)) FROM pgqueuer "
        "WHERE entrypoint = 'deliver' ORDER BY id OFFSET 1 LIMIT 1",
    )
    assert float(str(pause[0])) == 300


async def test_what_is_recorded_after_the_end_is_ignored(
    records: PostgresRecords, outbox: PostgresOutbox, engine: AsyncEngine
) -> None:
    await records.add_webhook(a_webhook())
    await records.add_call(a_call())
    (id,) = await deliveries(engine)
    await record(outbox, id, OK, delivered=True, retry_at=None)
    await record(outbox, id, REFUSED, delivered=False, retry_at=5000.0)
    assert await outbox.attempts_of(id) == (OK,)
    assert await outbox.get_delivery(id) is None
    assert await outbox.get_delivery("delivery_none") is None
    await record(outbox, "delivery_none", OK, delivered=True, retry_at=None)


async def test_a_disabled_webhook_gets_nothing_more_and_a_deleted_one_leaves_nothing(
    records: PostgresRecords,
    store: PostgresCallStore,
    outbox: PostgresOutbox,
    engine: AsyncEngine,
) -> None:
    webhook = a_webhook()
    await records.add_webhook(webhook)
    call = a_call()
    await records.add_call(call)
    await move(store, call.id, CallStatus.INITIATED)
    await records.replace_webhook(replace(webhook, enabled=False))
    (first,) = await deliveries(engine)
    assert await outbox.get_delivery(first) is None
    (second,) = await deliveries(engine)
    assert await outbox.get_delivery(second) is None
    assert await deliveries(engine, "given_up") == [first, second]
    await records.delete_webhook(DEFAULT_WORKSPACE, webhook.id)
    assert await rows(engine, "SELECT count(*) FROM deliveries") == [(0,)]


async def test_a_rotated_secret_and_a_moved_address_count_at_once(
    records: PostgresRecords, outbox: PostgresOutbox, engine: AsyncEngine
) -> None:
    webhook = a_webhook()
    await records.add_webhook(webhook)
    await records.add_call(a_call())
    moved = replace(webhook, url="https://new.example.net/")
    await records.replace_webhook(moved)
    fresh = "whsec_bmV3bmV3bmV3bmV3"
    await records.rotate_webhook(
        DEFAULT_WORKSPACE, webhook.id, fresh, previous_until=time.time() + 60, now=time.time()
    )
    (id,) = await deliveries(engine)
    delivery = await outbox.get_delivery(id)
    assert delivery is not None
    assert (delivery.url, delivery.secret) == (moved.url, fresh)
    assert delivery.previous_secret == webhook.secret
    await records.rotate_webhook(
        DEFAULT_WORKSPACE, webhook.id, webhook.secret, previous_until=time.time() - 1, now=1.0
    )
    later = await outbox.get_delivery(id)
    assert later is not None
    assert (later.secret, later.previous_secret) == (webhook.secret, None)


async def test_events_without_a_call_wait_for_nothing(
    records: PostgresRecords, outbox: PostgresOutbox, engine: AsyncEngine
) -> None:
    await records.add_webhook(a_webhook())
    agent = an_agent()
    await records.add_agent(agent)
    await records.replace_agent(DEFAULT_WORKSPACE, agent.id, DEFINITION, was=1, now=1.0)
    await records.replace_agent(DEFAULT_WORKSPACE, agent.id, DEFINITION, was=2, now=2.0)
    first, second = await deliveries(engine)
    await record(outbox, second, OK, delivered=True, retry_at=None)
    assert await deliveries(engine) == [first]
