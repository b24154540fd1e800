"""A session after the 2xx, on either side: acknowledged, reoffered, and ended by one of the two.

RFC 3261 sections 13.3.1.4 (the 2xx is ours to repeat), 14 (re-INVITE) and 15 (BYE). We answer
re-INVITEs and send none; we send REFER, and take it where the endpoint is one that does.
"""

import zlib
from enum import StrEnum

from strowger.errors import MalformedMessage
from strowger.sip.bodies import sdp_of
from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator
from strowger.sip.events import Address, Confirmed, Ended, Referred, Reoffered, SessionId
from strowger.sip.farewell import Farewell
from strowger.sip.message import Request, Response
from strowger.sip.reasons import hangup_cause, reason_text
from strowger.sip.referral import Referral, is_about_referral, referral_named
from strowger.sip.referred import TakenReferral, whom_to_call
from strowger.sip.transaction import T1, T2, TIMEOUT, ServerTransaction
from strowger.sip.validation import KNOWN_METHODS


class State(StrEnum):
    UNACKNOWLEDGED = "unacknowledged"
    """Our 2xx waits for its ACK."""
    CONFIRMED = "confirmed"
    LEAVING = "leaving"
    """We want to hang up, and may not before the ACK (15)."""
    HANGING_UP = "hanging up"
    """Our BYE waits for its answer."""
    ENDED = "ended"


class Input(StrEnum):
    ANSWERED_REOFFER = "2xx to a re-INVITE"
    ACK = "ACK"
    UNHEARD = "no ACK came"
    HANG_UP = "we hang up"
    BYE = "BYE of the far end"
    BYE_ANSWERED = "answer to our BYE"


TRANSITIONS: dict[State, dict[Input, State]] = {
    State.UNACKNOWLEDGED: {
        Input.ACK: State.CONFIRMED,
        Input.UNHEARD: State.HANGING_UP,
        Input.HANG_UP: State.LEAVING,
        Input.BYE: State.ENDED,
    },
    State.CONFIRMED: {
        Input.ANSWERED_REOFFER: State.UNACKNOWLEDGED,
        Input.HANG_UP: State.HANGING_UP,
        Input.BYE: State.ENDED,
    },
    State.LEAVING: {
        Input.ACK: State.HANGING_UP,
        Input.UNHEARD: State.HANGING_UP,
        Input.BYE: State.ENDED,
    },
    State.HANGING_UP: {Input.BYE: State.ENDED, Input.BYE_ANSWERED: State.ENDED},
    State.ENDED: {},
}


class UnacknowledgedAnswer:
    """A 2xx of ours to an INVITE, repeated until its ACK comes (13.3.1.4)."""

    def __init__(
        self, transaction: ServerTransaction, response: Response, *, initial: bool, now: float
    ) -> None:
        self.transaction = transaction
        self.response = response
        self.initial = initial
        """To the first INVITE of the session."""
        self.expires_at = now + TIMEOUT
        self.repeat_at = now + T1
        self._interval = T1

    def is_acknowledged_by(self, ack: Request) -> bool:
        return ack.cseq.number == self.transaction.request.cseq.number

    def next_timer(self) -> float:
        return min(self.expires_at, self.repeat_at)

    def repeated(self, *, now: float) -> None:
        self._interval = min(self._interval * 2, T2)
        self.repeat_at = now + self._interval


