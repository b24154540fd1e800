"""A service that is connected while the telephone rings."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from strowger.calls.speech_to_speech.standby import Standby
from strowger.conversation.speech_to_speech.events import Brief
from strowger.errors import ProviderError
from strowger.ports import Dialogue
from strowger.simulate.virtual_time import run_in_virtual_time
from tests.calls.test_spoken_session import BRIEF, FakeDialogue

CONNECTS_IN = 0.5


class Service:
    """Half a second away; each of its connections is kept in mind."""

    greets = False

    def __init__(self, *, refuses: int = 0) -> None:
        self.dialogues: list[FakeDialogue] = []
        self.broken_off: list[BaseException] = []
        self._refuses = refuses

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator[FakeDialogue]:
        await asyncio.sleep(CONNECTS_IN)
        if self._refuses:
            self._refuses -= 1
            raise ProviderError("openai cannot be reached", retryable=True)
        dialogue = FakeDialogue([])
        self.dialogues.append(dialogue)
        try:
            yield dialogue
        except BaseException as reason:
            self.broken_off.append(reason)
            raise
        finally:
            dialogue.closed = True

    @property
    def open(self) -> list[FakeDialogue]:
        return [dialogue for dialogue in self.dialogues if not dialogue.closed]


def rings(
    service: Service,
    what: Callable[[Standby], Awaitable[None]],
    *,
    kept_for: float = 45.0,
    at_all: bool = True,
) -> None:
    """Let it ring, have this happen, and leave nothing behind."""

    async def main() -> None:
        standby = Standby(service, BRIEF, kept_for=kept_for)
        async with asyncio.TaskGroup() as tasks:
            preparing = tasks.create_task(standby.prepare())
            if at_all:
                standby.ring()
            await what(standby)
            preparing.cancel()
        assert service.open == [], "something of the call is left"

    run_in_virtual_time(main())


@asynccontextmanager
async def answered(standby: Standby, brief: Brief = BRIEF) -> AsyncIterator[tuple[float, Dialogue]]:
    """Seconds until the service was there, and its dialogue."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with standby.converse(brief) as dialogue:
        yield loop.time() - asked, dialogue


def test_who_answers_finds_the_service_there_and_it_has_heard_nothing_before() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        async with answered(standby) as (waited, dialogue):
            assert waited == 0.0
            assert service.dialogues == [dialogue]
            assert service.dialogues[0].heard == b"" and service.dialogues[0].told == []
            await asyncio.sleep(300.0)
            assert service.open == [dialogue], "it is not left in the middle of the call"

    rings(service, call)
    assert service.broken_off == [], "closed in order"


def test_who_answers_sooner_waits_for_the_rest_of_it() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(0.25)
        async with answered(standby) as (waited, _):
            assert waited == 0.25

    rings(service, call)
    assert len(service.dialogues) == 1


def test_where_nobody_answers_it_is_left() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        assert len(service.open) == 1

    rings(service, call)
    assert [type(reason) for reason in service.broken_off] == [asyncio.CancelledError]


def test_a_telephone_that_has_not_rung_has_nobody_connected() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        assert service.dialogues == []
        async with answered(standby) as (waited, _):
            assert waited == CONNECTS_IN

    rings(service, call, at_all=False)


@pytest.mark.parametrize("after", [0.25, 6.0])
def test_one_that_cannot_be_connected_while_it_rings_is_connected_at_the_answer(
    after: float,
) -> None:
    service = Service(refuses=1)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(after)
        async with answered(standby) as (waited, _):
            assert waited == CONNECTS_IN + max(0.0, CONNECTS_IN - after)

    rings(service, call)


def test_one_that_has_gone_while_it_rang_is_connected_again() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        service.dialogues[0].is_open = False
        async with answered(standby) as (_, dialogue):
            await asyncio.sleep(0)
            assert service.open == [dialogue]

    rings(service, call)


def test_a_connection_is_made_anew_before_it_is_stale() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(100.0)
        assert [dialogue.closed for dialogue in service.dialogues] == [True, True, False]
        async with answered(standby) as (waited, dialogue):
            assert (waited, service.open) == (0.0, [dialogue])

    rings(service, call, kept_for=40.0)


def test_what_is_to_be_told_something_else_is_another_connection() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        async with answered(standby, replace(BRIEF, instructions="Be kind.")) as (_, dialogue):
            assert dialogue is service.dialogues[1]
            assert service.open == [dialogue], "nobody has a use for the first"

    rings(service, call)


def test_the_second_connection_of_a_call_is_its_own() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        with pytest.raises(ProviderError, match="broke off"):
            async with answered(standby):
                raise ProviderError("openai broke off", retryable=True)
        assert [str(reason) for reason in service.broken_off] == ["openai broke off"]
        async with answered(standby) as (waited, dialogue):
            assert (waited, service.open) == (CONNECTS_IN, [dialogue])

    rings(service, call)


def test_who_gives_up_while_it_is_being_connected_leaves_nothing() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(0.25)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.125), answered(standby):
                pass
        await asyncio.sleep(6.0)
        assert service.open == []

    rings(service, call)
