"""Who wants to be woken next: one heap for everything that has deadlines."""

import heapq
from typing import Protocol


class Timed(Protocol):
    def __hash__(self) -> int: ...
    def next_timer(self) -> float | None: ...


class Timers:
    """Deadlines in a heap, one per owner; one that has moved since is dropped when it comes up."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._armed: dict[Timed, float] = {}
        self._count = 0

    def arm(self, owner: Timed) -> None:
        """Take note of the owner's deadline. To be called whenever that may have moved."""
        at = owner.next_timer()
        if at is None:
            self._armed.pop(owner, None)
        elif self._armed.get(owner) != at:
            self._armed[owner] = at
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, owner))

    def next(self) -> float | None:
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Timed | None:
        """An owner whose deadline has come; it must be armed again afterwards."""
        self._drop_stale()
        if not self._heap or self._heap[0][0] > now:
            return None
        owner = heapq.heappop(self._heap)[2]
        del self._armed[owner]
        return owner

    def _drop_stale(self) -> None:
        while self._heap and self._armed.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
