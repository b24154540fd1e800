"""Stereo WAV files that are whole at every moment, also when the process dies in mid-call."""

import struct
from pathlib import Path
from typing import BinaryIO

from strowger.errors import Unavailable

RATE = 8000
CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def wav_header(data_bytes: int) -> bytes:
    """The 44 bytes in front of 16-bit stereo PCM at 8 kHz."""
    return HEADER.pack(
        b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", 16, 1, CHANNELS, RATE,
        RATE * FRAME_BYTES, FRAME_BYTES, 16, b"data", data_bytes,
    )  # fmt: skip


class WavFile:
    """Writes one recording; the header is brought up to date with every chunk."""

    def __init__(self, path: Path) -> None:
        """Raises Unavailable where the file cannot be made."""
        self.path = path
        self.problem: str | None = None
        """Why writing stopped before the call did, such as a full disk."""
        self._bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("wb", buffering=0)
        except OSError as error:
            raise Unavailable(f"cannot write the recording {path}: {error.strerror}") from error
        self.write(b"")

    @property
    def duration(self) -> float:
        """Seconds written so far."""
        return self._bytes / (RATE * FRAME_BYTES)

    def write(self, pcm: bytes) -> None:
        """Append a chunk. A disk that is full ends the recording, not the call."""
        if self.problem is not None or self._file.closed:
            return
        try:
            self._file.seek(HEADER.size + self._bytes)
            self._file.write(pcm)
            self._bytes += len(pcm)
            self._file.seek(0)
            self._file.write(wav_header(self._bytes))
        except OSError as error:
            self.problem = error.strerror or str(error)

    def close(self) -> None:
        self._file.close()
