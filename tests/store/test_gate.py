"""Limits on lines: who may be dialled, who waits, and who is next. On the real database."""

import asyncio
import random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.calls.waiting import WaitingRoom
from strowger.errors import Conflict, Unavailable
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import DEFAULT_WORKSPACE, Call, CallId, CallResult, TrunkId, WorkerId
from strowger.store.calls import PostgresCallStore, PostgresWaitingCalls
from strowger.store.connect import connect
from strowger.store.records import PostgresRecords
from tests.store.samples import a_call, a_number, a_trunk

pytestmark = pytest.mark.anyio

ANN = WorkerId("worker_ann")
BOB = WorkerId("worker_bob")
OVER = CallResult(status=CallStatus.COMPLETED, end_reason=EndReason.CALLEE_HANGUP, ended_at=1100.0)


@pytest.fixture
def waiting(engine: AsyncEngine) -> PostgresWaitingCalls:
    return PostgresWaitingCalls(engine)


async def limit_trunk(
    url: str, trunk: str, *, calls: int | None = None, pace: float | None = None
) -> None:
    connection = await connect(url)
    await connection.execute(
        "UPDATE trunks SET max_calls = $2, calls_per_second = $3 WHERE id = $1", trunk, calls, pace
    )
    await connection.close()


async def jobs(url: str, kind: str) -> list[str]:
    """The ids that have a job of this kind, oldest first."""
    connection = await connect(url)
    rows = await connection.fetch(
        "SELECT payload FROM pgqueuer WHERE entrypoint = $1 ORDER BY id", kind
    )
    await connection.close()
    return [row["payload"].decode() for row in rows]


async def place(records: PostgresRecords, count: int, **fields: object) -> list[Call]:
    made = [a_call(**fields) for _ in range(count)]
    for call in made:
        await records.add_call(call)
    return made


async def talk(store: PostgresCallStore, call: CallId, worker: WorkerId = ANN) -> None:
    await store.set_status(call, CallStatus.INITIATED, worker, now=1002.0)
    await store.set_status(call, CallStatus.IN_PROGRESS, worker, now=1005.0)


@pytest.fixture
async def trunk(records: PostgresRecords, database_url: str) -> TrunkId:
    made = a_trunk(username=None, password=None)
    await records.add_trunk(made)
    return made.id


async def test_without_limits_every_call_is_dialled_and_no_line_is_counted(
    database_url: str, records: PostgresRecords, store: PostgresCallStore, trunk: TrunkId
) -> None:
    for call in await place(records, 3, trunk_id=trunk):
        assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
        await talk(store, call.id)
        await store.finish(call.id, OVER)
    assert await jobs(database_url, "release") == []


async def test_calls_beyond_a_trunks_limit_wait_and_go_in_order_as_lines_free(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, calls=2)
    made = await place(records, 5, trunk_id=trunk)
    won = [await store.claim_dial_attempt(call.id, ANN, now=1001.0) for call in made]
    assert won == [True, True, False, False, False]
    assert not await store.claim_dial_attempt(made[2].id, BOB, now=1001.0), "its job ran twice"
    assert await waiting.release(DEFAULT_WORKSPACE, now=1002.0) is None
    assert await jobs(database_url, "dial") == [call.id for call in made], "nothing was free"

    await talk(store, made[1].id)
    await store.finish(made[1].id, OVER)
    assert await jobs(database_url, "release") == [DEFAULT_WORKSPACE]
    await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
    assert (await jobs(database_url, "dial"))[5:] == [made[2].id]
    (late,) = await place(records, 1, trunk_id=trunk)
    assert not await store.claim_dial_attempt(late.id, BOB, now=1004.0), "the line is spoken for"
    assert await store.claim_dial_attempt(made[2].id, BOB, now=1004.0)
    assert not await store.claim_dial_attempt(made[2].id, ANN, now=1004.0)


async def test_a_new_call_does_not_overtake_those_that_wait(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, calls=1)
    first, second = await place(records, 2, trunk_id=trunk)
    assert await store.claim_dial_attempt(first.id, ANN, now=1001.0)
    assert not await store.claim_dial_attempt(second.id, ANN, now=1001.0)
    await talk(store, first.id)
    await store.finish(first.id, OVER)
    (third,) = await place(records, 1, trunk_id=trunk)
    assert not await store.claim_dial_attempt(third.id, BOB, now=1002.0)
    await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
    assert await store.claim_dial_attempt(second.id, ANN, now=1003.0)
    assert not await store.claim_dial_attempt(third.id, BOB, now=1003.0)


