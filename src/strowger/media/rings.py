"""One line's PCM on its way between the conversation and the engine.

A ring is a row of samples and two absolute positions, both handed in, so that they can lie in
memory that two processes share. One side writes, the other reads; each position is stored by one
side only, after the samples it speaks of.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strowger.media.g711 import Samples

Positions = NDArray[np.int64]
WRITTEN: Final = 0
READ: Final = 1


class PcmRing:
    """Single producer, single consumer; positions are absolute counts of samples."""

    def __init__(self, samples: Samples, positions: Positions) -> None:
        """`positions` has two elements: how much was ever written, and read."""
        self._samples = samples
        self._positions = positions
        self._size = len(samples)

    @property
    def written(self) -> int:
        """Position where the next sample goes."""
        return int(self._positions[WRITTEN])

    @property
    def read_position(self) -> int:
        return int(self._positions[READ])

    @property
    def available(self) -> int:
        """Samples written and not read."""
        return self.written - self.read_position

    @property
    def free(self) -> int:
        """Samples that `write` would take now."""
        return self._size - self.available

    def write(self, pcm: bytes | Samples) -> int:
        """Take as many samples as fit; return how many. Bytes are 16-bit little-endian."""
        if not isinstance(pcm, np.ndarray):
            pcm = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2).astype(np.int16, copy=False)
        written = self.written
        taken = min(len(pcm), self._size - (written - self.read_position))
        start = written % self._size
        head = min(taken, self._size - start)
        self._samples[start : start + head] = pcm[:head]
        self._samples[: taken - head] = pcm[head:taken]
        self._positions[WRITTEN] = written + taken
        return taken

    def read(self, count: int) -> Samples:
        """Take up to `count` samples out."""
        position = self.read_position
        count = min(count, self.written - position)
        taken = self.peek(position, count)
        self._positions[READ] = position + count
        return taken

    def skip_to(self, position: int) -> None:
        """Drop everything before `position`, which is at most what was written."""
        self._positions[READ] = max(self.read_position, min(position, self.written))

    def peek(self, position: int, count: int) -> Samples:
        """A copy of samples that the ring still holds."""
        start = position % self._size
        head = min(count, self._size - start)
        return np.concatenate((self._samples[start : start + head], self._samples[: count - head]))

    def since(self, position: int) -> tuple[Samples, int]:
        """Everything from `position` on, moved to the oldest sample held, and where it ends.

        For rings whose writer overwrites what is old and takes no notice of a reader.
        """
        written = self.written
        position = min(max(position, written - self._size, 0), written)
        return self.peek(position, written - position), written

    def restart(self) -> None:
        """Begin again at position 0, empty."""
        self._positions[:] = 0
