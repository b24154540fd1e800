"""Voice detection for many lines at once: a speech model says that, the energy says when.

The model (Silero, batched) tells speech from noise well, but late, and it lingers after the last
sound. Turn-taking counts from the last sound. So the model's probability decides, with hysteresis,
whether somebody speaks, and the energy of 10 ms slices decides where speech began and ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from strowger.media.g711 import Samples
from strowger.media.loudness import Floats, Loudness, Mask
from strowger.media.windows import Counts, Rows

CHUNK: Final = 256
CONTEXT: Final = 32
"""Samples before a chunk that the model wants to see again."""
STATE: Final = 128

EVIDENCE: Final = 1.0
"""Of speech, that begins it: two chunks of which the model is sure, or more of which it is not."""
EVIDENCE_AGAIN: Final = 0.3
"""The same within a moment of the last speech, of which a weak syllable is the rest."""
MOMENT: Final = 4000
EVIDENCE_FADES: Final = 0.9
DOUBT: Final = 0.08
"""What a probability must exceed to count as evidence; that of noise stays below, mostly."""
STOP_PROBABILITY: Final = 0.35
STOP_CHUNKS: Final = 4
"""Chunks of 32 ms without speech, sound or not, that end it."""
STOP_AFTER: Final = 1120
"""Samples without energy that end it where the model is not sure: it lingers for 100 ms or so."""
SURE: Final = 0.9
BACKDATE_LIMIT: Final = 3200
"""Samples before the model's decision beyond which energy is not counted as speech."""
REST_AFTER: Final = 8
"""Chunks of silence, 250 ms, after which the model is not asked until there is sound."""
REST_CHUNKS: Final = 32
"""Chunks of silence that bring the model to rest; from there it hears a first word best."""
DOUBTFUL_AFTER: Final = 250
"""Chunks without speech, 8 s of sound or not, after which the model begins afresh."""