async def test_a_full_number_does_not_hold_back_another_and_a_workspace_holds_all(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    desk, sales = "+14155550100", "+14155550111"
    await records.add_number(a_number(number=desk, max_calls=1))
    await records.limit_workspace(DEFAULT_WORKSPACE, 2)
    first, second = await place(records, 2, trunk_id=trunk, from_=desk)
    third, fourth = await place(records, 2, trunk_id=trunk, from_=sales)
    assert await store.claim_dial_attempt(first.id, ANN, now=1001.0)
    assert not await store.claim_dial_attempt(second.id, ANN, now=1001.0)
    # The workspace has a line; behind `second`, `third` takes it by the next look.
    assert not await store.claim_dial_attempt(third.id, ANN, now=1001.0)
    assert DEFAULT_WORKSPACE in await jobs(database_url, "release")
    await waiting.release(DEFAULT_WORKSPACE, now=1002.0)
    assert await store.claim_dial_attempt(third.id, ANN, now=1002.0)
    assert not await store.claim_dial_attempt(fourth.id, ANN, now=1002.0)
    await talk(store, first.id)
    await store.finish(first.id, OVER)
    await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
    assert (await jobs(database_url, "dial"))[-1] == second.id


async def test_a_call_that_waits_can_be_canceled_and_one_released_gives_its_line_back(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, calls=1)
    made = await place(records, 4, trunk_id=trunk)
    for call in made:
        await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    await records.cancel_call(DEFAULT_WORKSPACE, made[1].id, now=1002.0)
    await talk(store, made[0].id)
    await store.finish(made[0].id, OVER)
    await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
    assert (await jobs(database_url, "dial"))[-1] == made[2].id
    await records.cancel_call(DEFAULT_WORKSPACE, made[2].id, now=1004.0)
    await waiting.release(DEFAULT_WORKSPACE, now=1005.0)
    assert (await jobs(database_url, "dial"))[-1] == made[3].id
    assert await waiting.workspaces_waiting() == []


async def test_test_calls_take_lines_of_the_workspace_but_of_no_number(
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    number = a_number(max_calls=1)
    await records.add_number(number)
    tests = await place(records, 2, trunk_id=None, from_=number.number, test=True)
    live = await place(records, 2, trunk_id=trunk, from_=number.number)
    for call in tests:
        assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    assert await store.claim_dial_attempt(live[0].id, ANN, now=1001.0)
    assert not await store.claim_dial_attempt(live[1].id, ANN, now=1001.0)

    await records.limit_workspace(DEFAULT_WORKSPACE, 4)
    more = await place(records, 2, trunk_id=None, from_=number.number, test=True)
    assert not await store.claim_dial_attempt(more[0].id, ANN, now=1002.0), "live ones wait"
    await talk(store, tests[0].id)
    await store.finish(tests[0].id, OVER)
    await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
    assert not await store.claim_dial_attempt(live[1].id, ANN, now=1003.0), "its number is full"
    assert await store.claim_dial_attempt(more[0].id, ANN, now=1003.0)


async def test_raising_a_limit_lets_go_who_waits(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await records.limit_workspace(DEFAULT_WORKSPACE, 1)
    made = await place(records, 3, trunk_id=trunk)
    for call in made:
        await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    assert await waiting.workspaces_waiting() == [DEFAULT_WORKSPACE]
    await records.limit_workspace(DEFAULT_WORKSPACE, None)
    await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
    for call in made[1:]:
        assert await store.claim_dial_attempt(call.id, BOB, now=1004.0)


async def test_the_calls_of_a_lost_worker_give_their_lines_back(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, calls=1)
    lost, next_one = await place(records, 2, trunk_id=trunk)
    await store.claim_dial_attempt(lost.id, ANN, now=1001.0)
    await store.claim_dial_attempt(next_one.id, BOB, now=1001.0)
    assert await store.settle_lost_calls(now=1100.0, silent_for=0.0) == [lost.id]
    await waiting.release(DEFAULT_WORKSPACE, now=1101.0)
    assert await store.claim_dial_attempt(next_one.id, BOB, now=1101.0)


async def test_who_is_consulted_takes_up_a_line_until_it_is_given_back(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, calls=2)
    first, second, third = await place(records, 3, trunk_id=trunk)
    assert await store.claim_dial_attempt(first.id, ANN, now=1001.0)
    await talk(store, first.id)
    assert await store.take_line_to_consult(first.id, ANN, now=1006.0) == 0.0
    assert not await store.claim_dial_attempt(second.id, ANN, now=1007.0)
    await waiting.release(DEFAULT_WORKSPACE, now=1007.0)
    assert not await store.claim_dial_attempt(second.id, ANN, now=1007.0), "nothing was free"
    await store.give_consulted_line_back(first.id)
    await store.give_consulted_line_back(first.id)
    assert DEFAULT_WORKSPACE in await jobs(database_url, "release")
    await waiting.release(DEFAULT_WORKSPACE, now=1008.0)
    assert await store.claim_dial_attempt(second.id, ANN, now=1008.0)
    await waiting.release(DEFAULT_WORKSPACE, now=1008.0)
    assert not await store.claim_dial_attempt(third.id, ANN, now=1009.0), "one line, given once"
    with pytest.raises(Unavailable, match="the trunk is full"):
        await store.take_line_to_consult(first.id, ANN, now=1009.0)


@pytest.mark.parametrize("full", ["workspace", "number"])
async def test_nobody_is_consulted_where_workspace_or_number_is_full(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    trunk: TrunkId,
    full: str,
) -> None:
    number = a_number(max_calls=1 if full == "number" else None)
    await records.add_number(number)
    await records.limit_workspace(DEFAULT_WORKSPACE, 1 if full == "workspace" else None)
    (call,) = await place(records, 1, trunk_id=trunk, from_=number.number)
    assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    await talk(store, call.id)
    with pytest.raises(Unavailable, match=f"the {full} is full: .* one at a time.*max_calls"):
        await store.take_line_to_consult(call.id, ANN, now=1006.0)


async def test_who_was_consulted_when_the_worker_died_gives_the_line_back_with_the_call(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, calls=2)
    lost, second, third = await place(records, 3, trunk_id=trunk)
    await store.claim_dial_attempt(lost.id, ANN, now=1001.0)
    await talk(store, lost.id)
    await store.take_line_to_consult(lost.id, ANN, now=1006.0)
    for call in (second, third):
        assert not await store.claim_dial_attempt(call.id, BOB, now=1007.0)
    assert await store.settle_lost_calls(now=1100.0, silent_for=0.0) == [lost.id]
    await waiting.release(DEFAULT_WORKSPACE, now=1101.0)
    for call in (second, third):
        assert await store.claim_dial_attempt(call.id, BOB, now=1101.0)
    with pytest.raises(Conflict):
        await store.take_line_to_consult(lost.id, ANN, now=1102.0)
    with pytest.raises(Conflict):
        await store.take_line_to_consult(second.id, ANN, now=1102.0)


async def test_consulting_keeps_to_the_pace_of_the_trunk(
    database_url: str, records: PostgresRecords, store: PostgresCallStore, trunk: TrunkId
) -> None:
    await limit_trunk(database_url, trunk, pace=2.0)
    first, second = await place(records, 2, trunk_id=trunk)
    assert await store.claim_dial_attempt(first.id, ANN, now=1001.0)
    assert await store.take_line_to_consult(first.id, ANN, now=1001.25) == 0.25
    assert not await store.claim_dial_attempt(second.id, ANN, now=1001.75), "from 1002.0 on"
    await store.give_consulted_line_back(first.id)
    assert await store.take_line_to_consult(first.id, ANN, now=1010.0) == 0.0


async def test_nobody_is_kept_waiting_for_long_for_the_pace_of_the_trunk(
    database_url: str, records: PostgresRecords, store: PostgresCallStore, trunk: TrunkId
) -> None:
    await limit_trunk(database_url, trunk, pace=0.05)
    (call,) = await place(records, 1, trunk_id=trunk)
    assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    with pytest.raises(Unavailable, match="in 15 s at the soonest"):
        await store.take_line_to_consult(call.id, ANN, now=1006.0)
    assert await store.take_line_to_consult(call.id, ANN, now=1012.0) == 9.0, "nobody went then"


async def test_a_trunks_pace_spaces_calls_and_says_when_the_next_may_go(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, pace=2.0)
    made = await place(records, 3, trunk_id=trunk)
    assert await store.claim_dial_attempt(made[0].id, ANN, now=1001.0)
    assert not await store.claim_dial_attempt(made[1].id, ANN, now=1001.25)
    assert not await store.claim_dial_attempt(made[2].id, ANN, now=1001.25)
    assert await jobs(database_url, "release") == [DEFAULT_WORKSPACE] * 2
    assert await waiting.release(DEFAULT_WORKSPACE, now=1001.3) == 1001.5
    assert await waiting.release(DEFAULT_WORKSPACE, now=1001.5) == 2.0 + 1000.0
    assert (await jobs(database_url, "dial"))[3:] == [made[1].id]
    assert await waiting.release(DEFAULT_WORKSPACE, now=1002.0) is None
    assert (await jobs(database_url, "dial"))[3:] == [made[1].id, made[2].id]


async def test_several_jobs_at_once_release_everyone_at_the_trunks_pace(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
) -> None:
    await limit_trunk(database_url, trunk, pace=50.0)
    made = await place(records, 8, trunk_id=trunk)
    for call in made:
        await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    room = WaitingRoom(waiting)
    await asyncio.gather(*(room.release(DEFAULT_WORKSPACE) for _ in range(4)))
    assert (await jobs(database_url, "dial"))[8:] == [call.id for call in made[1:]]


@pytest.mark.parametrize("seed", range(4))
async def test_under_any_order_of_workers_the_limit_holds_and_everybody_gets_a_line(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
    trunk: TrunkId,
    seed: int,
) -> None:
    """Several workers claim, talk, consult and end at once, driven by the jobs that are committed.

    Some give a second line back, and with others it goes as the call ends.
    """
    chance = random.Random(seed)
    most, total = 3, 24
    await limit_trunk(database_url, trunk, calls=most)
    await place(records, total, trunk_id=trunk)
    busy, peak, done = 0, 0, 0
    driver = await connect(database_url)
    taking = asyncio.Lock()

    async def take() -> tuple[str, str] | None:
        async with taking:
            row = await driver.fetchrow(
                "DELETE FROM pgqueuer WHERE id = (SELECT min(id) FROM pgqueuer)"
                " RETURNING entrypoint, payload"
            )
        return None if row is None else (row["entrypoint"], row["payload"].decode())

    async def work(worker: WorkerId) -> None:
        nonlocal busy, peak, done
        while done < total:
            job = await take()
            if job is None:
                await asyncio.sleep(0.005)
            elif job[0] == "release":
                await waiting.release(DEFAULT_WORKSPACE, now=1003.0)
            elif await store.claim_dial_attempt(call := CallId(job[1]), worker, now=1002.0):
                busy += 1
                peak = max(peak, busy)
                await talk(store, call, worker)
                lines = 1 + await consults(call, worker)
                busy += lines - 1
                peak = max(peak, busy)
                await asyncio.sleep(chance.random() * 0.01)
                if lines == 2 and chance.random() < 0.5:
                    busy, lines = busy - 1, 1
                    await store.give_consulted_line_back(call)
                busy -= lines
                await store.finish(call, OVER)
                done += 1

    async def consults(call: CallId, worker: WorkerId) -> bool:
        try:
            await store.take_line_to_consult(call, worker, now=1002.5)
        except Unavailable:
            return False
        return True

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(work(WorkerId(f"worker_{number}")))
    await driver.close()
    assert peak == most
    assert await waiting.workspaces_waiting() == []


async def test_a_scheduled_call_is_queued_at_its_time_and_not_before(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    waiting: PostgresWaitingCalls,
) -> None:
    call = a_call(status=CallStatus.SCHEDULED, scheduled_at=2000.0, queued_at=None)
    await records.add_call(call)
    assert await jobs(database_url, "queue") == [call.id]
    await waiting.queue_scheduled(call.id, now=1999.0)
    assert (await store.get_call(call.id)).status is CallStatus.SCHEDULED
    assert await jobs(database_url, "queue") == [call.id] * 2
    await waiting.queue_scheduled(call.id, now=2000.0)
    await waiting.queue_scheduled(call.id, now=2000.5)
    queued = await store.get_call(call.id)
    assert (queued.status, queued.queued_at) == (CallStatus.QUEUED, 2000.0)
    assert await jobs(database_url, "dial") == [call.id]


async def test_a_scheduled_call_that_was_canceled_is_never_queued(
    database_url: str, records: PostgresRecords, waiting: PostgresWaitingCalls
) -> None:
    call = a_call(status=CallStatus.SCHEDULED, scheduled_at=2000.0, queued_at=None)
    await records.add_call(call)
    canceled = await records.cancel_call(DEFAULT_WORKSPACE, call.id, now=1500.0)
    assert canceled.status is CallStatus.CANCELED
    await waiting.queue_scheduled(call.id, now=2000.0)
    assert await jobs(database_url, "dial") == []
