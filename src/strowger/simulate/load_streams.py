"""Many RTP streams from one thread: packets out at exact moments, packets in with kernel times.

Each stream sends every 20 ms at a phase of its own. What comes is stamped by the kernel when it
arrives (SO_TIMESTAMPNS), so that it may be read at leisure; stamps are turned into the monotonic
clock's time. The thread notes how late it was itself: figures that it takes on an overloaded
machine say so.
"""

import socket
import threading
import time
from array import array
from collections import deque
from struct import Struct
from typing import Final, Protocol

import numpy as np

from strowger.simulate.load_measures import Figures
from strowger.sip.events import Address

TICK: Final = 0.020
SLOTS: Final = 20
"""Moments per tick at which streams send."""
SPREAD: Final = 0.6180339887
"""The golden ratio: phases of any number of streams spread evenly."""
FRAME: Final = 160
HEADER: Final = Struct(">BBHII")
VERSION: Final = 0x80
MARKER: Final = 0x80
PCMU: Final = 0
SO_TIMESTAMPNS: Final = 35
"""Linux; the socket module has no name for it."""
TIMESPEC: Final = Struct("@ll")
ANCILLARY: Final = socket.CMSG_SPACE(TIMESPEC.size)
PACKET_LIMIT: Final = 512
AT_ONCE: Final = 0.0005
"""Seconds within which two clocks are read together."""


class Script(Protocol):
    """What one stream sends, and what it makes of what it hears."""

    listens: bool
    """Whether it wants to hear, packet by packet, within a tick of the arrival."""

    def next_payload(self, now: float) -> bytes:
        """The next 20 ms, which leave now."""

    def hear(self, payload: bytes, arrived: float) -> None:
        """One packet of the far end."""


class Stream:
    """One call's RTP: a connected socket, a counter, and what came."""

    def __init__(
        self, own: socket.socket, remote: Address, script: Script, *, ssrc: int, phase: float
    ) -> None:
        """`phase` from 0 up to 1 is when in a tick it sends."""
        own.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        own.connect(remote)
        self.slot = int(phase * SLOTS)
        self.arrivals = array("d")
        self.timestamps = array("L")
        """Of the packets that came, beside their arrivals."""
        self.sent = 0
        self._socket = own
        self._script = script
        self._ssrc = ssrc

    @property
    def listens(self) -> bool:
        return self._script.listens

    def send(self, now: float) -> None:
        number, self.sent = self.sent, self.sent + 1
        second = PCMU if number else PCMU | MARKER
        timestamp = number * FRAME & 0xFFFFFFFF
        header = HEADER.pack(VERSION, second, number & 0xFFFF, timestamp, self._ssrc)
        try:
            self._socket.send(header + self._script.next_payload(now))
        except OSError:
            return  # the far end has gone, or its buffer is full: a packet lost

    def close(self) -> None:
        self._socket.close()

    def drain(self, offset: float) -> None:
        """Take what has come; `offset` turns the kernel's time into the monotonic clock's."""
        receive, listens = self._socket.recvmsg, self._script.listens
        while True:
            try:
                packet, ancillary, _, _ = receive(PACKET_LIMIT, ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of something we sent; the next read goes on
            if len(packet) < HEADER.size or not ancillary:
                continue
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            arrived = seconds + offset + nanoseconds * 1e-9
            self.arrivals.append(arrived)
            self.timestamps.append(int.from_bytes(packet[4:8], "big"))
            if listens:
                self._script.hear(packet[HEADER.size :], arrived)


class StreamThread:
    """Moves the packets of all streams for as long as `run` runs."""

    def __init__(self) -> None:
        self.moments = array("d")
        """When each packet was to leave."""
        self.own_lateness = array("d")
        """Seconds after that moment by which it, and all others of the moment, had left."""
        self.cpu = 0.0
        """Seconds of processor time that `run` took."""
        self.seconds = 0.0
        """How long it ran."""
        self._slots: list[list[Stream]] = [[] for _ in range(SLOTS)]
        self._coming: deque[Stream] = deque()
        self._going: deque[Stream] = deque()
        self._stop = threading.Event()

    def add(self, stream: Stream) -> None:
        """Begin to send; from any thread."""
        self._coming.append(stream)

    def remove(self, stream: Stream) -> None:
        """Send no more, soon, and close its socket; from any thread."""
        self._going.append(stream)

    def stop(self) -> None:
        self._stop.set()

    def lateness(self, begin: float, end: float) -> Figures:
        """Its own, of the packets that were to leave in that time."""
        moments = np.frombuffer(self.moments)
        return Figures.of(np.frombuffer(self.own_lateness)[(moments >= begin) & (moments < end)])

    def run(self) -> None:
        """Send and receive until `stop`; blocks."""
        step = TICK / SLOTS
        started, number = time.monotonic(), 0
        busy = time.thread_time()
        while not self._stop.is_set():
            self._rearrange()
            number += 1
            due = started + number * step
            delay = due - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            self._turn(number, due)
        self.cpu, self.seconds = time.thread_time() - busy, time.monotonic() - started
        self._going.extend(stream for streams in self._slots for stream in streams)
        self._rearrange()

    def _turn(self, number: int, due: float) -> None:
        """One moment: send at once; receive here and there."""
        streams = self._slots[number % SLOTS]
        if not streams:
            return
        for stream in streams:
            stream.send(time.monotonic())
        self.moments.extend([due] * len(streams))
        self.own_lateness.extend([time.monotonic() - due] * len(streams))
        round_ = number // SLOTS
        offset = _offset()
        for place, stream in enumerate(streams):
            # Five packets at a time cost less than five times one, where nobody waits for them.
            if stream.listens or (round_ + place) % 5 == 0:
                stream.drain(offset)

    def _rearrange(self) -> None:
        while self._coming:
            stream = self._coming.popleft()
            self._slots[stream.slot].append(stream)
        while self._going:
            stream = self._going.popleft()
            self._slots[stream.slot].remove(stream)
            stream.drain(_offset())
            stream.close()


def _offset() -> float:
    """What turns the kernel's time into the monotonic clock's.

    Read again where we were kept from the processor in between: that would count as the packets'.
    """
    while True:
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        if after - before < AT_ONCE:
            return before - wall


def phase_of(number: int) -> float:
    """Where in the tick the stream with this number sends."""
    return number * SPREAD % 1.0