class SpeechModel(Protocol):
    def __call__(self, chunks: Samples, state: Floats) -> tuple[Floats, Floats]:
        """Probability of speech of each chunk [n, CONTEXT + CHUNK] of PCM.

        `state` [n, 2, STATE] is what the model answered for each line's chunk before, or zero.
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
        self._rest = _at_rest(model)
        self._state = np.zeros((lines, 2, STATE), np.float32)
        self._next = np.zeros(lines, np.int64)
        """Where in the capture ring the next chunk begins."""
        self._speaking = np.zeros(lines, np.bool_)
        self._probability = np.zeros(lines, np.float32)
        """Of the last chunk."""
        self._evidence = np.zeros(lines, np.float32)
        self._against = np.zeros(lines, np.int64)
        """Chunks in a row in which nobody spoke."""
        self._quiet = np.zeros(lines, np.int64)
        """Chunks in a row without sound."""
        self._loudness = Loudness(lines)
        self._stopped = np.zeros(lines, np.int64)
        """Where speech ended last."""

    @property
    def nbytes(self) -> int:
        own = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes for array in own) + self._loudness.nbytes

    def open(self, line: int) -> None:
        self._state[line] = self._rest
        for array in (self._next, self._evidence, self._against, self._probability):
            array[line] = 0
        self._quiet[line] = REST_AFTER
        self._speaking[line] = False
        self._stopped[line] = -MOMENT
        self._loudness.open(line)

    def listen(
        self, rows: Rows, frames: Samples, heard: Mask, positions: Counts, timestamps: Counts
    ) -> None:
        """Take in one frame per row, which begins at `positions` and `timestamps`.

        `heard` is False for rows whose frame was made up, at least in part.
        """
        speaking = self._speaking[rows]
        self._loudness.measure(rows, frames, heard, positions, timestamps, speaking)

    def decide(
        self, rows: Rows, written: Counts, chunks: Callable[[Rows, Counts], Samples]
    ) -> list[VoiceChange]:
        """Judge what each row has heard by now, `written` samples captured.

        `chunks` gives CONTEXT + CHUNK captured samples of rows from positions on.
        """
        changes = self._judge(rows, written, chunks)
        silent = self._speaking[rows] & (written - self._loudness.ended(rows) >= STOP_AFTER)
        silent &= self._probability[rows] < SURE
        return changes + [self._end(line) for line in rows[silent].tolist()]

    def _judge(
        self, rows: Rows, written: Counts, chunks: Callable[[Rows, Counts], Samples]
    ) -> list[VoiceChange]:
        """Ask the model about the next chunk of each row that has one."""
        # After silence a chunk begins with the first sound: it tells more than half a chunk of it.
        resting = rows[self._quiet[rows] >= REST_AFTER]
        self._next[resting] = np.maximum(self._next[resting], self._loudness.audible_from[resting])
        due = (written - self._next[rows] >= CHUNK).nonzero()[0]
        if not len(due):
            return []
        ready = rows[due]
        start = self._next[ready]
        self._next[ready] = start + CHUNK
        quiet = np.where(self._loudness.audible_until[ready] > start, 0, self._quiet[ready] + 1)
        self._quiet[ready] = quiet
        self._state[ready[quiet == REST_AFTER]] = self._rest
        awake = quiet < REST_AFTER
        probability = np.zeros(len(ready), np.float32)
        if awake.any():
            asked = ready[awake]
            pcm = chunks(asked, start[awake] - CONTEXT)
            probability[awake] = self._ask(asked, pcm)
        return self._weigh(ready, probability, start)

    def _ask(self, rows: Rows, pcm: Samples) -> Floats:
        probability, state = self._model(pcm, self._state[rows])
        self._state[rows] = state
        return probability

    def _weigh(self, rows: Rows, probability: Floats, start: Counts) -> list[VoiceChange]:
        self._probability[rows] = probability
        against = np.where(probability < STOP_PROBABILITY, self._against[rows] + 1, 0)
        self._against[rows] = against
        self._state[rows[against == DOUBTFUL_AFTER]] = self._rest
        sounding = self._loudness.ended(rows) > start
        evidence = self._evidence[rows] * EVIDENCE_FADES + probability - DOUBT
        evidence = np.where(sounding, np.maximum(evidence, 0), 0).astype(np.float32)
        self._evidence[rows] = evidence
        speaking = self._speaking[rows]
        # Where the energy cannot tell, the chunks do of which the model is sure.
        sure = speaking & self._loudness.masked[rows] & (probability >= SURE)
        self._loudness.prolong(rows[sure], start[sure] + CHUNK // 2)
        again = start - self._stopped[rows] < MOMENT
        enough = np.where(again, EVIDENCE_AGAIN, EVIDENCE)
        begin = (~speaking & (evidence >= enough)).nonzero()[0]
        end = (speaking & (against >= STOP_CHUNKS)).nonzero()[0]
        changes = [self._begin(int(rows[i]), int(start[i])) for i in begin]
        return changes + [
            self._end(int(rows[i]), before=int(start[i]) - (STOP_CHUNKS - 1) * CHUNK) for i in end
        ]

    def _begin(self, line: int, start: int) -> VoiceChange:
        self._speaking[line] = True
        self._evidence[line] = 0
        position, timestamp = self._loudness.first_sound(line)
        if position < start - BACKDATE_LIMIT:
            # Sound that the model does not take for speech went before: believe the model.
            timestamp += start - CHUNK - position
            position = start - CHUNK
        return VoiceChange(line, True, max(position, 0), timestamp)

    def _end(self, line: int, *, before: int | None = None) -> VoiceChange:
        """Speech ended with the last sound, and `before` what the model heard no speech in."""
        self._speaking[line] = False
        self._evidence[line] = 0
        position, timestamp = self._loudness.last_sound(line)
        if before is not None and before < position:
            timestamp += before - position
            position = before
        self._stopped[line] = position
        self._loudness.divide(line)
        return VoiceChange(line, False, position, timestamp)


def _at_rest(model: SpeechModel) -> Floats:
    """The state that silence leaves the model in."""
    state = np.zeros((1, 2, STATE), np.float32)
    silence = np.zeros((1, CONTEXT + CHUNK), np.int16)
    for _ in range(REST_CHUNKS):
        _, state = model(silence, state)
    rest: Floats = state[0]
    return rest
