"""What a session does whichever kind of conversation it holds.

How it takes turns with its machine, and what it tells that of the line.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar, assert_never

from strowger.conversation.events import (
    DigitPressed,
    HungUp,
    MediaLost,
    SpeechStarted,
    SpeechStopped,
)
from strowger.media import events as media
from strowger.patience import Patience
from strowger.ports import LineEvent, LineHungUp

E = TypeVar("E")
F = TypeVar("F")
E_contra = TypeVar("E_contra", contravariant=True)

INBOX_LIMIT = 4096
"""Events a conversation may have waiting. A call that is further behind is lost, and ends."""


class Machine(Protocol[E_contra, F]):
    """What a session needs of a pure conversation."""

    def receive(self, event: E_contra, *, now: float) -> list[F]: ...
    def handle_timer(self, *, now: float) -> list[F]: ...
    def next_timer(self) -> float | None: ...


class Deciding(Generic[E, F]):
    """Has a machine handle one thing after the other: what happened, or a timer that is due.

    `close` it in the end.
    """

    def __init__(self, machine: Machine[E, F], happened: Callable[[], Awaitable[E]]) -> None:
        """`happened` waits for the next event; it may be cancelled, and loses none by it."""
        self._machine = machine
        self._happened = happened
        self._loop = asyncio.get_running_loop()
        self._patience = Patience()
        self._now = 0.0
        """Timers go off a little early: the machine's time does not go back."""

    async def next(self) -> list[F]:
        """What came of the next thing."""
        machine = self._machine
        try:
            with self._patience.until(machine.next_timer()):
                event = await self._happened()
        except TimeoutError:
            self._now = max(self._now, self._loop.time(), machine.next_timer() or 0.0)
            return machine.handle_timer(now=self._now)
        self._now = max(self._now, self._loop.time())
        return machine.receive(event, now=self._now)

    def close(self) -> None:
        self._patience.close()


Told = SpeechStarted | SpeechStopped | DigitPressed | MediaLost | HungUp


def told_of(event: LineEvent) -> Told | None:
    """What happened on the line in a conversation's words; None for what concerns the sound that is
    played, which its player tells."""
    match event:
        case media.SpeechStarted(_, at, _):
            return SpeechStarted(at)
        case media.SpeechStopped(_, at, _):
            return SpeechStopped(at)
        case media.DigitReceived(_, _, digit):
            return DigitPressed(digit)
        case media.MediaLost():
            return MediaLost()
        case LineHungUp():
            return HungUp()
        case media.PlayoutStarted() | media.PlayoutEnded() | media.DigitsSent():
            return None
        case _:
            assert_never(event)
