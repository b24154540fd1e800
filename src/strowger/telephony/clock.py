"""The media clock: what moves packets between sockets and the engine, every 20 ms.

A tick is split into phases that spread the lines. In each, the packets of its lines leave first, so
that their moment depends on nothing that is done after. After the last phase of a batch the lines
of the next batch are drained and processed as one matrix: just before they have their turn, so
that what they have to say leaves soon. There is one batch, because one large matrix costs less than
two small ones. Ticks that were missed are skipped, never replayed: a burst of late packets helps
nobody.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from strowger.media.events import Command, Event
from strowger.telephony.sockets import DRAIN_LIMIT, Wire

TICK = 0.020
PHASES = 4
"""Moments of a tick at which packets leave."""
BATCHES = 1
"""Groups in which lines are processed; each sends in PHASES // BATCHES phases."""
SHARE = PHASES // BATCHES
RTCP_EVERY = 25
"""Ticks between two looks at the RTCP sockets."""


class MediaEngine(Protocol):
    """What the clock needs of the pure `media.engine.Engine`."""

    def apply(self, command: Command, *, now: float) -> None: ...
    def batch_of(self, line: int) -> int: ...
    def transmit(self, phase: int, *, now: float) -> list[tuple[int, bytes]]: ...
    def receive(self, line: int, packet: bytes, *, now: float) -> None: ...
    def receive_rtcp(self, line: int, packet: bytes, *, now: float) -> None: ...
    def rtcp_to_send(self, *, now: float) -> list[tuple[int, bytes]]: ...
    def process(self, batch: int, *, now: float) -> None: ...
    def events(self) -> list[Event]: ...


class Arrivals(Protocol):
    """What knows which wires have packets; each of these then gives one at a time."""

    def look(self) -> None: ...


class MediaClock:
    """Turns the engine for as long as `run` runs."""

    def __init__(
        self,
        engine: MediaEngine,
        on_event: Callable[[Event], None],
        arrivals: Arrivals | None = None,
    ) -> None:
        """Without `arrivals`, each wire is asked, once, and gives all that it has."""
        self._engine = engine
        self._on_event = on_event
        self._arrivals = arrivals
        self._lines: list[dict[int, Wire]] = [{} for _ in range(BATCHES)]
        self.skipped_ticks = 0
        """Phases that came more than a tick too late and were left out."""

    def attach(self, line: int, wire: Wire) -> None:
        self._lines[self._engine.batch_of(line)][line] = wire

    def detach(self, line: int) -> None:
        self._lines[self._engine.batch_of(line)].pop(line, None)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        step = TICK / PHASES
        started = loop.time()
        number = 0
        while True:
            number += 1
            delay = started + number * step - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            else:
                if delay < -TICK:
                    # Whole ticks: a phase is never processed twice without its packets leaving.
                    behind = int(-delay / TICK) * PHASES
                    self.skipped_ticks += behind
                    number += behind
                await asyncio.sleep(0)  # late, but the rest of the process wants its turn too
            self.turn(number % PHASES, now=loop.time())
            if number % (RTCP_EVERY * PHASES) == 0:
                self._exchange_reports(now=loop.time())

    def turn(self, phase: int, *, now: float) -> None:
        """Let the packets of one phase leave; after a batch's last, make those of the next."""
        engine, lines = self._engine, self._lines[phase // SHARE]
        for line, packet in engine.transmit(phase, now=now):
            if (wire := lines.get(line)) is not None:
                wire.send(packet)
        following, part = divmod((phase + 1) % PHASES, SHARE)
        if part == 0:
            self._drain(self._lines[following], now - TICK / 2)  # at some time since the last turn
            engine.process(following, now=now)
        for event in engine.events():
            self._on_event(event)

    def _drain(self, lines: dict[int, Wire], came: float) -> None:
        """Take what has come: of most wires one packet, of none more than DRAIN_LIMIT."""
        receive, arrivals = self._engine.receive, self._arrivals
        for _ in range(1 if arrivals is None else DRAIN_LIMIT):
            more = False
            if arrivals is not None:
                arrivals.look()
            for line, wire in lines.items():
                for packet in wire.received():
                    more = True
                    receive(line, packet, now=came)
            if not more:
                return

    def _exchange_reports(self, *, now: float) -> None:
        for line, packet in self._engine.rtcp_to_send(now=now):
            if (wire := self._lines[self._engine.batch_of(line)].get(line)) is not None:
                wire.send_rtcp(packet)
        for lines in self._lines:
            for line, wire in lines.items():
                for packet in wire.received_rtcp():
                    self._engine.receive_rtcp(line, packet, now=now)
