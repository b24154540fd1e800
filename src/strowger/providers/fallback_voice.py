"""Speech that goes on with another voice when one fails in the middle of a text.

What has been spoken is not said again: where the voice told when its words are spoken this is
known to the word, else it is judged by how long the sound is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.ports import LINE_RATE, TextToSpeech, Word
from strowger.providers.candidates import Candidate, Clock, Health, candidates, too_late
from strowger.providers.in_time import in_time

SECONDS_PER_CHARACTER = 0.065
"""How long a voice takes for a character, where it does not say."""


class FallbackVoice:
    """TextToSpeech by the voice of that name, and by those its settings fall back to."""

    def __init__(
        self, name: str, find: Callable[[str], TextToSpeech], health: Health, *, tries: int = 1
    ) -> None:
        self._name = name
        self._find = find
        self._health = health
        self._tries = tries

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        first = self._ordered(settings)[0]
        with suppress(ProviderError):  # the next text will say it
            await self._find(first.name).warm(first.settings, language=language)

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        left = self._ordered(settings)
        spoken = Spoken(text)
        while True:
            candidate = left.pop(0)
            clock, began = Clock(), spoken.size
            try:
                voice = self._find(candidate.name)
                speech = voice.speak(spoken.rest(), candidate.settings, language=language)
                within = settings.fallback_after if left else None
                async with aclosing(in_time(speech, within)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, bytes) and spoken.size == began:
                            self._health.answered(candidate, clock.seconds)
                        yield spoken.take(piece)
                return
            except TimeoutError:
                error = too_late(candidate.name, settings.fallback_after)
            except ProviderError as failure:
                error = failure
            following = left[0] if left else None
            self._health.failed(candidate, error, now=clock.now, next=following)
            if not left:
                raise error
            spoken.end_part()
            if not spoken.rest():
                return

    def _ordered(self, settings: VoiceSettings) -> list[Candidate[VoiceSettings]]:
        now = asyncio.get_running_loop().time()
        return self._health.ordered(candidates(self._name, settings, tries=self._tries), now=now)


@dataclass(slots=True)
class Spoken:
    """How much of a text has been spoken, by one voice after another."""

    text: str
    size: int = 0
    """Bytes of sound, in all; seconds that are added up do not stay exact."""
    _began: int = 0
    """Where the present voice's sound begins."""
    _words: list[Word] = field(default_factory=list)
    """The present voice's words, by its own time."""

    def take(self, piece: bytes | Word) -> bytes | Word:
        """Take note of a piece; a word's times become those of the whole utterance."""
        if isinstance(piece, bytes):
            self.size += len(piece)
            return piece
        self._words.append(piece)
        if not self._began:
            return piece
        began = self._began / 2 / LINE_RATE
        return replace(piece, start=piece.start + began, end=piece.end + began)

    def rest(self) -> str:
        return self.text

    def end_part(self) -> None:
        """Another voice goes on from here."""
        sounded = (self.size - self._began) // 2
        if sounded > 0:
            self.text = self._unspoken(sounded)
        self._began, self._words = self.size, []

    def _unspoken(self, sounded: int) -> str:
        """What was not spoken in so many samples."""
        words = self.text.split()
        done = sum(round(word.end * LINE_RATE) <= sounded for word in self._words)
        known = self._words and done <= len(words)
        if not known or any(
            plain(word.text) != plain(own)
            for word, own in zip(self._words[:done], words, strict=False)
        ):
            done = len(self.text[: int(sounded / LINE_RATE / SECONDS_PER_CHARACTER)].split()) - 1
        return " ".join(words[max(0, done) :])


def plain(word: str) -> str:
    """A word without what surrounds it, to be compared."""
    return "".join(character for character in word.casefold() if character.isalnum())
