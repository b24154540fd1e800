"""A line on a clock: what is written to it takes as long as it sounds, and a callee talks on it.

Made for virtual time. There are no packets: what `media/` does is tested with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import numpy as np

from strowger.errors import TransferRefused
from strowger.media import events as media
from strowger.model import LineFigures, Recording
from strowger.ports import LINE_RATE, Line, LineEvent

HEARD_AFTER, QUIET_AFTER = 0.06, 0.2
"""Seconds until it is noticed that the callee speaks, and that he has stopped."""
RING = 8.0
"""Seconds of the callee's sound that are kept, and of the agent's that may wait."""


@dataclass(slots=True)
class _Utterance:
    number: int
    written: int = 0
    """Samples."""
    played: int = 0
    started: bool = False
    ended: bool = False


class VirtualLine:
    """Implements `ports.Line`. `sounds` are the seconds in which either side was heard."""

    def __init__(self) -> None:
        self.sounds: list[tuple[float, float]] = []
        self.transfers: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.time()
        self._events: asyncio.Queue[LineEvent] = asyncio.Queue()
        self._voiced: list[tuple[int, int]] = []
        """Samples in which the callee speaks."""
        self._queue: deque[_Utterance] = deque()
        self._playing: asyncio.TimerHandle | None = None
        self._since = 0.0

    async def speak(self, seconds: float) -> None:
        """Have the callee make a sound."""
        began = self._loop.time()
        position = self._now()
        self._voiced.append((position, position + round(seconds * LINE_RATE)))
        self.sounds.append((began, began + seconds))
        await asyncio.sleep(HEARD_AFTER)
        self._events.put_nowait(media.SpeechStarted(0, began, position))
        await asyncio.sleep(seconds - HEARD_AFTER)
        ended = self._loop.time()
        await asyncio.sleep(QUIET_AFTER)
        self._events.put_nowait(media.SpeechStopped(0, ended, self._now()))

    # ── ports.Line ───────────────────────────────────────────────────────────────────────────

    async def next_event(self) -> LineEvent:
        return await self._events.get()

    def captured(self, position: int) -> tuple[bytes, int]:
        now = self._now()
        position = max(0, position, now - round(RING * LINE_RATE))
        sound = np.zeros(max(0, now - position), "<i2")
        for began, ended in self._voiced:
            sound[max(0, began - position) : max(0, ended - position)] = 3000
        return sound.tobytes(), now

    def begin_utterance(self, utterance: int) -> None:
        self._queue.append(_Utterance(utterance))

    async def write(self, pcm: bytes) -> None:
        self._queue[-1].written += len(pcm) // 2
        self._play()
        while sum(each.written - each.played for each in self._queue) > RING * LINE_RATE:
            await asyncio.sleep(0.1)

    def end_utterance(self, utterance: int) -> None:
        for each in self._queue:
            if each.number == utterance:
                each.ended = True
        self._play()

    def stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            self._heard(self._queue[0], round((self._loop.time() - self._since) * LINE_RATE))
        for each in self._queue:
            self._tell_end(each, complete=False)
        self._queue.clear()

    def send_digits(self, digits: str) -> None: ...

    async def transfer(self, to: str, on_accepted: Callable[[], None]) -> None:
        self.transfers.append(to)
        on_accepted()
        await asyncio.sleep(1.0)
        raise TransferRefused("not put through: 486 Busy Here")

    def consult(self, to: str, *, ring_timeout: float) -> AbstractAsyncContextManager[Line]:
        raise TransferRefused("nobody can be consulted on this line")

    async def transfer_to(self, other: Line, on_accepted: Callable[[], None]) -> None:
        raise TransferRefused("nobody was consulted")

    def recorded(self) -> Recording:
        return Recording()

    def measured(self) -> LineFigures | None:
        return None

    # ── what leaves ──────────────────────────────────────────────────────────────────────────

    def _now(self) -> int:
        return round((self._loop.time() - self._opened) * LINE_RATE)

    def _play(self) -> None:
        """Play what is there of the first utterance; of the next, where that is over."""
        while self._playing is None and self._queue:
            first = self._queue[0]
            left = first.written - first.played
            if left > 0:
                self._since = self._loop.time()
                if not first.started:
                    first.started = True
                    self._events.put_nowait(media.PlayoutStarted(0, self._since, first.number))
                self._playing = self._loop.call_later(left / LINE_RATE, self._ran_out, left)
            elif first.ended:
                self._tell_end(first, complete=True)
                self._queue.popleft()
            else:
                return

    def _ran_out(self, samples: int) -> None:
        self._heard(self._queue[0], samples)
        self._play()

    def _heard(self, utterance: _Utterance, samples: int) -> None:
        self._playing = None
        utterance.played += samples
        self.sounds.append((self._since, self._since + samples / LINE_RATE))

    def _tell_end(self, utterance: _Utterance, *, complete: bool) -> None:
        now, number = self._loop.time(), utterance.number
        self._events.put_nowait(media.PlayoutEnded(0, now, number, utterance.played, complete))


def longest_silence(sounds: list[tuple[float, float]], began: float, ended: float) -> float:
    """Seconds between sounds of either side, from the answer to the end."""
    longest, until = 0.0, began
    for start, stop in sorted([*sounds, (ended, ended)]):
        longest, until = max(longest, start - until), max(until, stop)
    return longest
