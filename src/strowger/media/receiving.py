"""The inbound half of the engine: RTP packets → jitter buffer → capture ring and voice detection.

A packet costs a look at its header and one write into the jitter buffer; everything else is done
for all lines of a phase at once.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from strowger.errors import MalformedMessage
from strowger.media.concealment import HISTORY, Concealment
from strowger.media.dtmf import DigitReceiver
from strowger.media.events import (
    ChangeCodec,
    Codec,
    DigitReceived,
    OpenLine,
    SpeechStarted,
    SpeechStopped,
)
from strowger.media.g711 import Samples
from strowger.media.jitter import KINDS, LONGEST_PAYLOAD, STILL, JitterBuffer
from strowger.media.reception import FRAME, RATE, MediaPacket, Reception
from strowger.media.rings import WRITTEN, PcmRing
from strowger.media.rtp import HEADER, HEADER_SIZE, PLAIN, RtpPacket
from strowger.media.voice import CHUNK, CONTEXT, SpeechModel, VoiceChange, VoiceDetector
from strowger.media.windows import Rows, Windows

CAPTURE_FRAMES: Final = 512
CAPTURE_SIZE: Final = CAPTURE_FRAMES * FRAME
"""Samples that a line's capture ring holds: 10.24 s."""
OWN_TELEPHONE_EVENT: Final = 101
"""The payload type of digits that our offers name; answers may name another for the way back."""
STATIC: Final = {0: KINDS[Codec.PCMU], 8: KINDS[Codec.PCMA]}
"""RFC 3551 table 4: understood even where they were not agreed on."""
MOST_OWED: Final = 32
"""Missed ticks that are made good; the jitter buffer holds little more."""
FIRST_REVIEW: Final = 100
REVIEW_EVERY: Final = 100
"""Ticks between two looks at whether the jitter buffer is too deep or too shallow."""


@dataclass(slots=True)
class InboundLine:
    """What a line receives beside its row in the matrices."""

    reception: Reception
    kinds: dict[int, int]
    """Decoder by payload type."""
    digit_types: frozenset[int]
    heard_at: float
    digits: DigitReceiver = field(default_factory=DigitReceiver)


