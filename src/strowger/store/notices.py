"""Hearing at once that something was committed: LISTEN, only ever to look sooner.

A notice may get lost with its connection; who listens must also look by the clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from strowger.store.connect import connect
from strowger.store.customer_calls import END_CHANNEL
from strowger.store.events import CHANNEL as EVENT_CHANNEL

__all__ = ["END_CHANNEL", "EVENT_CHANNEL", "Notices"]

UNHEARD = 1000  # notices kept for a slow listener; more are dropped, oldest first


class Notices:
    """What is told on one channel, in order."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[str] = asyncio.Queue(UNHEARD)
        self._closed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def listen(cls, url: str, channel: str) -> AsyncIterator["Notices"]:
        """Raises Unavailable."""
        notices = cls()
        connection = await connect(url)
        try:
            connection.add_termination_listener(notices._close)
            await connection.add_listener(channel, notices._hear)
            yield notices
        finally:
            connection.terminate()

    async def next(self, *, timeout: float) -> str | None:
        """What was told: of a call or a worker, its id. None when nothing came in that time."""
        try:
            return await asyncio.wait_for(self._heard.get(), timeout)
        except TimeoutError:
            return None

    @property
    def lost(self) -> bool:
        """The connection has ended: nothing more will come."""
        return self._closed.is_set()

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        if self._heard.full():
            self._heard.get_nowait()
        self._heard.put_nowait(str(payload))

    def _close(self, connection: object) -> None:
        self._closed.set()
