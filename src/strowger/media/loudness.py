"""How loud each line is, and where its loud stretches begin and end, in slices of 10 ms.

A slice is voiced if it stands out of the noise of its line and is not too far below the line's own
peaks. Whether that is speech is for `media/voice.py` to say.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strowger.media.g711 import Samples
from strowger.media.reception import FRAME
from strowger.media.windows import Counts, Rows

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SLICE: Final = 80
AUDIBLE: Final = 28.0
"""dB over one step of 16-bit PCM (full scale is 90): what is quieter never reaches the model."""
SPEECH_FLOOR: Final = 36.0
"""What is quieter than this is never taken for speech."""
OVER_NOISE: Final = 9.0
UNDER_PEAK: Final = 35.0
"""dB that speech stands out of the noise, and that it varies in itself."""
NOISE_RISE: Final = 0.5
NOISE_RISE_IN_SPEECH: Final = 0.06
PEAK_FALL: Final = 0.1
"""dB per frame."""
RUN_GAP: Final = 800
"""Samples without energy that divide two runs of speech."""
LONG_AGO: Final = -100_000
"""Before the line opened."""


class Loudness:
    def __init__(self, lines: int) -> None:
        self._noise = np.zeros(lines, np.float32)
        self._peak = np.zeros(lines, np.float32)
        """Levels in dB."""
        self.masked = np.zeros(lines, np.bool_)
        """Noise hides the quieter sounds of the voice."""
        self.audible_until = np.zeros(lines, np.int64)
        """Position after the last frame that was not silence."""
        self.audible_from = np.zeros(lines, np.int64)
        """Where the frames that were not silence began, of which that was the last."""
        self._runs = np.zeros((lines, 2), np.int64)
        """Where the last run of voiced slices began, and ended so far."""
        self._timestamps = np.zeros((lines, 2), np.int64)
        """Of the received stream: the run's first and last sample."""

    @property
    def nbytes(self) -> int:
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    def open(self, line: int) -> None:
        self._noise[line] = SPEECH_FLOOR - OVER_NOISE
        self._peak[line] = 0
        self.masked[line] = False
        self.audible_until[line] = self.audible_from[line] = 0
        self._runs[line] = LONG_AGO
        self._timestamps[line] = 0

    def measure(
        self, rows: Rows, frames: Samples, heard: Mask, positions: Counts, timestamps: Counts,
        speaking: Mask,
    ) -> None:  # fmt: skip
        """Take in one frame per row; see `VoiceDetector.listen`.

        While somebody is speaking the estimate of the noise rises slowly only.
        """
        slices = frames.reshape(len(rows), -1, SLICE).astype(np.float32)
        levels = 10 * np.log10(np.einsum("rst,rst->rs", slices, slices) / SLICE + 1)
        loudest = levels.max(axis=1)
        audible = loudest >= AUDIBLE
        risen = audible & (self.audible_until[rows] < positions)
        self.audible_from[rows[risen]] = positions[risen]
        self.audible_until[rows[audible]] = positions[audible] + FRAME
        rise = np.where(speaking, NOISE_RISE_IN_SPEECH, NOISE_RISE)
        noise = np.minimum(levels.mean(axis=1), self._noise[rows] + rise)
        self._noise[rows] = np.where(heard, noise, self._noise[rows])
        peak = np.maximum(loudest, self._peak[rows] - PEAK_FALL)
        self._peak[rows] = peak
        quietest = np.maximum(peak - UNDER_PEAK, SPEECH_FLOOR)
        threshold = np.maximum(noise + OVER_NOISE, quietest)
        self.masked[rows] = threshold > quietest + 3
        voiced = (levels >= threshold[:, None]) & heard[:, None]
        some = voiced.any(axis=1).nonzero()[0]
        if len(some):
            self._extend(rows[some], voiced[some], positions[some], timestamps[some])

    def ended(self, rows: Rows) -> Counts:
        """Where the last voiced slice of each row ended."""
        ended: Counts = self._runs[rows, 1]
        return ended

    def first_sound(self, line: int) -> tuple[int, int]:
        """Position and timestamp of the first sample of the last run."""
        return int(self._runs[line, 0]), int(self._timestamps[line, 0])

    def last_sound(self, line: int) -> tuple[int, int]:
        """Position after the last run so far, and timestamp of its last sample."""
        return int(self._runs[line, 1]), int(self._timestamps[line, 1])

    def prolong(self, rows: Rows, until: Counts) -> None:
        """Somebody is known to have spoken up to there."""
        longer = np.maximum(until - self._runs[rows, 1], 0)
        self._runs[rows, 1] += longer
        self._timestamps[rows, 1] += longer

    def divide(self, line: int) -> None:
        """A run that goes on from here is another one."""
        self._runs[line, 0] = self._runs[line, 1]
        self._timestamps[line, 0] = self._timestamps[line, 1] + 1

    def _extend(self, rows: Rows, voiced: Mask, positions: Counts, timestamps: Counts) -> None:
        """Lengthen the run of voiced slices, or begin another after a gap."""
        first = voiced.argmax(axis=1) * SLICE
        end = FRAME - voiced[:, ::-1].argmax(axis=1) * SLICE
        new = positions + first - self._runs[rows, 1] > RUN_GAP
        begun = rows[new]
        self._runs[begun, 0] = (positions + first)[new]
        self._timestamps[begun, 0] = (timestamps + first)[new]
        self._runs[rows, 1] = positions + end
        self._timestamps[rows, 1] = timestamps + end - 1
