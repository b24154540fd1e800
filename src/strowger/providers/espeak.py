"""Speech by espeak-ng, in a child process (see `espeak_child.py` for why).

Decides which voice speaks a language, and how fast. The default voices are the Klatt variants:
recognisers, and people on a bad line, understand them better than espeak-ng's own.
"""

import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.providers.child import ChildPolicy, ChildPool, python_child
from strowger.providers.espeak_child import RATE
from strowger.providers.installed import EspeakFiles, voices_of
from strowger.providers.loudness import TelephoneSpeech, gain_for

DEFAULT_VARIANT = "+klatt"
WORDS_PER_MINUTE = 160
"""At speed 1.0: a little slower than espeak-ng's own 175, as people speak on the telephone."""
SLOWEST, FASTEST = 0.5, 2.0
LONGEST_TEXT = 5000
VOICE_NAME = re.compile(r"[A-Za-z0-9-]{1,32}(\+[A-Za-z0-9]{1,32})?")
CALIBRATION = "The quick brown fox jumps over the lazy dog; five wizards box quickly."


class EspeakSpeech:
    """TextToSpeech by espeak-ng."""

    def __init__(
        self, files: EspeakFiles, policy: ChildPolicy, *, python: str = sys.executable
    ) -> None:
        command = python_child(
            python, "strowger.providers.espeak_child", files.library, files.data_folder
        )
        self._children = ChildPool("espeak-ng", command, policy)
        self._voices = voices_of(files)
        self._gains: dict[str, float] = {}

    def voices(self) -> list[str]:
        """Voices by language; any takes a variant after a plus sign, such as `en-us+klatt`."""
        return sorted(self._voices)

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """Start the child, and find out how loud the voice is."""
        with suppress(ProviderError):  # the next text will say it
            await self._gain(self._voice(settings.voice_id, language))

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes]:
        if len(text) > LONGEST_TEXT:
            raise ProviderError(
                f"a text of {len(text)} characters; espeak-ng takes {LONGEST_TEXT}", retryable=False
            )
        voice = self._voice(settings.voice_id, language)
        speech = TelephoneSpeech(RATE, await self._gain(voice))
        async with aclosing(self._pcm(text, voice, settings.speed)) as pieces:
            async for piece in pieces:
                if pcm := speech.process(piece):
                    yield pcm
        if pcm := speech.flush():
            yield pcm

    async def close(self) -> None:
        await self._children.close()

    async def _gain(self, voice: str) -> float:
        if voice not in self._gains:
            sample = b"".join([piece async for piece in self._pcm(CALIBRATION, voice, 1.0)])
            self._gains[voice] = gain_for(sample, RATE)
        return self._gains[voice]

    def _pcm(self, text: str, voice: str, speed: float) -> AsyncGenerator[bytes, None]:
        rate = round(WORDS_PER_MINUTE * min(max(speed, SLOWEST), FASTEST))
        return self._children.ask({"text": speakable(text), "voice": voice, "rate": rate})

    def _voice(self, voice_id: str | None, language: str) -> str:
        if voice_id is None:
            return self._voice_of(language.lower().replace("_", "-")) + DEFAULT_VARIANT
        if not VOICE_NAME.fullmatch(voice_id):
            raise ProviderError(f"{voice_id!r} is no name of an espeak-ng voice", retryable=False)
        name, plus, variant = voice_id.partition("+")
        return self._voices.get(name.lower(), name) + plus + variant

    def _voice_of(self, language: str) -> str:
        while language not in self._voices:
            language, dash, _ = language.rpartition("-")
            if not dash:
                raise ProviderError("espeak-ng does not speak this language", retryable=False)
        return self._voices[language]


def speakable(text: str) -> str:
    """Without what C strings and UTF-8 cannot hold."""
    return text.replace("\0", " ").encode(errors="replace").decode()
