"""What SIP says within an answered call, and what it comes to on its line.

Handled as it comes, without a task of its own.
"""

from collections.abc import Callable

import structlog

from strowger.errors import FarEndError, Unavailable
from strowger.sip import events as sip
from strowger.sip.endpoint import Endpoint
from strowger.telephony.agreement import accept_quietly
from strowger.telephony.legs import MediaLeg
from strowger.telephony.line import SipLine

log = structlog.get_logger()


class AnsweredCall:
    """One call: its session, its media and its line."""

    def __init__(
        self,
        session: sip.SessionId,
        leg: MediaLeg,
        line: SipLine,
        endpoint: Endpoint,
        now: Callable[[], float],
        on_referred: Callable[[str], None] = lambda to: None,
    ) -> None:
        """`on_referred` hears of each URI that the far end asks us to call in its place."""
        self._session = session
        self._leg = leg
        self._line = line
        self._endpoint = endpoint
        self._now = now
        self._on_referred = on_referred

    def handle(self, event: sip.Event) -> None:
        """What is to be sent for it is left to be flushed."""
        match event:
            case sip.Ended(reason=reason, hangup_cause=cause):
                self._line.hung_up(reason, cause)
            case sip.ReferAccepted():
                self._line.refer_accepted()
            case sip.ReferEnded(status=status, reason=reason):
                self._line.refer_ended(status, reason)
            case sip.Referred(to=to):
                self._on_referred(to)
            case sip.Reoffered(sdp=offer):
                self._answer_reoffer(offer)
            case sip.Confirmed(sdp=bytes() as answer):
                self._accept(answer)
            case _:
                pass

    def _accept(self, answer: bytes) -> None:
        try:
            accept_quietly(self._leg, answer)
        except Unavailable as error:
            self._lose_media(str(error))

    def _answer_reoffer(self, offer: bytes | None) -> None:
        now = self._now()
        try:
            answer = self._leg.offer() if offer is None else self._leg.answer(offer)
        except FarEndError:
            self._endpoint.reject_reoffer(self._session, 488, now=now)
        except Unavailable as error:
            self._endpoint.reject_reoffer(self._session, 500, now=now)
            self._lose_media(str(error))
        else:
            self._endpoint.answer_reoffer(self._session, answer, now=now)

    def _lose_media(self, problem: str) -> None:
        """Nobody will be heard any more: who holds the line is to hang up."""
        log.error("call.media_lost", session=self._session, problem=problem)
        self._line.lose_media()
