"""The telephone: one SIP address, and the calls that are placed and taken at it.

Implements `ports.Telephone` for calls we place, and offers calls that come in to whoever asked
for them. How a call is set up and ended is decided here: see `answered` for what SIP says in
between, `switchboard` for its media.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from strowger.errors import CallRefused, RefusalCause
from strowger.media.voice import SpeechModel
from strowger.model import Trunk
from strowger.ports import DialRequest
from strowger.sip import events as sip
from strowger.sip.endpoint import Endpoint
from strowger.telephony.addressing import invitation, own_address_towards, resolve, uri_of
from strowger.telephony.agreement import accept, answer_of, answer_offer, unreachable
from strowger.telephony.answered import AnsweredCall
from strowger.telephony.clock import MediaClock
from strowger.telephony.incoming import IncomingCall
from strowger.telephony.legs import MediaLeg
from strowger.telephony.line import Referrals, SipLine
from strowger.telephony.rows import Rows
from strowger.telephony.signalling import UdpTransport, open_udp_transport
from strowger.telephony.signals import Listeners, Signals
from strowger.telephony.sockets import LineSockets, Wire
from strowger.telephony.switchboard import Switchboard

GOODBYE_TIME = 1.0
"""Seconds that BYEs have to be answered when the telephone is closed."""


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
        on_incoming: Callable[[IncomingCall], None] | None,
        wiring: Callable[[LineSockets], Wire] = lambda sockets: sockets,
    ) -> None:
        """`wiring` may put something before a line's sockets, such as a bad network."""
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
        self._media = Switchboard(
            settings.listen[0], settings.rtp_ports, settings.lines, model, self._now, wiring
        )
        self._listeners = Listeners()

    @property
    def clock(self) -> MediaClock:
        return self._media.clock

    @property
    def packets(self) -> Counter[str]:
        """Of all lines that were closed: `received`, and of these `late`; and `lost`."""
        return self._media.packets

    @property
    def sessions(self) -> int:
        """How many calls somebody listens for."""
        return len(self._listeners)

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
        self._media.close()
        if self._transport is not None:
            self._transport.close()

    # ── calls we place ───────────────────────────────────────────────────────────────────────

    def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[SipLine]:
        return self._dial(request, on_ringing, self._media.rows)

    @asynccontextmanager
    async def _dial(
        self, request: DialRequest, on_ringing: Callable[[int], None], rows: Rows
    ) -> AsyncIterator[SipLine]:
        destination = await resolve(request.trunk.host, request.trunk.port)
        async with self._media.leg(self._host_towards(destination[0]), rows) as leg:
            own = (leg.public_host, self._settings.listen[1])
            invite = invitation(request, destination, own, leg.offer())
            session = self._endpoint.invite(invite, now=self._now())
            try:
                with self._listeners.kept(session) as signals:
                    self._flush()
                    answer = await self._answer(session, signals, request, on_ringing)
                    accept(leg, answer)
                    line = self._media.open_line(leg, request.recording)
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
                return await answer_of(signals, request.trunk, on_ringing)
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

    def forget(self, session: sip.SessionId) -> None:
        """Nobody wants to hear of this session any more."""
        self._listeners.forget(session)

    def ring(self, session: sip.SessionId, status: int) -> None:
        self._endpoint.ring(session, now=self._now(), status=status)
        self._flush()

    def reject(self, session: sip.SessionId, status: int, reason: str | None) -> None:
        self.forget(session)
        self._endpoint.reject(session, status, now=self._now(), reason=reason)
        self._flush()

    @asynccontextmanager
    async def answer(
        self, incoming: IncomingCall, signals: Signals, recording: Path | None
    ) -> AsyncIterator[SipLine]:
        """Take a call; enter when its ACK has come, hang up on exit. Raises CallRefused."""
        session = incoming.session
        host = self._host_towards(incoming.source[0])
        async with self._media.leg(host, self._media.rows) as leg:
            try:
                answer = answer_offer(leg, incoming.sdp)
                self._endpoint.answer(session, answer, now=self._now())
                self._flush()
                while not isinstance(event := await signals.get(), sip.Confirmed):
                    if isinstance(event, sip.Canceled | sip.Ended):
                        raise CallRefused(487, "the caller gave up")
                if incoming.sdp is None:
                    accept(leg, event.sdp)
                line = self._media.open_line(leg, recording)
                self._establish(session, leg, line, signals, incoming.on_referred)
                yield line
            except CallRefused as refused:
                self._endpoint.reject(session, refused.status, now=self._now(), reason=None)
                raise
            finally:
                self._hang_up(session)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _host_towards(self, remote: str) -> str:
        """The address that the far end is to send its sound to."""
        return self._settings.public_host or own_address_towards(remote, self._settings.listen[0])

    def _establish(
        self,
        session: sip.SessionId,
        leg: MediaLeg,
        line: SipLine,
        signals: Signals,
        on_referred: Callable[[str], None] = lambda to: None,
    ) -> None:
        """From here on, signals of the session act on its line."""
        call = AnsweredCall(session, leg, line, self._endpoint, self._now, on_referred)
        self._listeners.handle(session, signals, call.handle)
        self._flush()  # what those that had come before asked for

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
        """Call somebody else by the trunk of a call, unrecorded; calls to come keep their lines."""
        other = replace(request, to=to, ring_timeout=ring_timeout, recording=None)
        return self._dial(other, lambda status: None, self._media.rows_to_consult)

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
                self._listeners.tell(event.session, event)

    def _offer_incoming(self, event: sip.Incoming) -> None:
        if self._on_incoming is None:
            self._endpoint.reject(event.session, 480, now=self._now(), reason=None)
            return
        self._on_incoming(IncomingCall(self, event, self._listeners.keep(event.session)))

    def _flush(self) -> None:
        assert self._transport is not None, "open the telephone first"
        self._transport.flush()

    def _now(self) -> float:
        return self._loop.time()


@asynccontextmanager
async def open_telephone(
    settings: TelephoneSettings,
    model: SpeechModel | None,
    on_incoming: Callable[[IncomingCall], None] | None = None,
    wiring: Callable[[LineSockets], Wire] = lambda sockets: sockets,
) -> AsyncIterator[SipTelephone]:
    """A telephone whose clock runs for as long as it is open."""
    telephone = SipTelephone(settings, model, on_incoming, wiring)
    try:
        await telephone.open()
        async with asyncio.TaskGroup() as tasks:
            clock = tasks.create_task(telephone.clock.run(), name="media clock")
            try:
                yield telephone
            finally:
                clock.cancel()
    finally:
        try:
            await telephone.say_goodbye()
        finally:  # which may be cut short, too
            telephone.close()
