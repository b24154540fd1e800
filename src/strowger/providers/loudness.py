"""Makes synthesised speech fit for the telephone: level, peaks, silence at both ends.

A level around -20 dBFS and peaks under -3 dBFS are what telephone networks expect of a talker
(ITU-T P.56 active speech level, G.101). Silence before the first sound is heard as latency, so it
is cut; silence after the last would keep the callee waiting for the turn to be over.
"""

import numpy as np
import numpy.typing as npt

from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE

TARGET_RMS = 32768 * 10 ** (-20 / 20)
"""Active level, -20 dBFS."""
KNEE = 32768 * 10 ** (-8 / 20)
"""Above this samples are bent towards the ceiling instead of being cut off."""
CEILING = 32768 * 10 ** (-3.2 / 20)
SILENCE = 32768 * 10 ** (-46 / 20)
"""Quieter than this, after the gain, is no speech."""
LEAD_IN = LINE_RATE * 5 // 1000
LEAD_OUT = LINE_RATE * 40 // 1000
FRAME = LINE_RATE * 20 // 1000

Samples = npt.NDArray[np.float64]


def active_rms(samples: Samples) -> float:
    """Level of the frames in which somebody speaks: those within 20 dB of the loudest."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return 0.0
    powers = np.mean(frames**2, axis=1)
    return float(np.sqrt(np.mean(powers[powers >= powers.max() / 100])))


def gain_for(pcm: bytes, rate: int) -> float:
    """The gain that brings speech of this voice to the telephone's level."""
    resampler = Resampler(rate, LINE_RATE)
    line = resampler.process(pcm) + resampler.flush()
    level = active_rms(np.frombuffer(line, np.int16).astype(np.float64))
    return TARGET_RMS / level if level > 0 else 1.0


class TelephoneSpeech:
    """Turns a voice's PCM, as it comes, into PCM for a line."""

    def __init__(self, rate: int, gain: float) -> None:
        self._resampler = Resampler(rate, LINE_RATE)
        self._gain = gain
        self._spoke = False
        self._held = b""
        """Silence that is only sent once more speech follows it."""

    def process(self, pcm: bytes) -> bytes:
        """PCM may be cut anywhere, even inside a sample."""
        return self._trim(self._resampler.process(pcm))

    def flush(self) -> bytes:
        last = self._trim(self._resampler.flush())
        return last + self._held[: 2 * LEAD_OUT] if self._spoke else last

    def _trim(self, line: bytes) -> bytes:
        samples = bend(np.frombuffer(line, np.int16).astype(np.float64) * self._gain)
        loud = np.flatnonzero(np.abs(samples) > SILENCE)
        pcm = self._held + samples.astype("<i2").tobytes()
        if not len(loud):
            self._held = pcm if self._spoke else pcm[-2 * LEAD_IN :]
            return b""
        held = len(self._held)
        start = 0 if self._spoke else max(0, held + 2 * int(loud[0]) - 2 * LEAD_IN)
        end = held + 2 * int(loud[-1]) + 2
        self._spoke = True
        self._held = pcm[end:]
        return pcm[start:end]


def bend(samples: Samples) -> Samples:
    """Keep peaks under the ceiling without the crackle of clipping."""
    size = np.abs(samples)
    room = CEILING - KNEE
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    limited: Samples = np.where(size > KNEE, np.copysign(bent, samples), samples)
    return limited
