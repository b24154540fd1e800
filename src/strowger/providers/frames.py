"""How a child process and its parent speak over a pipe: frames with a length and a request number.

Read by both sides, and so the standard library only. The parent sends REQUEST and CANCEL; the
child answers each request with any number of CHUNKs and then one DONE or FAILED. A request that
was canceled is answered too, so that both sides always agree on what is still open.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

HEADER = Struct(">IBI")
"""Length of the payload, kind, request number."""
LARGEST_PAYLOAD = 4 << 20
"""Bytes. A longer one can only be a stream that is out of step."""


class Kind(IntEnum):
    REQUEST = 1
    CANCEL = 2
    CHUNK = 3
    DONE = 4
    FAILED = 5


class OutOfStep(ValueError):
    """Bytes that are no frame: the stream cannot be used any more."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    request: int
    payload: bytes = b""

    def __bytes__(self) -> bytes:
        return HEADER.pack(len(self.payload), self.kind, self.request) + self.payload


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Frame]:
        """The frames that are complete now. Raises OutOfStep."""
        self._buffer += received
        frames = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            length, kind, request = HEADER.unpack_from(self._buffer, start)
            if length > LARGEST_PAYLOAD or kind not in Kind.__members__.values():
                raise OutOfStep(f"not a frame: kind {kind}, {length} bytes")
            end = start + HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(Frame(Kind(kind), request, bytes(self._buffer[end - length : end])))
            start = end
        del self._buffer[:start]
        return frames