class Receiver:
    def __init__(self, lines: int, model: SpeechModel | None) -> None:
        self.samples = np.zeros((lines, CAPTURE_SIZE), np.int16)
        self._histories = Windows(self.samples, HISTORY)
        self._chunks = Windows(self.samples, CONTEXT + CHUNK)
        self.positions = np.zeros((lines, 2), np.int64)
        self._buffer = JitterBuffer(lines)
        self._concealment = Concealment(lines)
        self._detector = None if model is None else VoiceDetector(lines, model)
        self._detects = np.zeros(lines, np.bool_)
        self._review_at = np.zeros(lines, np.int64)
        self._owed = np.zeros(lines, np.int64)
        """Ticks that were missed and not made good."""
        self.lines: dict[int, InboundLine] = {}

    @property
    def nbytes(self) -> int:
        arrays = (self.samples, self.positions, self._detects, self._review_at, self._owed)
        parts = (self._buffer.nbytes, self._concealment.nbytes)
        detector = 0 if self._detector is None else self._detector.nbytes
        return sum(array.nbytes for array in arrays) + sum(parts) + detector

    def open(self, command: OpenLine, *, now: float) -> None:
        line = command.line
        self.ring(line).restart()
        self.samples[line, -HISTORY:] = 0  # what comes before position 0
        self._buffer.clear(line)
        self._concealment.open(line)
        self._detects[line] = command.detect_voice
        if self._detector is not None:
            self._detector.open(line)
        self._review_at[line] = self._owed[line] = 0
        kinds, digit_types = _payload_types(command)
        self.lines[line] = InboundLine(Reception(), kinds, digit_types, now)

    def change_codec(self, command: ChangeCodec) -> None:
        inbound = self.lines[command.line]
        inbound.kinds, inbound.digit_types = _payload_types(command)

    def close(self, line: int) -> int:
        """Forget the line; returns how many samples were made up."""
        del self.lines[line]
        return int(self._concealment.concealed[line])

    def ring(self, line: int) -> PcmRing:
        return PcmRing(self.samples[line], self.positions[line])

    def take(self, line: int, packet: bytes, *, clock: int, now: float) -> DigitReceived | None:
        """One packet from the network, whatever it is."""
        inbound = self.lines.get(line)
        if inbound is None:
            return None
        if len(packet) < HEADER_SIZE:
            return None
        if packet[0] == PLAIN:
            _, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
            payload = packet[HEADER_SIZE:]
        else:
            try:
                parsed = RtpPacket.parse(packet)
            except MalformedMessage:
                return None
            second = parsed.payload_type | parsed.marker << 7
            sequence, timestamp = parsed.sequence, parsed.timestamp
            ssrc, payload = parsed.ssrc, parsed.payload
        inbound.heard_at = now
        reception = inbound.reception
        reception.received += 1
        kind = inbound.kinds.get(second & 0x7F)
        if kind is not None and 0 < len(payload) <= LONGEST_PAYLOAD:
            buffer, header = self._buffer, (sequence, timestamp, ssrc)
            if not buffer.follow(line, reception, header, payload, kind, clock=clock, now=now):
                media = MediaPacket(*header, payload, kind)
                buffer.insert(line, reception, media, clock=clock, now=now)
            return None
        reception.count(sequence)
        if second & 0x7F in inbound.digit_types:
            return _digit(line, inbound, payload, timestamp, marker=second > 0x7F, now=now)
        return None

    def step(
        self, rows: Rows, *, clock: int, tick: int, now: float
    ) -> tuple[Samples, list[SpeechStarted | SpeechStopped]]:
        """20 ms of every row: into the capture rings, and what was said about voices in it."""
        frames, changes = self._hear(rows, clock=clock, now=now)
        self._review(rows, frames, clock + FRAME, tick)
        return frames, changes

    def owe(self, rows: Rows, ticks: int) -> None:
        """So many ticks were missed: what has come meanwhile waits to be heard."""
        self._owed[rows] = np.minimum(self._owed[rows] + ticks, MOST_OWED)

    def behind(self, rows: Rows, *, clock: int) -> Rows:
        """The rows for which more waits than should, because ticks were missed."""
        owing = rows[self._owed[rows] > 0]
        for line in owing.tolist():
            reception = self.lines[line].reception
            if reception.ssrc is None or reception.waiting(clock) < 2 * FRAME:
                self._owed[line] = 0
        return owing[self._owed[owing] > 0]

    def hurry(
        self, rows: Rows, *, clock: int, now: float
    ) -> tuple[Samples, list[SpeechStarted | SpeechStopped]]:
        """20 ms more of rows that are `behind` than the clock has moved on."""
        frames, changes = self._hear(rows, clock=clock, now=now)
        self._owed[rows] -= 1
        for line in rows.tolist():
            reception = self.lines[line].reception
            reception.hurry()
            self._buffer.offsets[line] = reception.offset
        return frames, changes

    def _hear(
        self, rows: Rows, *, clock: int, now: float
    ) -> tuple[Samples, list[SpeechStarted | SpeechStopped]]:
        timestamps = self._buffer.offsets[rows] + clock
        frames, missing = self._buffer.read(rows, clock=clock)
        self._concealment.fill(rows, frames, missing, self._history)
        positions = self.positions[rows, WRITTEN]
        capture = self.samples.reshape(len(self.samples), CAPTURE_FRAMES, FRAME)
        capture[rows, positions // FRAME % CAPTURE_FRAMES] = frames
        self.positions[rows, WRITTEN] = positions + FRAME
        listened = self._detects[rows].nonzero()[0]
        if self._detector is None or not len(listened):
            return frames, []
        heard = np.logical_not(missing.any(axis=1))
        self._detector.listen(
            rows[listened], frames[listened], heard[listened], positions[listened],
            timestamps[listened],
        )  # fmt: skip
        changes = self._detector.decide(
            rows[listened], positions[listened] + FRAME, self._chunks.read
        )
        return frames, [self._tell(change, now) for change in changes]

    def _history(self, rows: Rows) -> Samples:
        """The samples before the frame that is being read."""
        return self._histories.read(rows, self.positions[rows, WRITTEN] - HISTORY)

    def _review(self, rows: Rows, frames: Samples, clock: int, tick: int) -> None:
        due = (self._review_at[rows] <= tick).nonzero()[0]
        if not len(due):
            return
        energy = np.square(frames[due], dtype=np.float32).mean(axis=1)
        for line in rows[due[energy < STILL]].tolist():
            first = self._review_at[line] == 0
            self._review_at[line] = tick + REVIEW_EVERY
            reception = self.lines[line].reception
            if not first and reception.ssrc is not None:
                jump = reception.review(partial(self._buffer.silence_ahead, line, clock))
                if jump:
                    self._buffer.jump(line, clock, jump, reception.offset)

    def _tell(self, change: VoiceChange, now: float) -> SpeechStarted | SpeechStopped:
        reception = self.lines[change.line].reception
        at = reception.arrived(change.timestamp)
        if at is None:  # made up by concealment, or long ago
            end = int(self.positions[change.line, WRITTEN])
            at = now - (end - change.position) / RATE
        if change.speaking:
            return SpeechStarted(change.line, at, change.position)
        return SpeechStopped(change.line, at, change.position)


def _payload_types(command: OpenLine | ChangeCodec) -> tuple[dict[int, int], frozenset[int]]:
    """Decoders by payload type, and the types of digits."""
    kinds = {**STATIC, command.payload_type: KINDS[command.codec]}
    digit_types = {OWN_TELEPHONE_EVENT, command.telephone_event} - {None, *kinds}
    return kinds, frozenset(each for each in digit_types if each is not None)


def _digit(
    line: int, inbound: InboundLine, payload: bytes, timestamp: int, *, marker: bool, now: float
) -> DigitReceived | None:
    try:
        digit = inbound.digits.receive(payload, timestamp, marker=marker)
    except MalformedMessage:
        return None
    return None if digit is None else DigitReceived(line, now, digit)
