"""An event loop whose clock stands still while there is work and jumps when there is none.

What takes a minute of waiting on the real clock takes as long as its computing. Nothing that runs
on such a loop may wait for the world outside: it would wait for ever, or the clock would run away
meanwhile. Work of that kind is done at once, while the clock stands (`simulate/workshop.py`).
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

from strowger.errors import StrowgerError

T = TypeVar("T")

START = 1000.0
"""Where the clock of every virtual loop begins: not at 0, which is where nothing is."""


class Stalled(StrowgerError):
    """Everything waits, and nothing will ever happen: a defect."""


class _JumpingSelector(selectors.SelectSelector):
    """Asked to wait for a timer, it sets the clock to it instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Stalled("no timer is set and nothing is ready: all tasks wait for ever")
        if not ready and timeout is not None:
            self.now += max(timeout, 0.0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time."""

    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_in_virtual_time(main: Coroutine[None, None, T]) -> T:
    """Run to the end on a loop of its own, which begins at START."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
