"""Limits of waits that share one timer, on a clock that jumps."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest
import uvloop

from strowger.patience import Patience
from strowger.simulate.virtual_time import run_in_virtual_time

T = TypeVar("T")


def run(main: Coroutine[None, None, T]) -> T:
    return run_in_virtual_time(main)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_wait_that_is_too_long_is_a_timeout_at_its_moment() -> None:
    async def main() -> float:
        patience, began = Patience(), now()
        with pytest.raises(TimeoutError), patience.within(2.0):
            await asyncio.sleep(60)
        assert asyncio.current_task() is not None
        return now() - began

    assert run(main()) == pytest.approx(2.0)


def test_waits_that_come_in_time_are_none_however_long_they_take_together() -> None:
    async def main() -> float:
        patience, began = Patience(), now()
        for _ in range(50):
            with patience.within(2.0):
                await asyncio.sleep(1.5)
        with pytest.raises(TimeoutError), patience.within(2.0):
            await asyncio.sleep(60)
        return now() - began

    assert run(main()) == pytest.approx(77.0)


def test_between_two_waits_nothing_is_too_long() -> None:
    async def main() -> None:
        patience = Patience()
        with patience.within(1.0):
            await asyncio.sleep(0.5)
        await asyncio.sleep(60)
        with patience.within(1.0):
            await asyncio.sleep(0.5)

    run(main())


def test_a_shorter_limit_after_a_longer_one_counts() -> None:
    async def main() -> float:
        patience, began = Patience(), now()
        with patience.within(60.0):
            await asyncio.sleep(1)
        with pytest.raises(TimeoutError), patience.within(2.0):
            await asyncio.sleep(60)
        return now() - began

    assert run(main()) == pytest.approx(3.0)


def test_no_limit_is_none() -> None:
    async def main() -> None:
        patience = Patience()
        with patience.within(1.0):
            await asyncio.sleep(0)
        with patience.within(None):
            await asyncio.sleep(3600)

    run(main())


def test_a_limit_that_has_passed_ends_the_wait_at_once() -> None:
    async def main() -> float:
        patience, began = Patience(), now()
        with pytest.raises(TimeoutError), patience.until(began - 5):
            await asyncio.sleep(60)
        return now() - began

    assert run(main()) == pytest.approx(0.0)


def test_limits_that_have_passed_one_after_the_other_on_the_loop_of_real_calls() -> None:
    async def main() -> None:
        patience = Patience()
        for due in (now() - 5, now() - 5, now() - 6):
            with patience.until(due):
                pass  # there was nothing to wait for
        with pytest.raises(TimeoutError), patience.until(now() - 5):
            await asyncio.sleep(60)

    uvloop.run(main())


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def main() -> None:
        patience = Patience()

        async def wait() -> None:
            with patience.within(5.0):
                await asyncio.sleep(60)

        task = asyncio.create_task(wait())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_cancellation_at_the_same_moment_as_the_limit_stays_one() -> None:
    async def main() -> None:
        patience = Patience()

        async def wait() -> None:
            with patience.within(5.0):
                await asyncio.sleep(60)

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(5.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_after_a_timeout_the_task_can_be_cancelled_and_wait_as_before() -> None:
    async def main() -> None:
        patience = Patience()
        for _ in range(3):
            with pytest.raises(TimeoutError), patience.within(1.0):
                await asyncio.sleep(60)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
        async with asyncio.timeout(5.0):
            await asyncio.sleep(1)

    run(main())


def test_what_the_wait_raises_is_not_hidden_by_a_limit_that_passes_meanwhile() -> None:
    async def main() -> None:
        patience = Patience()

        async def grumbles_when_cancelled() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise ValueError("closed badly")

        with pytest.raises(ValueError, match="closed badly"), patience.within(1.0):
            await grumbles_when_cancelled()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main())


def test_limits_nest() -> None:
    async def main() -> None:
        outer, inner = Patience(), Patience()
        with pytest.raises(TimeoutError), outer.within(1.0):
            try:
                with inner.within(5.0):
                    await asyncio.sleep(60)
            except TimeoutError:
                pytest.fail("the inner limit is not over")
        with outer.within(5.0), pytest.raises(TimeoutError), inner.within(1.0):
            await asyncio.sleep(60)

    run(main())
