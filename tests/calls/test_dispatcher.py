"""What a worker does where its hands and the database come apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from strowger.calls.dispatcher import GAP, Dispatcher, Hearing
from strowger.errors import Unavailable
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import Call, CallId, Trunk, WorkerId
from tests.calls.test_runner import ASKING, CALL, FakeStore, FakeTelephone, workplace


class ForgetfulStore(FakeStore):
    """Commits a dial attempt and loses the answer on its way."""

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        first = call_id not in self.attempts
        self.attempts.setdefault(call_id, worker)
        if first:
            raise Unavailable("connection lost")
        return False


class DefectiveStore(FakeStore):
    """Trips over one call's status, as a defect would."""

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        if call_id == CALL.id:
            raise ZeroDivisionError("a defect")
        await super().set_status(call_id, status, worker, now=now)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strowger.calls.dispatcher.BEAT_EVERY", 0.01)


@asynccontextmanager
async def working(store: FakeStore, telephone: FakeTelephone) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(workplace(store, telephone), lines=2)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(dispatcher.run())
        await asyncio.sleep(0)
        yield dispatcher
        running.cancel()


async def until_beaten(store: FakeStore, times: int) -> None:
    wanted = store.beats + times
    while store.beats < wanted:
        await asyncio.sleep(0.001)


def test_a_call_that_another_worker_has_settled_is_hung_up() -> None:
    async def main() -> None:
        store, telephone = FakeStore(replace(CALL, agent=ASKING)), FakeTelephone()
        async with working(store, telephone) as dispatcher:
            await dispatcher.dial(CALL.id)
            while CallStatus.IN_PROGRESS not in store.statuses:
                await asyncio.sleep(0)
            await until_beaten(store, 2)
            assert dispatcher.free_lines() == 1
            store.settled.add(CALL.id)
            while dispatcher.free_lines() != 2:
                await asyncio.sleep(0.001)
            assert telephone.hung_up

    asyncio.run(main())


@pytest.mark.parametrize("job_comes_again", [True, False])
def test_an_attempt_whose_answer_was_lost_becomes_a_call_and_only_one(
    job_comes_again: bool,
) -> None:
    async def main() -> None:
        store, telephone = ForgetfulStore(CALL), FakeTelephone(rings_for_ever=True)
        async with working(store, telephone) as dispatcher:
            with pytest.raises(Unavailable):
                await dispatcher.dial(CALL.id)
            if job_comes_again:
                await asyncio.gather(dispatcher.dial(CALL.id), dispatcher.dial(CALL.id))
            await until_beaten(store, 3)
            assert dispatcher.free_lines() == 1
        assert telephone.dialled == [CALL.to]

    asyncio.run(main())


def test_a_call_whose_task_breaks_ends_as_an_internal_error_and_the_others_go_on() -> None:
    async def main() -> None:
        other = replace(CALL, id=CallId("call_2"), to="+14155550101")
        store, telephone = DefectiveStore(CALL, other), FakeTelephone(rings_for_ever=True)
        async with working(store, telephone) as dispatcher:
            await dispatcher.dial(CALL.id)
            while CALL.id not in store.results:
                await asyncio.sleep(0.001)
            await dispatcher.dial(other.id)
            assert dispatcher.free_lines() == 1
        assert telephone.dialled.count(CALL.to) <= 1, "broken, and never rung again"
        result = store.results[CALL.id]
        assert (result.status, result.end_reason) == (CallStatus.FAILED, EndReason.INTERNAL_ERROR)

    asyncio.run(main())


def test_nobody_is_settled_before_the_silent_had_time_to_be_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        store = FakeStore()
        async with working(store, FakeTelephone()):
            await until_beaten(store, 3)
            assert store.settlements == 0
            monkeypatch.setattr("strowger.calls.dispatcher.LOST_AFTER", 0.0)
            while not store.settlements:
                await asyncio.sleep(0.001)

    asyncio.run(main())


def test_hearing_begins_anew_after_a_gap() -> None:
    heard = Hearing()
    assert heard.unbroken(5.0) == 0.0
    heard.at(10.0)
    heard.at(10.0 + GAP)
    assert heard.unbroken(11.0 + GAP) == 1.0 + GAP
    heard.at(20.0 + GAP)
    assert heard.unbroken(21.0 + GAP) == 1.0


class TrunklessStore(FakeStore):
    """Loses its database just after the dial attempt, for a number of looks."""

    looks = 2

    async def get_trunk_of(self, call: Call) -> Trunk:
        if self.looks:
            self.looks -= 1
            raise Unavailable("no database for a moment")
        return await super().get_trunk_of(call)


def test_a_database_that_is_away_for_a_moment_does_not_fail_a_call_before_it_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        store, telephone = TrunklessStore(CALL), FakeTelephone(rings_for_ever=True)
        async with working(store, telephone) as dispatcher:
            await dispatcher.dial(CALL.id)
            while not telephone.dialled:
                await asyncio.sleep(0.001)
        assert store.looks == 0

    monkeypatch.setattr("strowger.calls.runner.DIAL_RETRY", 0.001)
    asyncio.run(main())


def test_a_database_that_is_away_for_longer_fails_the_call_and_nobody_is_rung(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        store, telephone = TrunklessStore(CALL), FakeTelephone()
        async with working(store, telephone) as dispatcher:
            await dispatcher.dial(CALL.id)
            while CALL.id not in store.results:
                await asyncio.sleep(0.001)
        assert telephone.dialled == []
        assert store.results[CALL.id].status is CallStatus.FAILED

    monkeypatch.setattr("strowger.calls.runner.DIAL_WITHIN", 0.0)
    asyncio.run(main())
