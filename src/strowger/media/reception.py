"""What one line knows of the RTP stream it receives: order, losses, jitter, depth.

Decides for each packet whether it is new and where its samples belong, and how long samples wait
before they are played. It knows sequence numbers and timestamps (RFC 3550 appendix A.1, A.8); the
samples themselves are in `media/jitter.py`.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple

FRAME: Final = 160
RATE: Final = 8000
START_DEPTH: Final = FRAME
"""Samples that the first packet waits: one tick, because packets come in between ticks."""
MAX_DEPTH: Final = 3200
"""Longest wait, in samples, that late packets can bring about."""
WINDOW: Final = 6400
"""Samples ahead of the playout, or behind it, beyond which a timestamp is no longer jitter."""
SEQUENCE_JUMP: Final = 1000
"""Packets, back or forth, beyond which the sender has begun to count anew."""
STREAM_CONFIRMED_WITHIN: Final = 3
"""Of a new stream two packets must come in a row; this much loss between them is forgiven."""
RESTART_AFTER: Final = 1600
"""Samples for which every packet comes too late before the stream is taken up anew."""
REMEMBERED: Final = (1 << 128) - 1
"""Mask of the packets whose duplicates are recognised."""
TIMESTAMPS: Final = 1 << 32
ARRIVALS: Final = 128
"""Packets whose time of arrival is remembered."""


class Verdict(Enum):
    PLAY = auto()
    """Belongs at `position`."""
    DROP = auto()
    """A duplicate, or too late to be of use, or perhaps of another stream: then it is `held`."""
    RESTART = auto()
    """Begins another stream at `position`, after `held` where there is one."""


class MediaPacket(NamedTuple):
    """What matters of an RTP packet with audio in it."""

    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    kind: int
    """Which decoder; see `media/jitter.py`."""


class Reception:
    """One stream. Positions are timestamps without wrap; the playout reads at `clock + offset`.

    `clock` is a count of samples that the engine moves on by a frame with every tick.
    """

    __slots__ = (
        "_arrivals", "_before", "_first", "_highest", "_late_since", "_least_spare", "_seen",
        "_spare", "_transit", "held", "jitter", "late", "offset", "position", "received", "ssrc",
        "unique",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ssrc: int | None = None
        self.offset = 0
        self.position = 0
        """Where the packet judged last belongs."""
        self.held: MediaPacket | None = None
        self.received = 0
        """Packets of any payload type, duplicates included."""
        self.unique = 0
        self.late = 0
        self.jitter = 0.0
        """Samples; RFC 3550 section 6.4.1. As coarse as the shell's reading of its sockets."""
        self._before = 0
        """Packets of earlier streams, lost ones included."""
        self._first = 0
        self._highest = -1
        """Sequence numbers without wrap."""
        self._seen = 0
        """Bit n: the packet n before the highest has come."""
        self._transit = 0.0
        self._spare = float(START_DEPTH)
        """Samples between a packet's arrival and its playout, smoothed."""
        self._least_spare = MAX_DEPTH
        """The least of them since the last review."""
        self._late_since: int | None = None
        """The clock when the first came of the packets that all were too late."""
        self._arrivals: deque[tuple[int, int, float]] = deque(maxlen=ARRIVALS)

    @property
    def expected(self) -> int:
        """Packets that the far end has sent, by its sequence numbers."""
        return self._before + self._highest + 1 - self._first

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.unique)

    @property
    def highest_sequence(self) -> int:
        """Extended as RFC 3550 section 6.4.1 wants it in reports."""
        return max(0, self._highest)

    def follow(
        self, sequence: int, timestamp: int, ssrc: int, length: int, *, clock: int, now: float
    ) -> bool:
        """`take` of what nearly always comes: the next packet, in its place and in time.

        False for any other, which is for `take` to judge; nothing is noted of it here.
        """
        position = self.position + length
        if ssrc != self.ssrc or sequence != self._highest + 1 & 0xFFFF:
            return False
        spare = position - clock - self.offset
        if timestamp != position & 0xFFFFFFFF or not 0 <= spare < WINDOW:
            return False
        self._highest += 1
        self._seen = (self._seen << 1 | 1) & REMEMBERED
        self.unique += 1
        self._time(position, spare, now)
        self._play(position, length, spare, now)
        return True

    def take(self, packet: MediaPacket, *, clock: int, now: float) -> Verdict:
        """Judge a packet with audio."""
        position = self.position + _apart(packet.timestamp, self.position)
        spare = position - clock - self.offset
        if packet.ssrc != self.ssrc or not -WINDOW < spare < WINDOW:
            return self._take_stranger(packet, clock=clock, now=now)
        in_order = 0 < (packet.sequence - self._highest & 0xFFFF) < 0x8000
        if not self.count(packet.sequence):
            return Verdict.DROP
        self._time(position, spare, now)
        length = len(packet.payload)
        if spare < 0 and in_order:
            spare += self._deepen(-spare)
        if spare <= -length:
            return self._too_late(packet, clock=clock, now=now)
        self._play(position, length, spare, now)
        return Verdict.PLAY

    def count(self, sequence: int) -> bool:
        """Note a packet's sequence number; False for a duplicate (RFC 3550 appendix A.1)."""
        ahead = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if self._highest < 0 or abs(ahead) > SEQUENCE_JUMP:
            self._before = self.expected
            self._first = self._highest = sequence
            self._seen = 1
        elif ahead > 0:
            self._highest += ahead
            self._seen = (self._seen << ahead | 1) & REMEMBERED
        else:
            bit = 1 << -ahead
            if self._seen & bit or bit > REMEMBERED:
                return False
            self._seen |= bit
        self.unique += 1
        return True

    def review(self, silence: Callable[[], int] = lambda: FRAME) -> int:
        """Called in silence, now and then: by how many samples the playout is to jump.

        Positive leaves silence out, negative repeats it. Delay is given at once, and taken back as
        far as nothing but `silence` (samples, from the next frame on) is lost by it.
        """
        needed = min(1.5 * self.jitter, MAX_DEPTH / 2)
        jump = 0
        if self._least_spare < 0:
            jump = self._least_spare // FRAME * FRAME
        elif self._spare < needed:
            jump = -FRAME
        elif self._least_spare >= 2 * FRAME and self._spare - FRAME >= needed:
            unneeded = min(self._least_spare - FRAME, int(self._spare - needed)) // FRAME * FRAME
            jump = FRAME if unneeded == FRAME else max(FRAME, min(unneeded, silence()))
        if self._spare - jump > MAX_DEPTH:
            jump = 0
        self._least_spare = MAX_DEPTH
        self._spare -= jump
        self.offset += jump
        return jump

    def waiting(self, clock: int) -> int:
        """How many samples ahead of the playout the last packet begins."""
        return self.position - clock - self.offset

    def hurry(self) -> None:
        """A frame more than the clock knows of was played."""
        self.offset += FRAME
        # Smoothed, it has not seen all of the delay that goes now.
        self._spare = max(self._spare - FRAME, float(START_DEPTH))
        self._least_spare = MAX_DEPTH

    def arrived(self, position: int) -> float | None:
        """When the packet with the sample at `position` came, where that is still known."""
        for start, length, at in reversed(self._arrivals):
            if start <= position < start + length:
                return at
        return None

    def _time(self, position: int, spare: int, now: float) -> None:
        transit = now * RATE - position  # jitter: RFC 3550 section 6.4.1
        self.jitter += (abs(transit - self._transit) - self.jitter) / 16
        self._transit = transit
        self._least_spare = min(self._least_spare, spare)

    def _play(self, position: int, length: int, spare: int, now: float) -> None:
        self._late_since = self.held = None
        self._spare += (spare - self._spare) / 16
        self.position = position
        self._arrivals.append((position, length, now))

    def _deepen(self, lateness: int) -> int:
        """Let everything from now on wait longer; by how many samples, 0 where that is too long."""
        longer = (lateness + FRAME - 1) // FRAME * FRAME
        if self._spare + longer > MAX_DEPTH:
            return 0
        self.offset -= longer
        self._spare += longer
        self._least_spare = MAX_DEPTH
        return longer

    def _too_late(self, packet: MediaPacket, *, clock: int, now: float) -> Verdict:
        """What missed its moment stays out: played now, it would come behind its successors."""
        self.late += 1
        if self._late_since is None:
            self._late_since = clock
        if clock - self._late_since < RESTART_AFTER:
            return Verdict.DROP
        self.held = None
        return self._restart(packet, clock=clock, now=now)

    def _take_stranger(self, packet: MediaPacket, *, clock: int, now: float) -> Verdict:
        """A packet that does not continue the stream: the first at all, or two in a row, begin one.

        RFC 3550 appendix A.1 asks for the second as proof; the first is kept, not lost.
        """
        held = self.held
        confirmed = self.ssrc is None or (
            held is not None
            and held.ssrc == packet.ssrc
            and 0 < (packet.sequence - held.sequence & 0xFFFF) <= STREAM_CONFIRMED_WITHIN
            and 0 < _apart(packet.timestamp, held.timestamp) < WINDOW
        )
        if not confirmed:
            self.held = packet
            return Verdict.DROP
        return self._restart(packet, clock=clock, now=now)

    def _restart(self, packet: MediaPacket, *, clock: int, now: float) -> Verdict:
        self._before = self.expected
        self._first, self._highest = 0, -1
        self.ssrc = packet.ssrc
        self.position = packet.timestamp + TIMESTAMPS
        first = self.position
        for each in (packet,) if self.held is None else (self.held, packet):
            position = self.position + _apart(each.timestamp, self.position)
            first = min(first, position)
            self.count(each.sequence)
            self._arrivals.append((position, len(each.payload), now))
        self.offset = first - clock - START_DEPTH
        self._transit = now * RATE - self.position
        self._spare = float(START_DEPTH)
        self._least_spare = MAX_DEPTH
        self._late_since = None
        return Verdict.RESTART


def _apart(timestamp: int, reference: int) -> int:
    """How far a timestamp is ahead of a position, the shorter way around 32 bits."""
    return (timestamp - reference + 0x80000000 & 0xFFFFFFFF) - 0x80000000
