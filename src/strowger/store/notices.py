"""Hearing at once that something was committed: LISTEN, only ever to look sooner.

A notice may get lost with its connection; who listens must also look by the clock.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from strowger.errors import Unavailable
from strowger.store.commands import CHANNEL as COMMAND_CHANNEL
from strowger.store.connect import connect
from strowger.store.events import CHANNEL as EVENT_CHANNEL

__all__ = ["COMMAND_CHANNEL", "EVENT_CHANNEL", "Notices", "PostgresBell"]

log = structlog.get_logger()

CONNECT_AGAIN_AFTER = 1.0  # seconds
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


class PostgresBell:
    """`ports.Bell` for one channel: rings for whoever waits for what is told there."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._waiting: dict[str | None, set[asyncio.Event]] = {}

    async def run(self) -> None:
        """Listen until cancelled. A lost database is waited for."""
        while True:
            try:
                async with Notices.listen(self._url, self._channel) as notices:
                    self._ring_all()  # for what was told while nobody listened
                    while not notices.lost:
                        topic = await notices.next(timeout=5.0)
                        if topic is not None:
                            self._ring(topic)
            except Unavailable as error:
                log.warning("bell.deaf", channel=self._channel, problem=str(error))
            await asyncio.sleep(CONNECT_AGAIN_AFTER)

    @contextmanager
    def heard(self, topic: str | None) -> Iterator[asyncio.Event]:
        rung = asyncio.Event()
        self._waiting.setdefault(topic, set()).add(rung)
        try:
            yield rung
        finally:
            self._waiting[topic].discard(rung)
            if not self._waiting[topic]:
                del self._waiting[topic]

    def _ring(self, topic: str) -> None:
        for rung in (*self._waiting.get(topic, ()), *self._waiting.get(None, ())):
            rung.set()

    def _ring_all(self) -> None:
        for waiting in self._waiting.values():
            for rung in waiting:
                rung.set()
