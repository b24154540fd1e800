"""Plays what a service says, in the order it comes, and knows what of it was heard.

Sound comes sooner than it can be played and stops without a word, so it is played in stretches:
one ends where its item is over, or where nothing more of it was there to be played.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from strowger.conversation.events import UtteranceEnded, UtteranceStarted
from strowger.conversation.speech_to_speech.events import SoundBegan
from strowger.media import events as media
from strowger.ports import LINE_RATE, Line, Sound

BYTES_PER_SECOND = 2 * LINE_RATE
STARVED = 0.4
"""Seconds without sound after all was played, after which a stretch is over."""
LONGEST_WAITING = 600.0
"""Seconds of sound that may wait to be played; what is more is dropped."""
REMEMBERED = 64
"""Items that were cut off, of which sound may still come."""

Playing = SoundBegan | UtteranceStarted | UtteranceEnded


@dataclass(slots=True, eq=False)
class _Stretch:
    number: int
    item: str
    pending: deque[bytes] = field(default_factory=deque)
    received: int = 0
    taken: int = 0
    """Bytes: all that came, and what of it went on to the line."""
    words: list[tuple[str, int]] = field(default_factory=list)
    """With the sample at which each is over."""
    more: asyncio.Event = field(default_factory=asyncio.Event)
    begun: bool = False
    closed: bool = False
    """No more sound goes into it."""
    cut: bool = False

    @property
    def duration(self) -> float:
        return self.received / BYTES_PER_SECOND

    def words_heard(self, samples: int) -> int | None:
        if not self.words:
            return None
        return sum(1 for _, end in self.words if end <= samples)


class Player:
    """The agent's mouth. Each stretch is answered by exactly one UtteranceEnded."""

    def __init__(self, line: Line, report: Callable[[Playing], None]) -> None:
        self._line = line
        self._report = report
        self._numbers = 0
        self._open: dict[str, _Stretch] = {}
        """By item, where sound that comes now goes; two voices may speak at a time."""
        self._waiting: deque[_Stretch] = deque()
        self._current: _Stretch | None = None
        self._playing: dict[int, _Stretch] = {}
        """Begun on the line and not ended there."""
        self._cut: deque[str] = deque(maxlen=REMEMBERED)
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            self._current = self._waiting.popleft()
            await self._play(self._current)
            self._current = None

    def sound(self, sound: Sound) -> None:
        """More of an item; what comes of one that was cut off is dropped."""
        if not sound.pcm or sound.item in self._cut or self._waits() > LONGEST_WAITING:
            return
        stretch = self._open.get(sound.item)
        if stretch is None:
            self._numbers += 1
            stretch = self._open[sound.item] = _Stretch(self._numbers, sound.item)
            self._waiting.append(stretch)
            self._wake.set()
            self._report(SoundBegan(stretch.number, sound.item))
        before = stretch.duration
        stretch.words += [
            (word.text, round((before + word.end) * LINE_RATE)) for word in sound.words
        ]
        stretch.received += len(sound.pcm)
        stretch.pending.append(sound.pcm)
        stretch.more.set()

    def over(self, item: str) -> None:
        """No more sound of it comes."""
        if (stretch := self._open.pop(item, None)) is not None:
            stretch.closed = True
            stretch.more.set()

    def stop(self) -> None:
        """Silence the line now, and drop all that is still to come of what it plays."""
        for item in list(self._open):
            self.over(item)
        unheard = [stretch for stretch in self._waiting if not stretch.begun]
        self._waiting.clear()
        if self._current is not None:
            if not self._current.begun:
                unheard.insert(0, self._current)
            self._current.cut = True
            self._current.more.set()
        stopped = [*self._playing.values(), *unheard]
        for stretch in stopped:
            stretch.cut = True
            if stretch.item not in self._cut:
                self._cut.append(stretch.item)
        self._line.stop_playing()
        for stretch in unheard:
            self._report(UtteranceEnded(stretch.number, 0.0, stretch.duration, False, 0))

    def playout_started(self, event: media.PlayoutStarted) -> None:
        self._report(UtteranceStarted(event.utterance, event.at, event.waited))

    def playout_ended(self, event: media.PlayoutEnded) -> None:
        stretch = self._playing.pop(event.utterance, None)
        if stretch is None:
            return
        heard = event.samples / LINE_RATE
        complete = event.complete and not stretch.cut
        duration = heard if complete else max(heard, stretch.duration)
        words = len(stretch.words) or None if complete else stretch.words_heard(event.samples)
        self._report(UtteranceEnded(event.utterance, heard, duration, complete, words))

    def _waits(self) -> float:
        waiting = [*self._waiting, *([self._current] if self._current is not None else [])]
        return sum(each.received - each.taken for each in waiting) / BYTES_PER_SECOND

    async def _play(self, stretch: _Stretch) -> None:
        loop = asyncio.get_running_loop()
        plays_until = loop.time()
        while not stretch.cut:
            if stretch.pending:
                pcm = stretch.pending.popleft()
                stretch.taken += len(pcm)
                if not stretch.begun:
                    stretch.begun = True
                    self._playing[stretch.number] = stretch
                    self._line.begin_utterance(stretch.number)
                await self._line.write(pcm)
                plays_until = max(plays_until, loop.time()) + len(pcm) / BYTES_PER_SECOND
            elif stretch.closed:
                self._line.end_utterance(stretch.number)
                return
            else:
                await self._wait_for_more(stretch, until=plays_until + STARVED)

    async def _wait_for_more(self, stretch: _Stretch, *, until: float) -> None:
        stretch.more.clear()
        try:
            async with asyncio.timeout_at(until):
                await stretch.more.wait()
        except TimeoutError:
            self.over(stretch.item)
