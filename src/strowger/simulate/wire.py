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
        self._arriving: list[tuple[float, int, bytes]] = []
        self._arrived = 0
        self._loop = asyncio.get_running_loop()

    def send(self, packet: bytes) -> None:
        now = self._loop.time()
        for due, copy in self._outward.carry(packet, now=now):
            if due <= now:
                self._wire.send(copy)
            else:
                self._loop.call_at(due, self._wire.send, copy)  # a closed socket drops it

    def received(self) -> Iterator[bytes]:
        now = self._loop.time()
        for packet in self._wire.received():
            for due, copy in self._inward.carry(packet, now=now):
                self._arrived += 1
                heapq.heappush(self._arriving, (due, self._arrived, copy))
        while self._arriving and self._arriving[0][0] <= now:
            yield heapq.heappop(self._arriving)[2]

    def send_rtcp(self, packet: bytes) -> None:
        self._wire.send_rtcp(packet)

    def received_rtcp(self) -> Iterator[bytes]:
        return self._wire.received_rtcp()
