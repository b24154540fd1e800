"""Open connections to a service: leased to one user at a time, kept alive, and kept ready.

A connection carries the state of its vendor's protocol with it. What is given back at rest goes
to the next who dials the same; what is not is closed. While a service is in use a spare connection
stands ready, so that nobody waits for a handshake in the middle of a call.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strowger.errors import ProviderError
from strowger.providers.websocket import Connector, Dial, Socket

S = TypeVar("S")

LOOK_EVERY = 1.0
"""Seconds between two looks at what has to be kept alive or let go."""
FAILED_PAUSE = 5.0
"""Seconds without a further spare after one could not be had."""


@dataclass(slots=True, eq=False)
class Held(Generic[S]):
    """A connection in somebody's hands."""

    socket: Socket
    state: S
    at_rest: bool = False
    """Set by the user who leaves the connection so that the next can use it."""
    idle_since: float = 0.0


@dataclass(slots=True)
class _Shelf(Generic[S]):
    """The connections of one dial that nobody uses."""

    idle: list[Held[S]] = field(default_factory=list)
    used_at: float = 0.0
    opening: int = 0
    not_before: float = 0.0
    awaited: bool = False
    """Somebody has said that he will want one, and has not come yet."""


class SocketPool(Generic[S]):
    """Connections to one service. `run` has to run beside, or nothing is kept."""

    def __init__(self, connector: Connector, new_state: Callable[[], S]) -> None:
        self._connector = connector
        self._policy = connector.policy
        self._new_state = new_state
        self._shelves: dict[Dial, _Shelf[S]] = {}
        self._leased: set[Socket] = set()
        self._discarded: list[Socket] = []
        self._wake = asyncio.Event()
        self._running = False
        self._resting = True
        """There is nothing to look at."""

    @property
    def idle(self) -> int:
        """Connections that stand ready."""
        return sum(len(shelf.idle) for shelf in self._shelves.values())

    @asynccontextmanager
    async def lease(self, dial: Dial) -> AsyncIterator[Held[S]]:
        """A connection for the block alone. Raises ProviderError."""
        held = self._take(dial) or await self._open(dial)
        self._leased.add(held.socket)
        try:
            yield held
        finally:
            self._leased.discard(held.socket)
            self._give_back(dial, held)

    def warm(self, dial: Dial) -> None:
        """Somebody will want this soon."""
        shelf = self._shelf(dial)
        shelf.used_at, shelf.awaited = self._now(), True
        self._wake.set()

    async def run(self) -> None:
        """Keep alive, keep spares, let go; until cancelled."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._look(tasks)
                    self._wake.clear()
                    self._resting = not (self._shelves or self._leased)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(None if self._resting else LOOK_EVERY):
                            await self._wake.wait()
        finally:
            self._running = False
            for shelf in self._shelves.values():
                self._discarded += [held.socket for held in shelf.idle]
            self._shelves.clear()
            for socket in self._discarded:
                socket.abort()

    def _look(self, tasks: asyncio.TaskGroup) -> None:
        now = self._now()
        discarded, self._discarded = self._discarded, []
        for dial, shelf in list(self._shelves.items()):
            kept = [held for held in shelf.idle if self._is_worth_keeping(held, shelf, now)]
            discarded += [held.socket for held in shelf.idle if held not in kept]
            shelf.idle = kept
            hot = now - shelf.used_at < self._hot_for(dial)
            wanted = self._spares(dial, shelf) - len(kept) - shelf.opening
            if hot and now >= shelf.not_before:
                for _ in range(wanted):
                    shelf.opening += 1
                    tasks.create_task(self._add_spare(dial, shelf), name=f"dial {dial.name}")
            if not kept and not shelf.opening and not hot:
                del self._shelves[dial]
        for socket in discarded:
            tasks.create_task(socket.close(), name=f"close {socket.dial.name}")
        idle = [held.socket for shelf in self._shelves.values() for held in shelf.idle]
        for socket in [*idle, *self._leased]:
            if socket.dial.keep_alive is not None:
                due = socket.sent_at + socket.dial.keep_alive_every - LOOK_EVERY
                if socket.is_open and now >= due:
                    tasks.create_task(_keep_alive(socket), name=f"keep {socket.dial.name}")

    def _is_worth_keeping(self, held: Held[S], shelf: _Shelf[S], now: float) -> bool:
        if not held.socket.is_open:
            return False
        dial = held.socket.dial
        spare = shelf.idle.index(held) < self._spares(dial, shelf)
        allowed = self._hot_for(dial) if spare else self._policy.idle_for
        return now - max(held.idle_since, shelf.used_at if spare else 0.0) < allowed

    def _spares(self, dial: Dial, shelf: _Shelf[S]) -> int:
        if dial.metered and dial.passing:
            return 0
        return int(shelf.awaited) if _brief(dial) else self._policy.spares

    def _hot_for(self, dial: Dial) -> float:
        return self._policy.idle_for if _brief(dial) else self._policy.hot_for

    async def _add_spare(self, dial: Dial, shelf: _Shelf[S]) -> None:
        try:
            held = await self._open(dial)
        except ProviderError:  # who needs one will be told by its own attempt
            shelf.not_before = self._now() + FAILED_PAUSE
            return
        finally:
            shelf.opening -= 1
        held.idle_since = self._now()
        if _brief(dial) and len(shelf.idle) >= self._spares(dial, shelf):
            self._discarded.append(held.socket)  # who was expected came before it was there
            self._wake.set()
        else:
            shelf.idle.append(held)

    async def _open(self, dial: Dial) -> Held[S]:
        return Held(await self._connector.open(dial), self._new_state())

    def _take(self, dial: Dial) -> Held[S] | None:
        shelf = self._shelf(dial)
        shelf.used_at, shelf.awaited = self._now(), False
        taken: Held[S] | None = None
        while shelf.idle and taken is None:
            held = shelf.idle.pop()
            held.at_rest = False
            if held.socket.is_open:
                taken = held
            else:
                self._discarded.append(held.socket)
        # Looking costs as much as there are connections: what can wait, waits for the next look.
        short = len(shelf.idle) + shelf.opening < self._spares(dial, shelf)
        if self._resting or self._discarded or short:
            self._wake.set()
        return taken

    def _give_back(self, dial: Dial, held: Held[S]) -> None:
        shelf = self._shelf(dial)
        shelf.used_at = held.idle_since = self._now()
        if self._running and held.at_rest and held.socket.is_open:
            shelf.idle.append(held)
        elif self._running:
            self._discarded.append(held.socket)
        else:
            held.socket.abort()
        if self._resting or self._discarded:
            self._wake.set()

    def _shelf(self, dial: Dial) -> _Shelf[S]:
        return self._shelves.setdefault(dial, _Shelf())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _brief(dial: Dial) -> bool:
    """Connections wait for who is expected, and not for whoever comes."""
    return dial.metered or dial.passing


async def _keep_alive(socket: Socket) -> None:
    assert socket.dial.keep_alive is not None
    with contextlib.suppress(ProviderError):  # who uses it, or wants to, will notice
        await socket.send(socket.dial.keep_alive)
