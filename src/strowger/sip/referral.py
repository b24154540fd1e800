"""Our REFER: the far end is asked to call somebody else in our place (RFC 3515).

Its answer says whether it tries; NOTIFYs within the dialog then say what comes of it, each with
the first line of a response as its body (`message/sipfrag`, RFC 3420). The first is due at once
(2.4.4), and each says for how long there will be more. A far end that lets that time pass in
silence has told its last: the REFER counts as failed, and another one may be sent.
"""

import re
from collections.abc import Callable

from strowger.sip.bodies import SIPFRAG, content_type
from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator, Rounds
from strowger.sip.events import Address, ReferAccepted, ReferEnded, SessionId
from strowger.sip.headers import parse_parameters, printable
from strowger.sip.layer import Answer
from strowger.sip.message import Request, Response
from strowger.sip.reasons import phrase_of
from strowger.sip.transaction import TIMEOUT

NEWS_WITHIN = TIMEOUT
"""Seconds that the first news may take from the answer on (Timer N, RFC 6665 section 4.1.2.4)."""
NEXT_WITHIN = 60.0
"""Seconds until the next, where the far end does not say how long it goes on (RFC 6665 has it)."""
LONGEST_SILENCE = 180.0
"""Seconds that are borne whatever the far end says; who is called has answered by then."""
ON_ITS_WAY = 5.0
"""Seconds that the last news has beyond that."""

_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: ([^\r\n]*))?(?:\r?\n|$)")


class Referral:
    """One REFER in one dialog, sent again with credentials where the far end wants them."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        authenticator: Authenticator,
        *,
        to: str,
        on_over: Callable[[], None],
        now: float,
    ) -> None:
        """`to` is a SIP URI; `on_over` hears that nothing more will come of it."""
        self._core = core
        self._dialog = dialog
        self._authenticator = authenticator
        self._to = to
        self._on_over = on_over
        self._rounds = Rounds()
        self._over = self._accepted = False
        self.lost = False
        """Ended by us, for want of news; there may be some yet."""
        self._due: float | None = None
        """When there must have been more news."""
        self._number = 0
        self._send(now)

    @property
    def session(self) -> SessionId:
        return SessionId(self._dialog.call_id)

    @property
    def name(self) -> str:
        """What news of it is told by: the number of its CSeq."""
        return str(self._number)

    def next_timer(self) -> float | None:
        return self._due

    def handle_timer(self, *, now: float) -> None:
        if self._due is not None and now >= self._due:
            self.lost = True
            self._end(408, "the far end took our REFER and did not say what has come of it")

    def drop(self) -> None:
        """The session is over, or about to be: nobody waits any more."""
        self._over, self._due = True, None
        self._core.timers.arm(self)

    def receive_notify(self, notify: Request, *, now: float) -> None:
        """What has come of it so far; anything but a final status is only news."""
        self._wait(min(_lasts(notify), LONGEST_SILENCE) + ON_ITS_WAY, now=now)
        found = _STATUS_LINE.match(notify.body.decode(errors="replace"))
        kind, _ = content_type(notify.headers)
        if found is None or kind != SIPFRAG:
            if _terminated(notify):
                self._end(500, "the far end gave up without saying why")
            return
        self._accept()  # a NOTIFY may overtake the answer to the REFER
        status = int(found.group(1))
        if status >= 200:
            self._end(status, printable(found.group(2) or "") or phrase_of(status))
        elif _terminated(notify):
            self._end(status, "the far end tells nothing more")

    def _send(self, now: float) -> None:
        layer = self._core.layer
        refer = self._dialog.new_request("REFER", str(layer.new_via(self._dialog.own_address)))
        self._number = refer.cseq.number
        refer.headers.add("contact", self._dialog.contact)
        refer.headers.add("refer-to", f"<{self._to}>")
        refer.headers.add("referred-by", self._dialog.local.partition(";")[0])
        refer.headers.add("user-agent", self._core.user_agent)
        self._authenticator.authorise(refer)
        layer.send_request(refer, self._dialog.next_hop(), self._receive_answer, now=now)

    def _receive_answer(self, answer: Answer, source: Address, now: float) -> None:
        if self._over:
            return  # a challenge may come after the session's end
        if not isinstance(answer, Response):
            if not self._accepted:  # else the news says that there was one
                self.lost = True
                self._end(408, "no answer to our REFER")
        elif answer.status >= 200 and self._authenticator.learn(answer, self._rounds):
            self._send(now)
        elif answer.status >= 300:
            self._end(answer.status, printable(answer.reason) or phrase_of(answer.status))
        elif answer.status >= 200:
            if self._due is None:  # else news has overtaken it
                self._wait(NEWS_WITHIN, now=now)
            self._accept()

    def _accept(self) -> None:
        if not self._accepted and not self._over:
            self._accepted = True
            self._core.report(ReferAccepted(session=self.session))

    def _wait(self, seconds: float, *, now: float) -> None:
        if not self._over:
            self._due = now + seconds
            self._core.timers.arm(self)

    def _end(self, status: int, reason: str) -> None:
        if not self._over:
            self.drop()
            self._on_over()
            self._core.report(ReferEnded(session=self.session, status=status, reason=reason))


def is_about_referral(notify: Request) -> bool:
    """Whether a NOTIFY tells of a REFER; it may name which one (`refer;id=…`)."""
    event = notify.headers.get("event") or ""
    return event.partition(";")[0].strip().lower() == "refer"


def referral_named(notify: Request) -> str | None:
    """Which of our REFERs news says that it is of: that of all but the first has to (2.4.6)."""
    return parse_parameters(f";{notify.headers.get('event')}").get("id")


def _lasts(notify: Request) -> float:
    """Seconds for which there will be news, as the far end says (`active;expires=60`)."""
    state = parse_parameters(f";{notify.headers.get('subscription-state')}")
    expires = state.get("expires") or ""
    return float(expires) if expires.isascii() and expires.isdigit() else NEXT_WITHIN


def _terminated(notify: Request) -> bool:
    state = notify.headers.get("subscription-state") or ""
    return state.partition(";")[0].strip().lower() == "terminated"
