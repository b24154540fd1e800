"""What the fakes do: what they hear and say, how fast, and what goes wrong."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

import numpy as np

RATE = 8000


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


def spoken_words(text: str) -> Iterator[tuple[str, float, float]]:
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

    def next_turn(self) -> str:
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]

    def next_reply(self) -> str:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def next_fault(self) -> Fault | None:
        return self.faults.pop(0) if self.faults else None


def with_fault(pcm: bytes, fault: Fault | None) -> bytes:
    """The sound as a voice sends it that this is wrong with."""
    samples = np.frombuffer(pcm, "<i2")
    if fault is Fault.WRONG_RATE:
        return np.repeat(samples, 4).tobytes()
    if fault is Fault.NOISE:
        noise = np.random.default_rng(0).integers(-20000, 20000, len(samples))
        return noise.astype("<i2").tobytes()
    return pcm


def is_voiced(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    return bool(len(samples)) and bool(np.abs(samples).max() > 300)
