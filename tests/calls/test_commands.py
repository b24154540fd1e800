"""What customers want of live calls, on a real database that breaks off in mid-answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.calls.dispatcher import Dispatcher
from strowger.errors import Unavailable
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import DEFAULT_WORKSPACE, Call, CallCommand, CallId, CommandKind, WorkspaceId
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import open_engine
from strowger.store.records import PostgresRecords
from tests.calls.test_runner import ASKING, FakeProviders, FakeTelephone, workplace
from tests.postgres import KEYRING, database_url
from tests.store.samples import a_call, a_trunk

__all__ = ["database_url"]

LOST = "the connection was lost after the commit"


class BreakingStore(PostgresCallStore):
    """Does what it is asked for, and then loses the answer, now and then."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.lost: list[str] = []
        self.looks = 0

    async def waiting_commands(self, calls: Sequence[CallId]) -> list[CallCommand]:
        found = await super().waiting_commands(calls)
        self.looks += 1
        if found and "waiting" not in self.lost:
            self.lost.append("waiting")
            raise Unavailable(LOST)
        return found

    async def obeyed(self, ids: Sequence[int]) -> None:
        if "obeyed, not done" not in self.lost:
            self.lost.append("obeyed, not done")
            raise Unavailable("the connection was lost before the commit")
        await super().obeyed(ids)
        if "obeyed" not in self.lost:
            self.lost.append("obeyed")
            raise Unavailable(LOST)


class Stage:
    """One live call of a real database, with a fake telephone at it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.records = PostgresRecords(engine)
        self.store = BreakingStore(engine)
        self.telephone = FakeTelephone()
        self.providers = FakeProviders()

    async def say(self, call: Call, text: str) -> None:
        command = CallCommand(call_id=call.id, kind=CommandKind.SAY, text=text)
        await self.records.command_call(DEFAULT_WORKSPACE, command, now=1010.0)

    async def press(self, call: Call, digits: str) -> None:
        command = CallCommand(call_id=call.id, kind=CommandKind.DIGITS, text=digits)
        await self.records.command_call(DEFAULT_WORKSPACE, command, now=1010.0)

    async def none_waits(self, call: Call) -> None:
        while self.store.lost.count("obeyed") == 0 or await PostgresCallStore.waiting_commands(
            self.store, [call.id]
        ):
            await asyncio.sleep(0.005)


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[tuple[Stage, Call]]:
    """A call on which somebody talks, held by a dispatcher that looks for commands all the time."""
    engine = open_engine(url, keyring=KEYRING)
    stage = Stage(engine)
    trunk = a_trunk()
    call = a_call(agent=ASKING, trunk_id=trunk.id)
    await stage.records.add_trunk(trunk)
    await stage.records.add_call(call)
    at = replace(
        workplace(stage.store, stage.telephone),  # type: ignore[arg-type]  # a real one
        providers=stage.providers,  # type: ignore[arg-type]  # its model has no use
    )
    dispatcher = Dispatcher(at, lines=2)
    await dispatcher.introduce()
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            await asyncio.sleep(0)
            await dispatcher.dial(call.id)
            await until(stage, call, CallStatus.IN_PROGRESS)
            yield stage, call
            running.cancel()
    finally:
        await engine.dispose()


async def until(stage: Stage, call: Call, status: CallStatus) -> Call:
    while (found := await stage.store.get_call(call.id)).status is not status:
        await asyncio.sleep(0.005)
    return found


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strowger.calls.dispatcher.LOOK_FOR_COMMANDS_EVERY", 0.01)


def test_an_end_whose_hand_out_was_lost_ends_the_call(database_url: str) -> None:
    async def main() -> None:
        async with talking(database_url) as (stage, call):
            await stage.records.request_end(WorkspaceId(DEFAULT_WORKSPACE), call.id, now=1010.0)
            over = await until(stage, call, CallStatus.COMPLETED)
            assert over.end_reason is EndReason.API_REQUEST
            assert "waiting" in stage.store.lost

    asyncio.run(main())


def test_what_was_handed_out_twice_is_performed_once_and_in_order(database_url: str) -> None:
    async def main() -> None:
        async with talking(database_url) as (stage, call):
            for digits in ("1", "2", "2", "3"):
                await stage.press(call, digits)
            await stage.none_waits(call)
            pressed = [entry for entry in stage.telephone.line.log if entry.startswith("digits")]
            assert pressed == ["digits 1", "digits 2", "digits 2", "digits 3"]
            assert stage.store.lost == ["waiting", "obeyed, not done", "obeyed"]
            await stage.records.request_end(DEFAULT_WORKSPACE, call.id, now=1011.0)
            await until(stage, call, CallStatus.COMPLETED)

    asyncio.run(main())


def test_words_are_said_once_though_every_answer_about_them_was_lost(database_url: str) -> None:
    async def main() -> None:
        async with talking(database_url) as (stage, call):
            await stage.say(call, "One moment please.")
            await stage.none_waits(call)
            await stage.records.request_end(DEFAULT_WORKSPACE, call.id, now=1011.0)
            over = await until(stage, call, CallStatus.COMPLETED)
            assert over.end_reason is EndReason.API_REQUEST
            assert stage.providers.voice.said.count("One moment please.") == 1
            assert stage.store.lost == ["waiting", "obeyed, not done", "obeyed"]

    asyncio.run(main())
