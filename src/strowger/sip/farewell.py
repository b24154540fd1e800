"""Our BYE: RFC 3261 section 15.1.1, with the credentials of section 22."""

from collections.abc import Callable

from strowger.sip.core import Core
from strowger.sip.dialog import Dialog
from strowger.sip.digest import Authenticator, Rounds
from strowger.sip.events import Address
from strowger.sip.layer import Answer
from strowger.sip.message import Response
from strowger.sip.reasons import print_reason


class Farewell:
    """Our BYE in one dialog, sent again with credentials where the far end wants them."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        authenticator: Authenticator,
        *,
        reason: str,
        on_done: Callable[[], None],
        now: float,
    ) -> None:
        self._core = core
        self._dialog = dialog
        self._authenticator = authenticator
        self._reason = reason
        self._on_done = on_done
        self._rounds = Rounds()
        self._send(now)

    def _send(self, now: float) -> None:
        layer = self._core.layer
        bye = self._dialog.new_request("BYE", str(layer.new_via(self._dialog.own_address)))
        bye.headers.add("user-agent", self._core.user_agent)
        bye.headers.add("reason", print_reason(self._reason))
        self._authenticator.authorise(bye)
        layer.send_request(bye, self._dialog.next_hop(), self._receive_answer, now=now)

    def _receive_answer(self, answer: Answer, source: Address, now: float) -> None:
        if isinstance(answer, Response):
            if answer.status < 200:
                return
            if self._authenticator.learn(answer, self._rounds):
                self._send(now)
                return
        self._on_done()  # whatever the answer, the session is over (15.1.1)
