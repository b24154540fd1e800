"""A call to us until we answer or refuse it: RFC 3261 sections 9.2 and 13.3."""

from enum import StrEnum

from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator
from strowger.sip.established import Established, UnacknowledgedAnswer
from strowger.sip.events import Address, Canceled, Ended, SessionId
from strowger.sip.headers import Uri
from strowger.sip.message import Response
from strowger.sip.reasons import phrase_of
from strowger.sip.transaction import ServerTransaction

PATIENCE = 180.0
"""Seconds an INVITE may wait for our final answer; an Expires header can only shorten it."""
REPEAT_RINGING = 60.0
"""Seconds after which a provisional response is sent again (13.3.1.1)."""


class State(StrEnum):
    WAITING = "waiting"
    RINGING = "ringing"
    ANSWERED = "answered"
    REFUSED = "refused"


class Input(StrEnum):
    RING = "1xx"
    ANSWER = "2xx"
    REJECT = "3xx-6xx"
    CANCEL = "CANCEL or BYE of the caller, or it waited too long"


_OPEN = {
    Input.RING: State.RINGING,
    Input.ANSWER: State.ANSWERED,
    Input.REJECT: State.REFUSED,
    Input.CANCEL: State.REFUSED,
}
TRANSITIONS: dict[State, dict[Input, State]] = {
    State.WAITING: _OPEN,
    State.RINGING: _OPEN,
    State.ANSWERED: {},
    State.REFUSED: {},
}


class Invited:
    """One INVITE of the far end."""

    def __init__(
        self, core: Core, transaction: ServerTransaction, source: Address, *, now: float
    ) -> None:
        request = transaction.request
        self.session = SessionId(request.call_id)
        self.state = State.WAITING
        self.transaction = transaction
        self.local_tag = core.new_token()
        self._core = core
        self._source = source
        self._own = core.address_called(request)
        self._contact = core.contact(Uri.parse(request.uri).user, self._own)
        self._expires_at = now + _patience(request.headers.get("expires"))
        self._repeat_at: float | None = None
        self._provisional: Response | None = None
        trying = core.response(request, 100, to_tag=None)
        core.layer.send_response(transaction, trying, now=now)

    # ── what the application wants ───────────────────────────────────────────────────────────

    def ring(self, *, status: int, sdp: bytes | None, now: float) -> None:
        if not 100 < status < 200:
            raise ValueError(f"expected a provisional status above 100, got {status}")
        if self._step(Input.RING):
            self._provisional = self._core.session_response(
                self.transaction.request,
                status,
                to_tag=self.local_tag,
                contact=self._contact,
                sdp=sdp,
            )
            self._send_provisional(now)

    def answer(self, sdp: bytes, *, now: float) -> None:
        if not self._step(Input.ANSWER):
            return
        request = self.transaction.request
        dialog = Dialog.from_request(
            request,
            local_tag=self.local_tag,
            contact=self._contact,
            own=self._own,
            source=self._source,
        )
        response = self._core.session_response(
            request, 200, to_tag=self.local_tag, contact=self._contact, sdp=sdp
        )
        self._core.layer.send_response(self.transaction, response, now=now)
        self._core.timers.arm(self)
        answer = UnacknowledgedAnswer(self.transaction, response, initial=True, now=now)
        authenticator = Authenticator(None, self._core.new_token)
        self._core.enter(Established(self._core, dialog, authenticator, unacknowledged=answer))

    def reject(self, status: int, *, reason: str | None, now: float) -> None:
        if not 300 <= status < 700:
            raise ValueError(f"expected a final status that refuses, got {status}")
        if self._step(Input.REJECT):
            self._refuse(status, reason, now)
            why = reason or phrase_of(status)
            self._core.report(Ended(session=self.session, by_far_end=False, reason=why))

    def hang_up(self, *, now: float, reason: str | None) -> None:
        self.reject(480, reason=reason, now=now)

    # ── what the caller wants ────────────────────────────────────────────────────────────────

    def receive_cancel(self, *, now: float) -> None:
        """The caller gives up, by CANCEL, by a BYE in the early dialog, or by its Expires."""
        if self._step(Input.CANCEL):
            self._refuse(487, None, now)
            self._core.report(Canceled(session=self.session))

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def next_timer(self) -> float | None:
        if not TRANSITIONS[self.state]:
            return None
        return (
            self._expires_at if self._repeat_at is None else min(self._expires_at, self._repeat_at)
        )

    def handle_timer(self, *, now: float) -> None:
        if now >= self._expires_at:
            self.receive_cancel(now=now)
        elif self._repeat_at is not None and now >= self._repeat_at:
            self._send_provisional(now)

    def _send_provisional(self, now: float) -> None:
        assert self._provisional is not None
        self._core.layer.send_response(self.transaction, self._provisional, now=now)
        self._repeat_at = now + REPEAT_RINGING
        self._core.timers.arm(self)

    def _refuse(self, status: int, reason: str | None, now: float) -> None:
        response = self._core.response(
            self.transaction.request, status, to_tag=self.local_tag, reason=reason
        )
        self._core.layer.send_response(self.transaction, response, now=now)
        self._core.leave(self)

    def _step(self, input: Input) -> bool:
        following = TRANSITIONS[self.state].get(input)
        if following is None:
            return False
        self.state = following
        return True


def _patience(expires: str | None) -> float:
    """Seconds to wait, from the INVITE's Expires (13.3.1)."""
    if expires is None or not (expires.isascii() and expires.isdigit()) or len(expires) > 9:
        return PATIENCE
    return min(float(expires), PATIENCE)
