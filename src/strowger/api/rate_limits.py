"""How many requests a key may make in a minute, counted for all API processes together.

A process counts several requests at once in the shared store and serves them from memory; the
nearer the limit, the fewer at a time. So most requests cost nothing, and the limit is exact: what
one process has counted and not served by the end of the minute is all that can be lost of it.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from strowger.errors import TooManyRequests
from strowger.model import ApiKey
from strowger.ports import RateStore

WINDOW = 60.0
"""Seconds."""
PART = 16
"""What is counted at a time: this part of what was left."""
MOST_AT_ONCE = 200
MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class RateState:
    """What a response says of the limit."""

    limit: int
    remaining: int
    reset: int
    """Seconds until the next window."""

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


@dataclass
class _Window:
    start: float
    left: int
    """Of all processes, when this one last asked."""
    in_hand: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """Lets a key's requests pass while its minute lasts."""

    def __init__(self, store: RateStore, *, limit: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._limit = limit
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        """Oldest first."""

    async def admit(self, key: ApiKey) -> RateState:
        """Count one request; `TooManyRequests` carries the state as well."""
        window = self._window(key)
        while window.in_hand == 0 and window.left > 0:
            # One asks for all that wait: the others find the result.
            async with window.asking:
                if window.in_hand == 0 and window.left > 0:
                    await self._ask(key, window)
        reset = max(1, math.ceil(window.start + WINDOW - self._clock()))
        if window.in_hand == 0:
            state = RateState(self._limit, 0, reset)
            raise RateExceeded(state)
        window.in_hand -= 1
        return RateState(self._limit, window.left + window.in_hand, reset)

    def _window(self, key: ApiKey) -> _Window:
        start = self._clock() // WINDOW * WINDOW
        window = self._windows.get(key.id)
        if window is None or window.start != start:
            self._windows.pop(key.id, None)
            if len(self._windows) >= MOST_KEYS:
                del self._windows[next(iter(self._windows))]
            window = self._windows[key.id] = _Window(start, self._limit)
        return window

    async def _ask(self, key: ApiKey, window: _Window) -> None:
        wanted = max(1, min(MOST_AT_ONCE, window.left // PART))
        used = await self._store.count(key.id, wanted, window=window.start)
        window.in_hand += max(0, min(wanted, self._limit - (used - wanted)))
        window.left = max(0, self._limit - used)


class RateExceeded(TooManyRequests):
    """The key's minute is used up."""

    def __init__(self, state: RateState) -> None:
        super().__init__(
            f"more than {state.limit} requests in a minute with this API key",
            retry_after=state.reset,
        )
        self.state = state
