"""Takes what comes in small pieces in gulps, where nobody waits for it.

A process that is woken for each piece of sound and each word pays more for waking than for the
piece, as its caches have cooled. What comes sooner than it is needed may gather for a moment.
"""

import asyncio

AT_HAND = 0.002
"""Seconds after a rest in which what is read had gathered; what takes longer was waited for."""


class Gulps:
    """Of one stream, for one task."""

    def __init__(self, rest: float) -> None:
        """`rest` seconds from one gulp to the next."""
        self._loop = asyncio.get_running_loop()
        self._rest = rest
        self._rested_at = 0.0

    async def gather(self) -> None:
        """Before the next piece is read: let some gather, unless that was just done."""
        if self._loop.time() - self._rested_at > AT_HAND:
            await asyncio.sleep(self._rest)
            self._rested_at = self._loop.time()
