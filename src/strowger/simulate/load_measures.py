"""The arithmetic of the benchmarks: what arrival times and levels of frames say.

Times are seconds on one monotonic clock. Nothing here reads a clock or a socket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from strowger.media.reception import FRAME

TICK = 0.020
ON_TIME = 0.005
"""Seconds off its deadline that a packet may be and still count as punctual."""
GRID_PERCENTILE = 1.0
"""Which of a stream's arrivals, counted from the earliest, lies on its grid. Not the very first:
one packet that the clock sent early would make all the others late."""
VOICED_BELOW_PEAK = 30.0
"""dB under the loudest frame of an utterance, down to which a frame belongs to what is heard."""
SILENT_LEVEL = -96.0
"""dBFS of digital silence, and of everything below one step of 16-bit PCM."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figures:
    """A distribution in five numbers."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float] | Floats) -> Self:
        """Percentiles by linear interpolation; all zero where there is nothing."""
        if not len(values):
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        p50, p95, p99, highest = np.percentile(np.asarray(values), (50, 95, 99, 100))
        return cls(len(values), float(p50), float(p95), float(p99), float(highest))


def unwrap(timestamps: Sequence[int], first: int) -> Counts:
    """How many frames after the one stamped `first` each packet belongs, across 32 bits."""
    apart = (np.asarray(timestamps, np.int64) - first + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    return apart // FRAME


def lateness(arrivals: Sequence[float], ticks: Counts) -> Floats:
    """By how many seconds each packet missed the stream's own regular grid of 20 ms.

    The grid lies where the earliest packets are, by GRID_PERCENTILE.
    """
    off = np.asarray(arrivals, np.float64) - ticks * TICK
    late: Floats = off - np.percentile(off, GRID_PERCENTILE)
    return late


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How regularly the packets of many streams came."""

    streams: int
    expected: int
    """Moments of the streams' grids at which a packet should have come."""
    missing: int
    """Of these, how many brought none."""
    on_time: float
    """Share of `expected` whose packet came within ON_TIME of its moment."""
    late: Figures
    """Seconds after their moment, of the packets that came."""


def punctuality(
    streams: Sequence[tuple[Sequence[float], Sequence[int]]], begin: float, end: float
) -> Punctuality:
    """Of streams as (arrivals, RTP timestamps), what came from `begin` until `end`.

    A stream that brought nothing at all misses every one of its moments.
    """
    lates: list[Floats] = []
    expected = came = 0
    for arrivals, timestamps in streams:
        inside = [n for n, at in enumerate(arrivals) if begin <= at < end]
        if not inside:
            expected += round((end - begin) / TICK)
            continue
        ticks = unwrap([timestamps[n] for n in inside], timestamps[inside[0]])
        lates.append(lateness([arrivals[n] for n in inside], ticks))
        expected += int(ticks.max() - ticks.min()) + 1
        came += len(set(ticks.tolist()))
    late = np.concatenate(lates) if lates else np.zeros(0)
    punctual = int((np.abs(late) <= ON_TIME).sum())
    share = punctual / expected if expected else 0.0
    return Punctuality(len(streams), expected, expected - came, share, Figures.of(late))


def level(samples: NDArray[np.int16]) -> float:
    """Root mean square of a frame in dBFS, at least SILENT_LEVEL."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return float(10 * np.log10(power / 32768**2)) if power > 0.25 else SILENT_LEVEL


def levels(samples: NDArray[np.int16]) -> list[float]:
    """Level of each whole frame of 20 ms."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return [level(frame) for frame in frames]


def first_voiced(levels: Sequence[float]) -> int:
    """The first frame within VOICED_BELOW_PEAK of the loudest. There is at least one frame."""
    threshold = max(levels) - VOICED_BELOW_PEAK
    return next(number for number, each in enumerate(levels) if each >= threshold)


def last_voiced(levels: Sequence[float]) -> int:
    """The last frame within VOICED_BELOW_PEAK of the loudest. There is at least one frame."""
    return len(levels) - 1 - first_voiced(levels[::-1])
