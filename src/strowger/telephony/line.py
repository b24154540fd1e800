"""One line of the engine as the application sees it: commands go in, its events come out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from strowger.errors import TransferRefused
from strowger.media.events import (
    BeginUtterance,
    Command,
    EndUtterance,
    Event,
    LineClosed,
    MediaLost,
    RecordingChunk,
    SendDigits,
    StopPlaying,
)
from strowger.model import LineFigures, Recording
from strowger.ports import LINE_RATE, Line, LineEvent, LineHungUp
from strowger.sip.events import SessionId
from strowger.telephony.recording import WavFile

PENDING_EVENTS = 1024
"""Events a line keeps for its reader; one that is further behind has stopped reading."""
RING_FULL_PAUSE = 0.1
"""Seconds before a full playout ring is tried again; it holds several seconds."""

ALREADY = "the callee is being put through already"
NOT_NOW = "the far end cannot be asked now"
LAST_EVENTS = 0.045
"""Seconds in which the engine answers StopPlaying: two of its ticks."""


class PlayoutRing(Protocol):
    """The writer's side of a playout ring."""

    @property
    def written(self) -> int: ...
    def write(self, pcm: bytes) -> int:
        """Take as many samples as fit; return how many."""


class LineEngine(Protocol):
    """What a line needs of the pure `media.engine.Engine`."""

    def apply(self, command: Command, *, now: float) -> None: ...
    def playout_ring(self, line: int) -> PlayoutRing: ...
    def captured(self, line: int, position: int) -> tuple[bytes, int]: ...


@dataclass(frozen=True, slots=True)
class Referrals:
    """How somebody else is called from a call that was placed."""

    session: SessionId
    can_refer: Callable[[], bool]
    """Whether the far end can be asked now."""
    refer_to: Callable[[SessionId], bool]
    """Ask the far end to take our place in another call; False where it cannot be asked."""
    call: Callable[[str, float], AbstractAsyncContextManager["SipLine"]]
    """Call a number the same way, for so many seconds. Raises CallRefused and Unavailable."""


