"""The outbound half of the engine: playout rings → G.711 → RTP packets, one matrix per tick.

A line that has nothing to say sends silence: RTP without a break keeps addresses translated and
far ends content. Digits (RFC 4733) take the place of speech, which waits for them; a far end
without telephone-event gets them as tones.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from strowger.media.dtmf import DIGITS, TONE_FRAMES, DigitSender
from strowger.media.events import ChangeCodec, Codec, OpenLine
from strowger.media.g711 import ENCODERS, Samples
from strowger.media.playout import NEVER, Change, Playout
from strowger.media.reception import FRAME
from strowger.media.rings import READ, WRITTEN, PcmRing
from strowger.media.rtp import MARKER, PLAIN, RtpPacket
from strowger.media.windows import Rows, Windows

PLAYOUT_SIZE: Final = 32768
"""Samples that a line's playout ring holds: 4 s."""
PACKET: Final = np.dtype(
    [
        ("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"),
        ("ssrc", ">u4"), ("payload", "u1", (FRAME,)),
    ]
)  # fmt: skip
LAWS: Final = (Codec.PCMU, Codec.PCMA)
FRAME_INDEX: Final = np.arange(FRAME, dtype=np.int64)
FRAME_INDEX.setflags(write=False)


def _tones() -> Samples:
    """100 ms of each digit's two tones (ITU-T Q.23) at -10 dBm0 or so each."""
    time = np.arange(TONE_FRAMES * FRAME) / 8000
    low, high = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    keys = ("123A", "456B", "789C", "*0#D")
    tones = np.zeros((len(DIGITS), len(time)), np.int16)
    for row, digits in enumerate(keys):
        for column, digit in enumerate(digits):
            wave = np.sin(2 * np.pi * low[row] * time) + np.sin(2 * np.pi * high[column] * time)
            tones[DIGITS.index(digit)] = 5000 * wave
    tones.setflags(write=False)
    return tones


TONES: Final = _tones()


@dataclass(frozen=True, slots=True)
class AllDigitsSent:
    """The last digit asked for leaves."""


