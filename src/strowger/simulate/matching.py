"""Finds words that are known to have been played in the sound that arrived.

A recogniser that makes no mistakes of its own: it compares the sound that a line has heard, after
codec, network, jitter buffer, concealment and voice detection, with the sounds that were played at
the other end. A word counts as heard where enough of its waveform is there. What the network has
torn out, what voice detection has cut off and what was never said is missing, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE: Final = 8000
SLICE: Final = RATE // 100
"""10 ms, in which loudness is measured."""
LOUD: Final = 0.03
"""Share of the loudest slice above which there is speech."""
TOLERANCE: Final = RATE * 40 // 1000
"""How far a word may lie from where the others say: the jitter buffer stretches pauses."""
NEAR: Final = 2
"""Samples within which it lies mostly."""
SURELY: Final = 0.9
"""Correlation with which it is not looked for any further away."""
ALIKE: Final = 0.6
"""Correlation of a word's sound with what was heard from which it counts as heard."""
PLACED: Final = 0.3
"""The same of a whole utterance, so that single words are looked for in it."""
SHORTEST: Final = RATE * 60 // 1000
"""Samples of an utterance that must lie within what was heard."""
MOST_PLACES: Final = 16
"""Utterances that are found in one turn, at most."""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: int
    end: int
    """Samples at RATE in its utterance."""


@dataclass(frozen=True, slots=True, eq=False)
class Sounding:
    """Something that was played; each is equal to itself alone."""

    text: str
    samples: Floats
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class HeardWord:
    text: str
    start: float
    end: float
    """Seconds in what was heard."""
    alike: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something that was played is in what was heard, if it is."""

    strength: float
    lag: int
    which: Sounding

    def apart_from(self, begin: int, end: int) -> bool:
        return self.lag >= end or self.lag + len(self.which.samples) <= begin


def sounding(text: str, pcm: bytes) -> Sounding:
    """What was played, ready to be compared. Words are placed by their letters."""
    samples = _samples(pcm)
    return Sounding(text, samples, tuple(_words(text, samples)))


def find_words(pcm: bytes, played: Sequence[Sounding]) -> list[HeardWord]:
    """The words of what was played that are in the sound, in the order they are heard in."""
    rest = _samples(pcm)
    found: list[HeardWord] = []
    places = _places(rest, played)
    for _ in range(MOST_PLACES):
        if not places:
            break
        best = max(places, key=lambda place: place.strength)
        words = [word for word in best.which.words if word.end > word.start]
        heard = [_heard(rest, best.which, word, best.lag) for word in words]
        found += [each for each in heard if each is not None]
        begin, end = max(0, best.lag), min(len(rest), best.lag + len(best.which.samples))
        rest[begin:end] = 0  # each sound is explained once
        apart = [each for each in places if each.apart_from(begin, end)]
        others = [each.which for each in places if not each.apart_from(begin, end)]
        places = apart + _places(rest, others)
    return sorted(found, key=lambda word: word.start)


def _samples(pcm: bytes) -> Floats:
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32)


def _words(text: str, samples: Floats) -> list[Word]:
    """Each word's share of the sounding slices is its share of the letters."""
    spoken = text.split()
    slices = samples[: len(samples) // SLICE * SLICE].reshape(-1, SLICE)
    if not spoken or not len(slices):
        return []
    levels = np.sqrt(np.mean(slices**2, axis=1))
    sounding = np.flatnonzero(levels > LOUD * levels.max()) if levels.max() > 0 else np.arange(0)
    if not len(sounding):
        return []
    letters = np.cumsum([0, *(len(word) for word in spoken)])
    bounds = np.round(letters / letters[-1] * len(sounding)).astype(int)
    words = []
    for word, first, last in zip(spoken, bounds, bounds[1:], strict=False):
        if last > first:
            start, end = int(sounding[first]), int(sounding[last - 1]) + 1
            words.append(Word(word, start * SLICE, end * SLICE))
    return words


def _places(heard: Floats, played: Sequence[Sounding]) -> list[_Place]:
    """The best place of each that is there at all."""
    longest = max((len(each.samples) for each in played), default=0)
    if not len(heard) or not longest:
        return []
    size = 1 << (len(heard) + longest - 1).bit_length()
    spectrum = np.fft.rfft(heard, size)
    places = (_place(heard, spectrum, each, size) for each in played if len(each.samples))
    return [place for place in places if place is not None]


@lru_cache(maxsize=256)
def _spectrum(which: Sounding, size: int) -> NDArray[np.complex128]:
    """Conjugate; the same utterance is looked for again and again."""
    return np.conj(np.fft.rfft(which.samples, size))


def _place(
    heard: Floats, spectrum: NDArray[np.complex128], which: Sounding, size: int
) -> _Place | None:
    played = which.samples
    correlation = np.fft.irfft(spectrum * _spectrum(which, size), size)
    forward = int(np.argmax(correlation[: len(heard)]))
    backward = size - len(played) + 1 + int(np.argmax(correlation[size - len(played) + 1 :]))
    peak = forward if correlation[forward] >= correlation[backward % size] else backward
    lag = peak if peak < len(heard) else peak - size
    begin, end = max(0, lag), min(len(heard), lag + len(played))
    if end - begin < SHORTEST:
        return None
    ours, theirs = heard[begin:end], played[begin - lag : end - lag]
    scale = float(np.sqrt(np.sum(ours**2) * np.sum(theirs**2)))
    if scale <= 0 or correlation[peak] / scale < PLACED:
        return None
    return _Place(float(correlation[peak] / np.sqrt(np.sum(played**2))), lag, which)


def _heard(rest: Floats, which: Sounding, word: Word, lag: int) -> HeardWord | None:
    pattern = which.samples[word.start : word.end]
    at, alike = _best(rest, pattern, lag + word.start, NEAR)
    if alike < SURELY:
        at, alike = _best(rest, pattern, lag + word.start, TOLERANCE)
    if alike < ALIKE:
        return None
    start = max(0, at)
    return HeardWord(word.text, start / RATE, (start + len(pattern)) / RATE, min(alike, 1.0))


def _best(rest: Floats, pattern: Floats, around: int, tolerance: int) -> tuple[int, float]:
    """Where within the tolerance the pattern is heard best, and how much it is like that."""
    begin = around - tolerance
    length = len(pattern) + 2 * tolerance
    window = np.zeros(length, np.float32)
    left, right = max(0, begin), min(len(rest), begin + length)
    if right <= left:
        return around, 0.0
    window[left - begin : right - begin] = rest[left:right]
    products = np.correlate(window, pattern, "valid")
    energies = np.cumsum(np.concatenate([[0.0], window.astype(np.float64) ** 2]))
    windows = energies[len(pattern) :] - energies[: -len(pattern)]
    scales = np.sqrt(np.maximum(windows, 0) * float(np.sum(pattern**2)))
    likeness = np.where(scales > 0, products / np.where(scales > 0, scales, 1), 0)
    best = int(np.argmax(likeness))
    return begin + best, float(likeness[best])