class Established:
    """One answered session."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        authenticator: Authenticator,
        *,
        unacknowledged: UnacknowledgedAnswer | None = None,
    ) -> None:
        self.session = SessionId(dialog.call_id)
        self.state = State.UNACKNOWLEDGED if unacknowledged else State.CONFIRMED
        self.dialog = dialog
        self._core = core
        self._authenticator = authenticator
        self._unacknowledged = unacknowledged
        self._reinvite: ServerTransaction | None = None
        self._referral: Referral | None = None
        self._owed = False
        """A REFER of ours was given up: news of it may come while the next is under way."""
        self._past_referrals: set[str] = set()
        """Names of those that are over: the far end may tell of one once more, too."""
        self._taken: TakenReferral | None = None
        self._reason = ""
        """Why we hang up, once we do."""

    @property
    def local_tag(self) -> str:
        return self.dialog.local_tag

    # ── what the application wants ───────────────────────────────────────────────────────────

    def hang_up(self, *, now: float, reason: str | None) -> None:
        if self._step(Input.HANG_UP):
            self._reason = reason or "Normal call clearing"
            if self._referral is not None:
                self._referral.drop()
            self._refuse_reinvite(487, now=now)
            self._say_goodbye_if_due(now)

    def refer(self, to: str, *, now: float) -> bool:
        """Ask the far end to call somebody else; False where this cannot be asked now."""
        if not self.can_refer:
            return False
        self._referral = Referral(
            self._core,
            self.dialog,
            self._authenticator,
            to=to,
            on_over=self._referral_over,
            now=now,
        )
        return True

    @property
    def can_refer(self) -> bool:
        """Whether the far end can be asked now: one answer is waited for at a time."""
        return self.state is State.CONFIRMED and self._referral is None

    @property
    def taken_over_by(self) -> str | None:
        """The URI by which somebody else can take our place in this session."""
        return self.dialog.replaced if self.state is State.CONFIRMED else None

    def referral_ended(self, status: int, *, now: float) -> None:
        """Tell what has come of the far end's REFER; once, and only while the session lasts."""
        taken, self._taken = self._taken, None
        if taken is not None and self.state in (State.CONFIRMED, State.UNACKNOWLEDGED):
            taken.end(status, now=now)

    def answer_reoffer(self, sdp: bytes, *, now: float) -> None:
        transaction = self._reinvite
        if transaction is None or not self._step(Input.ANSWERED_REOFFER):
            return
        self._reinvite = None
        request = transaction.request
        self.dialog.refresh(request, self.dialog.last_source)
        response = self._core.session_response(
            request, 200, to_tag=self.dialog.local_tag, contact=self.dialog.contact, sdp=sdp
        )
        self._core.layer.send_response(transaction, response, now=now)
        self._unacknowledged = UnacknowledgedAnswer(transaction, response, initial=False, now=now)
        self._core.timers.arm(self)

    def reject_reoffer(self, status: int, *, now: float) -> None:
        self._refuse_reinvite(status, now=now)

    # ── what the far end wants ───────────────────────────────────────────────────────────────

    def receive_request(
        self, transaction: ServerTransaction, source: Address, *, now: float
    ) -> None:
        """A new request within the dialog, other than ACK and CANCEL."""
        request = transaction.request
        number = request.cseq.number
        if self.dialog.remote_cseq is not None and number < self.dialog.remote_cseq:  # 12.2.2
            self._answer(transaction, 500, now=now)
            return
        self.dialog.remote_cseq = number
        self.dialog.last_source = source
        match request.method:
            case "BYE":
                self._receive_bye(transaction, now=now)
            case "INVITE":
                self._receive_reinvite(transaction, now=now)
            case "OPTIONS":
                self._answer(transaction, 200, ("allow", self._core.allow), now=now)
            case "NOTIFY" if is_about_referral(request):
                self._receive_news(transaction, now=now)
            case "REFER" if self._core.takes_referrals:
                self._receive_refer(transaction, now=now)
            case "INFO":  # nothing in it is for us, and an error would end some peers' calls
                self._answer(transaction, 200, now=now)
            case method:
                status = 405 if method in KNOWN_METHODS else 501
                self._answer(transaction, status, ("allow", self._core.allow), now=now)

    def receive_ack(self, ack: Request, source: Address, *, now: float) -> None:
        answer = self._unacknowledged
        if answer is None or not answer.is_acknowledged_by(ack) or not self._step(Input.ACK):
            return
        self._unacknowledged = None
        self._core.timers.arm(self)
        self.dialog.last_source = source
        sdp = sdp_of(ack)
        if self.state is State.CONFIRMED and (answer.initial or sdp is not None):
            self._core.report(Confirmed(session=self.session, sdp=sdp))
        self._say_goodbye_if_due(now)

    def receive_cancel(self, transaction: ServerTransaction, *, now: float) -> None:
        """The far end takes its re-INVITE back; without one, a CANCEL is too late (9.2)."""
        if transaction is self._reinvite:
            self._refuse_reinvite(487, now=now)

    def _receive_bye(self, transaction: ServerTransaction, *, now: float) -> None:
        self._answer(transaction, 200, now=now)
        we_hung_up = self.state in (State.LEAVING, State.HANGING_UP)
        if not self._step(Input.BYE):
            return
        self._refuse_reinvite(487, now=now)  # 15.1.2
        bye = transaction.request
        self._end(
            by_far_end=not we_hung_up,
            reason=self._reason if we_hung_up else reason_text(bye),
            cause=None if we_hung_up else hangup_cause(bye),
        )

    def _receive_reinvite(self, transaction: ServerTransaction, *, now: float) -> None:
        match self.state:
            case State.CONFIRMED if self._reinvite is None:
                self._reinvite = transaction
                trying = self._core.response(transaction.request, 100, to_tag=self.dialog.local_tag)
                self._core.layer.send_response(transaction, trying, now=now)
                sdp = sdp_of(transaction.request)
                self._core.report(Reoffered(session=self.session, sdp=sdp))
            case State.CONFIRMED:  # 14.2: one at a time
                pause = zlib.crc32(self._core.new_token().encode()) % 10
                self._answer(transaction, 500, ("retry-after", str(pause)), now=now)
            case State.UNACKNOWLEDGED | State.LEAVING:  # the last offer is not settled yet
                self._answer(transaction, 491, now=now)
            case State.HANGING_UP | State.ENDED:
                self._answer(transaction, 481, now=now)

    def _receive_news(self, transaction: ServerTransaction, *, now: float) -> None:
        """481 ends a subscription that is not known (RFC 6665 section 4.1.3)."""
        referral, notify = self._referral, transaction.request
        named = referral_named(notify)
        if (
            referral is None
            or named in self._past_referrals
            or (self._owed and named != referral.name)
        ):
            self._answer(transaction, 481, now=now)
            return
        self._answer(transaction, 200, now=now)
        referral.receive_notify(notify, now=now)

    def _receive_refer(self, transaction: ServerTransaction, *, now: float) -> None:
        if self.state is not State.CONFIRMED or self._taken is not None:
            self._answer(transaction, 491, now=now)
            return
        refer = transaction.request
        try:
            to = whom_to_call(refer)
        except MalformedMessage:
            self._answer(transaction, 400, now=now)
            return
        self._answer(transaction, 202, ("contact", self.dialog.contact), now=now)
        self._taken = TakenReferral(self._core, self.dialog, self._authenticator, refer, now=now)
        self._core.report(Referred(session=self.session, to=to))

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def next_timer(self) -> float | None:
        return None if self._unacknowledged is None else self._unacknowledged.next_timer()

    def handle_timer(self, *, now: float) -> None:
        answer = self._unacknowledged
        if answer is None:
            return
        if now >= answer.expires_at:
            self._unacknowledged = None
            self._step(Input.UNHEARD)
            self._reason = self._reason or "No ACK received"
            self._say_goodbye_if_due(now)
            self._core.report(
                Ended(session=self.session, by_far_end=False, reason="the ACK never came")
            )
            self._leave()
        elif now >= answer.repeat_at:
            self._core.layer.send_response(answer.transaction, answer.response, now=now)
            answer.repeated(now=now)

    def _referral_over(self) -> None:
        if self._referral is not None:
            self._owed = self._owed or self._referral.lost
            self._past_referrals.add(self._referral.name)
        self._referral = None

    def _leave(self) -> None:
        if self._referral is not None:
            self._referral.drop()
        self._core.leave(self)

    # ── ends ─────────────────────────────────────────────────────────────────────────────────

    def _say_goodbye_if_due(self, now: float) -> None:
        if self.state is State.HANGING_UP:
            Farewell(
                self._core,
                self.dialog,
                self._authenticator,
                reason=self._reason,
                on_done=self._farewell_done,
                now=now,
            )

    def _farewell_done(self) -> None:
        if self._step(Input.BYE_ANSWERED):
            self._end(by_far_end=False, reason=self._reason, cause=None)

    def _end(self, *, by_far_end: bool, reason: str, cause: int | None) -> None:
        self._unacknowledged = None
        if self._core.sessions.get(self.session) is self:
            self._leave()
            self._core.report(
                Ended(
                    session=self.session,
                    by_far_end=by_far_end,
                    reason=reason,
                    hangup_cause=cause,
                )
            )

    def _refuse_reinvite(self, status: int, *, now: float) -> None:
        if self._reinvite is not None:
            transaction, self._reinvite = self._reinvite, None
            self._answer(transaction, status, now=now)

    def _answer(
        self, transaction: ServerTransaction, status: int, *headers: tuple[str, str], now: float
    ) -> None:
        response = self._core.response(transaction.request, status, to_tag=self.dialog.local_tag)
        for name, value in headers:
            response.headers.add(name, value)
        self._core.layer.send_response(transaction, response, now=now)

    def _step(self, input: Input) -> bool:
        following = TRANSITIONS[self.state].get(input)
        if following is None:
            return False
        self.state = following
        return True
