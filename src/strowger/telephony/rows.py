"""Which rows of the engine are free: some for calls, others for who is consulted meanwhile.

They are apart because a worker promises a line for each call that it takes: somebody whom an agent
calls meanwhile must not have it.
"""

import asyncio
from contextlib import suppress

from strowger.errors import Unavailable
from strowger.telephony.legs import CLOSING_TIME


class Rows:
    """Each used by one call at a time; who is given back last is taken last."""

    def __init__(self, rows: range) -> None:
        self._free = list(rows)
        self._closing: set[int] = set()
        """Rows whose call is gone and that the engine has not let go of yet."""
        self._given_back = asyncio.Event()

    @property
    def promised(self) -> int:
        """How many can be taken now or in a moment."""
        return len(self._free) + len(self._closing)

    async def take(self) -> int:
        """Waits for one that is just being closed. Raises Unavailable when none is free."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_TIME):
                while self._closing and not self._free:
                    self._given_back.clear()
                    await self._given_back.wait()
        if not self._free:
            raise Unavailable("every line is in use")
        return self._free.pop(0)

    def give_back(self, row: int) -> None:
        self._free.append(row)
        self._given_back.set()

    def give_back_once_closed(self, row: int) -> None:
        """The closing was cut short; the engine takes a tick to finish it."""
        self._closing.add(row)

    def closed(self, row: int) -> None:
        """The engine has let go of it."""
        if row in self._closing:
            self._closing.discard(row)
            self.give_back(row)
