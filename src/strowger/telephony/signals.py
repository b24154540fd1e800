"""Who hears what SIP says of which call.

A call that is being set up has its signals kept in a queue, for a task that waits for them; an
answered one has each of them handled at once.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from strowger.sip import events as sip

PENDING_SIGNALS = 64
"""Signals a call that is being set up may have waiting; more is a far end gone mad."""

Signals = asyncio.Queue[sip.Event]


class Listeners:
    """One listener per session."""

    def __init__(self) -> None:
        self._listeners: dict[sip.SessionId, Callable[[sip.Event], None]] = {}

    def __len__(self) -> int:
        """How many calls somebody listens for."""
        return len(self._listeners)

    def tell(self, session: sip.SessionId, event: sip.Event) -> None:
        """Nobody may be listening any more."""
        if (handle := self._listeners.get(session)) is not None:
            handle(event)

    def handle(
        self, session: sip.SessionId, signals: Signals, handle: Callable[[sip.Event], None]
    ) -> None:
        """From now on have signals handled; first those that have come before."""
        self._listeners[session] = handle
        while not signals.empty():
            handle(signals.get_nowait())

    def keep(self, session: sip.SessionId) -> Signals:
        """From now on keep signals for who waits for them, until `forget` or `handle`."""
        signals: Signals = asyncio.Queue(maxsize=PENDING_SIGNALS)

        def put(event: sip.Event) -> None:
            if not signals.full():
                signals.put_nowait(event)

        self._listeners[session] = put
        return signals

    @contextmanager
    def kept(self, session: sip.SessionId) -> Iterator[Signals]:
        """The same while entered; on exit nobody listens, whoever did."""
        try:
            yield self.keep(session)
        finally:
            self.forget(session)

    def forget(self, session: sip.SessionId) -> None:
        """Nobody wants to hear of this session any more."""
        self._listeners.pop(session, None)
