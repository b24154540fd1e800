"""A call that comes in, in the hands of whoever is to answer it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from strowger.sip import events as sip
from strowger.telephony.line import SipLine
from strowger.telephony.signals import Signals


class Answering(Protocol):
    """What a call that comes in needs of the telephone it comes in at."""

    def ring(self, session: sip.SessionId, status: int) -> None: ...
    def reject(self, session: sip.SessionId, status: int, reason: str | None) -> None: ...
    def answer(
        self, incoming: "IncomingCall", signals: Signals, recording: Path | None
    ) -> AbstractAsyncContextManager[SipLine]: ...
    def referral_ended(self, session: sip.SessionId, status: int) -> None: ...
    def forget(self, session: sip.SessionId) -> None: ...


class IncomingCall:
    """A call that wants to be answered; nothing is sent before one of these is called."""

    def __init__(self, telephone: Answering, event: sip.Incoming, signals: Signals) -> None:
        """`signals` has what is heard of the call from now on."""
        self.session = event.session
        self.source = event.source
        self.to = event.to
        self.from_ = event.from_
        self.sdp = event.sdp
        self.on_referred: Callable[[str], None] = lambda to: None
        """Hears of each URI that the caller asks us to call in its place; set before `answer`."""
        self._telephone = telephone
        self._signals = signals

    def ring(self, status: int = 180) -> None:
        self._telephone.ring(self.session, status)

    def reject(self, status: int, reason: str | None = None) -> None:
        self._telephone.reject(self.session, status, reason)

    def answer(self, recording: Path | None = None) -> AbstractAsyncContextManager[SipLine]:
        """200 and our SDP; enter when the ACK has come. Raises CallRefused."""
        return self._telephone.answer(self, self._signals, recording)

    def referral_ended(self, status: int) -> None:
        """Tell the caller what has come of that: 2xx where somebody has answered."""
        self._telephone.referral_ended(self.session, status)

    async def given_up(self) -> None:
        """Return when the caller has cancelled the call that we have not answered."""
        while not isinstance(await self._signals.get(), sip.Canceled | sip.Ended):
            continue
        self._telephone.forget(self.session)
