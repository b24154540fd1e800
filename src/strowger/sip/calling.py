"""A call of ours until it is answered or refused: RFC 3261 sections 9.1, 13.2 and 22.

Keeps acknowledging the 2xx for as long as the INVITE's transaction hears them, and says BYE to
every branch of a forked call but the first that answered.
"""

from enum import StrEnum

from strowger.sip.bodies import sdp_of
from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator, Rounds
from strowger.sip.established import Established
from strowger.sip.events import Address, Answered, Refused, Ringing, SessionId
from strowger.sip.farewell import Farewell
from strowger.sip.headers import Uri, printable
from strowger.sip.invitation import Invitation, build_invite
from strowger.sip.layer import Answer, NoAnswer
from strowger.sip.message import Response
from strowger.sip.reasons import hangup_cause, phrase_of
from strowger.sip.transaction import TIMEOUT, ClientTransaction, cancel_of

MAX_FORKS = 16
"""Branches of one call that are acknowledged; a far end that claims more is not believed."""


class State(StrEnum):
    CALLING = "calling"
    """Nothing has come back."""
    PROCEEDING = "proceeding"
    CANCEL_WANTED = "cancel wanted"
    """Given up before a provisional response, without which no CANCEL may go out (9.1)."""
    CANCELING = "canceling"
    ANSWERED = "answered"
    ENDED = "ended"


