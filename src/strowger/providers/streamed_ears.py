"""Recognition over a websocket: what all vendors of it have in common.

A vendor is an `EarVendor`, which says how to connect, and an `EarSession`, which turns PCM into
messages and messages into results, both without I/O. This file leases the connection, keeps the
deadline after each flush, and fills pauses with silence for those that listen for ends of turns.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from strowger.agent import TranscriberSettings
from strowger.errors import ProviderError
from strowger.ports import LINE_RATE, Recognised
from strowger.providers.pool import Held, SocketPool
from strowger.providers.vocabulary import VocabularyLimits, expecting
from strowger.providers.websocket import Connector, Dial, Frame, Garbage, VendorFailed

FILL_EVERY = 0.1
"""Seconds of silence sent at a time."""
FILL_FOR = 6.0
"""Seconds of a pause that are filled; by then the longest turn has been called over."""
SILENCE = bytes(2 * round(FILL_EVERY * LINE_RATE))
WORDLESS = 1.3
"""Seconds of a turn, the 0.3 s before the voice included, in which there may be no word at all."""
UNSURE = round(WORDLESS * LINE_RATE)
"""The same in samples."""
HARDLY_ANY = 0.3
"""Seconds of sound that may well be nothing but the pause after the last word."""


class EarSession(Protocol):
    """One connection's side of a vendor's protocol, over any number of turns, one by one."""

    def begin(self) -> None:
        """What is heard from here on is a new turn."""

    def audio(self, pcm: bytes) -> Sequence[Frame]:
        """How PCM at LINE_RATE is sent; what is too little may wait for more."""

    def flush(self) -> Sequence[Frame]:
        """How a final result for all that was sent is asked for."""

    def receive(self, frame: Frame) -> Recognised | None:
        """What a message says of the turn. Raises Garbage or VendorFailed."""

    def so_far(self) -> Recognised:
        """All that was heard of the turn, as final."""

    def may_be_all(self, silence: float) -> bool:
        """Whether nothing is missing if the last so many seconds were silent."""

    def leave(self) -> Sequence[Frame]:
        """The turn is over for us: what makes the connection ready for another."""

    @property
    def settled(self) -> bool:
        """Nothing that was asked for is outstanding, and all that was sent is in the result."""


class EarVendor(Protocol):
    name: str
    fills_pauses: bool
    """Wants to hear the silence, too: it listens for ends of turns."""
    vocabulary: VocabularyLimits
    """Of the keywords that `dial` is given."""
    may_stay_silent: bool
    """Answers a flush only where there were words."""
    metered: bool
    """Charges for the time a connection is open."""

    def dial(self, settings: TranscriberSettings, language: str) -> Dial: ...
    def new_session(self) -> EarSession: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EarPolicy:
    answer_within: float = 2.5
    """Seconds from a flush to the final result."""
    silence_within: float = 0.7
    """The same where an answer may stay out, as there is hardly anything left to be heard."""


class StreamedEars:
    """SpeechToText by a vendor's websocket."""

    def __init__(
        self, vendor: EarVendor, connector: Connector, policy: EarPolicy | None = None
    ) -> None:
        self.metered = vendor.metered
        self._vendor = vendor
        self._policy = policy or EarPolicy()
        self.pool = SocketPool(connector, vendor.new_session)

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        self.pool.warm(self._dial(settings, language, phrases))

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator["StreamedTurn"]:
        """Hears whatever is said; the expected phrases rather than others."""
        async with self.pool.lease(self._dial(settings, language, phrases)) as held:
            turn = StreamedTurn(self._vendor, held, self._policy)
            try:
                yield turn
            except Exception:  # whatever broke the turn: its connection is not used again
                held.socket.abort()
                raise
            finally:  # also where the turn was dropped, as turns are when the next begins
                await turn.leave()

    def _dial(self, settings: TranscriberSettings, language: str, phrases: Sequence[str]) -> Dial:
        vendor = self._vendor
        usual = expecting(settings, (), vendor.vocabulary)
        told = expecting(settings, phrases, vendor.vocabulary) if phrases else usual
        dial = vendor.dial(told, language)
        return dial if told == usual else replace(dial, passing=True)


