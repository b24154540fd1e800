"""Stereo recording of all lines: left what was heard, right what was sent at the same moment."""

from typing import Final

import numpy as np

from strowger.media.events import RecordingChunk
from strowger.media.g711 import Samples
from strowger.media.reception import FRAME
from strowger.media.windows import Rows

CHUNK_FRAMES: Final = 50
"""Frames in a chunk: one second."""


class Recorder:
    def __init__(self, lines: int) -> None:
        self._stereo = np.zeros((lines, CHUNK_FRAMES, FRAME, 2), np.int16)
        self._filled = np.zeros(lines, np.int64)
        """Frames of the chunk that is being filled."""

    @property
    def nbytes(self) -> int:
        return self._stereo.nbytes + self._filled.nbytes

    def open(self, line: int) -> None:
        self._filled[line] = 0

    def add(self, rows: Rows, heard: Samples, sent: Samples) -> list[RecordingChunk]:
        """Take one frame of both sides of each row; returns the chunks that are full now."""
        filled = self._filled[rows]
        self._stereo[rows, filled, :, 0] = heard
        self._stereo[rows, filled, :, 1] = sent
        filled += 1
        self._filled[rows] = filled
        return [
            chunk
            for line in rows[filled == CHUNK_FRAMES].tolist()
            if (chunk := self.rest(line)) is not None
        ]

    def rest(self, line: int) -> RecordingChunk | None:
        """What was recorded since the last chunk."""
        frames = int(self._filled[line])
        self._filled[line] = 0
        if frames == 0:
            return None
        return RecordingChunk(line, self._stereo[line, :frames].astype("<i2", copy=False).tobytes())
