"""Deliveries as customers see them, and webhooks that fail for days."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import Conflict, InvalidRequest, NotFound
from strowger.lifecycle import CallStatus
from strowger.model import DEFAULT_WORKSPACE, DeliveryId, Webhook, WorkerId
from strowger.ports import Attempt, DeliveryState
from strowger.store import deliveries
from strowger.store.calls import PostgresCallStore
from strowger.store.deliveries import PostgresDeliveries
from strowger.store.outbox import PostgresOutbox
from strowger.store.records import PostgresRecords
from strowger.store.webhooks import FAILING_FOR
from tests.store.recording import record
from tests.store.samples import OTHER_WORKSPACE, a_call, a_webhook

pytestmark = pytest.mark.anyio

OURS = DEFAULT_WORKSPACE
ANN = WorkerId("worker_ann")
NOW = 1000.0
OK = Attempt(at=1010.0, status=200, answer="ok", duration=0.5)
REFUSED = Attempt(at=1010.0, status=503, answer="busy", duration=0.5)


@pytest.fixture
def desk(engine: AsyncEngine) -> PostgresDeliveries:
    return PostgresDeliveries(engine)


async def listed(
    desk: PostgresDeliveries, webhook: Webhook, state: DeliveryState | None = None
) -> list[DeliveryId]:
    """Oldest first."""
    page = await desk.list_deliveries(OURS, webhook.id, state, limit=100, cursor=None)
    return [report.id for report in page.data][::-1]


async def queued(engine: AsyncEngine) -> list[str]:
    """Deliveries with a job, by the time it may start; those that may start now first."""
    order = "SELECT payload FROM pgqueuer WHERE entrypoint = 'deliver' ORDER BY execute_after, id"
    async with engine.begin() as connection:
        return [bytes(row).decode() for row in (await connection.execute(text(order))).scalars()]


async def due(engine: AsyncEngine) -> int:
    wanted = "SELECT count(*) FROM pgqueuer WHERE entrypoint='deliver' AND execute_after <= now()"
    async with engine.begin() as connection:
        return int((await connection.execute(text(wanted))).scalar_one())


async def test_deliveries_are_listed_newest_first_with_their_last_attempt(
    records: PostgresRecords, outbox: PostgresOutbox, desk: PostgresDeliveries
) -> None:
    webhook, call = a_webhook(), a_call()
    await records.add_webhook(webhook)
    await records.add_call(call)
    for _ in range(4):
        await records.add_call(a_call())
    first = (await listed(desk, webhook))[0]
    await record(outbox, first, REFUSED, delivered=False, retry_at=1015.5)
    await record(outbox, first, replace(OK, at=1020.0), delivered=True, retry_at=None)
    page = await desk.list_deliveries(OURS, webhook.id, None, limit=3, cursor=None)
    rest = await desk.list_deliveries(OURS, webhook.id, None, limit=3, cursor=page.next_cursor)
    assert (len(page.data), len(rest.data), rest.next_cursor) == (3, 2, None)
    last = rest.data[-1]
    assert (last.id, last.state, last.attempts) == (first, DeliveryState.DELIVERED, 2)
    assert last.tried == (replace(OK, at=1020.0),)
    assert (last.event_type, last.call_id, last.settled_at) == ("call.queued", call.id, 1020.5)
    assert (await desk.get_delivery_of(OURS, first)).tried == (REFUSED, replace(OK, at=1020.0))
    assert await listed(desk, webhook, DeliveryState.DELIVERED) == [first]
    with pytest.raises(InvalidRequest):
        await desk.list_deliveries(OURS, webhook.id, None, limit=3, cursor="AAAA")


async def test_every_method_sees_one_workspace_only(
    records: PostgresRecords, desk: PostgresDeliveries
) -> None:
    await records.ensure_workspace(OTHER_WORKSPACE, now=0.0)
    webhook = a_webhook()
    await records.add_webhook(webhook)
    await records.add_call(a_call())
    (id,) = await listed(desk, webhook)
    for refused in (
        desk.list_deliveries(OTHER_WORKSPACE, webhook.id, None, limit=10, cursor=None),
        desk.get_delivery_of(OTHER_WORKSPACE, id),
        desk.retry_delivery(OTHER_WORKSPACE, id),
        desk.test_webhook(OTHER_WORKSPACE, webhook.id, now=NOW),
        desk.replay(OTHER_WORKSPACE, webhook.id, since=0.0, until=2e9),
    ):
        with pytest.raises(NotFound):
            await refused
    # Its own webhook hears nothing of ours, whatever it replays.
    theirs = a_webhook(workspace_id=OTHER_WORKSPACE)
    await records.add_webhook(theirs)
    done = await desk.replay(OTHER_WORKSPACE, theirs.id, since=0.0, until=2e9)
    assert done.deliveries == 0


async def test_a_retry_brings_forward_what_waits_for_its_time(
    records: PostgresRecords, outbox: PostgresOutbox, desk: PostgresDeliveries, engine: AsyncEngine
) -> None:
    webhook = a_webhook()
    await records.add_webhook(webhook)
    await records.add_call(a_call())
    (id,) = await listed(desk, webhook)
    async with engine.begin() as connection:  # its first job has been done
        await connection.execute(text("DELETE FROM pgqueuer WHERE entrypoint = 'deliver'"))
    await record(outbox, id, REFUSED, delivered=False, retry_at=REFUSED.at + 3600)
    assert (await due(engine), await queued(engine)) == (0, [f"{id}:1"])
    again = await desk.retry_delivery(OURS, id)
    assert (again.state, again.attempts) == (DeliveryState.PENDING, 1)
    assert (await due(engine), await queued(engine)) == (1, [f"{id}:1"]), "one job, not two"


@pytest.mark.parametrize("delivered", [True, False])
async def test_a_retry_sends_what_is_settled_once_more(
    records: PostgresRecords,
    outbox: PostgresOutbox,
    desk: PostgresDeliveries,
    engine: AsyncEngine,
    delivered: bool,
) -> None:
    webhook = a_webhook()
    await records.add_webhook(webhook)
    await records.add_call(a_call())
    (id,) = await listed(desk, webhook)
    await record(outbox, id, OK if delivered else REFUSED, delivered=delivered, retry_at=None)
    assert await outbox.get_delivery(id) is None
    again = await desk.retry_delivery(OURS, id)
    assert (again.state, again.settled_at) == (DeliveryState.PENDING, None)
    sent = await outbox.get_delivery(id)
    assert sent is not None
    assert sent.event.id == again.event_id, "webhook-id is the same as before"
    await record(outbox, id, OK, delivered=True, retry_at=None)
    assert (await desk.get_delivery_of(OURS, id)).attempts == 2


async def test_what_waits_for_an_earlier_event_is_not_retried_before_it(
    records: PostgresRecords,
    store: PostgresCallStore,
    outbox: PostgresOutbox,
    desk: PostgresDeliveries,
    engine: AsyncEngine,
) -> None:
    webhook, call = a_webhook(), a_call()
    await records.add_webhook(webhook)
    await records.add_call(call)
    await store.set_status(call.id, CallStatus.INITIATED, ANN, now=NOW)
    await store.set_status(call.id, CallStatus.RINGING, ANN, now=NOW)
    first, second, third = await listed(desk, webhook)
    with pytest.raises(Conflict):
        await desk.retry_delivery(OURS, second)
    # The first is settled and asked for again while the second is on its way: the third waits on.
    await record(outbox, first, OK, delivered=True, retry_at=None)
    await desk.retry_delivery(OURS, first)
    await record(outbox, first, OK, delivered=True, retry_at=None)
    assert await listed(desk, webhook, DeliveryState.WAITING) == [third]
    await record(outbox, second, OK, delivered=True, retry_at=None)
    assert await listed(desk, webhook, DeliveryState.WAITING) == []
    assert await listed(desk, webhook, DeliveryState.PENDING) == [third]


async def test_a_test_event_goes_to_one_webhook_only(
    records: PostgresRecords, outbox: PostgresOutbox, desk: PostgresDeliveries
) -> None:
    tested, other = a_webhook(events=("call.completed",)), a_webhook()
    await records.add_webhook(tested)
    await records.add_webhook(other)
    report = await desk.test_webhook(OURS, tested.id, now=NOW)
    sent = await outbox.get_delivery(report.id)
    assert sent is not None
    assert (sent.event.type, sent.event.payload) == ("webhook.test", {"webhook_id": tested.id})
    assert await listed(desk, other) == []
    await records.replace_webhook(replace(tested, enabled=False))
    with pytest.raises(Conflict):
        await desk.test_webhook(OURS, tested.id, now=NOW)


async def test_a_replay_delivers_what_the_webhook_wants_of_a_range_in_order(
    records: PostgresRecords,
    store: PostgresCallStore,
    outbox: PostgresOutbox,
    desk: PostgresDeliveries,
) -> None:
    call, early, late = a_call(), a_call(created_at=900.0), a_call(created_at=1100.0)
    for one in (early, call, late):
        await records.add_call(one)
    await store.set_status(call.id, CallStatus.INITIATED, ANN, now=NOW + 1)
    await store.set_status(call.id, CallStatus.RINGING, ANN, now=NOW + 2)
    webhook = a_webhook(events=("call.queued", "call.ringing"))
    await records.add_webhook(webhook)
    done = await desk.replay(OURS, webhook.id, since=NOW, until=1100.0)
    assert (done.deliveries, done.next_from) == (2, None)
    first, second = await listed(desk, webhook)
    reports = [await desk.get_delivery_of(OURS, id) for id in (first, second)]
    assert [report.event_type for report in reports] == ["call.queued", "call.ringing"]
    assert [report.state for report in reports] == [DeliveryState.PENDING, DeliveryState.WAITING]
    await record(outbox, first, OK, delivered=True, retry_at=None)
    assert await listed(desk, webhook, DeliveryState.PENDING) == [second]


async def test_a_long_replay_is_continued_without_a_gap_or_a_repetition(
    records: PostgresRecords, desk: PostgresDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 5)
    times = [1000.0, 1001.0, 1001.0004, 1002.0, 1003.0, 1003.0, 1003.0, 1004.0, 1005.0]
    for at in times:
        await records.add_call(a_call(created_at=at))
    webhook = a_webhook()
    await records.add_webhook(webhook)
    since: float | None = 0.0
    rounds = []
    while since is not None:
        done = await desk.replay(OURS, webhook.id, since=since, until=2000.0)
        rounds.append(done.deliveries)
        since = done.next_from
    assert rounds == [4, 5]
    assert len(await listed(desk, webhook)) == len(times)


async def test_a_moment_with_more_than_one_replay_takes_does_not_stop_it(
    records: PostgresRecords, desk: PostgresDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 2)
    for _ in range(4):
        await records.add_call(a_call(created_at=1000.0))
    await records.add_call(a_call(created_at=1001.0))
    webhook = a_webhook()
    await records.add_webhook(webhook)
    done = await desk.replay(OURS, webhook.id, since=0.0, until=2000.0)
    assert (done.deliveries, done.next_from) == (2, 1000.001)
    done = await desk.replay(OURS, webhook.id, since=1000.001, until=2000.0)
    assert (done.deliveries, done.next_from) == (1, None)


async def test_a_webhook_that_fails_for_five_days_is_disabled_and_others_are_told(
    records: PostgresRecords, outbox: PostgresOutbox, desk: PostgresDeliveries, engine: AsyncEngine
) -> None:
    failing, listener = a_webhook(), a_webhook(events=("webhook.disabled",))
    await records.add_webhook(failing)
    await records.add_webhook(listener)

    async def fail(at: float) -> None:
        await records.add_call(a_call())
        id = (await listed(desk, failing, DeliveryState.PENDING))[-1]
        attempt = replace(REFUSED, at=at, duration=0.0)
        await record(outbox, id, attempt, delivered=False, retry_at=None)

    await fail(5000.0)
    assert (await records.get_webhook(OURS, failing.id)).failing_since == 5000.0
    await fail(5000.0 + FAILING_FOR - 1)
    assert (await records.get_webhook(OURS, failing.id)).enabled
    await fail(5000.0 + FAILING_FOR)
    disabled = await records.get_webhook(OURS, failing.id)
    assert (disabled.enabled, disabled.failing_since) == (False, 5000.0)
    (told,) = await listed(desk, listener)
    sent = await outbox.get_delivery(told)
    assert sent is not None
    assert sent.event.type == "webhook.disabled"
    assert sent.event.payload["webhook_id"] == failing.id

    await records.replace_webhook(replace(disabled, enabled=True))
    assert (await records.get_webhook(OURS, failing.id)).failing_since is None
    await fail(5000.0 + FAILING_FOR + 1)
    assert (await records.get_webhook(OURS, failing.id)).enabled


async def test_one_success_ends_the_count_of_failures(
    records: PostgresRecords, outbox: PostgresOutbox, desk: PostgresDeliveries
) -> None:
    webhook = a_webhook()
    await records.add_webhook(webhook)
    for _ in range(2):
        await records.add_call(a_call())
    first, second = await listed(desk, webhook)
    await record(outbox, first, REFUSED, delivered=False, retry_at=1015.5)
    assert (await records.get_webhook(OURS, webhook.id)).failing_since is not None
    await record(outbox, second, OK, delivered=True, retry_at=None)
    assert (await records.get_webhook(OURS, webhook.id)).failing_since is None


async def test_an_agents_change_and_its_audit_entry_are_one(
    records: PostgresRecords, engine: AsyncEngine
) -> None:
    """A number that is there already is refused by the database, after others were written."""
    from tests.store.samples import a_number

    await records.add_number(a_number())
    before = await records.list_audit(OURS, None, limit=100, cursor=None)
    with pytest.raises(Conflict):
        await records.add_number(a_number())
    assert await records.list_audit(OURS, None, limit=100, cursor=None) == before
    assert before.data[0].resource == "phone_number"
    assert abs(before.data[0].at - time.time()) < 600
    assert before.data[0].key_id is None, "no request was behind it"
