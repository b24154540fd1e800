"""Sounds that are not speech, as PCM at the line's rate. The same seed makes the same sound."""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from strowger.ports import LINE_RATE
from strowger.simulate.persona import Sound

BEEP_HERTZ = 1000.0
BEEP_SECONDS = 0.5
COUGHS = (0.12, 0.16)
"""Seconds of each burst of a cough."""
COUGH_PAUSE = 0.10
NOISE_SECONDS = 1.2
LOUD = 12000.0
"""Peak of a beep or cough; speech on the telephone peaks there too."""
SOFT = 900.0
"""Root mean square of street noise: some 30 dB below the loudest."""

Samples = NDArray[np.float64]


def sound(which: Sound, *, seed: int) -> bytes:
    """The whole sound, signed 16-bit little-endian."""
    chance = np.random.default_rng(seed)
    match which:
        case Sound.BEEP:
            samples = _beep()
        case Sound.COUGH:
            samples = _cough(chance)
        case Sound.NOISE:
            samples = _smooth(chance.normal(0.0, 1.0, _count(NOISE_SECONDS)))
            samples *= SOFT / np.sqrt(np.mean(samples**2))
        case _:
            assert_never(which)
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def _beep() -> Samples:
    moments = np.arange(_count(BEEP_SECONDS)) / LINE_RATE
    fade = np.minimum(1.0, np.minimum(moments, BEEP_SECONDS - moments) / 0.005)
    tone: Samples = LOUD * fade * np.sin(2 * np.pi * BEEP_HERTZ * moments)
    return tone


def _cough(chance: np.random.Generator) -> Samples:
    """Bursts of breath that set in at once and die away."""
    bursts: list[Samples] = []
    for seconds in COUGHS:
        breath = _smooth(chance.normal(0.0, 1.0, _count(seconds)))
        dying = np.exp(-4.0 * np.arange(len(breath)) / len(breath))
        burst = breath * dying
        bursts += [LOUD * burst / np.max(np.abs(burst)), np.zeros(_count(COUGH_PAUSE))]
    return np.concatenate(bursts)


def _smooth(noise: Samples) -> Samples:
    """Take the highest frequencies out, as a throat and a street do."""
    return np.convolve(noise, np.hanning(7) / np.hanning(7).sum(), mode="same")


def _count(seconds: float) -> int:
    return round(seconds * LINE_RATE)
