"""What gathers is read in one go, and then is let to gather again."""

import asyncio

from strowger.gulps import Gulps
from strowger.simulate.virtual_time import run_in_virtual_time


def test_pieces_that_come_one_by_one_are_read_some_at_a_time() -> None:
    async def read() -> list[float]:
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[int]()
        began, read_at = loop.time(), list[float]()
        for number in range(20):
            loop.call_later(0.02 * number, pieces.put_nowait, number)
        gulps = Gulps(rest=0.1)
        for number in range(20):
            await gulps.gather()
            assert await pieces.get() == number, "none is lost, and each keeps its place"
            read_at.append(round(loop.time() - began, 3))
        return read_at

    read_at = run_in_virtual_time(read())
    assert read_at == sorted(read_at)
    assert 4 <= len(set(read_at)) <= 8, "the moments at which a reader of twenty pieces woke"
    late = [at - 0.02 * number for number, at in enumerate(read_at)]
    assert max(late) <= 0.1 + 1e-6
