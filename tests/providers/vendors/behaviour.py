"""What the fakes do: what they hear and say, how fast, and what goes wrong."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Protocol

import numpy as np

RATE = 8000

SpokenWord = tuple[str, float, float]
"""With the seconds at which it begins and ends."""


class Fault(StrEnum):
    HANG = "hang"
    """Goes silent, with the connection open."""
    CLOSE = "close"
    """Closes the connection in the middle, as a server that fails does."""
    CUT = "cut"
    """Breaks the connection off without a word."""
    GARBAGE = "garbage"
    """Sends what is not its protocol."""
    WRONG_RATE = "wrong_rate"
    """Sends sound at three times the rate."""
    NOISE = "noise"
    """Sends sound that is noise."""
    ERROR = "error"
    """Says, in the protocol's own way, that it cannot go on."""


@cache
def speech_like(text: str) -> bytes:
    """A tone for each word, 60 ms for each letter, with a gap after it."""
    sound = [
        np.concatenate((_tone(word, lasts), np.zeros(round(GAP * RATE))))
        for word, _, lasts in spoken_words(text)
    ]
    return np.concatenate(sound or [np.zeros(RATE // 10)]).astype("<i2").tobytes()


GAP = 0.04
PER_LETTER = 0.06


def spoken_words(text: str) -> Iterator[SpokenWord]:
    """Each word of `speech_like`, where it begins and how long it lasts."""
    at = 0.0
    for word in text.split():
        lasts = PER_LETTER * len(word)
        yield word, at, lasts
        at += lasts + GAP


def _tone(word: str, lasts: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    pitch = 180 + 40 * (sum(map(ord, word)) % 12)
    time = np.arange(round(lasts * RATE)) / RATE
    swell = np.sin(math.pi * np.arange(len(time)) / max(1, len(time)))
    return 6000 * swell * np.sin(2 * math.pi * pitch * time)


@dataclass(slots=True)
class Behaviour:
    """Shared by the fakes of one server; what is listed is used up one by one, the last stays."""

    turns: list[str] = field(default_factory=lambda: ["yes please"])
    """What is heard in one turn after the other."""
    replies: list[str] = field(default_factory=lambda: ["I have noted that down for you."])
    """What the models answer."""
    words_per_second: float = 3.0
    """Of sound, that are heard."""
    interim_every: float = 0.6
    """Seconds of sound between interim results."""
    final_after: float = 0.15
    """Seconds from the end of speech to the final result."""
    first_token: float = 0.2
    tokens_per_second: float = 50.0
    first_sound: float = 0.1
    chunk: float = 0.1
    """Seconds of sound in one piece."""
    real_time: float = 0.0
    """How much longer than the sound its pieces take to come: 0 for at once, 1 for as it lasts."""
    faults: list[Fault | None] = field(default_factory=list)
    """What goes wrong in one turn, text or request after the other; none after the last."""
    speak: Callable[[str], bytes] = speech_like
    """The PCM of a text at 8 kHz."""
    timing: Callable[[str], Iterator[SpokenWord]] = spoken_words
    """Each word of that, where it begins and how long it lasts."""
    ear: Callable[[], "Ear"] | None = None
    """What hears a connection; none to hear the words of `turns` in any sound."""
    cut_at: frozenset[str] = frozenset()
    """Once one of these words is heard the connection breaks off."""

    def next_turn(self) -> str:
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]

    def next_reply(self) -> str:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def next_fault(self) -> Fault | None:
        return self.faults.pop(0) if self.faults else None


class Ear(Protocol):
    """Hears words in the sound of one connection."""

    def feed(self, pcm: bytes) -> None: ...
    def spoken(self) -> list[SpokenWord]:
        """All that were said to their end so far, counted from the connection's first sample."""


class Hearing:
    """What one connection hears, turn by turn."""

    def __init__(self, behaviour: Behaviour, rate: int = RATE) -> None:
        self._rate = rate
        self.seconds = self.began = 0.0
        """Of sound: all, and before the present turn."""
        self._behaviour = behaviour
        self._ear = None if behaviour.ear is None else behaviour.ear()
        self._script: list[str] | None = None
        """What is heard in the present turn, by the list; None before its first sound."""
        self._settled = 0
        """Words that were heard in turns before."""

    def feed(self, pcm: bytes) -> bool:
        """Whether a turn begins with this."""
        begins = self._script is None
        if self._script is None:
            self._script = self._behaviour.next_turn().split()
        self.seconds += len(pcm) / 2 / self._rate
        if self._ear is not None:
            self._ear.feed(pcm)
        return begins

    def words(self, *, over: bool) -> list[SpokenWord]:
        """Of the turn so far: all that is listed once it is over, else as its pace has it."""
        if self._ear is not None:
            return self._ear.spoken()[self._settled :]
        script, per_second = self._script or [], self._behaviour.words_per_second
        count = len(script) if over else int((self.seconds - self.began) * per_second)
        return [
            (word, self.began + index / per_second, self.began + (index + 0.8) / per_second)
            for index, word in enumerate(script[:count])
        ]

    def end(self) -> None:
        """The turn is over; a word that is being said belongs to the next."""
        self._settled += len(self.words(over=True))
        self.began, self._script = self.seconds, None

    @property
    def is_cut(self) -> bool:
        """Whether a word was heard at which the connection breaks off."""
        return any(word in self._behaviour.cut_at for word, *_ in self.words(over=False))


def with_fault(pcm: bytes, fault: Fault | None) -> bytes:
    """The sound as a voice sends it that this is wrong with."""
    samples = np.frombuffer(pcm, "<i2")
    if fault is Fault.WRONG_RATE:
        return np.repeat(samples, 4).tobytes()
    if fault is Fault.NOISE:
        noise = np.random.default_rng(0).integers(-20000, 20000, len(samples))
        return noise.astype("<i2").tobytes()
    return pcm


def wide(pcm: bytes) -> bytes:
    return np.repeat(np.frombuffer(pcm, "<i2"), 3).tobytes()


def is_voiced(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    return bool(len(samples)) and bool(np.abs(samples).max() > 300)