class SipLine:
    """Implements `ports.Line` over one row of the engine."""

    def __init__(
        self, row: int, engine: LineEngine, clock: Callable[[], float], recording: WavFile | None
    ) -> None:
        self.row = row
        self.closed = asyncio.Event()
        """Set once the engine has given the row back."""
        self.figures: LineClosed | None = None
        self._engine = engine
        self._clock = clock
        self._recording = recording
        self._events: asyncio.Queue[LineEvent] = asyncio.Queue(maxsize=PENDING_EVENTS)
        self._utterance = 0
        self._half_sample = b""
        self._refer: Callable[[str], bool] | None = None
        self._referrals: Referrals | None = None
        self._consulting = False
        self._referral: asyncio.Future[None] | None = None
        self._on_accepted: Callable[[], None] | None = None

    # ── what the telephone tells it ──────────────────────────────────────────────────────────

    def take(self, event: Event) -> None:
        """An event of the engine for this row."""
        match event:
            case RecordingChunk(_, pcm):
                if self._recording is not None:
                    self._recording.write(pcm)
            case LineClosed():
                self.figures = event
                self.closed.set()
            case _:
                self._tell(event)

    def refers_by(self, refer: Callable[[str], bool], referrals: Referrals | None = None) -> None:
        """How the far end is asked to call somebody else; False where it cannot be."""
        self._refer, self._referrals = refer, referrals

    def refer_accepted(self) -> None:
        """The far end tries to put the callee through."""
        if self._on_accepted is not None:
            self._on_accepted()
            self._on_accepted = None

    def refer_ended(self, status: int, reason: str) -> None:
        """What came of that. A callee who has been put through is gone, whoever waits for it."""
        if self._referral is None or self._referral.done():  # it took too long
            if 200 <= status < 300:
                self.hung_up("put through")
            return
        if 200 <= status < 300:
            self._referral.set_result(None)
        else:
            self._referral.set_exception(TransferRefused(f"not put through: {status} {reason}"))

    def hung_up(self, reason: str, hangup_cause: int | None = None) -> None:
        """The far end is gone: first the engine says what it still heard, then that is told."""
        self.stop_playing()
        last = LineHungUp(reason, hangup_cause)
        asyncio.get_running_loop().call_later(LAST_EVENTS, self._tell, last)

    def lose_media(self) -> None:
        """Our own socket is gone: what is told when nothing comes for long is told at once."""
        self._tell(MediaLost(self.row, self._clock(), 0.0))

    def finish_recording(self) -> None:
        """The last chunk is written: let go of the file."""
        if self._recording is not None:
            self._recording.close()

    def _tell(self, event: LineEvent) -> None:
        if self._events.full():
            self._events.get_nowait()  # nobody has read for minutes: the newest matter most
        self._events.put_nowait(event)

    # ── ports.Line ───────────────────────────────────────────────────────────────────────────

    async def next_event(self) -> LineEvent:
        return await self._events.get()

    def captured(self, position: int) -> tuple[bytes, int]:
        return self._engine.captured(self.row, position)

    def begin_utterance(self, utterance: int) -> None:
        self._utterance = utterance
        self._half_sample = b""
        ring = self._engine.playout_ring(self.row)
        self._apply(BeginUtterance(line=self.row, utterance=utterance, position=ring.written))

    async def write(self, pcm: bytes) -> None:
        ring = self._engine.playout_ring(self.row)
        pcm = self._half_sample + pcm
        whole = len(pcm) & ~1
        pcm, self._half_sample = pcm[:whole], pcm[whole:]
        while pcm:
            taken = ring.write(pcm)
            pcm = pcm[2 * taken :]
            if pcm:
                await asyncio.sleep(RING_FULL_PAUSE)

    def end_utterance(self, utterance: int) -> None:
        ring = self._engine.playout_ring(self.row)
        self._apply(EndUtterance(line=self.row, utterance=utterance, position=ring.written))

    def stop_playing(self) -> None:
        self._apply(StopPlaying(self.row))

    def send_digits(self, digits: str) -> None:
        self._apply(SendDigits(self.row, digits))

    async def transfer(self, to: str, on_accepted: Callable[[], None]) -> None:
        refer = self._refer
        await self._put_through(lambda: refer is not None and refer(to), on_accepted)

    @asynccontextmanager
    async def consult(self, to: str, *, ring_timeout: float) -> AsyncIterator["SipLine"]:
        if self._referrals is None:
            raise TransferRefused("nobody else can be called from this line")
        if self._consulting:
            raise TransferRefused(ALREADY)
        if not self._referrals.can_refer():  # nobody is called for nothing
            raise TransferRefused(NOT_NOW)
        self._consulting = True
        try:
            async with self._referrals.call(to, ring_timeout) as other:
                yield other
        finally:
            self._consulting = False

    async def transfer_to(self, other: Line, on_accepted: Callable[[], None]) -> None:
        ours, theirs = self._referrals, other._referrals if isinstance(other, SipLine) else None
        if ours is None or theirs is None:
            raise TransferRefused("these two calls cannot be joined")
        await self._put_through(lambda: ours.refer_to(theirs.session), on_accepted)

    async def _put_through(
        self, refer: Callable[[], bool], on_accepted: Callable[[], None]
    ) -> None:
        if self._referral is not None and not self._referral.done():
            raise TransferRefused(ALREADY)
        referral: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._referral, self._on_accepted = referral, on_accepted
        try:
            if not refer():
                raise TransferRefused(NOT_NOW)
            await referral
        finally:
            self._referral = self._on_accepted = None

    def recorded(self) -> Recording:
        if self._recording is None or self._recording.duration == 0:
            return Recording()
        return Recording(available=True, duration=self._recording.duration)

    def measured(self) -> LineFigures | None:
        if self.figures is None:
            return None
        closed = self.figures
        return LineFigures(
            packets_received=closed.packets_received,
            packets_sent=closed.packets_sent,
            packets_lost=closed.packets_lost,
            packets_late=closed.packets_late,
            jitter=closed.jitter,
            concealed=closed.concealed_samples / LINE_RATE,
            underrun=closed.underrun_samples / LINE_RATE,
        )

    def _apply(self, command: Command) -> None:
        self._engine.apply(command, now=self._clock())
