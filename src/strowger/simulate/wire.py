"""A bad network between one line and its far end: both directions of its RTP pass through it."""

import asyncio
import heapq
import random
from collections.abc import Iterator

from strowger.simulate.impairments import ImpairedPath
from strowger.simulate.persona import Impairments
from strowger.telephony.sockets import Wire


class ImpairedWire:
    """A `Wire` that loses, delays, doubles and disorders what goes over another one.

    RTCP passes untouched: reports are to tell of the damage, not to share it.
    """

    def __init__(self, wire: Wire, impairments: Impairments, *, seed: int) -> None:
        self._wire = wire
        self._outward = ImpairedPath(impairments, random.Random(f"out {seed}").random)  # noqa: S311
        self._inward = ImpairedPath(impairments, random.Random(f"in {seed}").random)  # noqa: S311
        self._leaving = _InOrder()
        self._arriving = _InOrder()
        self._loop = asyncio.get_running_loop()

    def send(self, packet: bytes) -> None:
        now = self._loop.time()
        for due, copy in self._outward.carry(packet, now=now):
            self._leaving.put(due, copy)
            if due > now:
                self._loop.call_at(due, self._send_due, due)
        self._send_due(now)

    def received(self) -> Iterator[bytes]:
        now = self._loop.time()
        for packet in self._wire.received():
            for due, copy in self._inward.carry(packet, now=now):
                self._arriving.put(due, copy)
        return self._arriving.take(now)

    def send_rtcp(self, packet: bytes) -> None:
        self._wire.send_rtcp(packet)

    def received_rtcp(self) -> Iterator[bytes]:
        return self._wire.received_rtcp()

    def _send_due(self, now: float) -> None:
        for packet in self._leaving.take(now):
            self._wire.send(packet)  # after the call has ended, a closed socket drops it


class _InOrder:
    """Packets that wait for their moment; those of one moment keep their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, bytes]] = []
        self._count = 0

    def put(self, due: float, packet: bytes) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, packet))

    def take(self, now: float) -> Iterator[bytes]:
        """Everything that is due."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]
