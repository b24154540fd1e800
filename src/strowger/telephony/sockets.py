"""The RTP and RTCP sockets of one line, with symmetric RTP (RFC 4961).

The far end's SDP says where to send first. The first packet that really comes decides
afterwards, because telephones behind address translation do not know their own address; from
then on the kernel drops what comes from anywhere else.
"""

import select
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from strowger.errors import ConfigurationError, Unavailable
from strowger.sip.events import Address

PACKET_LIMIT = 2048
"""Longest RTP packet that is read whole; 20 ms of G.711 takes 172 bytes."""
DRAIN_LIMIT = 64
"""Most packets taken from one socket in one turn, so that a flood on one line delays no other."""
IGNORED_BEFORE_LATCH = 200
"""Unusable packets after which a line no longer looks for its peer among strangers."""

NOWHERE = "0.0.0.0"  # noqa: S104 - not bound to: a held call's address (RFC 3264 section 8.4)


class Arrivals:
    """Which RTP sockets have something to read, asked once for all of them.

    To ask each one costs a system call for its packet, and another that says that it was the last.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.waiting: frozenset[int] = frozenset()
        """The file descriptors of those that had something to read when they were looked at."""

    def watch(self, rtp: socket.socket) -> None:
        """Until it is closed."""
        self._epoll.register(rtp.fileno(), select.EPOLLIN)

    def look(self) -> bool:
        """Note which have something to read now; False where none has."""
        self.waiting = frozenset([fd for fd, _ in self._epoll.poll(0)])
        return bool(self.waiting)

    def close(self) -> None:
        self._epoll.close()


class PortPool:
    """Even RTP ports of one address, each used by one line at a time (RFC 3550 section 11)."""

    def __init__(self, host: str, first: int, last: int, arrivals: Arrivals | None = None) -> None:
        """With `arrivals`, lines read only what is known to be there, one packet at a time."""
        self.arrivals = arrivals
        if first % 2:
            first += 1
        if first < 1024 or last > 65535 or last - first < 2:
            raise ConfigurationError(f"no usable RTP ports between {first} and {last}")
        self.host = host
        self._free = list(range(first, last, 2))

    @property
    def free(self) -> int:
        """Ports that no line of ours uses."""
        return len(self._free)

    def open_pair(self) -> tuple[socket.socket, socket.socket, int]:
        """Bind an RTP and an RTCP socket; returns both and the RTP port.

        Ports are used in turn, so that one that was just given back rests as long as possible and
        late packets of an old call do not reach a new one. Raises Unavailable when all are taken.
        """
        for _ in range(len(self._free)):
            port = self._free.pop(0)
            try:
                rtp = _bind(self.host, port)
            except OSError:
                self._free.append(port)  # somebody else's; try the next
                continue
            try:
                return rtp, _bind(self.host, port + 1), port
            except OSError:
                rtp.close()
                self._free.append(port)
        raise Unavailable("every RTP port is in use; widen STROWGER_RTP_PORTS")

    def give_back(self, port: int) -> None:
        self._free.append(port)


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Wire(Protocol):
    """What carries the packets of one line: its sockets, or something in front of them."""

    def send(self, packet: bytes) -> None: ...
    def send_rtcp(self, packet: bytes) -> None: ...
    def received(self) -> Iterable[bytes]: ...
    def received_rtcp(self) -> Iterator[bytes]: ...


class LineSockets:
    """Sends to and receives from one far end."""

    def __init__(self, pool: PortPool) -> None:
        self._pool = pool
        self._rtp, self._rtcp, self.port = pool.open_pair()
        self._arrivals = pool.arrivals
        self._fileno = self._rtp.fileno()
        if self._arrivals is not None:
            self._arrivals.watch(self._rtp)
        self._remote: Address | None = None
        self._remote_rtcp: Address | None = None
        self._latched = False
        self._strangers = 0

    def fileno(self) -> int:
        """The RTP socket, for who wants to wait for it."""
        return self._rtp.fileno()

    def aim(self, remote: Address, remote_rtcp: Address) -> None:
        """Send to what the SDP says, until packets come from elsewhere.

        Raises Unavailable where the port is lost to somebody else over it: the line is deaf then.
        """
        if remote == self._remote and self._latched:
            return
        if self._latched:
            self._reopen()
        nowhere = remote[0] == NOWHERE
        self._remote = None if nowhere else remote
        self._remote_rtcp = None if nowhere else remote_rtcp

    def send(self, packet: bytes) -> None:
        """Send, or drop: a full buffer or an unreachable host is the network losing a packet."""
        try:
            if self._latched:
                self._rtp.send(packet)
            elif self._remote is not None:
                self._rtp.sendto(packet, self._remote)
        except OSError:
            return

    def send_rtcp(self, packet: bytes) -> None:
        try:
            if self._remote_rtcp is not None:
                self._rtcp.sendto(packet, self._remote_rtcp)
        except OSError:
            return

    def received(self) -> Sequence[bytes]:
        """What has come: all of it, or the first of it where arrivals are watched."""
        if self._arrivals is None:
            most = DRAIN_LIMIT
        elif self._fileno in self._arrivals.waiting:
            most = 1
        else:
            return ()
        packets: list[bytes] = []
        # What is not the peer's does not count: before it is known, strangers could hold it up.
        for _ in range(DRAIN_LIMIT):
            try:
                if self._latched:
                    packets.append(self._rtp.recv(PACKET_LIMIT))
                else:
                    packet, source = self._rtp.recvfrom(PACKET_LIMIT)
                    if self._take(packet, source):
                        packets.append(packet)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error of something we sent; the next read goes on
            if len(packets) == most:
                break
        return packets

    def received_rtcp(self) -> Iterator[bytes]:
        for _ in range(DRAIN_LIMIT):
            try:
                packet, source = self._rtcp.recvfrom(PACKET_LIMIT)
            except BlockingIOError:
                return
            except OSError:
                continue
            if self._remote is not None and source[0] == self._remote[0]:
                self._remote_rtcp = source[:2]
                yield packet

    def close(self) -> None:
        self._rtp.close()
        self._fileno = -1
        self._rtcp.close()
        self._pool.give_back(self.port)

    def _take(self, packet: bytes, source: Address) -> bool:
        """Latch on the first plausible packet; before an SDP answer nothing is ours."""
        if self._remote is None or self._strangers > IGNORED_BEFORE_LATCH:
            return source == self._remote
        if len(packet) < 12 or packet[0] >> 6 != 2:
            self._strangers += 1
            return False
        if source[0] != self._remote[0] or source[1] != self._remote[1]:
            self._remote = source[:2]
            self._remote_rtcp = (source[0], source[1] + 1)
        self._rtp.connect(self._remote)
        self._latched = True
        return True

    def _reopen(self) -> None:
        """Let go of the peer, and of what has come from it: only a new socket has no peer."""
        self._rtp.close()
        self._fileno = -1
        self._latched = False
        self._strangers = 0
        try:
            self._rtp = _bind(self._pool.host, self.port)
        except OSError as error:
            problem = f"RTP port {self.port} could not be opened again: {error.strerror}"
            raise Unavailable(problem) from error
        self._fileno = self._rtp.fileno()
        if self._arrivals is not None:
            self._arrivals.watch(self._rtp)
