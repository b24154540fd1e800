"""OPTIONS: asking what is there without calling (RFC 3261 section 11)."""

from strowger.sip.bodies import SDP, sdp_of
from strowger.sip.core import Core
from strowger.sip.dialog import MAX_FORWARDS
from strowger.sip.digest import Authenticator, Credentials, Rounds
from strowger.sip.events import Address, OptionsAnswered
from strowger.sip.headers import host_of, printable
from strowger.sip.layer import Answer, NoAnswer
from strowger.sip.message import Headers, Request, Response
from strowger.sip.reasons import phrase_of


class Question:
    """One OPTIONS of ours, asked again with credentials where it is challenged."""

    def __init__(
        self,
        core: Core,
        uri: str,
        destination: Address,
        *,
        own: Address,
        credentials: Credentials | None,
        now: float,
    ) -> None:
        self.token = core.new_token()
        self._core = core
        self._uri = uri
        self._destination = destination
        self._own = own
        self._authenticator = Authenticator(credentials, core.new_token)
        self._rounds = Rounds()
        self._tag = core.new_token()
        self._call_id = core.new_token()
        self._number = 0
        self._send(now)

    def _send(self, now: float) -> None:
        self._number += 1
        headers = Headers()
        headers.add("via", str(self._core.layer.new_via(self._own)))
        headers.add("max-forwards", MAX_FORWARDS)
        headers.add("from", f"<sip:{host_of(self._own)}>;tag={self._tag}")
        headers.add("to", f"<{self._uri}>")
        headers.add("call-id", self._call_id)
        headers.add("cseq", f"{self._number} OPTIONS")
        headers.add("contact", self._core.contact("", self._own))
        headers.add("accept", SDP)
        headers.add("user-agent", self._core.user_agent)
        request = Request(method="OPTIONS", uri=self._uri, headers=headers)
        self._authenticator.authorise(request)
        self._core.layer.send_request(request, self._destination, self._receive, now=now)

    def _receive(self, answer: Answer, source: Address, now: float) -> None:
        if isinstance(answer, NoAnswer):
            self._core.report(
                OptionsAnswered(token=self.token, status=408, reason=phrase_of(408), silent=True)
            )
        elif self._authenticator.learn(answer, self._rounds):
            self._send(now)
        elif answer.status >= 200:
            self._report(answer)

    def _report(self, answer: Response) -> None:
        self._core.report(
            OptionsAnswered(
                token=self.token,
                status=answer.status,
                reason=printable(answer.reason) or phrase_of(answer.status),
                allow=tuple(printable(method) for method in answer.headers.members("allow")),
                sdp=sdp_of(answer),
            )
        )
