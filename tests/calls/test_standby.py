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

    def __init__(self, *, refuses: int = 0, retryable: bool = True) -> None:
        self.dialogues: list[FakeDialogue] = []
        self.asked: list[float] = []
        """When a connection was wanted."""
        self.broken_off: list[BaseException] = []
        self._refuses = refuses
        self._retryable = retryable

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator[FakeDialogue]:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(CONNECTS_IN)
        if self._refuses:
            self._refuses -= 1
            raise ProviderError("openai cannot be reached", retryable=self._retryable)
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
    replaceable: bool = False,
) -> None:
    """Let it ring, have this happen, and leave nothing behind."""

    async def main() -> None:
        standby = Standby(service, BRIEF, kept_for=kept_for, replaceable=replaceable)
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


@pytest.mark.parametrize("after", [0.25, 3.0])
def test_one_that_cannot_be_connected_while_it_rings_is_connected_at_the_answer(
    after: float,
) -> None:
    service = Service(refuses=1)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(after)
        async with answered(standby) as (waited, _):
            assert waited == CONNECTS_IN + max(0.0, CONNECTS_IN - after)

    rings(service, call)


def test_one_that_cannot_be_connected_is_tried_again_as_long_as_it_rings() -> None:
    service = Service(refuses=2)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(12.0)
        async with answered(standby) as (waited, dialogue):
            assert (waited, service.open) == (0.0, [dialogue])

    rings(service, call)
    assert [at - service.asked[0] for at in service.asked] == [0.0, 5.5, 11.0]


def test_a_wrong_key_is_not_tried_again_until_the_answer() -> None:
    service = Service(refuses=1, retryable=False)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(12.0)
        assert len(service.asked) == 1
        async with answered(standby) as (waited, _):
            assert waited == CONNECTS_IN

    rings(service, call)


@pytest.mark.parametrize(
    ("after", "waits"), [(0.25, 0.25), (3.0, 0.0), (5.75, 0.0)],
    ids=["while it is tried", "after that", "while it is tried again"],
)  # fmt: skip
@pytest.mark.parametrize("retryable", [True, False])
def test_where_another_could_take_over_one_that_has_failed_is_not_waited_for(
    after: float, waits: float, *, retryable: bool
) -> None:
    service = Service(refuses=2, retryable=retryable)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(after)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        with pytest.raises(ProviderError, match="cannot be reached") as failure:
            async with answered(standby):
                pass
        assert loop.time() - asked == waits
        assert failure.value.retryable is retryable
        await asyncio.sleep(60.0)
        assert len(service.asked) <= 2, "nobody has a use for it any more"

    rings(service, call, replaceable=True)


def test_one_that_was_connected_in_the_end_has_not_failed() -> None:
    service = Service(refuses=1)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(9.0)
        async with answered(standby) as (waited, _):
            assert waited == 0.0

    rings(service, call, replaceable=True)


def test_one_that_has_gone_while_it_rang_is_connected_again() -> None:
    service = Service()

    async def call(standby: Standby) -> None:
        await asyncio.sleep(6.0)
        service.dialogues[0].is_open = False
        async with answered(standby) as (_, dialogue):
            await asyncio.sleep(0)
            assert dialogue is service.dialogues[1]
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


def test_who_answers_while_a_connection_is_made_anew_waits_for_it_whatever_failed_before() -> None:
    service = Service(refuses=1)

    async def call(standby: Standby) -> None:
        await asyncio.sleep(16.25)
        async with answered(standby) as (waited, dialogue):
            assert (waited, service.open) == (0.25, [dialogue])

    rings(service, call, kept_for=10.0, replaceable=True)
    assert [at - service.asked[0] for at in service.asked] == [0.0, 5.5, 16.0]


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
