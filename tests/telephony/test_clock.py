"""The media clock's order of work, and what it does when it comes too late."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

from strowger.media.events import Command, DigitsSent, Event
from strowger.telephony.clock import PHASES, STEPS, MediaClock
from strowger.telephony.sockets import DRAIN_LIMIT


class LoggingEngine:
    """Notes what it is asked for, and answers each step with one event."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []

    def apply(self, command: Command, *, now: float) -> None:
        raise AssertionError("the clock gives no commands")

    def transmit(self, phase: int, *, now: float) -> list[tuple[int, bytes]]:
        self.log.append(("transmit", phase))
        return []

    def receive(self, line: int, packet: bytes, *, now: float) -> None:
        self.log.append(("receive", line))

    def receive_rtcp(self, line: int, packet: bytes, *, now: float) -> None:
        self.log.append(("receive_rtcp", line))

    def rtcp_to_send(self, *, now: float) -> list[tuple[int, bytes]]:
        return []

    def process(self, batch: int, *, now: float) -> None:
        self.log.append(("process", batch))

    def events(self) -> list[Event]:
        return [DigitsSent(0, 0.0)]


def test_all_phases_leave_before_the_batch_is_processed_and_what_happened_is_told() -> None:
    engine, told = LoggingEngine(), list[Event]()
    clock = MediaClock(engine, told.append)
    for step in range(STEPS):
        clock.turn(step, now=1.0)
    assert engine.log == [*(("transmit", phase) for phase in range(PHASES)), ("process", 0)]
    assert told == STEPS * [DigitsSent(0, 0.0)]


def assert_nothing_is_lost(log: list[tuple[str, int]]) -> None:
    """Between two processings the packets of all phases leave."""
    own = [("process", 0), *(("transmit", phase) for phase in range(PHASES))]
    steps = [step for step in log if step in own]
    assert all(
        own[(own.index(earlier) + 1) % len(own)] == later for earlier, later in pairwise(steps)
    )


def test_phases_come_in_turn() -> None:
    engine = LoggingEngine()

    async def main() -> None:
        clock = MediaClock(engine, lambda event: None)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(clock.run())
            while len(engine.log) < 4 * (PHASES + 1):
                await asyncio.sleep(0)
            running.cancel()

    asyncio.run(main())
    assert_nothing_is_lost(engine.log)


class LateLoop(asyncio.SelectorEventLoop):
    """A loop whose clock the test can put forward."""

    skipped = 0.0

    def time(self) -> float:
        return super().time() + self.skipped


def test_missed_ticks_are_skipped_and_counted_not_replayed() -> None:
    engine, loop = LoggingEngine(), LateLoop()

    async def main() -> int:
        clock = MediaClock(engine, lambda event: None)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(clock.run())
            while not engine.log:
                await asyncio.sleep(0)
            before = len(engine.log)
            loop.skipped = 10.0  # the machine slept: 500 ticks were missed
            while len(engine.log) < before + 8:
                await asyncio.sleep(0)
            running.cancel()
        return clock.skipped_ticks

    skipped = loop.run_until_complete(main())
    loop.close()
    assert 475 < skipped < 700  # a busy machine adds its own
    assert len(engine.log) < 100
    assert_nothing_is_lost(engine.log)


class CountedWire:
    """Holds packets, and gives one at a time where somebody has looked."""

    def __init__(self, *packets: bytes) -> None:
        self.packets = list(packets)
        self.asked = 0

    def received(self) -> list[bytes]:
        self.asked += 1
        return [self.packets.pop(0)] if self.packets else []

    def received_rtcp(self) -> Iterator[bytes]:
        return iter(())

    def send(self, packet: bytes) -> None: ...
    def send_rtcp(self, packet: bytes) -> None: ...


class Looks:
    """Knows which wires have packets, and counts how often it is asked."""

    def __init__(self, *wires: CountedWire) -> None:
        self.wires = wires
        self.count = 0

    def look(self) -> bool:
        self.count += 1
        return any(wire.packets for wire in self.wires)


def test_wires_that_give_one_packet_at_a_time_are_asked_until_none_has_any() -> None:
    wires = [CountedWire(b"a"), CountedWire(b"b", b"c"), CountedWire()]
    engine, looks = LoggingEngine(), Looks(*wires)
    clock = MediaClock(engine, lambda event: None, looks)
    for line, wire in enumerate(wires):
        clock.attach(line, wire)
    clock.turn(STEPS - 1, now=1.0)
    assert [entry for entry in engine.log if entry[0] == "receive"] == [
        ("receive", 0), ("receive", 1), ("receive", 1),
    ]  # fmt: skip
    assert [wire.asked for wire in wires] == [2, 2, 2]
    assert looks.count == 3


def test_a_flood_on_one_wire_is_taken_only_so_far_in_one_turn() -> None:
    engine, flood = LoggingEngine(), CountedWire(*(1000 * [b"x"]))
    clock = MediaClock(engine, lambda event: None, Looks(flood))
    clock.attach(0, flood)
    clock.turn(STEPS - 1, now=1.0)
    assert len(flood.packets) == 1000 - DRAIN_LIMIT
