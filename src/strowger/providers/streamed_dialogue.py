"""Conversations over a websocket: what all speech-to-speech services have in common.

A service is a `DialogueVendor`, which says how to connect, and a `DialogueSession`, which turns
what is to be told into messages and messages into events, both without I/O. This file opens the
connection, one for each conversation, and waits for the service to be ready.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from strowger.conversation.speech_to_speech.events import Brief, ToService
from strowger.errors import ProviderError, leaves
from strowger.ports import DialogueEvent
from strowger.providers.candidates import Candidate, Health
from strowger.providers.websocket import Connector, Dial, Frame, Garbage, Socket, VendorFailed


@dataclass(frozen=True, slots=True)
class Received:
    """What a message comes to."""

    events: Sequence[DialogueEvent] = ()
    replies: Sequence[Frame] = ()
    """What has to be answered at once."""


class DialogueSession(Protocol):
    """One conversation's side of a service's protocol."""

    @property
    def ready(self) -> bool:
        """The service has taken the brief."""

    def begin(self) -> Sequence[Frame]:
        """What is sent as soon as the connection stands."""

    def take_up(self) -> Sequence[Frame]:
        """What is sent once the service is ready: the dialogue so far."""

    def audio(self, pcm: bytes) -> Sequence[Frame]: ...
    def tell(self, what: ToService) -> Sequence[Frame]: ...
    def receive(self, frame: Frame) -> Received:
        """Raises Garbage or VendorFailed."""


class DialogueVendor(Protocol):
    name: str
    greets: bool
    """It speaks by itself once it is connected."""
    resumes: bool
    leaves: bool
    """The service may close the connection in order: its agent has ended the conversation."""

    async def dial(self, brief: Brief) -> Dial:
        """Raises ProviderError."""

    def new_session(self, brief: Brief) -> DialogueSession: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DialoguePolicy:
    ready_within: float = 5.0
    """Seconds from the connection until the service has taken the brief."""


class StreamedDialogues:
    """SpeechToSpeech by a service's websocket."""

    def __init__(
        self,
        vendor: DialogueVendor,
        connector: Connector,
        health: Health,
        policy: DialoguePolicy | None = None,
    ) -> None:
        self.greets = vendor.greets
        self._vendor = vendor
        self._connector = connector
        self._health = health
        self._policy = policy or DialoguePolicy()

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator["StreamedDialogue"]:
        if brief.goes_on and not self._vendor.resumes:
            problem = f"{self._vendor.name} cannot be told a conversation to go on with it"
            raise ProviderError(problem, retryable=False)
        try:
            async with self._connected(brief) as dialogue:
                yield dialogue
        except* ProviderError as errors:  # plain, or in a group of who uses the dialogue
            failure, now = next(leaves(errors)), asyncio.get_running_loop().time()
            self._health.failed(Candidate(self._vendor.name, None), failure, now=now, next=None)
            raise failure from None

    @asynccontextmanager
    async def _connected(self, brief: Brief) -> AsyncIterator["StreamedDialogue"]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        dial = await self._vendor.dial(brief)
        session = self._vendor.new_session(brief)
        socket = await self._connector.open(dial)
        try:
            dialogue = StreamedDialogue(self._vendor, socket, session)
            await dialogue.get_ready(self._policy.ready_within)
            self._health.answered(Candidate(self._vendor.name, None), loop.time() - began)
            yield dialogue
        except BaseException:  # whatever broke it off, a call that ends included: no farewell
            socket.abort()
            raise
        else:
            await socket.close()


class StreamedDialogue:
    """A conversation that the service is ready for."""

    def __init__(self, vendor: DialogueVendor, socket: Socket, session: DialogueSession) -> None:
        self.greets, self.resumes = vendor.greets, vendor.resumes
        self._leaves = vendor.leaves
        self._socket = socket
        self._session = session
        self._arrived: deque[DialogueEvent] = deque()

    @property
    def is_open(self) -> bool:
        return self._socket.is_open

    async def get_ready(self, within: float) -> None:
        await self._pass_on(self._session.begin())
        try:
            async with asyncio.timeout(within):
                while not self._session.ready:
                    self._arrived.extend(await self._receive())
        except TimeoutError:
            raise self._socket.dial.error(
                f"is not ready within {within:g} s", retryable=True
            ) from None
        await self._pass_on(self._session.take_up())

    async def send(self, pcm: bytes) -> None:
        await self._pass_on_to_who_is_there(self._session.audio(pcm))

    async def tell(self, what: ToService) -> None:
        await self._pass_on_to_who_is_there(self._session.tell(what))

    async def events(self) -> AsyncGenerator[DialogueEvent, None]:
        while True:
            while self._arrived:
                yield self._arrived.popleft()
            try:
                self._arrived.extend(await self._receive())
            except ProviderError:
                if self._left:
                    return
                raise

    @property
    def _left(self) -> bool:
        """The service has ended the conversation, which is no failure."""
        return self._leaves and self._socket.closed_in_order

    async def _receive(self) -> Sequence[DialogueEvent]:
        frame = await self._socket.receive()
        try:
            received = self._session.receive(frame)
        except Garbage as garbage:
            raise self._socket.dial.error(str(garbage), retryable=True) from garbage
        except VendorFailed as failed:
            raise self._socket.dial.error(f"failed: {failed}", retryable=failed.retryable) from None
        await self._pass_on(received.replies)
        return received.events

    async def _pass_on_to_who_is_there(self, frames: Sequence[Frame]) -> None:
        """What is sent while the service leaves is for nobody: `events` tells that it has left."""
        try:
            await self._pass_on(frames)
        except ProviderError:
            if not self._left:
                raise

    async def _pass_on(self, frames: Sequence[Frame]) -> None:
        if frames:
            await self._socket.send(*frames)
