import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from strowger.calls.on_demand import TelephoneOnDemand
from strowger.errors import ConfigurationError, Unavailable
from strowger.model import CallId
from strowger.ports import SimulatedDial
from tests.calls.fakes import FakeLine

REQUEST = SimulatedDial(
    call_id=CallId("call_1"), to="+15005550001", caller_id=None, ring_timeout=1.0, recording=None
)


class Exchange:
    """What is opened: counts how often, and may fail."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.opened = 0
        self.open_now = 0
        self.breaks = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Exchange"]:
        if self.problems:
            raise self.problems.pop(0)
        self.opened += 1
        self.open_now += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._break())
                yield self
                watching.cancel()
        finally:
            self.open_now -= 1

    async def _break(self) -> None:
        await self.breaks.wait()
        self.breaks.clear()
        raise ZeroDivisionError("a defect")

    @asynccontextmanager
    async def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[FakeLine]:
        yield FakeLine()


@asynccontextmanager
async def serving(exchange: Exchange) -> AsyncIterator[TelephoneOnDemand]:
    telephone = TelephoneOnDemand(exchange.open)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(telephone.run())
        await asyncio.sleep(0)
        yield telephone
        running.cancel()


async def dial(telephone: TelephoneOnDemand) -> None:
    async with telephone.dial(REQUEST, lambda status: None):
        pass


def test_nothing_is_opened_before_the_first_call_and_then_once_for_all() -> None:
    async def main() -> None:
        exchange = Exchange()
        async with serving(exchange) as telephone:
            assert exchange.opened == 0
            await asyncio.gather(*(dial(telephone) for _ in range(3)))
            await dial(telephone)
            assert (exchange.opened, exchange.open_now) == (1, 1)
        assert exchange.open_now == 0

    asyncio.run(main())


def test_what_cannot_be_opened_is_said_and_tried_anew_by_the_next_call() -> None:
    async def main() -> None:
        exchange = Exchange(ConfigurationError("no voice"), ZeroDivisionError("a defect"))
        async with serving(exchange) as telephone:
            with pytest.raises(Unavailable, match="no voice"):
                await dial(telephone)
            with pytest.raises(Unavailable, match="the log has more"):
                await dial(telephone)
            await dial(telephone)
            assert exchange.opened == 1

    asyncio.run(main())


def test_one_that_breaks_ends_nothing_else_and_is_opened_again() -> None:
    async def main() -> None:
        exchange = Exchange()
        async with serving(exchange) as telephone:
            await dial(telephone)
            exchange.breaks.set()
            while exchange.open_now:
                await asyncio.sleep(0)
            await dial(telephone)
            assert exchange.opened == 2

    asyncio.run(main())
