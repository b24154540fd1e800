"""Attended transfers: whom the callee is put through to is called first, and told why (RFC 5589).

The callee waits on his own line meanwhile; another of the trunk has been taken. Whatever goes wrong
before somebody has answered him there is a refusal, and the agent goes on with him.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from strowger.calls.chronicle import Chronicle
from strowger.calls.speaking import Voice
from strowger.conversation.events import Transfer
from strowger.errors import CallRefused, ProviderError, TransferRefused, Unavailable
from strowger.media.events import MediaLost, PlayoutEnded, SpeechStopped
from strowger.model import CallId, WorkerId
from strowger.ports import CallStore, Line, LineEvent, LineHungUp, pcm_of

RINGS_FOR = 20.0
"""Seconds; less than the usual deadline of a transfer, so that the model hears that nobody came."""
WRITTEN_WITHIN = 5.0
"""Seconds in which the database must have what came before: a callee is waiting."""
HUNG_UP = "who was called has hung up"
HELLO_WITHIN = 2.0
"""Seconds that who answers has for a hello before the agent speaks."""


class SecondLine:
    """A line of a call's trunk for another call, one at a time.

    The database only knows of a call that it takes up two lines: of two consultations the one that
    ends first would give away the line of the other.
    """

    def __init__(
        self,
        store: CallStore,
        chronicle: Chronicle,
        call: CallId,
        worker: WorkerId,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives Unix seconds."""
        self._store = store
        self._chronicle = chronicle
        self._call = call
        self._worker = worker
        self._clock = clock
        self._in_use = False

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold it, as limits allow.

        Raises Unavailable where none is free or the database is away, Conflict where the call is
        over, TransferRefused while it is held. Given back whatever comes of the taking: its answer
        may have been lost.
        """
        if self._in_use:
            raise TransferRefused("somebody else is being called for the callee already")
        self._in_use = True
        try:
            await self._one_before_given_back()
            try:
                take = self._store.take_line_to_consult
                await asyncio.sleep(await take(self._call, self._worker, now=self._clock()))
                yield
            finally:
                self._chronicle.write(partial(self._store.give_consulted_line_back, self._call))
        finally:
            self._in_use = False

    async def _one_before_given_back(self) -> None:
        """Else that would give away this one. Raises Unavailable."""
        try:
            async with asyncio.timeout(WRITTEN_WITHIN):
                await self._chronicle.written()
        except TimeoutError as error:
            raise Unavailable("the database is away: no line can be taken") from error


async def put_through_attended(
    line: Line, transfer: Transfer, voice: Voice, on_accepted: Callable[[], None]
) -> None:
    """Call, tell, and let the callee take our place. Raises TransferRefused or Unavailable."""
    assert transfer.briefing is not None, "a transfer without one is not attended"
    try:
        async with line.consult(transfer.to, ring_timeout=RINGS_FOR) as other:
            await _hear_hello(other)
            await _tell(other, transfer.briefing, voice)
            await line.transfer_to(other, on_accepted)
    except CallRefused as refusal:
        raise TransferRefused(f"who was called did not answer: {refusal}") from refusal
    except ProviderError as error:
        raise TransferRefused(f"who was called could not be told: {error}") from error


async def _hear_hello(other: Line) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(HELLO_WITHIN):
            await _until(other, SpeechStopped)


async def _tell(other: Line, text: str, voice: Voice) -> None:
    speech = voice.speech.speak(text, voice.settings, language=voice.language)
    other.begin_utterance(1)
    async with aclosing(pcm_of(speech)) as pieces:
        async for pcm in pieces:
            await other.write(pcm)
    other.end_utterance(1)
    if not (await _until(other, PlayoutEnded)).complete:  # it ends with the call
        raise TransferRefused(HUNG_UP)


E = TypeVar("E", bound=LineEvent)


async def _until(other: Line, kind: type[E]) -> E:
    while not isinstance(event := await other.next_event(), kind):
        if isinstance(event, LineHungUp):
            raise TransferRefused(HUNG_UP)
        if isinstance(event, MediaLost):  # what he is told would reach nobody
            raise TransferRefused("the sound of who was called is lost")
    return event
