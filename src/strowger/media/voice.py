"""Voice detection for many lines at once: a speech model says that, the energy says when.

The model (Silero, batched) tells speech from noise well, but late, and it lingers after the last
sound. Turn-taking counts from the last sound. So the model's probability decides, with hysteresis,
whether somebody speaks, and the energy of 10 ms slices decides where speech began and ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from strowger.media.g711 import Samples
from strowger.media.jitter import Rows
from strowger.media.reception import FRAME

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]

CHUNK: Final = 256
CONTEXT: Final = 32
"""Samples before a chunk that the model wants to see again."""
STATE: Final = 128

START_PROBABILITY, STOP_PROBABILITY = 0.5, 0.35
START_CHUNKS: Final = 2
STOP_CHUNKS: Final = 4
"""Of 32 ms each."""

SLICE: Final = 80
AUDIBLE: Final = 28.0
"""dB over one step of 16-bit PCM (full scale is 90): what is quieter never reaches the model."""
SPEECH_FLOOR: Final = 36.0
"""What is quieter than this is never taken for speech."""
OVER_NOISE: Final = 9.0
UNDER_PEAK: Final = 30.0
"""dB that speech stands out of the noise, and that it varies in itself."""
NOISE_RISE: Final = 0.06
PEAK_FALL: Final = 0.1
"""dB per frame."""
RUN_GAP: Final = 800
"""Samples without energy that divide two runs of speech."""
BACKDATE_LIMIT: Final = 3200
"""Samples before the model's decision beyond which energy is not counted as speech."""
FORGET_AFTER: Final = 32
"""Chunks of silence (1 s) after which the model begins afresh."""
DOUBTFUL_AFTER: Final = 250
"""Chunks without speech (8 s), sound or not, after which it does so too."""


