"""The telephone: one SIP address, one media clock, and the calls on them.

Implements `ports.Telephone` for calls we place, and offers calls that come in to whoever asked
for them. What SIP says inside an established call is handled here, without a task of its own.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from strowger.errors import CallRefused, FarEndError, RefusalCause, Unavailable
from strowger.media.engine import Engine
from strowger.media.events import Event as MediaEvent
from strowger.media.events import LineClosed
from strowger.media.voice import SpeechModel
from strowger.model import Trunk
from strowger.ports import DialRequest
from strowger.sip import events as sip
from strowger.sip.endpoint import Endpoint
from strowger.telephony.addressing import invitation, own_address_towards, resolve, uri_of
from strowger.telephony.agreement import (
    accept,
    accept_quietly,
    answer_offer,
    refusal,
    unreachable,
)
from strowger.telephony.clock import PHASES, MediaClock
from strowger.telephony.legs import MediaLeg
from strowger.telephony.line import Referrals, SipLine
from strowger.telephony.rows import Rows
from strowger.telephony.signalling import UdpTransport, open_udp_transport
from strowger.telephony.sockets import Arrivals, LineSockets, PortPool, Wire

PENDING_SIGNALS = 64
"""Signals a call that is being set up may have waiting; more is a far end gone mad."""
GOODBYE_TIME = 1.0
"""Seconds that BYEs have to be answered when the telephone is closed."""

Signals = asyncio.Queue[sip.Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelephoneSettings:
    listen: sip.Address
    """Where SIP is spoken; `0.0.0.0` for every address of the machine."""
    public_host: str | None = None
    """The address others reach us at, where it is not the one we see ourselves."""
    rtp_ports: tuple[int, int] = (10000, 19999)
    lines: int = 100
    """Most calls at the same time; as many people again may be consulted in the midst of them."""
    takes_referrals: bool = False
    """Whether callers may ask to have us call somebody else (REFER); else they get 405."""


class SipTelephone:
    """Calls in both directions over one SIP address."""

    def __init__(
        self,
        settings: TelephoneSettings,
        model: SpeechModel | None,
        on_incoming: Callable[["IncomingCall"], None] | None,
        wiring: Callable[[LineSockets], Wire] = lambda sockets: sockets,
    ) -> None:
        """`wiring` may put something before a line's sockets, such as a bad network."""
        self._wiring = wiring
        self._settings = settings
        self._on_incoming = on_incoming
        self._loop = asyncio.get_running_loop()
        self._endpoint = Endpoint(
            local=settings.listen,
            new_token=lambda: secrets.token_hex(8),
            user_agent="Strowger",
            takes_referrals=settings.takes_referrals,
        )
        self._transport: UdpTransport | None = None
        lines = settings.lines
        self._engine = Engine(lines=2 * lines, model=model, phases=PHASES, batches=1)
        self._arrivals = Arrivals()
        self.clock = MediaClock(self._engine, self._on_media, self._arrivals)
        self._ports = PortPool(settings.listen[0], *settings.rtp_ports, self._arrivals)
        self._rows = Rows(range(lines))
        self._rows_to_consult = Rows(range(lines, 2 * lines))
        self._lines: dict[int, SipLine] = {}
        self._sessions: dict[sip.SessionId, Callable[[sip.Event], None]] = {}
        self.packets: Counter[str] = Counter()
        """Of all lines that were closed: `received`, and of these `late`; and `lost`."""

    async def open(self) -> None:
        """Raises ConfigurationError where the address cannot be bound."""
        listen = self._settings.listen
        self._transport = await open_udp_transport(self._endpoint, listen, self._on_signal)

    async def say_goodbye(self) -> None:
        """Give the last BYEs their answers, and repeat those that were lost, for a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_TIME):
                while self._endpoint.has_sessions:  # noqa: ASYNC110 - the endpoint tells nobody
                    await asyncio.sleep(0.05)

    def close(self) -> None:
        self._arrivals.close()
        if self._transport is not None:
            self._transport.close()

    # ── calls we place ───────────────────────────────────────────────────────────────────────

    def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[SipLine]:
        return self._dial(request, on_ringing, self._rows)

    @asynccontextmanager
    async def _dial(
        self, request: DialRequest, on_ringing: Callable[[int], None], rows: Rows
    ) -> AsyncIterator[SipLine]:
        destination = await resolve(request.trunk.host, request.trunk.port)
        async with self._media(destination[0], rows) as leg:
            own = (leg.public_host, self._settings.listen[1])
            invite = invitation(request, destination, own, leg.offer())
            session = self._endpoint.invite(invite, now=self._now())
            try:
                with self._signals_of(session) as signals:
                    self._flush()
                    answer = await self._answer(session, signals, request, on_ringing)
                    accept(leg, answer)
                    line = self._open_line(leg, request.recording)
                    line.refers_by(
                        partial(self._refer, session, request.trunk),
                        Referrals(
                            session,
                            partial(self._endpoint.can_refer, session),
                            partial(self._refer_to, session),
                            partial(self._consult, request),
                        ),
                    )
                    self._establish(session, leg, line, signals)
                    yield line
            finally:
                self._hang_up(session)

    async def _answer(
        self,
        session: sip.SessionId,
        signals: Signals,
        request: DialRequest,
        on_ringing: Callable[[int], None],
    ) -> bytes | None:
        """The SDP of the far end's answer. Raises CallRefused."""
        patience = request.ring_timeout
        try:
            async with asyncio.timeout(patience):
                while True:
                    match await signals.get():
                        case sip.Ringing(status=status):
                            on_ringing(status)
                        case sip.Answered(sdp=answer):
                            return answer
                        case sip.Refused() as refused:
                            raise refusal(refused, request.trunk)
                        case sip.Ended(reason=reason, hangup_cause=cause):
                            raise CallRefused(487, reason or "call ended", hangup_cause=cause)
        except TimeoutError:
            silent = not self._endpoint.has_heard_of(session)
            self._endpoint.cancel(session, now=self._now())
            self._flush()
            if silent:
                raise unreachable(request.trunk) from None
            raise CallRefused(
                487, f"nobody answered within {patience:g} s", cause=RefusalCause.RING_TIMEOUT
            ) from None

    # ── calls that come in ───────────────────────────────────────────────────────────────────

    @property
    def sessions(self) -> int:
        """How many calls somebody listens for."""
        return len(self._sessions)

    def forget(self, session: sip.SessionId) -> None:
        """Nobody wants to hear of this session any more."""
        self._sessions.pop(session, None)

    def ring(self, session: sip.SessionId, status: int) -> None:
        self._endpoint.ring(session, now=self._now(), status=status)
        self._flush()

    def reject(self, session: sip.SessionId, status: int, reason: str | None) -> None:
        self.forget(session)
        self._endpoint.reject(session, status, now=self._now(), reason=reason)
        self._flush()

    @asynccontextmanager
    async def answer(
        self, incoming: "IncomingCall", signals: Signals, recording: Path | None
    ) -> AsyncIterator[SipLine]:
        """Take a call; enter when its ACK has come, hang up on exit. Raises CallRefused."""
        session = incoming.session
        async with self._media(incoming.source[0], self._rows) as leg:
            try:
                answer = answer_offer(leg, incoming.sdp)
                self._endpoint.answer(session, answer, now=self._now())
                self._flush()
                while not isinstance(event := await signals.get(), sip.Confirmed):
                    if isinstance(event, sip.Canceled | sip.Ended):
                        raise CallRefused(487, "the caller gave up")
                if incoming.sdp is None:
                    accept(leg, event.sdp)
                line = self._open_line(leg, recording)
                self._establish(session, leg, line, signals, incoming.on_referred)
                yield line
            except CallRefused as refused:
                self._endpoint.reject(session, refused.status, now=self._now(), reason=None)
                raise
            finally:
                self._hang_up(session)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _media(self, towards: str, rows: Rows) -> AsyncIterator[MediaLeg]:
        """A row, its sockets and their orderly end. Raises Unavailable when none is free."""
        row = await rows.take()
        opened: SipLine | None = None
        try:
            host = self._settings.public_host
            own = host or own_address_towards(towards, self._settings.listen[0])
            leg = MediaLeg(
                self._engine,
                self.clock,
                self._ports,
                row=row,
                public_host=own,
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

    def _open_line(self, leg: MediaLeg, recording: Path | None) -> SipLine:
        line = leg.open(recording)
        self._lines[leg.row] = line
        return line

    def _signals_of(self, session: sip.SessionId) -> "_Subscription":
        return _Subscription(self._sessions, session)

    def _establish(
        self,
        session: sip.SessionId,
        leg: MediaLeg,
        line: SipLine,
        signals: Signals,
        on_referred: Callable[[str], None] = lambda to: None,
    ) -> None:
        """From here on, signals of the session act on its line."""

        def handle(event: sip.Event) -> None:
            match event:
                case sip.Ended(reason=reason, hangup_cause=cause):
                    line.hung_up(reason, cause)
                case sip.ReferAccepted():
                    line.refer_accepted()
                case sip.ReferEnded(status=status, reason=reason):
                    line.refer_ended(status, reason)
                case sip.Referred(to=to):
                    on_referred(to)
                case sip.Reoffered(sdp=offer):
                    self._answer_reoffer(session, leg, offer)
                case sip.Confirmed(sdp=bytes() as answer):
                    accept_quietly(leg, answer)
                case _:
                    pass

        self._sessions[session] = handle
        while not signals.empty():  # what came between the answer and now
            handle(signals.get_nowait())

    def _answer_reoffer(self, session: sip.SessionId, leg: MediaLeg, offer: bytes | None) -> None:
        now = self._now()
        try:
            answer = leg.offer() if offer is None else leg.answer(offer)
        except FarEndError:
            self._endpoint.reject_reoffer(session, 488, now=now)
        else:
            self._endpoint.answer_reoffer(session, answer, now=now)

    def referral_ended(self, session: sip.SessionId, status: int) -> None:
        """Tell a caller what has come of its REFER."""
        self._endpoint.referral_ended(session, status, now=self._now())
        self._flush()

    def _refer(self, session: sip.SessionId, trunk: Trunk, to: str) -> bool:
        asked = self._endpoint.refer(session, uri_of(to, trunk), now=self._now())
        self._flush()
        return asked

    def _refer_to(self, session: sip.SessionId, other: sip.SessionId) -> bool:
        asked = self._endpoint.refer_to_session(session, other, now=self._now())
        self._flush()
        return asked

    def _consult(
        self, request: DialRequest, to: str, ring_timeout: float
    ) -> AbstractAsyncContextManager[SipLine]:
        """Call somebody else by the trunk of a call, unrecorded; calls to come keep their lines.

        Raises Unavailable, too where there are RTP ports for these only.
        """
        if self._ports.free <= self._rows.promised:
            raise Unavailable("every RTP port is needed for calls; widen STROWGER_RTP_PORTS")
        other = replace(request, to=to, ring_timeout=ring_timeout, recording=None)
        return self._dial(other, lambda status: None, self._rows_to_consult)

    def _hang_up(self, session: sip.SessionId) -> None:
        self.forget(session)
        self._endpoint.hang_up(session, now=self._now())
        self._flush()

    def _on_signal(self, event: sip.Event) -> None:
        match event:
            case sip.Incoming():
                self._offer_incoming(event)
            case sip.OptionsAnswered():
                pass  # nothing here asks; `checking` has an endpoint of its own
            case sip.Discarded():
                pass  # counted by the endpoint; a log line for each would serve a flood
            case _:
                if (handle := self._sessions.get(event.session)) is not None:
                    handle(event)

    def _offer_incoming(self, event: sip.Incoming) -> None:
        if self._on_incoming is None:
            self._endpoint.reject(event.session, 480, now=self._now(), reason=None)
            return
        self._on_incoming(IncomingCall(self, event))

    def _on_media(self, event: MediaEvent) -> None:
        if isinstance(event, LineClosed):
            self.packets["received"] += event.packets_received
            self.packets["lost"] += event.packets_lost
            self.packets["late"] += event.packets_late
            self._rows.closed(event.line)
            self._rows_to_consult.closed(event.line)
        if (line := self._lines.get(event.line)) is not None:
            line.take(event)

    def _flush(self) -> None:
        assert self._transport is not None, "open the telephone first"
        self._transport.flush()

    def _now(self) -> float:
        return self._loop.time()


class _Subscription:
    """While entered, signals of one session go to a queue."""

    def __init__(
        self, sessions: dict[sip.SessionId, Callable[[sip.Event], None]], session: sip.SessionId
    ) -> None:
        self._sessions = sessions
        self._session = session
        self._signals: Signals = asyncio.Queue(maxsize=PENDING_SIGNALS)

    def __enter__(self) -> Signals:
        self._sessions[self._session] = self._put
        return self._signals

    def __exit__(self, *exception: object) -> None:
        self._sessions.pop(self._session, None)

    def _put(self, event: sip.Event) -> None:
        if not self._signals.full():
            self._signals.put_nowait(event)


class IncomingCall:
    """A call that wants to be answered; nothing is sent before one of these is called."""

    def __init__(self, telephone: SipTelephone, event: sip.Incoming) -> None:
        self.session = event.session
        self.source = event.source
        self.to = event.to
        self.from_ = event.from_
        self.sdp = event.sdp
        self.on_referred: Callable[[str], None] = lambda to: None
        """Hears of each URI that the caller asks us to call in its place; set before `answer`."""
        self._telephone = telephone
        self._subscription = telephone._signals_of(event.session)
        self._signals = self._subscription.__enter__()

    def ring(self, status: int = 180) -> None:
        self._telephone.ring(self.session, status)

    def reject(self, status: int, reason: str | None = None) -> None:
        self._telephone.reject(self.session, status, reason)

    def answer(self, recording: Path | None = None) -> AbstractAsyncContextManager[SipLine]:
        """200 and our SDP; enter when the ACK has come. Raises CallRefused."""
        return self._telephone.answer(self, self._signals, recording)

    def referral_ended(self, status: int) -> None:
        """Tell the caller what has come of that: 2xx where somebody has answered."""
        self._telephone.referral_ended(self.session, status)

    async def given_up(self) -> None:
        """Return when the caller has cancelled the call that we have not answered."""
        while not isinstance(await self._signals.get(), sip.Canceled | sip.Ended):
            continue
        self._telephone.forget(self.session)


@asynccontextmanager
async def open_telephone(
    settings: TelephoneSettings,
    model: SpeechModel | None,
    on_incoming: Callable[[IncomingCall], None] | None = None,
    wiring: Callable[[LineSockets], Wire] = lambda sockets: sockets,
) -> AsyncIterator[SipTelephone]:
    """A telephone whose clock runs for as long as it is open."""
    telephone = SipTelephone(settings, model, on_incoming, wiring)
    await telephone.open()
    try:
        async with asyncio.TaskGroup() as tasks:
            clock = tasks.create_task(telephone.clock.run(), name="media clock")
            try:
                yield telephone
            finally:
                clock.cancel()
    finally:
        await telephone.say_goodbye()
        telephone.close()
