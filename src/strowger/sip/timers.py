"""Who wants to be woken next: one heap for everything that has deadlines."""

import heapq
from typing import Protocol


class Timed(Protocol):
    def next_timer(self) -> float | None: ...


class Timers:
    """Times in a heap; one that its owner has since moved is dropped when it comes up."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._count = 0

    def arm(self, owner: Timed) -> None:
        """Take note of the owner's deadline. To be called whenever that may have moved."""
        at = owner.next_timer()
        if at is not None:
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, owner))

    def next(self) -> float | None:
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Timed | None:
        """An owner whose deadline has come; it must be armed again afterwards."""
        self._drop_stale()
        if self._heap and self._heap[0][0] <= now:
            return heapq.heappop(self._heap)[2]
        return None

    def _drop_stale(self) -> None:
        while self._heap and self._heap[0][2].next_timer() != self._heap[0][0]:
            heapq.heappop(self._heap)
