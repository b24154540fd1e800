"""Speech that can be read back: every word is a code of tones, which G.711 and RTP leave whole.

A word begins with a tone that stands nowhere else, and three more say which it is. So the words
that somebody heard, also one that was cut in its middle, are known from the sound alone. A cut
word that goes on after a pause is one word: pauses say nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 8000
HERTZ: Final = tuple(2000.0 + 150.0 * tone for tone in range(9))
"""Above the speech that may lie under them; the first begins a word."""
LOUD: Final = 2500.0
"""Amplitude; somewhat less than what is taken for noise."""
WINDOW: Final = 160
HOP: Final = 40
"""Samples between two looks: 5 ms."""
FRAME: Final = 160
DIGITS: Final = 3
NUMBERS: Final = tuple(
    number
    for number in product(range(1, len(HERTZ)), repeat=DIGITS)
    if number[0] != number[1] != number[2]
)

Floats = NDArray[np.float64]


@dataclass(slots=True)
class CodeBook:
    """Which word has which number; all who speak and listen in one test share it."""

    _words: list[str] = field(default_factory=list)

    def number_of(self, word: str) -> tuple[int, ...]:
        if word not in self._words:
            self._words.append(word)
        return NUMBERS[self._words.index(word)]

    def word_of(self, number: tuple[int, ...]) -> str:
        place = NUMBERS.index(number) if number in NUMBERS else len(self._words)
        return self._words[place] if place < len(self._words) else f"?{number}"


@dataclass(frozen=True, slots=True)
class HeardWord:
    text: str
    start: float
    """Seconds from the first sample, pauses included."""
    end: float
    whole: bool
    """It was heard to its end."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """How fast it is spoken, and over what; lengths are whole frames, as a line plays them."""

    book: CodeBook
    symbol: int = 2 * FRAME
    """Samples of one tone."""
    gap: int = 2 * FRAME
    """Samples of silence after a word."""
    under: bytes = b""
    """Speech that lies under tones and gaps, for who listens for a voice."""

    @property
    def word(self) -> int:
        """Samples of one word, without the gap."""
        return 4 * self.symbol

    def timing(self, text: str) -> Iterator[tuple[str, float, float]]:
        """Each word, where it begins and how long it lasts."""
        for place, word in enumerate(text.split()):
            yield word, place * (self.word + self.gap) / RATE, self.word / RATE

    def speak(self, text: str) -> bytes:
        parts = [part for word in text.split() for part in (self._sound(word), np.zeros(self.gap))]
        sound = np.concatenate(parts or [np.zeros(self.gap)])
        if self.under:
            below = np.resize(_lowered(np.frombuffer(self.under, "<i2")), len(sound))
            sound += below
        return np.clip(sound, -32768, 32767).astype("<i2").tobytes()

    def _sound(self, word: str) -> Floats:
        time = np.arange(self.symbol) / RATE
        tones = (0, *self.book.number_of(word))
        return np.concatenate(
            [LOUD * np.sin(2 * np.pi * HERTZ[tone] * time + 0.5) for tone in tones]
        )

    def hear(self, pcm: bytes) -> list[str]:
        """The words of a whole recording that were said to their end."""
        ear = Ear(self)
        ear.feed(pcm)
        return [word for word, *_ in ear.spoken()]


def _lowered(samples: NDArray[np.int16]) -> Floats:
    """Without what lies where the tones are."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / RATE) > 1500] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)))


class Ear:
    """Reads sound as it comes, in pieces of any length."""

    def __init__(self, tongue: Tongue) -> None:
        self._tongue = tongue
        self._rest = np.zeros(WINDOW // 2)  # so that a window is in the middle of its hop
        self._hops = 0
        self._runs: list[Run] = []

    def feed(self, pcm: bytes) -> None:
        samples = np.concatenate((self._rest, np.frombuffer(pcm, "<i2").astype(np.float64)))
        count = max(0, (len(samples) - WINDOW) // HOP + 1)
        if count:
            views = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:count]
            levels = np.abs(views @ _PROBES) * (2 / _HANN.sum())
            for place in np.flatnonzero(levels.max(axis=1) > LOUD / 2).tolist():
                self._note(int(levels[place].argmax()), self._hops + place)
        self._hops += count
        self._rest = samples[count * HOP :]

    def words(self) -> list[HeardWord]:
        """All that began so far, in order."""
        shortest = self._tongue.symbol // HOP // 3
        runs = _joined(run for run in self._runs if run.hops > shortest)
        begins = [place for place, run in enumerate(runs) if run.tone == 0]
        ends = [*begins[1:], len(runs)]
        return [self._word(runs[begin:end]) for begin, end in zip(begins, ends, strict=False)]

    def spoken(self) -> list[tuple[str, float, float]]:
        """Those of them that were said to their end, with their times."""
        return [(word.text, word.start, word.end) for word in self.words() if word.whole]

    def _note(self, tone: int, hop: int) -> None:
        if not self._runs or self._runs[-1].tone != tone:
            self._runs.append(Run(tone, hop, hop, 0))
        self._runs[-1].hops += 1
        self._runs[-1].last = hop

    def _word(self, runs: Sequence["Run"]) -> HeardWord:
        number = tuple(run.tone for run in runs[1:])
        known = len(number) == DIGITS
        whole = known and runs[-1].hops * HOP > 0.7 * self._tongue.symbol
        text = self._tongue.book.word_of(number) if known else "…"
        return HeardWord(text, runs[0].first * HOP / RATE, (runs[-1].last + 1) * HOP / RATE, whole)


@dataclass(slots=True)
class Run:
    """One tone, pauses included."""

    tone: int
    first: int
    last: int
    hops: int
    """In which it sounds."""


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Those of one tone that follow each other made one."""
    joined: list[Run] = []
    for run in runs:
        if joined and joined[-1].tone == run.tone:
            before = joined[-1]
            joined[-1] = Run(run.tone, before.first, run.last, before.hops + run.hops)
        else:
            joined.append(run)
    return joined


_HANN: Final = np.hanning(WINDOW)
_PROBES: Final = _HANN[:, None] * np.exp(
    -2j * np.pi * np.arange(WINDOW)[:, None] * np.array(HERTZ)[None, :] / RATE
)