class Input(StrEnum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    CHALLENGE = "401 or 407 that we can answer"
    FAILURE = "3xx-6xx, or nothing"
    CANCEL = "we give up"
    GIVEN_UP = "our CANCEL had no effect"


TRANSITIONS: dict[State, dict[Input, State]] = {
    State.CALLING: {
        Input.PROVISIONAL: State.PROCEEDING,
        Input.SUCCESS: State.ANSWERED,
        Input.CHALLENGE: State.CALLING,
        Input.FAILURE: State.ENDED,
        Input.CANCEL: State.CANCEL_WANTED,
    },
    State.PROCEEDING: {
        Input.PROVISIONAL: State.PROCEEDING,
        Input.SUCCESS: State.ANSWERED,
        Input.CHALLENGE: State.CALLING,
        Input.FAILURE: State.ENDED,
        Input.CANCEL: State.CANCELING,
    },
    State.CANCEL_WANTED: {
        Input.PROVISIONAL: State.CANCELING,
        Input.SUCCESS: State.ENDED,
        Input.FAILURE: State.ENDED,
    },
    State.CANCELING: {
        Input.PROVISIONAL: State.CANCELING,
        Input.SUCCESS: State.ENDED,
        Input.FAILURE: State.ENDED,
        Input.GIVEN_UP: State.ENDED,
    },
    State.ANSWERED: {},
    State.ENDED: {},
}


class Calling:
    """One INVITE of ours and its repetitions with credentials."""

    def __init__(self, core: Core, invitation: Invitation, *, call_id: str, now: float) -> None:
        self.session = SessionId(call_id)
        self.state = State.CALLING
        self._core = core
        self._invitation = invitation
        self._authenticator = Authenticator(invitation.credentials, core.new_token)
        self._rounds = Rounds()
        self._tag = core.new_token()
        user = Uri.parse(invitation.from_uri).user
        self._own = invitation.contact or core.local
        self._contact = core.contact(user, self._own)
        self._give_up_at: float | None = None
        self._acks: dict[str, tuple[bytes, Address]] = {}
        """The ACK of each branch that answered, by its tag, to be sent again with each 2xx."""
        self._number = 0
        self._invite = self._send(now)

    # ── what the application wants ───────────────────────────────────────────────────────────

    def cancel(self, *, now: float) -> None:
        if self._step(Input.CANCEL):
            self._cancel_if_due(now)

    def hang_up(self, *, now: float, reason: str | None) -> None:
        self.cancel(now=now)

    # ── what the far end answers ─────────────────────────────────────────────────────────────

    def _receive_answer(self, answer: Answer, source: Address, now: float) -> None:
        if isinstance(answer, NoAnswer):
            if self._step(Input.FAILURE):
                self._refused(408, phrase_of(408), timed_out=True)
        elif answer.status < 200:
            self._receive_provisional(answer, now)
        elif answer.status < 300:
            self._receive_success(answer, source, now)
        else:
            self._receive_failure(answer, now)

    def _receive_provisional(self, response: Response, now: float) -> None:
        if not self._step(Input.PROVISIONAL):
            return
        self._cancel_if_due(now)
        if response.status > 100 and self.state is State.PROCEEDING:
            self._core.report(
                Ringing(session=self.session, status=response.status, sdp=sdp_of(response))
            )

    def _receive_success(self, response: Response, source: Address, now: float) -> None:
        tag = response.to.tag or ""
        if tag in self._acks:
            self._core.layer.send_without_transaction(*self._acks[tag])
            return
        if len(self._acks) >= MAX_FORKS:
            return
        dialog = self._acknowledge(response, source)
        previous = self.state
        self._step(Input.SUCCESS)
        match previous:
            case State.CALLING | State.PROCEEDING:
                self._core.enter(Established(self._core, dialog, self._authenticator))
                self._core.report(Answered(session=self.session, sdp=sdp_of(response)))
            case State.CANCEL_WANTED | State.CANCELING:  # it crossed our CANCEL
                self._say_goodbye(dialog, "Canceled", now)
                self._refused(487, phrase_of(487))
            case State.ANSWERED | State.ENDED:  # another branch was quicker (13.2.2.4)
                self._say_goodbye(dialog, "Answered elsewhere", now)

    def _receive_failure(self, response: Response, now: float) -> None:
        wanted = self.state in (State.CALLING, State.PROCEEDING)
        if wanted and self._authenticator.learn(response, self._rounds):
            self._step(Input.CHALLENGE)
            self._invite = self._send(now)
        elif self._step(Input.FAILURE):
            if not wanted and response.status in (401, 407):  # we no longer want to be let in
                self._refused(487, phrase_of(487))
                return
            reason = printable(response.reason) or phrase_of(response.status)
            self._refused(response.status, reason, cause=hangup_cause(response))

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def next_timer(self) -> float | None:
        return self._give_up_at

    def handle_timer(self, *, now: float) -> None:
        if self._give_up_at is None or now < self._give_up_at:
            return
        self._give_up_at = None
        if self._step(Input.GIVEN_UP):
            self._core.layer.abandon(self._invite)
            self._refused(487, phrase_of(487))

    # ── sending ──────────────────────────────────────────────────────────────────────────────

    def _send(self, now: float) -> ClientTransaction:
        self._number += 1
        request = build_invite(
            self._invitation,
            call_id=self.session,
            tag=self._tag,
            number=self._number,
            via=str(self._core.layer.new_via(self._own)),
            contact=self._contact,
            user_agent=self._core.user_agent,
            allow=self._core.allow,
        )
        self._authenticator.authorise(request)
        return self._core.layer.send_request(
            request, self._invitation.destination, self._receive_answer, now=now
        )

    def _cancel_if_due(self, now: float) -> None:
        if self.state is not State.CANCELING or self._give_up_at is not None:
            return
        self._core.layer.send_request(
            cancel_of(self._invite.request),
            self._invite.destination,
            lambda answer, source, at: None,  # what matters is the INVITE's answer
            now=now,
        )
        self._give_up_at = now + TIMEOUT  # 9.1
        self._core.timers.arm(self)

    def _acknowledge(self, response: Response, source: Address) -> Dialog:
        invite = self._invite.request
        dialog = Dialog.from_response(
            invite, response, contact=self._contact, own=self._own, source=source
        )
        ack = dialog.acknowledge(str(self._core.layer.new_via(self._own)), invite)
        ack.headers.add("user-agent", self._core.user_agent)
        sent = ack.serialise(), dialog.next_hop()
        self._acks[dialog.remote_tag] = sent
        self._core.layer.send_without_transaction(*sent)
        return dialog

    def _say_goodbye(self, dialog: Dialog, reason: str, now: float) -> None:
        Farewell(
            self._core,
            dialog,
            self._authenticator,
            reason=reason,
            on_done=lambda: None,
            now=now,
        )

    def _refused(
        self, status: int, reason: str, *, cause: int | None = None, timed_out: bool = False
    ) -> None:
        self._give_up_at = None
        self._core.leave(self)
        self._core.report(
            Refused(
                session=self.session,
                status=status,
                reason=reason,
                hangup_cause=cause,
                timed_out=timed_out,
            )
        )

    def _step(self, input: Input) -> bool:
        following = TRANSITIONS[self.state].get(input)
        if following is None:
            return False
        self.state = following
        return True
