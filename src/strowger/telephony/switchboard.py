"""The media of all calls: one engine, one clock, and which row and which ports each call takes.

Knows nothing of SIP.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from strowger.errors import Unavailable
from strowger.media.engine import Engine
from strowger.media.events import Event, LineClosed
from strowger.media.voice import SpeechModel
from strowger.telephony.clock import PHASES, MediaClock
from strowger.telephony.legs import MediaLeg
from strowger.telephony.line import SipLine
from strowger.telephony.rows import Rows
from strowger.telephony.sockets import Arrivals, LineSockets, PortPool, Wire


class Switchboard:
    """Gives calls their media, and takes it back once the engine has let go of it."""

    def __init__(
        self,
        host: str,
        rtp_ports: tuple[int, int],
        lines: int,
        model: SpeechModel | None,
        now: Callable[[], float],
        wiring: Callable[[LineSockets], Wire],
    ) -> None:
        """With `lines` calls, as many people again may be consulted in the midst of them."""
        self._now = now
        self._wiring = wiring
        self._engine = Engine(lines=2 * lines, model=model, phases=PHASES, batches=1)
        self._arrivals = Arrivals()
        self.clock = MediaClock(self._engine, self._on_event, self._arrivals)
        self._ports = PortPool(host, *rtp_ports, self._arrivals)
        self.rows = Rows(range(lines))
        self.rows_to_consult = Rows(range(lines, 2 * lines))
        self._lines: dict[int, SipLine] = {}
        self.packets: Counter[str] = Counter()
        """Of all lines that were closed: `received`, and of these `late`; and `lost`."""

    @asynccontextmanager
    async def leg(self, public_host: str, rows: Rows) -> AsyncIterator[MediaLeg]:
        """A row, its sockets and their orderly end. Raises Unavailable when none is free, and for
        who is to be consulted where the ports are needed for the calls that may still come."""
        row = await rows.take()
        opened: SipLine | None = None
        try:
            if rows is self.rows_to_consult and self._ports.free <= self.rows.promised:
                # Only here: between this and the port nobody else takes one.
                raise Unavailable("every RTP port is needed for calls; widen STROWGER_RTP_PORTS")
            leg = MediaLeg(
                self._engine,
                self.clock,
                self._ports,
                row=row,
                public_host=public_host,
                now=self._now,
                wiring=self._wiring,
            )
            try:
                yield leg
            finally:
                opened = leg.line
                try:
                    await leg.close()
                finally:
                    self._lines.pop(row, None)
        finally:
            if opened is None or opened.closed.is_set():
                rows.give_back(row)
            else:
                rows.give_back_once_closed(row)

    def open_line(self, leg: MediaLeg, recording: Path | None) -> SipLine:
        line = leg.open(recording)
        self._lines[leg.row] = line
        return line

    def close(self) -> None:
        self._arrivals.close()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, LineClosed):
            self.packets["received"] += event.packets_received
            self.packets["lost"] += event.packets_lost
            self.packets["late"] += event.packets_late
            self.rows.closed(event.line)
            self.rows_to_consult.closed(event.line)
        if (line := self._lines.get(event.line)) is not None:
            line.take(event)
