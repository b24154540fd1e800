"""A telephone whose far end is in the same process: the real media, without SIP and sockets.

Both lines are rows of one engine, the real media clock turns it, and what a line sends is G.711 in
RTP packets that cross an impaired path into the other's jitter buffer. On a virtual loop a minute
of it takes about a second.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from strowger.errors import CallRefused, RefusalCause
from strowger.media.engine import Engine
from strowger.media.events import CloseLine, Codec, Event, OpenLine
from strowger.media.voice import SpeechModel
from strowger.ports import SimulatedDial
from strowger.simulate.acting import Actor, Tell
from strowger.simulate.persona import Impairments
from strowger.simulate.reports import Answered, Consulted, GivenUp, HungUp, PutThrough, Refused
from strowger.simulate.scenario import TransferPlan
from strowger.simulate.wire import ImpairedWire
from strowger.sip.events import SessionId
from strowger.telephony.clock import PHASES, MediaClock
from strowger.telephony.line import Referrals, SipLine
from strowger.telephony.recording import WavFile
from strowger.telephony.sockets import Wire

OUR_ROW, THEIR_ROW = 0, 1
"""Rows of one batch, so that a tick is one matrix, whose packets leave in phases of their own."""
CONSULTING_ROW = 2
"""Of a call to whom the callee is to be put through."""
CLOSING_TIME = 1.0
TRYING = 0.2
"""Seconds until the far end says that it tries to put somebody through, and lets go of us after."""
CALLEES = SessionId("callee")
NORMAL_CLEARING = 16
"""Q.850 cause of a call that one side has ended."""


class MemoryWire:
    """One end of a perfect line: a `Wire` without a network."""

    def __init__(self) -> None:
        self.far: MemoryWire | None = None
        self._inbox: deque[bytes] = deque()
        self._reports: deque[bytes] = deque()

    def send(self, packet: bytes) -> None:
        if self.far is not None:
            self.far._inbox.append(packet)

    def received(self) -> Iterator[bytes]:
        while self._inbox:
            yield self._inbox.popleft()

    def send_rtcp(self, packet: bytes) -> None:
        if self.far is not None:
            self.far._reports.append(packet)

    def received_rtcp(self) -> Iterator[bytes]:
        while self._reports:
            yield self._reports.popleft()


class VirtualTelephone:
    """Implements `ports.SimulatedTelephone`: one actor answers, whoever is dialled; one call."""

    def __init__(
        self,
        actor: Actor,
        tell: Tell,
        tasks: asyncio.TaskGroup,
        *,
        model: SpeechModel | None,
        network: Impairments,
        transfer: TransferPlan,
        seed: int,
    ) -> None:
        self._actor = actor
        self._tell = tell
        self._tasks = tasks
        self._network = network
        self._transfer = transfer
        self._seed = seed
        self._loop = asyncio.get_running_loop()
        self._engine = Engine(
            lines=CONSULTING_ROW + 1, model=model, phases=PHASES, batches=1, seed=seed
        )
        self.clock = MediaClock(self._engine, self._on_media)
        self._lines: dict[int, SipLine] = {}

    @asynccontextmanager
    async def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[SipLine]:
        await self._ring(request, on_ringing)
        ours, theirs = MemoryWire(), MemoryWire()
        ours.far, theirs.far = theirs, ours
        impaired: Wire = theirs
        if self._network != Impairments():
            impaired = ImpairedWire(theirs, self._network, seed=self._seed)
        line = self._open(OUR_ROW, ours, request.recording)
        far = self._open(THEIR_ROW, impaired, None)
        put_through = partial(self._put_through, line, far)
        line.refers_by(put_through, Referrals(CALLEES, lambda: True, put_through, self._consult))
        self._tell(Answered())
        acting = self._tasks.create_task(self._act(line, far), name="callee")
        try:
            yield line
            far.hung_up("BYE", NORMAL_CLEARING)
            await asyncio.wait([acting])
        finally:
            acting.cancel()
            await self._close(line)
            await self._close(far)

    async def _act(self, line: SipLine, far: SipLine) -> None:
        try:
            await self._actor.act(far, self._tell)
        except asyncio.CancelledError:
            self._tell(HungUp("callee", "stopped"))
            raise
        line.hung_up("BYE", NORMAL_CLEARING)

    def _put_through(self, line: SipLine, far: SipLine, to: str) -> bool:
        """The network is asked to put the callee through: it says what it tries, and how it ends.

        One that is put through hears somebody else from then on, and both lines are at their end.
        """
        status, after = self._transfer.status, self._transfer.after
        self._loop.call_later(after, self._tell, PutThrough(to, status))
        if self._transfer.succeeds:
            self._loop.call_later(min(after, TRYING), line.refer_accepted)
        self._loop.call_later(after, line.refer_ended, status, "")
        if self._transfer.succeeds:
            for each in (line, far):
                reason = f"put through to {to}"
                self._loop.call_later(after + TRYING, each.hung_up, reason, NORMAL_CLEARING)
        return True

    @asynccontextmanager
    async def _consult(self, to: str, ring_timeout: float) -> AsyncIterator[SipLine]:
        """Somebody answers who only listens; what becomes of the transfer is told after that."""
        await asyncio.sleep(min(ring_timeout, TRYING))
        line = self._open(CONSULTING_ROW, MemoryWire(), None)
        nowhere = Referrals(SessionId(to), lambda: False, lambda to: False, self._consult)
        line.refers_by(lambda to: False, nowhere)
        self._tell(Consulted(to))
        try:
            yield line
        finally:
            await self._close(line)

    async def _ring(self, request: SimulatedDial, on_ringing: Callable[[int], None]) -> None:
        """Return when the call is taken. Raises CallRefused."""
        answer, patience = self._actor.answer, request.ring_timeout
        on_ringing(180)
        if answer.after is None or answer.after > patience:
            await asyncio.sleep(patience)
            self._tell(GivenUp())
            raise CallRefused(
                487, f"nobody answered within {patience:g} s", cause=RefusalCause.RING_TIMEOUT
            )
        await asyncio.sleep(answer.after)
        if answer.status != 200:
            self._tell(Refused(answer.status))
            raise CallRefused(answer.status, answer.reason or f"refused with {answer.status}")

    def _open(self, row: int, wire: Wire, recording: Path | None) -> SipLine:
        wav = None if recording is None else WavFile(recording)
        line = self._lines[row] = SipLine(row, self._engine, self._loop.time, wav)
        chance = random.Random(f"line {self._seed} {row}")  # noqa: S311 - nothing is kept secret
        self._engine.apply(
            OpenLine(
                line=row,
                codec=Codec.PCMU,
                payload_type=0,
                telephone_event=101,
                ssrc=chance.getrandbits(32),
                first_sequence=chance.getrandbits(15),
                first_timestamp=chance.getrandbits(32),
                record=recording is not None,
            ),
            now=self._loop.time(),
        )
        self.clock.attach(row, wire)
        return line

    async def _close(self, line: SipLine) -> None:
        self._engine.apply(CloseLine(line.row), now=self._loop.time())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_TIME):
                await line.closed.wait()
        line.finish_recording()
        self.clock.detach(line.row)

    def _on_media(self, event: Event) -> None:
        if (line := self._lines.get(event.line)) is not None:
            line.take(event)


@asynccontextmanager
async def open_virtual_telephone(
    actor: Actor,
    tell: Tell,
    *,
    model: SpeechModel | None,
    network: Impairments,
    transfer: TransferPlan,
    seed: int,
) -> AsyncIterator[VirtualTelephone]:
    """A telephone whose clock runs for as long as it is open."""
    async with asyncio.TaskGroup() as tasks:
        telephone = VirtualTelephone(
            actor, tell, tasks, model=model, network=network, transfer=transfer, seed=seed
        )
        clock = tasks.create_task(telephone.clock.run(), name="media clock")
        try:
            yield telephone
        finally:
            clock.cancel()