@dataclass(slots=True)
class Departure:
    """What leaves with the next tick, and what is to be told when it has left."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)
    news: list[tuple[int, Change | AllDigitsSent]] = field(default_factory=list)


@dataclass(slots=True)
class OutboundLine:
    """What a line sends beside its row in the matrices."""

    playout: Playout
    telephone_event: int | None
    digits: DigitSender = field(default_factory=DigitSender)
    digit_timestamp: int = 0


class Sender:
    def __init__(self, lines: int) -> None:
        self.samples = np.zeros((lines, PLAYOUT_SIZE), np.int16)
        self._stretches = Windows(self.samples, FRAME)
        self.positions = np.zeros((lines, 2), np.int64)
        self.timestamp = np.zeros(lines, np.int64)
        """Of the next frame."""
        self._sequence = np.zeros(lines, np.int64)
        self._ssrc = np.zeros(lines, np.int64)
        self._payload_type = np.zeros(lines, np.uint8)
        self._law = np.zeros(lines, np.uint8)
        self._resumes = np.zeros(lines, np.bool_)
        """The next packet is the first after a pause; it carries the marker bit."""
        self._held = np.zeros(lines, np.bool_)
        self.sent = np.zeros(lines, np.int64)
        """Packets prepared so far."""
        self.frames = np.zeros((lines, FRAME), np.int16)
        """What was put into the packets that leave next, or left last."""
        self.lines: dict[int, OutboundLine] = {}
        self._calm_until = np.zeros(lines, np.int64)
        """As `Playout.calm_until`: a line that reads beyond it is looked at by itself."""
        self._dialling: set[int] = set()

    @property
    def nbytes(self) -> int:
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    def ring(self, line: int) -> PcmRing:
        return PcmRing(self.samples[line], self.positions[line])

    def open(self, command: OpenLine) -> None:
        line = command.line
        ring = self.ring(line)
        ring.restart()
        self.lines[line] = OutboundLine(Playout(ring), command.telephone_event)
        self.timestamp[line] = command.first_timestamp
        self._sequence[line] = command.first_sequence
        self._ssrc[line] = command.ssrc
        self._payload_type[line] = command.payload_type
        self._law[line] = LAWS.index(command.codec)
        self._resumes[line] = True
        self._held[line] = False
        self._calm_until[line] = NEVER
        self.sent[line] = 0
        self.frames[line] = 0

    def change_codec(self, command: ChangeCodec) -> None:
        self._payload_type[command.line] = command.payload_type
        self._law[command.line] = LAWS.index(command.codec)
        self.lines[command.line].telephone_event = command.telephone_event

    def hold(self, line: int, *, held: bool) -> None:
        self._held[line] = held

    def begin(self, line: int, utterance: int, position: int) -> None:
        playout = self.lines[line].playout
        playout.begin(utterance, position)
        self._calm_until[line] = playout.calm_until

    def end(self, line: int, utterance: int, position: int) -> list[Change]:
        playout = self.lines[line].playout
        changes = playout.end(utterance, position)
        self._calm_until[line] = playout.calm_until
        return changes

    def stop(self, line: int) -> list[Change]:
        playout = self.lines[line].playout
        changes = playout.stop()
        self._calm_until[line] = playout.calm_until
        return changes

    def queue_digits(self, line: int, digits: str) -> None:
        self.lines[line].digits.queue(digits)
        self._dialling.add(line)

    def close(self, line: int) -> list[Change]:
        """What became of the utterances that were not over."""
        self._dialling.discard(line)
        return self.lines.pop(line).playout.stop()

    def prepare(self, rows: Rows, *, skipped: int) -> Departure:
        """Make the packets that leave with the next tick.

        `skipped` ticks were missed: timestamps move on by them, sequence numbers do not.
        """
        departure = Departure()
        if skipped:
            self.timestamp[rows] += skipped * FRAME
            self._resumes[rows] = True
        pcm = np.zeros((len(rows), FRAME), np.int16)
        sending = ~self._held[rows]
        playing = sending.copy()
        speech = sending.copy()
        if self._dialling:
            for index, line in enumerate(rows.tolist()):
                if line in self._dialling and sending[index]:
                    playing[index] = False
                    speech[index] = not self._dial(line, pcm[index], departure)
        self._play(rows[playing], pcm, playing.nonzero()[0], departure)
        self.frames[rows] = pcm
        self._pack(rows[speech], pcm[speech], departure)
        self._resumes[rows] = ~sending
        self.timestamp[rows] += FRAME
        return departure

    def _dial(self, line: int, pcm: Samples, departure: Departure) -> bool:
        """Send 20 ms of a digit; True where that made a packet of its own."""
        outbound = self.lines[line]
        frame = outbound.digits.next_frame()
        if frame.first:
            outbound.digit_timestamp = int(self.timestamp[line])
        if frame.last:
            departure.news.append((line, AllDigitsSent()))
            self._dialling.discard(line)
        if outbound.telephone_event is None:
            if frame.sounding:
                start = frame.frame * FRAME
                pcm[:] = TONES[DIGITS.index(frame.digit), start : start + FRAME]
            return False
        if frame.packet is None:
            return False
        packet = RtpPacket(
            payload_type=outbound.telephone_event,
            sequence=int(self._sequence[line]) & 0xFFFF,
            timestamp=outbound.digit_timestamp & 0xFFFFFFFF,
            ssrc=int(self._ssrc[line]),
            payload=bytes(frame.packet),
            marker=frame.first,
        )
        self._sequence[line] += 1
        self.sent[line] += 1
        departure.packets.append((line, bytes(packet)))
        return True

    def _play(self, rows: Rows, pcm: Samples, places: Rows, departure: Departure) -> None:
        """Take the next frame of each row out of its ring, into `pcm` at `places`."""
        position = self.positions[rows, READ]
        counts = np.minimum(self.positions[rows, WRITTEN] - position, FRAME)
        calm_until = self._calm_until[rows]
        short = (counts < FRAME) & (calm_until < NEVER)  # an utterance may end, or has to wait
        eventful = [
            (index, int(rows[index]), self.lines[int(rows[index])].playout)
            for index in (short | (position + counts > calm_until)).nonzero()[0].tolist()
        ]
        for index, _, playout in eventful:
            counts[index] = playout.ready()
        some = counts.nonzero()[0]
        if len(some):
            reading = rows[some]
            taken = self._stretches.read(reading, self.positions[reading, READ])
            part = (counts[some] < FRAME).nonzero()[0]
            taken[part] *= counts[some[part]][:, None] > FRAME_INDEX
            pcm[places[some]] = taken
            self.positions[rows, READ] += counts
        for _, line, playout in eventful:
            departure.news += [(line, change) for change in playout.changes()]
            self._calm_until[line] = playout.calm_until

    def _pack(self, rows: Rows, pcm: Samples, departure: Departure) -> None:
        packets = np.empty(len(rows), PACKET)
        packets["first"] = PLAIN
        packets["second"] = self._payload_type[rows] | self._resumes[rows] * np.uint8(MARKER)
        packets["sequence"] = self._sequence[rows]
        packets["timestamp"] = self.timestamp[rows]
        packets["ssrc"] = self._ssrc[rows]
        bits = pcm.view(np.uint16)
        packets["payload"] = ENCODERS[Codec.PCMU].take(bits)
        other = self._law[rows].nonzero()[0]
        if len(other):
            packets["payload"][other] = ENCODERS[Codec.PCMA].take(bits[other])
        self._sequence[rows] += 1
        self.sent[rows] += 1
        raw = packets.tobytes()
        size = PACKET.itemsize
        departure.packets += [
            (line, raw[start : start + size])
            for line, start in zip(rows.tolist(), range(0, len(raw), size), strict=True)
        ]
