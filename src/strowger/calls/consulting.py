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
from strowger.errors import CallRefused, ProviderError, TransferRefused
from strowger.media.events import PlayoutEnded, SpeechStopped
from strowger.model import CallId, WorkerId
from strowger.ports import CallStore, Line, LineEvent, LineHungUp, pcm_of

RINGS_FOR = 20.0
"""Seconds; less than the usual deadline of a transfer, so that the model hears that nobody came."""
HUNG_UP = "who was called has hung up"
HELLO_WITHIN = 2.0
"""Seconds that who answers has for a hello before the agent speaks."""


@asynccontextmanager
async def second_line(
    store: CallStore, chronicle: Chronicle, call: CallId, worker: WorkerId
) -> AsyncIterator[None]:
    """Hold a line of a call's trunk for another call, as limits allow.

    Raises Unavailable where none is free, Conflict where the call is over. Given back whatever
    comes of the taking: its answer may have been lost.
    """
    await chronicle.written()  # the one before is given back
    try:
        await asyncio.sleep(await store.take_line_to_consult(call, worker, now=time.time()))
        yield
    finally:
        chronicle.write(partial(store.give_consulted_line_back, call))


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
    return event
