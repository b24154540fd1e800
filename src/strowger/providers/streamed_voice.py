"""Speech over a websocket: what all vendors of it have in common.

A vendor is a `VoiceVendor`, which says how to connect, and a `VoiceSession`, which turns a text
into messages and messages into sound and words, both without I/O. This file leases the
connection, keeps the deadlines and looks at the sound.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.gulps import Gulps
from strowger.media.events import Codec
from strowger.patience import Patience
from strowger.ports import Word
from strowger.providers.line_audio import LineAudio
from strowger.providers.pool import Held, SocketPool
from strowger.providers.websocket import Connector, Dial, Frame, Garbage, Socket, VendorFailed


class VoiceSession(Protocol):
    """One connection's side of a vendor's protocol, over any number of texts, one by one."""

    def speak(self, text: str, settings: VoiceSettings, language: str) -> Sequence[Frame]:
        """How a text is asked for."""

    def receive(self, frame: Frame) -> Sequence[bytes | Word]:
        """What a message holds of the text's sound and words; times are seconds of its sound.

        Raises Garbage or VendorFailed.
        """

    def stop(self) -> Sequence[Frame]:
        """How the rest of the text is called off."""

    @property
    def done(self) -> bool:
        """All of the text has come."""

    @property
    def reusable(self) -> bool:
        """Another text can be asked for on this connection."""


class VoiceVendor(Protocol):
    name: str
    longest_text: int

    @property
    def codec(self) -> Codec | None:
        """G.711, or none for 16-bit PCM; at the line's rate."""

    def dial(self, settings: VoiceSettings, language: str) -> Dial: ...
    def new_session(self) -> VoiceSession: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicePolicy:
    first: float = 4.0
    """Seconds from the text to the first message."""
    between: float = 3.0
    """Seconds from one message to the next."""
    ahead: float = 0.6
    """Seconds of sound before it can be heard, from which on messages may gather."""
    gathering: float = 0.1
    """Seconds that they gather then."""


class StreamedVoice:
    """TextToSpeech by a vendor's websocket."""

    def __init__(
        self, vendor: VoiceVendor, connector: Connector, policy: VoicePolicy | None = None
    ) -> None:
        self._vendor = vendor
        self._policy = policy or VoicePolicy()
        self.pool = SocketPool(connector, vendor.new_session)

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        self.pool.warm(self._vendor.dial(settings, language))

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        vendor = self._vendor
        if len(text) > vendor.longest_text:
            raise ProviderError(
                f"a text of {len(text)} characters; {vendor.name} takes {vendor.longest_text}",
                retryable=False,
            )
        text = text.encode(errors="replace").decode()
        async with self.pool.lease(vendor.dial(settings, language)) as held:
            session = held.state
            await held.socket.send(*session.speak(text, settings, language))
            audio, patience = LineAudio(text, codec=vendor.codec, speed=settings.speed), Patience()
            gulps, now = Gulps(self._policy.gathering), asyncio.get_running_loop().time
            try:
                within, sounds_from = self._policy.first, -math.inf
                while not session.done:
                    if sounds_from + audio.seconds - now() > self._policy.ahead:
                        await gulps.gather()
                    frame = await self._receive(held, patience, within)
                    for piece in self._heard(held, frame, audio):
                        yield piece
                    within = self._policy.between
                    if audio.seconds and sounds_from < 0:
                        sounds_from = now()
            finally:
                patience.close()
                await self._take_leave(held)

    @staticmethod
    async def _receive(held: Held[VoiceSession], patience: Patience, within: float) -> Frame:
        try:
            with patience.within(within):
                return await held.socket.receive()
        except TimeoutError:
            problem = f"sent nothing for {within:g} s"
            raise held.socket.dial.error(problem, retryable=True) from None

    @staticmethod
    def _heard(held: Held[VoiceSession], frame: Frame, audio: LineAudio) -> list[bytes | Word]:
        heard: list[bytes | Word] = []
        with _blaming(held.socket):
            for piece in held.state.receive(frame):
                if isinstance(piece, Word):
                    audio.expect(piece)
                    heard.append(piece)
                elif pcm := audio.process(piece):
                    heard.append(pcm)
            if held.state.done and (pcm := audio.flush()):
                heard.append(pcm)
        return heard

    @staticmethod
    async def _take_leave(held: Held[VoiceSession]) -> None:
        """Call off what has not come; leave the connection to the next, where it can be used."""
        if not held.socket.is_open:
            return
        if not held.state.done:
            with suppress(ProviderError):  # nobody listens any more
                await held.socket.send(*held.state.stop())
        held.at_rest = held.state.reusable


@contextmanager
def _blaming(socket: Socket) -> Iterator[None]:
    """What a vendor sends wrong is its error, and its connection is not used again."""
    try:
        yield
    except Garbage as garbage:
        socket.abort()
        raise socket.dial.error(str(garbage), retryable=True) from garbage
    except VendorFailed as failed:
        socket.abort()
        raise socket.dial.error(f"failed: {failed}", retryable=failed.retryable) from None
