"""A clock that skips the waiting."""

import asyncio
import time

import pytest

from strowger.simulate.virtual_time import START, Stalled, run_in_virtual_time


def test_an_hour_of_waiting_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_in_virtual_time(main()) == pytest.approx(START + 3600)
    assert time.monotonic() - began < 60


def test_timers_fire_in_their_order_and_at_their_times() -> None:
    told: list[tuple[float, str]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        told.append((asyncio.get_running_loop().time() - START, name))

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, seconds in (("late", 7.25), ("soon", 0.02), ("then", 0.04)):
                tasks.create_task(sleeper(name, seconds))

    run_in_virtual_time(main())
    assert [name for _, name in told] == ["soon", "then", "late"]
    assert [at for at, _ in told] == pytest.approx([0.02, 0.04, 7.25])


def test_deadlines_are_of_the_virtual_clock() -> None:
    async def main() -> None:
        async with asyncio.timeout(5.0):
            await asyncio.sleep(4.9)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await asyncio.Event().wait()

    run_in_virtual_time(main())


def test_tasks_that_wait_for_ever_are_found_out() -> None:
    with pytest.raises(Stalled, match="wait for ever"):
        run_in_virtual_time(_wait_for_ever())


async def _wait_for_ever() -> None:
    await asyncio.Event().wait()
