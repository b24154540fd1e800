"""The far end's REFER: we are asked to call somebody else in its place (RFC 3515).

Whether that is done is the application's business. Here it is taken (202), and what comes of it
is told in NOTIFYs within the dialog: at once that it is tried, and once how it ended.
"""

from strowger.errors import MalformedMessage
from strowger.sip.bodies import SIPFRAG
from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator, Rounds
from strowger.sip.events import Address
from strowger.sip.headers import NameAddr
from strowger.sip.layer import Answer
from strowger.sip.message import Request, Response
from strowger.sip.reasons import phrase_of

LASTS = 180
"""Seconds the news may take, as the first NOTIFY says; who is called has answered by then."""


class TakenReferral:
    """The subscription that one REFER of the far end makes (2.4.4)."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        authenticator: Authenticator,
        refer: Request,
        *,
        now: float,
    ) -> None:
        self._core = core
        self._dialog = dialog
        self._authenticator = authenticator
        self._event = f"refer;id={refer.cseq.number}"
        self._notify(100, f"active;expires={LASTS}", now=now)

    def end(self, status: int, *, now: float) -> None:
        """The last news: a 2xx where somebody has answered."""
        self._notify(status, "terminated;reason=noresource", now=now)

    def _notify(self, status: int, state: str, *, now: float) -> None:
        _News(self._core, self._dialog, self._authenticator, self._event, status, state, now=now)


class _News:
    """One NOTIFY, sent again with credentials where the far end wants them."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        authenticator: Authenticator,
        event: str,
        status: int,
        state: str,
        *,
        now: float,
    ) -> None:
        self._core = core
        self._dialog = dialog
        self._authenticator = authenticator
        self._headers = (("event", event), ("subscription-state", state))
        self._body = f"SIP/2.0 {status} {phrase_of(status)}\r\n".encode()
        self._rounds = Rounds()
        self._send(now)

    def _send(self, now: float) -> None:
        layer = self._core.layer
        notify = self._dialog.new_request("NOTIFY", str(layer.new_via(self._dialog.own_address)))
        notify.headers.add("contact", self._dialog.contact)
        for name, value in self._headers:
            notify.headers.add(name, value)
        notify.headers.add("user-agent", self._core.user_agent)
        notify.headers.add("content-type", f"{SIPFRAG};version=2.0")
        notify.body = self._body
        self._authenticator.authorise(notify)
        layer.send_request(notify, self._dialog.next_hop(), self._receive_answer, now=now)

    def _receive_answer(self, answer: Answer, source: Address, now: float) -> None:
        if isinstance(answer, Response) and self._authenticator.learn(answer, self._rounds):
            self._send(now)


def whom_to_call(refer: Request) -> str:
    """The URI of the REFER's only Refer-To. Raises MalformedMessage (2.4.1)."""
    places = refer.headers.all("refer-to")
    if len(places) != 1:
        raise MalformedMessage(f"expected one Refer-To, got {len(places)}")
    return NameAddr.parse(places[0]).uri.text