class StreamedTurn:
    """Recognition of one turn on a leased connection."""

    def __init__(self, vendor: EarVendor, held: Held[EarSession], policy: EarPolicy) -> None:
        self._vendor = vendor
        self._held = held
        self._socket = held.socket
        self._session = held.state
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._answer_due: float | None = None
        self._fill_due: float | None = None
        self._fill_until = 0.0
        self._ready: list[Recognised] = []
        self._text = ""
        """What was told last: vendors repeat themselves."""
        self._woken: asyncio.Timeout | None = None
        self._session.begin()

    async def send(self, pcm: bytes) -> None:
        self._fill_due = None
        await self._pass_on(self._session.audio(pcm))

    async def flush(self) -> None:
        await self._pass_on(self._session.flush())
        now = self._loop.time()
        if self._session.settled:
            self._ready.append(self._session.so_far())
        else:
            self._answer_due = now + self._policy.answer_within
            self._expect_silence()
        if self._vendor.fills_pauses:
            self._fill_due = now + FILL_EVERY
            self._fill_until = now + FILL_FOR
        self._wake()

    async def results(self) -> AsyncGenerator[Recognised, None]:
        while True:
            while self._ready:
                result = self._ready.pop(0)
                if result.final:
                    self._answer_due = None
                yield result
            frame = await self._next_frame()
            if frame is None:
                continue
            try:
                heard = self._session.receive(frame)
            except Garbage as garbage:
                raise self._socket.dial.error(str(garbage), retryable=True) from garbage
            except VendorFailed as failed:
                raise self._socket.dial.error(
                    f"failed: {failed}", retryable=failed.retryable
                ) from None
            self._expect_silence()
            if heard is not None and (heard.final or heard.sign or heard.text != self._text):
                self._text = heard.text
                self._ready.append(heard)

    async def leave(self) -> None:
        """Make the connection ready for the next turn, where it can be."""
        if not self._socket.is_open:
            return
        try:
            await self._pass_on(self._session.leave())
        except ProviderError:  # nobody needs it any more: it is let go
            return
        self._held.at_rest = self._session.settled

    def _expect_silence(self) -> None:
        """Wait less long for an answer that may stay out."""
        if self._answer_due is None or not self._vendor.may_stay_silent:
            return
        if self._session.may_be_all(HARDLY_ANY):
            soon = self._loop.time() + self._policy.silence_within
            self._answer_due = min(self._answer_due, soon)

    async def _pass_on(self, frames: Sequence[Frame]) -> None:
        if frames:
            await self._socket.send(*frames)

    async def _next_frame(self) -> Frame | None:
        """A message, or None where something else has to be looked at first."""
        dues = [due for due in (self._answer_due, self._fill_due) if due is not None]
        try:
            async with asyncio.timeout_at(min(dues, default=None)) as self._woken:
                return await self._socket.receive()
        except TimeoutError:
            await self._in_time()
            return None
        finally:
            self._woken = None

    async def _in_time(self) -> None:
        now = self._loop.time()
        if self._fill_due is not None and now >= self._fill_due:
            self._fill_due = self._fill_due + FILL_EVERY if now < self._fill_until else None
            await self._pass_on(self._session.audio(SILENCE))
        if self._answer_due is not None and now >= self._answer_due:
            self._answer_due = None
            if not await self._may_have_heard_nothing():
                problem = f"did not answer within {self._policy.answer_within:g} s"
                raise self._socket.dial.error(problem, retryable=True)
            self._ready.append(self._session.so_far())

    async def _may_have_heard_nothing(self) -> bool:
        patient = self._vendor.may_stay_silent and self._session.may_be_all(WORDLESS)
        return patient and await self._socket.answers()

    def _wake(self) -> None:
        """Let `results` see what changed."""
        if self._woken is not None and not self._woken.expired():
            self._woken.reschedule(self._loop.time())
