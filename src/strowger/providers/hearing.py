"""Makes a turn's telephone audio fit for a recogniser that was trained on wide-band recordings.

Each step was chosen by measurement (`bench/recognition.py`): silence around the speech is cut to
a fixed length, the level is made equal, and a little noise fills what the telephone leaves empty.
Digital silence and the missing upper band have no energy at all, and its logarithm would drown
every other feature.
"""

import numpy as np
import numpy.typing as npt

from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE
from strowger.providers.loudness import active_rms

RECOGNISER_RATE = 16000
LEVEL = 3000.0
"""Active level that recognition was tuned at."""
FRAME = LINE_RATE * 10 // 1000
MARGIN = LINE_RATE * 100 // 1000
"""Kept before and after the speech; more and less are both worse."""
BAND_NOISE, WIDE_NOISE = 30.0, 60.0
QUIETEST = 20.0
"""Level under which nothing in the turn is speech."""


def prepare(pcm: bytes) -> bytes:
    """16 kHz PCM of a turn that was recorded at LINE_RATE; empty where nobody spoke."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64)
    level = active_rms(samples)
    if level < QUIETEST:
        return b""
    samples = trim(samples * (LEVEL / level))
    noise = np.random.default_rng(0)  # the same for every turn: equal sound, equal words
    samples += noise.normal(0, BAND_NOISE, len(samples))
    resampler = Resampler(LINE_RATE, RECOGNISER_RATE)
    wide = np.frombuffer(resampler.process(to_pcm(samples)) + resampler.flush(), "<i2").astype(
        np.float64
    )
    return to_pcm(wide + noise.normal(0, WIDE_NOISE, len(wide)))


def trim(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From MARGIN before the first loud frame to MARGIN after the last, silence added if short."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    background = float(np.percentile(levels, 10))
    threshold = min(max(LEVEL * 0.03, background * 3), LEVEL * 0.3)
    loud = np.flatnonzero(levels > threshold)
    start = int(loud[0]) * FRAME if len(loud) else 0
    end = (int(loud[-1]) + 1) * FRAME if len(loud) else len(samples)
    padded = np.pad(samples, MARGIN)
    return padded[start : end + 2 * MARGIN].copy()


def to_pcm(samples: npt.NDArray[np.float64]) -> bytes:
    return np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()