class SpeechModel(Protocol):
    def __call__(self, chunks: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Probability of speech of each chunk [n, CONTEXT + CHUNK] of PCM in -1 … 1.

        `state` [2, n, STATE] is what the model answered for each line's chunk before, or zero.
        """


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """Speech began or ended on a line."""

    line: int
    speaking: bool
    position: int
    """In the capture ring: the first voiced sample, or the one after the last."""
    timestamp: int
    """Of the received stream, belonging to the first or the last voiced sample."""


class VoiceDetector:
    def __init__(self, lines: int, model: SpeechModel) -> None:
        self._model = model
        self._state = np.zeros((lines, 2, STATE), np.float32)
        self._next = np.zeros(lines, np.int64)
        """Where in the capture ring the next chunk begins."""
        self._speaking = np.zeros(lines, np.bool_)
        self._streak = np.zeros(lines, np.int64)
        """Chunks in a row that speak for a change."""
        self._quiet = np.zeros(lines, np.int64)
        """Chunks in a row without sound, and without speech."""
        self._idle = np.zeros(lines, np.int64)
        self._noise = np.zeros(lines, np.float32)
        self._peak = np.zeros(lines, np.float32)
        """Levels in dB."""
        self._audible_until = np.zeros(lines, np.int64)
        self._voiced = np.zeros((lines, 2), np.int64)
        """Where the last run of voiced slices began, and ended so far."""
        self._timestamps = np.zeros((lines, 2), np.int64)
        """The same in the received stream."""

    @property
    def nbytes(self) -> int:
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    def open(self, line: int) -> None:
        self._state[line] = 0
        for array in (self._next, self._streak, self._quiet, self._idle, self._audible_until):
            array[line] = 0
        self._speaking[line] = False
        self._noise[line] = SPEECH_FLOOR - OVER_NOISE
        self._peak[line] = 0
        self._voiced[line] = -BACKDATE_LIMIT
        self._timestamps[line] = 0

    def listen(
        self, rows: Rows, frames: Samples, heard: NDArray[np.bool_], positions: Counts,
        timestamps: Counts,
    ) -> None:  # fmt: skip
        """Take in one frame per row, which begins at `positions` and `timestamps`.

        `heard` is False for rows whose frame was made up, at least in part.
        """
        slices = frames.reshape(len(rows), -1, SLICE).astype(np.float32)
        levels = 10 * np.log10(np.einsum("rst,rst->rs", slices, slices) / SLICE + 1)
        loudest = levels.max(axis=1)
        audible = loudest >= AUDIBLE
        self._audible_until[rows[audible]] = positions[audible] + FRAME
        noise = np.minimum(levels.mean(axis=1), self._noise[rows] + NOISE_RISE)
        self._noise[rows] = np.where(heard, noise, self._noise[rows])
        peak = np.maximum(loudest, self._peak[rows] - PEAK_FALL)
        self._peak[rows] = peak
        threshold = np.maximum(np.maximum(noise + OVER_NOISE, peak - UNDER_PEAK), SPEECH_FLOOR)
        voiced = (levels >= threshold[:, None]) & heard[:, None]
        some = np.flatnonzero(voiced.any(axis=1))
        if len(some):
            self._extend(rows[some], voiced[some], positions[some], timestamps[some])

    def decide(
        self, rows: Rows, written: Counts, chunks: Callable[[Rows, Counts, int], Samples]
    ) -> list[VoiceChange]:
        """Judge the next chunk of each row that has one, of `written` samples captured."""
        due = np.flatnonzero(written - self._next[rows] >= CHUNK)
        if not len(due):
            return []
        ready = rows[due]
        start = self._next[ready]
        self._next[ready] = start + CHUNK
        audible = self._audible_until[ready] > start
        probability = np.zeros(len(ready), np.float32)
        if audible.any():
            sounding = ready[audible]
            pcm = chunks(sounding, start[audible] - CONTEXT, CONTEXT + CHUNK)
            probability[audible] = self._ask(sounding, pcm)
        self._refresh(ready, audible, probability)
        return self._weigh(ready, probability, start)

    def _extend(
        self, rows: Rows, voiced: NDArray[np.bool_], positions: Counts, timestamps: Counts
    ) -> None:
        """Lengthen the run of voiced slices, or begin another after a gap."""
        first = voiced.argmax(axis=1) * SLICE
        end = FRAME - voiced[:, ::-1].argmax(axis=1) * SLICE
        new = positions + first - self._voiced[rows, 1] > RUN_GAP
        begun = rows[new]
        self._voiced[begun, 0] = (positions + first)[new]
        self._timestamps[begun, 0] = (timestamps + first)[new]
        self._voiced[rows, 1] = positions + end
        self._timestamps[rows, 1] = timestamps + end - 1

    def _ask(self, rows: Rows, pcm: Samples) -> Floats:
        state = np.ascontiguousarray(self._state[rows].transpose(1, 0, 2))
        probability, state = self._model(pcm * np.float32(1 / 32768), state)
        self._state[rows] = state.transpose(1, 0, 2)
        return probability

    def _refresh(self, rows: Rows, audible: NDArray[np.bool_], probability: Floats) -> None:
        """Let the model forget what went before a long silence."""
        self._quiet[rows] = np.where(audible, 0, self._quiet[rows] + 1)
        self._idle[rows] = np.where(probability < STOP_PROBABILITY, self._idle[rows] + 1, 0)
        stale = (self._quiet[rows] == FORGET_AFTER) | (self._idle[rows] == DOUBTFUL_AFTER)
        if stale.any():
            self._state[rows[stale]] = 0
            self._idle[rows[stale]] = 0

    def _weigh(self, rows: Rows, probability: Floats, start: Counts) -> list[VoiceChange]:
        speaking = self._speaking[rows]
        against = np.where(
            speaking, probability < STOP_PROBABILITY, probability >= START_PROBABILITY
        )
        streak = np.where(against, self._streak[rows] + 1, 0)
        change = streak >= np.where(speaking, STOP_CHUNKS, START_CHUNKS)
        self._streak[rows] = np.where(change, 0, streak)
        self._speaking[rows] = speaking ^ change
        return [
            self._ended(int(rows[i])) if speaking[i] else self._began(int(rows[i]), int(start[i]))
            for i in np.flatnonzero(change)
        ]

    def _began(self, line: int, start: int) -> VoiceChange:
        began, ended = self._voiced[line].tolist()
        timestamp = int(self._timestamps[line, 0])
        earliest = start - BACKDATE_LIMIT
        if ended < start - RUN_GAP or began < earliest:
            # Sound that the model does not take for speech went before: believe the model.
            told = start - (START_CHUNKS - 1) * CHUNK
            timestamp += told - began
            began = told
            self._voiced[line, 0] = began
            self._timestamps[line, 0] = timestamp
            self._voiced[line, 1] = max(ended, began)
        return VoiceChange(line, True, max(began, 0), timestamp)

    def _ended(self, line: int) -> VoiceChange:
        return VoiceChange(line, False, int(self._voiced[line, 1]), int(self._timestamps[line, 1]))
