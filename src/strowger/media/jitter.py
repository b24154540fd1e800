"""The jitter buffer of all lines: samples by timestamp, read as one matrix per tick.

Every line has a ring of G.711 codes as they came and, beside each, which law it is in, or that it
is missing. Packets of any length, in any order, are written where their timestamp says; a frame of
20 ms is read per tick. What is missing is made up by `media/concealment.py`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strowger.media.events import Codec
from strowger.media.g711 import DECODERS, Samples
from strowger.media.reception import FRAME, MAX_DEPTH, MediaPacket, Reception, Verdict
from strowger.media.windows import Rows, Windows

SIZE: Final = 8192
"""Samples that a line's ring holds: the window of timestamps and the longest packet."""
LONGEST_PAYLOAD: Final = 1600
"""Samples; 200 ms is the longest packet time that is sent anywhere."""
MISSING: Final = 0
STILL: Final = 256.0**2
"""Mean square of a frame in which a jump is not heard."""
KINDS: Final[dict[Codec, int]] = {Codec.PCMU: 1, Codec.PCMA: 2}
MARKS: Final = tuple(bytes([kind]) * LONGEST_PAYLOAD for kind in range(3))


def _decoder() -> Samples:
    table = np.zeros(3 * 256, np.int16)
    for codec, kind in KINDS.items():
        table[kind * 256 : kind * 256 + 256] = DECODERS[codec]
    table.setflags(write=False)
    return table


DECODER: Final = _decoder()
"""By kind and code."""


class JitterBuffer:
    def __init__(self, lines: int) -> None:
        self._codes = np.zeros((lines, SIZE), np.uint8)
        self._kinds = np.zeros((lines, SIZE), np.uint8)
        self._code_frames = Windows(self._codes, FRAME)
        self._kind_frames = Windows(self._kinds, FRAME)
        # Slices of memoryviews take a third of the time of numpy's for a packet's worth of bytes.
        self._code_bytes = self._codes.reshape(-1).data
        self._kind_bytes = self._kinds.reshape(-1).data
        self.offsets = np.zeros(lines, np.int64)
        """Where a line is read: at its offset plus the clock."""

    @property
    def nbytes(self) -> int:
        return self._codes.nbytes + self._kinds.nbytes + self.offsets.nbytes

    def clear(self, line: int) -> None:
        """Forget a line's samples."""
        self._kinds[line] = MISSING
        self.offsets[line] = 0

    def follow(
        self, line: int, reception: Reception, header: tuple[int, int, int], payload: bytes,
        kind: int, *, clock: int, now: float,
    ) -> bool:  # fmt: skip
        """Put the next packet where it belongs; False where this is another: see `insert`.

        `header` is its sequence number, timestamp and SSRC.
        """
        length = len(payload)
        if not reception.follow(*header, length, clock=clock, now=now):
            return False
        self._write(line, reception.position, payload, kind)
        return True

    def insert(
        self, line: int, reception: Reception, packet: MediaPacket, *, clock: int, now: float
    ) -> None:
        """Put a packet where it belongs, if it does."""
        offset = reception.offset
        verdict = reception.take(packet, clock=clock, now=now)
        if verdict is Verdict.DROP:
            return
        if verdict is Verdict.RESTART:
            self.clear(line)
            held, reception.held = reception.held, None
            if held is not None:
                ahead = packet.timestamp - held.timestamp & 0xFFFFFFFF
                self._write(line, reception.position - ahead, held.payload, held.kind)
        if reception.offset != offset or verdict is Verdict.RESTART:
            self.offsets[line] = reception.offset
        late = clock + reception.offset - reception.position
        if late > 0:  # its head has missed its moment; behind the playout nothing may be left
            self._write(line, reception.position + late, packet.payload[late:], packet.kind)
        else:
            self._write(line, reception.position, packet.payload, packet.kind)

    def silence_ahead(self, line: int, clock: int) -> int:
        """How many samples from the next frame on are still, or missing; whole frames."""
        start = int(self.offsets[line]) + clock
        places = (start + np.arange(MAX_DEPTH)) % SIZE
        kinds = self._kinds[line, places].astype(np.uint16)
        pcm = DECODER.take(kinds << 8 | self._codes[line, places])
        energy = np.square(pcm.reshape(-1, FRAME), dtype=np.float32).mean(axis=1)
        loud = (energy >= STILL).nonzero()[0]
        return FRAME * int(loud[0]) if len(loud) else MAX_DEPTH

    def jump(self, line: int, clock: int, samples: int, offset: int) -> None:
        """Leave out, or repeat, samples that `Reception.review` found to be silence."""
        if samples > 0:
            start = self.offsets[line] + clock
            self._kinds[line, (start + np.arange(samples)) % SIZE] = MISSING
        self.offsets[line] = offset

    def read(self, rows: Rows, *, clock: int) -> tuple[Samples, NDArray[np.bool_]]:
        """The next frame of each row, and which samples of it are missing. Empties it."""
        start = self.offsets[rows] + clock
        kinds = self._kind_frames.read(rows, start)
        codes = self._code_frames.read(rows, start)
        self._kind_frames.fill(rows, start, MISSING)
        pcm = DECODER.take(kinds.astype(np.uint16) << 8 | codes)
        return pcm, kinds == MISSING

    def _write(self, line: int, position: int, payload: bytes, kind: int) -> None:
        length = len(payload)
        place = position & SIZE - 1
        begin = line * SIZE + place
        marks = MARKS[kind]
        if place + length <= SIZE:
            self._code_bytes[begin : begin + length] = payload
            self._kind_bytes[begin : begin + length] = marks[:length]
            return
        head = SIZE - place
        self._code_bytes[begin : begin + head] = payload[:head]
        self._kind_bytes[begin : begin + head] = marks[:head]
        begin = line * SIZE
        self._code_bytes[begin : begin + length - head] = payload[head:]
        self._kind_bytes[begin : begin + length - head] = marks[: length - head]
