"""A SIP user agent without a socket: datagrams and times in, datagrams and events out.

Every call into it may leave datagrams to send, events to deliver and another timer; the shell
collects all three afterwards. A session ends with exactly one of Refused, Canceled and Ended.
What the application asks of a session that is over is ignored: the event that says so is
already on its way.
"""

from collections.abc import Callable

from strowger.errors import Conflict, MalformedMessage
from strowger.sip.asking import Question
from strowger.sip.bodies import SDP, sdp_of
from strowger.sip.calling import Calling, State
from strowger.sip.core import Capacity, Core, Phase
from strowger.sip.digest import Credentials
from strowger.sip.established import Established
from strowger.sip.events import (
    Address,
    Discarded,
    Event,
    Incoming,
    SessionId,
)
from strowger.sip.headers import Uri
from strowger.sip.invitation import Invitation, check_uri
from strowger.sip.invited import Invited
from strowger.sip.layer import note_source
from strowger.sip.message import (
    DEFAULT_LIMITS,
    Limits,
    Request,
    Response,
    is_keep_alive,
    parse,
)
from strowger.sip.referral import Referral
from strowger.sip.transaction import ClientTransaction, ServerTransaction
from strowger.sip.validation import KNOWN_METHODS, check_response, refusal_of


class Endpoint:
    """One UDP address that places and takes calls."""

    def __init__(
        self,
        *,
        local: Address,
        new_token: Callable[[], str],
        user_agent: str = "Strowger",
        limits: Limits = DEFAULT_LIMITS,
        capacity: Capacity | None = None,
        takes_referrals: bool = False,
    ) -> None:
        """`local` is the address that others reach us at. With `0.0.0.0`, what we send names
        the `contact` of the call, and what we answer the host that was called.

        `new_token` gives unguessable letters and digits, never the same twice. REFERs of the far
        end are taken only with `takes_referrals`; else they are answered 405.
        """
        self._limits = limits
        self._core = Core(
            local=local,
            new_token=new_token,
            user_agent=user_agent,
            capacity=capacity or Capacity(),
            takes_referrals=takes_referrals,
        )

    # ── bytes and time in ────────────────────────────────────────────────────────────────────

    def receive_datagram(self, data: bytes, source: Address, *, now: float) -> None:
        if is_keep_alive(data):
            return
        try:
            message = parse(data, self._limits)
            if isinstance(message, Response):
                check_response(message)
                self._core.layer.receive_response(message, source, now=now)
            else:
                note_source(message, source)
                self._receive_request(message, source, now=now)
        except MalformedMessage as error:
            self._core.report(Discarded(source=source, problem=str(error)))

    def handle_timer(self, *, now: float) -> None:
        """Do everything that is due; harmless when nothing is."""
        while (owner := self._core.timers.pop_due(now)) is not None:
            if isinstance(owner, ClientTransaction | ServerTransaction):
                self._core.layer.handle_timer(owner, now=now)
            elif isinstance(owner, Calling | Invited | Established | Referral):
                owner.handle_timer(now=now)
                self._core.timers.arm(owner)

    def next_timer(self) -> float | None:
        """When `handle_timer` is to be called next."""
        return self._core.timers.next()

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        return self._core.layer.datagrams_to_send()

    def events_received(self) -> list[Event]:
        return self._core.events_received()

    @property
    def is_idle(self) -> bool:
        """Nothing is going on and nothing is remembered."""
        return not self._core.sessions and not len(self._core.layer)

    @property
    def has_sessions(self) -> bool:
        """A call is going on, or its BYE has not been answered."""
        return bool(self._core.sessions)

    # ── as caller ────────────────────────────────────────────────────────────────────────────

    def invite(self, invitation: Invitation, *, now: float) -> SessionId:
        """Place a call. Raises Conflict where the Call-ID is in use."""
        call_id = invitation.call_id or self._core.new_token()
        if SessionId(call_id) in self._core.sessions:
            raise Conflict(f"a session with Call-ID {call_id} is alive")
        phase = Calling(self._core, invitation, call_id=call_id, now=now)
        self._core.enter(phase)
        return phase.session

    def cancel(self, session: SessionId, *, now: float) -> None:
        """Give an unanswered call of ours up; Refused follows, usually with 487.

        The CANCEL goes out once a provisional response has come (9.1). A 2xx that crosses it is
        acknowledged and ended with BYE, and reported as 487 too.
        """
        if isinstance(phase := self._phase(session), Calling):
            phase.cancel(now=now)

    def has_heard_of(self, session: SessionId) -> bool:
        """Whether anything has come back for a call of ours, if only 100 Trying."""
        phase = self._phase(session)
        return not isinstance(phase, Calling) or phase.state is not State.CALLING

    # ── as callee ────────────────────────────────────────────────────────────────────────────

    def ring(
        self, session: SessionId, *, now: float, status: int = 180, sdp: bytes | None = None
    ) -> None:
        if isinstance(phase := self._phase(session), Invited):
            phase.ring(status=status, sdp=sdp, now=now)

    def answer(self, session: SessionId, sdp: bytes, *, now: float) -> None:
        """Take the call; Confirmed follows, or Ended where no ACK ever comes."""
        if isinstance(phase := self._phase(session), Invited):
            phase.answer(sdp, now=now)

    def reject(
        self, session: SessionId, status: int, *, now: float, reason: str | None = None
    ) -> None:
        """Refuse the call with a status of 300-699; Ended follows."""
        if isinstance(phase := self._phase(session), Invited):
            phase.reject(status, reason=reason, now=now)

    # ── as either ────────────────────────────────────────────────────────────────────────────

    def hang_up(self, session: SessionId, *, now: float, reason: str | None = None) -> None:
        """End the session as its state demands: CANCEL, 480 or BYE. Always allowed."""
        if (phase := self._phase(session)) is not None:
            phase.hang_up(now=now, reason=reason)

    def answer_reoffer(self, session: SessionId, sdp: bytes, *, now: float) -> None:
        if isinstance(phase := self._phase(session), Established):
            phase.answer_reoffer(sdp, now=now)

    def reject_reoffer(self, session: SessionId, status: int, *, now: float) -> None:
        """Refuse a re-INVITE with a status of 300-699, usually 488; the session goes on."""
        if isinstance(phase := self._phase(session), Established):
            phase.reject_reoffer(status, now=now)

    def refer(self, session: SessionId, to: str, *, now: float) -> bool:
        """Ask the far end of an established call to call `to` in our place.

        ReferAccepted and ReferEnded follow, the latter also where the far end falls silent, unless
        the session ends first. False where there is no such call, or one asks already. Raises
        ValueError for what is no SIP URI.
        """
        check_uri(to)
        phase = self._phase(session)
        return isinstance(phase, Established) and phase.refer(to, now=now)

    def can_refer(self, session: SessionId) -> bool:
        """Whether the far end of a call can be asked that now."""
        phase = self._phase(session)
        return isinstance(phase, Established) and phase.can_refer

    def refer_to_session(self, session: SessionId, other: SessionId, *, now: float) -> bool:
        """The same with the far end of another call of ours, whose place it takes (RFC 5589)."""
        phase, consulted = self._phase(session), self._phase(other)
        if not isinstance(phase, Established) or not isinstance(consulted, Established):
            return False
        to = consulted.taken_over_by
        return to is not None and phase.refer(to, now=now)

    def referral_ended(self, session: SessionId, status: int, *, now: float) -> None:
        """Tell the far end what has come of its REFER: a final status, 2xx for an answer."""
        if isinstance(phase := self._phase(session), Established):
            phase.referral_ended(status, now=now)

    def options(
        self,
        uri: str,
        destination: Address,
        *,
        now: float,
        contact: Address | None = None,
        credentials: Credentials | None = None,
    ) -> str:
        """Ask what is there (11.1); the token comes back in OptionsAnswered."""
        check_uri(uri)
        own = contact or self._core.local
        question = Question(self._core, uri, destination, own=own, credentials=credentials, now=now)
        return question.token

    # ── requests of the far end ──────────────────────────────────────────────────────────────

    def _phase(self, session: SessionId) -> Phase | None:
        return self._core.sessions.get(session)

    def _receive_request(self, request: Request, source: Address, *, now: float) -> None:
        layer = self._core.layer
        refusal = refusal_of(request)
        if refusal is not None:
            if refusal.status in (400, 505):
                self._core.report(Discarded(source=source, problem=refusal.problem))
            if request.method != "ACK":  # an ACK is never answered
                layer.answer_statelessly(request, source, refusal.status, headers=refusal.headers)
            return
        transaction = layer.match(request)
        match request.method:
            case "ACK":
                self._receive_ack(request, transaction, source, now=now)
            case "CANCEL":
                self._receive_cancel(request, source, now=now)
            case _ if transaction is not None:
                layer.receive_repeated(transaction, now=now)
            case _ if request.to.tag is not None:
                self._receive_in_dialog(request, source, now=now)
            case "INVITE":
                self._receive_invite(request, source, now=now)
            case "OPTIONS":
                allow = ("allow", self._core.allow)
                headers = (allow, ("accept", SDP), ("accept-encoding", "identity"))
                layer.answer_statelessly(request, source, 200, headers=headers)
            case "BYE" | "INFO" | "NOTIFY" | "PRACK" | "UPDATE":  # they exist only within dialogs
                layer.answer_statelessly(request, source, 481)
            case method:
                status = 405 if method in KNOWN_METHODS else 501
                allow = ("allow", self._core.allow)
                layer.answer_statelessly(request, source, status, headers=(allow,))

    def _receive_invite(self, request: Request, source: Address, *, now: float) -> None:
        layer, sessions = self._core.layer, self._core.sessions
        if layer.is_merged(request) or SessionId(request.call_id) in sessions:  # 8.2.2.2
            layer.answer_statelessly(request, source, 482)
            return
        full = len(sessions) >= self._core.capacity.sessions
        transaction = None if full else layer.accept_request(request, source, now=now)
        if transaction is None:
            layer.answer_statelessly(request, source, 503)
            return
        phase = Invited(self._core, transaction, source, now=now)
        self._core.enter(phase)
        self._core.report(
            Incoming(
                session=phase.session,
                source=source,
                to=Uri.parse(request.uri).spoken_user,
                from_=request.from_.uri.spoken_user,
                sdp=sdp_of(request),
            )
        )

    def _receive_in_dialog(self, request: Request, source: Address, *, now: float) -> None:
        phase = self._phase(SessionId(request.call_id))
        match phase:
            case Established() if phase.dialog.is_of(request):
                transaction = self._core.layer.accept_request(request, source, now=now)
                if transaction is not None:
                    phase.receive_request(transaction, source, now=now)
            case Invited() if request.method == "BYE" and request.to.tag == phase.local_tag:
                self._core.layer.answer_statelessly(request, source, 200)
                phase.receive_cancel(now=now)  # 15: the caller may end an early dialog so
            case _:
                self._core.layer.answer_statelessly(request, source, 481)

    def _receive_ack(
        self,
        request: Request,
        transaction: ServerTransaction | None,
        source: Address,
        *,
        now: float,
    ) -> None:
        if transaction is not None:
            self._core.layer.receive_ack(transaction, now=now)
        phase = self._phase(SessionId(request.call_id))
        if isinstance(phase, Established) and phase.dialog.is_of(request):
            phase.receive_ack(request, source, now=now)

    def _receive_cancel(self, request: Request, source: Address, *, now: float) -> None:
        transaction = self._core.layer.match(request, "INVITE")
        if transaction is None:
            self._core.layer.answer_statelessly(request, source, 481)
            return
        phase = self._phase(SessionId(transaction.request.call_id))
        tag = phase.local_tag if isinstance(phase, Invited | Established) else None  # 9.2
        self._core.layer.answer_statelessly(request, source, 200, to_tag=tag)
        match phase:
            case Invited() if phase.transaction is transaction:
                phase.receive_cancel(now=now)
            case Established():
                phase.receive_cancel(transaction, now=now)
            case _:
                pass  # it was too late
