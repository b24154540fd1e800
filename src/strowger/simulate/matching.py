"""Finds words that are known to have been played in the sound that arrived.

A recogniser that makes no mistakes of its own: it compares the sound that a line has heard, after
codec, network, jitter buffer, concealment and voice detection, with the sounds that were played at
the other end. A word counts as heard where enough of its waveform is there. What the network has
torn out, what voice detection has cut off and what was never said is missing, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DECIMATION: Final = 2
RATE: Final = 8000 // DECIMATION
"""Of the comparison: what tells words apart on the telephone lies below 2 kHz."""
SLICE: Final = RATE // 100
"""10 ms, in which loudness is measured."""
LOUD: Final = 0.03
"""Share of the loudest slice above which there is speech."""
TOLERANCE: Final = RATE * 40 // 1000
"""How far a word may lie from where the others say: the jitter buffer stretches pauses."""
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


@dataclass(frozen=True, slots=True)
class Sounding:
    """Something that was played."""

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


def sounding(text: str, pcm: bytes) -> Sounding:
    """What was played, ready to be compared. Words are placed by their letters."""
    samples = _samples(pcm)
    return Sounding(text, samples, tuple(_words(text, samples)))


def find_words(pcm: bytes, played: Sequence[Sounding]) -> list[HeardWord]:
    """The words of what was played that are in the sound, in the order they are heard in."""
    rest = _samples(pcm)
    found: list[HeardWord] = []
    for _ in range(MOST_PLACES):
        best = max(
            (place for each in played if (place := _place(rest, each)) is not None),
            key=lambda place: place[0],
            default=None,
        )
        if best is None:
            break
        _, lag, which = best
        words = [word for word in which.words if word.end > word.start]
        heard = [_heard(rest, which, word, lag) for word in words]
        found += [each for each in heard if each is not None]
        begin, end = max(0, lag), min(len(rest), lag + len(which.samples))
        rest[begin:end] = 0  # each sound is explained once
    return sorted(found, key=lambda word: word.start)


def _samples(pcm: bytes) -> Floats:
    whole = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32)
    whole = whole[: len(whole) // DECIMATION * DECIMATION]
    fewer: Floats = whole.reshape(-1, DECIMATION).mean(axis=1)
    return fewer


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


def _place(heard: Floats, which: Sounding) -> tuple[float, int, Sounding] | None:
    """How strongly, and where, what was played is in what was heard; None where it is not."""
    played = which.samples
    if not len(heard) or not len(played):
        return None
    size = 1 << (len(heard) + len(played) - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    correlation = np.fft.irfft(spectrum, size)
    lags = np.concatenate([np.arange(len(heard)), np.arange(-len(played) + 1, 0)])
    values = np.concatenate([correlation[: len(heard)], correlation[size - len(played) + 1 :]])
    peak = int(np.argmax(values))
    lag = int(lags[peak])
    begin, end = max(0, lag), min(len(heard), lag + len(played))
    if end - begin < SHORTEST:
        return None
    ours, theirs = heard[begin:end], played[begin - lag : end - lag]
    scale = float(np.sqrt(np.sum(ours**2) * np.sum(theirs**2)))
    if scale <= 0 or values[peak] / scale < PLACED:
        return None
    return float(values[peak] / np.sqrt(np.sum(played**2))), lag, which


def _heard(rest: Floats, which: Sounding, word: Word, lag: int) -> HeardWord | None:
    pattern = which.samples[word.start : word.end]
    begin = lag + word.start - TOLERANCE
    length = len(pattern) + 2 * TOLERANCE
    window = np.zeros(length, np.float32)
    left, right = max(0, begin), min(len(rest), begin + length)
    if right <= left:
        return None
    window[left - begin : right - begin] = rest[left:right]
    products = np.correlate(window, pattern, "valid")
    energies = np.cumsum(np.concatenate([[0.0], window.astype(np.float64) ** 2]))
    windows = energies[len(pattern) :] - energies[: -len(pattern)]
    scales = np.sqrt(np.maximum(windows, 0) * float(np.sum(pattern**2)))
    likeness = np.where(scales > 0, products / np.where(scales > 0, scales, 1), 0)
    best = int(np.argmax(likeness))
    alike = float(likeness[best])
    if alike < ALIKE:
        return None
    start = max(0, begin + best)
    return HeardWord(word.text, start / RATE, (start + len(pattern)) / RATE, min(alike, 1.0))
