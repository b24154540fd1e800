"""The media clock: what moves packets between sockets and the engine, every 20 ms.

A tick has two steps, 10 ms apart. In the first all packets leave that are ready, so that their
moment depends on nothing that is done after. In the second all lines are drained and processed as
one matrix, which costs less than two small ones: what they have to say leaves 10 ms later. There
are no more steps, as waking up costs as much as a few lines do. Ticks that were missed are skipped,
never replayed: a burst of late packets helps nobody.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from strowger.media.events import Command, Event
from strowger.telephony.sockets import DRAIN_LIMIT, Wire

TICK = 0.020
STEPS = 2
PHASES = 1
"""The first steps of a tick, in which packets leave."""
BATCH = 0
"""Of the engine: all lines."""
RTCP_EVERY = 25
"""Ticks between two looks at the RTCP sockets."""


class MediaEngine(Protocol):
    """What the clock needs of the pure `media.engine.Engine`."""

    def apply(self, command: Command, *, now: float) -> None: ...
    def transmit(self, phase: int, *, now: float) -> list[tuple[int, bytes]]: ...
    def receive(self, line: int, packet: bytes, *, now: float) -> None: ...
    def receive_rtcp(self, line: int, packet: bytes, *, now: float) -> None: ...
    def rtcp_to_send(self, *, now: float) -> list[tuple[int, bytes]]: ...
    def process(self, batch: int, *, now: float) -> None: ...
    def events(self) -> list[Event]: ...


class Arrivals(Protocol):
    """What knows which wires have packets; each of these then gives one at a time."""

    def look(self) -> bool:
        """See which; False where none has."""


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
        self._lines: dict[int, Wire] = {}
        self.skipped_ticks = 0
        """Ticks that came too late and were left out."""

    def attach(self, line: int, wire: Wire) -> None:
        self._lines[line] = wire

    def detach(self, line: int) -> None:
        self._lines.pop(line, None)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        length = TICK / STEPS
        started = loop.time()
        number = 0
        while True:
            number += 1
            delay = started + number * length - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            else:
                if delay < -TICK:
                    # Whole ticks: nothing is ever processed twice without its packets leaving.
                    behind = int(-delay / TICK)
                    self.skipped_ticks += behind
                    number += behind * STEPS
                await asyncio.sleep(0)  # late, but the rest of the process wants its turn too
            self.turn(number % STEPS, now=loop.time())
            if number % (RTCP_EVERY * STEPS) == 0:
                self._exchange_reports(now=loop.time())

    def turn(self, step: int, *, now: float) -> None:
        """Let the packets of a phase leave; in the last step, make those of the next tick."""
        engine, lines = self._engine, self._lines
        if step < PHASES:
            for line, packet in engine.transmit(step, now=now):
                if (wire := lines.get(line)) is not None:
                    wire.send(packet)
        elif step == STEPS - 1:
            self._drain(lines, now - TICK / 2)  # at some time since the last turn
            engine.process(BATCH, now=now)
        for event in engine.events():
            self._on_event(event)

    def _drain(self, lines: dict[int, Wire], came: float) -> None:
        """Take what has come: of most wires one packet, of none more than DRAIN_LIMIT."""
        receive, arrivals = self._engine.receive, self._arrivals
        if arrivals is not None:
            arrivals.look()
        for _ in range(DRAIN_LIMIT):
            more = False
            for line, wire in lines.items():
                for packet in wire.received():
                    more = True
                    receive(line, packet, now=came)
            if arrivals is None or not more or not arrivals.look():
                return

    def _exchange_reports(self, *, now: float) -> None:
        for line, packet in self._engine.rtcp_to_send(now=now):
            if (wire := self._lines.get(line)) is not None:
                wire.send_rtcp(packet)
        for line, wire in self._lines.items():
            for packet in wire.received_rtcp():
                self._engine.receive_rtcp(line, packet, now=now)
