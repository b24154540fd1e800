"""A time limit for one wait after another, by one timer.

`asyncio.timeout` makes and cancels a timer of the loop for each wait, which costs more than
handling what comes: sound and words come in hundreds of pieces a second, and hardly a wait is ever
too long. Here the timer stays set while waits come and go; when it fires it looks whether a wait
is too long by then, and else is set for when that could be.
"""

import asyncio
from types import TracebackType
from typing import Self

CLOCK_STEP = 0.001
"""Seconds by which a loop's clock may be imprecise."""


class Patience:
    """For the waits of one task. `close` it in the end.

    `with patience.until(when): await …` raises TimeoutError as `asyncio.timeout_at` does: the wait
    is cancelled, and a cancellation that somebody else has asked for stays one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self._fires_at = 0.0
        self._due: float | None = None
        """When the present wait is too long."""
        self._task: asyncio.Task[object] | None = None
        """Who waits now."""
        self._cancelling = 0
        self._expired = False

    def within(self, seconds: float | None) -> Self:
        """Of the wait that follows; None for as long as it takes."""
        self._due = None if seconds is None else self._loop.time() + seconds
        return self

    def until(self, when: float | None) -> Self:
        """The same by the loop's clock."""
        self._due = when
        return self

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only a task can wait")
        self._task, self._cancelling, self._expired = task, task.cancelling(), False
        if self._due is not None:
            self._see_to_timer(self._due)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if not self._expired or task is None:
            return
        ours = task.uncancel() <= self._cancelling
        if ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _see_to_timer(self, due: float) -> None:
        if self._timer is not None:
            if self._fires_at <= due:
                return
            self._timer.cancel()
        self._timer, self._fires_at = self._loop.call_at(due, self._look), due

    def _look(self) -> None:
        self._timer = None
        if self._task is None or self._due is None or self._expired:
            return
        if self._loop.time() + CLOCK_STEP < self._due:
            self._see_to_timer(self._due)
            return
        self._expired = True
        self._task.cancel()
