"""Our REFER: the far end is asked to call somebody else in our place (RFC 3515).

Its answer says whether it tries; NOTIFYs within the dialog then say what comes of it, each with
the first line of a response as its body (`message/sipfrag`, RFC 3420). A far end that says
nothing more has still been asked: how long that is waited for is the application's to decide.
"""

import re
from collections.abc import Callable

from strowger.sip.bodies import SIPFRAG, content_type
from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator, Rounds
from strowger.sip.events import Address, ReferAccepted, ReferEnded, SessionId
from strowger.sip.headers import printable
from strowger.sip.layer import Answer
from strowger.sip.message import Request, Response
from strowger.sip.reasons import phrase_of

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
        self._send(now)

    @property
    def session(self) -> SessionId:
        return SessionId(self._dialog.call_id)

    def receive_notify(self, notify: Request) -> None:
        """What has come of it so far; anything but a final status is only news."""
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
        refer.headers.add("contact", self._dialog.contact)
        refer.headers.add("refer-to", f"<{self._to}>")
        refer.headers.add("referred-by", self._dialog.local.partition(";")[0])
        refer.headers.add("user-agent", self._core.user_agent)
        self._authenticator.authorise(refer)
        layer.send_request(refer, self._dialog.next_hop(), self._receive_answer, now=now)

    def _receive_answer(self, answer: Answer, source: Address, now: float) -> None:
        if not isinstance(answer, Response):
            self._end(408, "no answer to our REFER")
        elif answer.status >= 200 and self._authenticator.learn(answer, self._rounds):
            self._send(now)
        elif answer.status >= 300:
            self._end(answer.status, printable(answer.reason) or phrase_of(answer.status))
        elif answer.status >= 200:
            self._accept()

    def _accept(self) -> None:
        if not self._accepted and not self._over:
            self._accepted = True
            self._core.report(ReferAccepted(session=self.session))

    def _end(self, status: int, reason: str) -> None:
        if not self._over:
            self._over = True
            self._on_over()
            self._core.report(ReferEnded(session=self.session, status=status, reason=reason))


def is_about_referral(notify: Request) -> bool:
    """Whether a NOTIFY tells of a REFER; it may name which one (`refer;id=…`)."""
    event = notify.headers.get("event") or ""
    return event.partition(";")[0].strip().lower() == "refer"


def _terminated(notify: Request) -> bool:
    state = notify.headers.get("subscription-state") or ""
    return state.partition(";")[0].strip().lower() == "terminated"
