"""A bad network in front of real sockets."""

import asyncio
from collections.abc import Iterator

from strowger.simulate.persona import Impairments
from strowger.simulate.wire import ImpairedWire


class FakeWire:
    """Remembers what is sent, and gives what the test put in."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.waiting: list[bytes] = []

    def send(self, packet: bytes) -> None:
        self.sent.append(packet)

    def send_rtcp(self, packet: bytes) -> None:
        self.sent.append(b"rtcp " + packet)

    def received(self) -> Iterator[bytes]:
        while self.waiting:
            yield self.waiting.pop(0)

    def received_rtcp(self) -> Iterator[bytes]:
        yield b"rtcp"


def numbered(count: int) -> list[bytes]:
    return [number.to_bytes(2) for number in range(count)]


def test_a_good_network_passes_packets_at_once() -> None:
    async def main() -> None:
        wire = FakeWire()
        impaired = ImpairedWire(wire, Impairments(), seed=1)
        impaired.send(b"out")
        wire.waiting = [b"in"]
        assert wire.sent == [b"out"]
        assert list(impaired.received()) == [b"in"]

    asyncio.run(main())


def test_delayed_packets_come_later_and_all_of_them() -> None:
    async def main() -> None:
        wire = FakeWire()
        impaired = ImpairedWire(wire, Impairments(delay_ms=20, jitter_ms=20), seed=1)
        wire.waiting = numbered(20)
        for packet in numbered(20):
            impaired.send(packet)
        assert wire.sent == []
        assert list(impaired.received()) == []
        arrived: list[bytes] = []
        while len(arrived) < 20 or len(wire.sent) < 20:
            await asyncio.sleep(0.001)
            arrived += impaired.received()
        assert arrived == numbered(20)
        assert wire.sent == numbered(20)

    asyncio.run(main())


def test_both_directions_lose_packets_of_their_own() -> None:
    async def main() -> None:
        wire = FakeWire()
        impaired = ImpairedWire(wire, Impairments(loss=0.5), seed=1)
        wire.waiting = numbered(200)
        for packet in numbered(200):
            impaired.send(packet)
        arrived = list(impaired.received())
        assert 60 < len(arrived) < 140
        assert 60 < len(wire.sent) < 140
        assert arrived != wire.sent

    asyncio.run(main())


def test_reports_pass_untouched() -> None:
    async def main() -> None:
        wire = FakeWire()
        impaired = ImpairedWire(wire, Impairments(loss=1.0), seed=1)
        impaired.send_rtcp(b"report")
        assert wire.sent == [b"rtcp report"]
        assert list(impaired.received_rtcp()) == [b"rtcp"]

    asyncio.run(main())
