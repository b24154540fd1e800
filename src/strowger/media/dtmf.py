"""Telephone digits as named events, RFC 4733: one sender and one receiver per line.

Sends 100 ms tones with gaps of at least 50 ms. Receives exactly one digit per event, however many
of its packets are lost, doubled or out of order.
"""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final, Self

from strowger.errors import MalformedMessage

DIGITS: Final = "0123456789*#ABCD"
"""By event code, RFC 4733 section 3.2."""
PAYLOAD = struct.Struct("!BBH")
END, VOLUME_MASK = 0x80, 0x3F
VOLUME = 10
"""Level of the tones we name, in -dBm0."""
LONGEST_DURATION = 0xFFFF
"""Timestamp units after which a longer event goes on as a new segment, section 2.5.1.3."""
FRAME = 160
TONE_FRAMES = 5
END_REPEATS = 3
GAP_FRAMES = 3
"""Frames from the first end packet to the next digit, less one: 60 ms."""
REMEMBERED_EVENTS = 16
STALE = 5 * 8000
"""Timestamp units behind which an event is not a late one but of a stream begun anew."""
CREEP = 480
"""Most timestamp units between packets of senders that move the timestamp within an event."""
QUEUE_LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TelephoneEvent:
    """The payload of section 2.3."""

    event: int
    end: bool
    volume: int
    """In -dBm0, 0 to 63."""
    duration: int
    """Timestamp units since the event began."""

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the first event of a payload. Raises MalformedMessage."""
        if len(payload) < PAYLOAD.size:
            raise MalformedMessage(f"telephone-event of 4 bytes expected, got {len(payload)}")
        event, flags, duration = PAYLOAD.unpack_from(payload)
        return cls(
            event=event, end=bool(flags & END), volume=flags & VOLUME_MASK, duration=duration
        )

    def __bytes__(self) -> bytes:
        flags = self.volume | (END if self.end else 0)
        return PAYLOAD.pack(self.event, flags, self.duration)


@dataclass(frozen=True, slots=True)
class DigitFrame:
    """What is to leave in one 20 ms frame of a digit."""

    digit: str
    packet: TelephoneEvent | None
    """None in the gap between digits."""
    frame: int
    """How many frames of this digit came before."""
    last: bool
    """Everything asked for has been sent with this frame."""

    @property
    def first(self) -> bool:
        """Where the marker bit goes, section 2.5.1.2."""
        return self.frame == 0

    @property
    def sounding(self) -> bool:
        """The tone itself lasts; a line without telephone-event sends it as audio."""
        return self.frame < TONE_FRAMES


class DigitSender:
    """Cuts queued digits into frames of 20 ms."""

    def __init__(self) -> None:
        self._queued: deque[str] = deque()
        self._frame = 0

    @property
    def active(self) -> bool:
        return bool(self._queued)

    def queue(self, digits: str) -> None:
        """Add digits; other characters, and what is beyond 256 waiting, are left out."""
        known = [digit for digit in digits.upper() if digit in DIGITS]
        self._queued.extend(known[: QUEUE_LIMIT - len(self._queued)])

    def next_frame(self) -> DigitFrame:
        """The next 20 ms. Only while `active`."""
        digit, frame = self._queued[0], self._frame
        self._frame += 1
        after_end = frame - (TONE_FRAMES - 1)
        packet = None
        if after_end < END_REPEATS:
            packet = TelephoneEvent(
                event=DIGITS.index(digit),
                end=after_end >= 0,
                volume=VOLUME,
                duration=FRAME * min(frame + 1, TONE_FRAMES),
            )
        finished = after_end >= GAP_FRAMES
        if finished:
            self._queued.popleft()
            self._frame = 0
        return DigitFrame(
            digit=digit,
            packet=packet,
            frame=frame,
            last=finished and not self._queued,
        )


class DigitReceiver:
    """Turns packets of one stream back into digits."""

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=REMEMBERED_EVENTS)
        """Timestamps of the last events."""
        self._current: TelephoneEvent | None = None
        self._timestamp = 0

    def receive(self, payload: bytes, timestamp: int, *, marker: bool) -> str | None:
        """The digit that this packet is the first sign of. Raises MalformedMessage."""
        packet = TelephoneEvent.parse(payload)
        if packet.event >= len(DIGITS):
            return None  # flash hook, fax and modem tones
        if timestamp in self._seen:
            if timestamp == self._timestamp:
                self._go_on(packet)
            return None
        moved = _signed(timestamp - self._timestamp)
        if self._current is not None and -STALE < moved < 0:
            # A whole event overtaken by a later one: told late rather than never, and the later
            # one stays the current one.
            self._seen.append(timestamp)
            return DIGITS[packet.event]
        goes_on = self._is_same_event(packet, moved, marker=marker)
        self._seen.append(timestamp)
        self._timestamp = timestamp
        self._current = packet
        return None if goes_on else DIGITS[packet.event]

    def _go_on(self, packet: TelephoneEvent) -> None:
        current = self._current
        if current is None or packet.end or packet.duration > current.duration:
            self._current = packet

    def _is_same_event(self, packet: TelephoneEvent, moved: int, *, marker: bool) -> bool:
        current = self._current
        if current is None or current.event != packet.event or marker or moved <= 0:
            return False
        if moved <= CREEP and packet.end and current.end:
            return packet.duration >= current.duration  # repeated with a timestamp that creeps
        if current.end:
            return False
        if moved % LONGEST_DURATION == 0:
            return True  # the next segment of a long event
        return moved <= CREEP and packet.duration > current.duration


def _signed(difference: int) -> int:
    """The shorter way between two 32-bit timestamps."""
    return (difference + 0x80000000 & 0xFFFFFFFF) - 0x80000000
