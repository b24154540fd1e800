"""The agent's first words, had spoken while the telephone still rings.

Only what is known before anybody answers: a fixed or templated first sentence. It is thrown away
where nobody does, and where what is said then is something else.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import structlog

from strowger.agent import VoiceSettings
from strowger.calls.speaking import BYTES_PER_SECOND, Voice
from strowger.errors import ProviderError
from strowger.ports import Word

log = structlog.get_logger()

LONGEST = 20 * BYTES_PER_SECOND
"""Bytes of sound that are kept ready; a voice that has more waits until somebody listens."""


class Greeting:
    """TextToSpeech of a voice that has one sentence ready."""

    def __init__(self, voice: Voice, text: str) -> None:
        self._voice = voice
        self._text = text
        self._ringing = asyncio.Event()
        self._changed = asyncio.Event()
        self._heard = self._left = False
        self._pieces: list[bytes | Word] = []
        self._size = 0
        self._over = False
        self._problem: ProviderError | None = None

    @property
    def voice(self) -> Voice:
        """The voice that has the words ready."""
        return replace(self._voice, speech=self)

    def ring(self) -> None:
        """The callee's telephone rings: from here on the words may be wanted at any moment."""
        self._ringing.set()

    async def prepare(self) -> None:
        """Have them spoken, once it rings."""
        await self._ringing.wait()
        voice = self._voice
        speech = voice.speech.speak(self._text, voice.settings, language=voice.language)
        try:
            async for piece in speech:
                self._pieces.append(piece)
                self._size += len(piece) if isinstance(piece, bytes) else 0
                self._changed.set()
                if self._left:
                    return
                while self._size > LONGEST and not self._heard:
                    self._changed.clear()
                    await self._changed.wait()
        except ProviderError as problem:
            log.info("call.greeting_not_ready", problem=str(problem))
            self._problem = problem
        finally:
            self._over = True
            self._changed.set()
            if isinstance(speech, AsyncGenerator):
                await speech.aclose()

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        await self._voice.speech.warm(settings, language=language)

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        ready = text == self._text and self._ringing.is_set() and not self._heard
        self._heard = self._heard or ready
        self._changed.set()
        if not ready or (self._over and not self._pieces):
            speech = self._voice.speech.speak(text, settings, language=language)
            try:
                async for piece in speech:
                    yield piece
            finally:
                if isinstance(speech, AsyncGenerator):
                    await speech.aclose()
            return
        try:
            while self._pieces or not self._over:
                while self._pieces:
                    yield self._pieces.pop(0)
                self._changed.clear()
                if not self._over:
                    await self._changed.wait()
        finally:
            self._left = True
        if self._problem is not None:
            raise self._problem
