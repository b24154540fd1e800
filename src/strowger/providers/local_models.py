"""Models that the operator has put on this machine: Whisper hears, Piper and Kokoro speak.

Each runs in a child process of its own, for the reasons of ADR 6. Nothing is ever downloaded.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.errors import ProviderError
from strowger.ports import Recognised, Word
from strowger.providers.child import ChildPolicy, ChildPool, python_child
from strowger.providers.hearing import prepare
from strowger.providers.installed import KOKORO_VOICES, find_kokoro, find_piper, folder_of
from strowger.providers.loudness import TelephoneSpeech
from strowger.providers.turn import WholeTurn

LONGEST_TURN = 60
"""Seconds."""
LOADING = 30.0
"""Seconds that a model may take to load and to answer its first request."""
SILENCE = bytes(2 * 16000 // 2)
SLOWEST, FASTEST = 0.5, 2.0
LONGEST_TEXT = 5000
GAIN = 1.0
"""These voices speak as loud as the telephone wants them to."""


class WhisperEars:
    """SpeechToText by faster-whisper: a turn is heard when the callee pauses."""

    def __init__(self, model: Path, *, size: int = 1, python: str = sys.executable) -> None:
        folder = folder_of("faster_whisper", "whisper", "whisper")
        command = python_child(
            python, "strowger.providers.whisper_child", str(model), folders=[folder]
        )
        self.metered = False
        self._children = ChildPool("whisper", command, ChildPolicy(deadline=LOADING), size=size)

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        """Load the model, while nobody speaks yet."""
        if self._children.running:
            return
        with suppress(ProviderError):  # the first turn will say it
            async for _ in self._children.ask({"language": "en", "hints": ""}, SILENCE):
                continue

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[WholeTurn]:
        wanted = {
            "language": language.lower().partition("-")[0],
            "hints": ", ".join(dict.fromkeys([*settings.keywords, *phrases]))[:600],
        }
        turn = WholeTurn(partial(self._transcribe, wanted=wanted), longest=LONGEST_TURN)
        try:
            yield turn
        finally:
            turn.close()

    async def _transcribe(self, pcm: bytes, *, wanted: Mapping[str, object]) -> Recognised:
        heard = await asyncio.to_thread(prepare, pcm)
        if not heard:
            return Recognised("", final=True, confidence=0.0)
        parts = [part async for part in self._children.ask(wanted, heard)]
        found = json.loads(b"".join(parts))
        return Recognised(
            found["text"],
            final=True,
            confidence=round(found["confidence"], 3),
            words=tuple(Word(*word) for word in found["words"]),
        )

    async def close(self) -> None:
        await self._children.close()


class ModelVoice:
    """TextToSpeech by a voice model in a child process."""

    def __init__(self, name: str, command: Sequence[str], voices: Mapping[str, str]) -> None:
        """`voices` has the voice of each language, by its tag in lower case."""
        self._name = name
        self._voices = voices
        self._children = ChildPool(name, command, ChildPolicy(deadline=LOADING))

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """Load the model."""
        if self._children.running:
            return
        with suppress(ProviderError):  # the next text will say it
            async for _ in self.speak("1", settings, language=language):
                continue

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes]:
        if len(text) > LONGEST_TEXT:
            raise ProviderError(
                f"a text of {len(text)} characters; {self._name} takes {LONGEST_TEXT}",
                retryable=False,
            )
        tag, voice = self._voice_of(language)
        wanted = {
            "text": text.encode(errors="replace").decode(),
            "voice": settings.voice_id or voice,
            "speed": min(max(settings.speed, SLOWEST), FASTEST),
            "language": tag,
        }
        speech: TelephoneSpeech | None = None
        async with aclosing(self._children.ask(wanted)) as pieces:
            async for piece in pieces:
                if speech is None:
                    speech = TelephoneSpeech(int(piece), GAIN)
                elif pcm := speech.process(piece):
                    yield pcm
        if speech is not None and (pcm := speech.flush()):
            yield pcm

    async def close(self) -> None:
        await self._children.close()

    def _voice_of(self, language: str) -> tuple[str, str]:
        """The tag that is known of a language, and its voice."""
        wanted = language.lower().replace("_", "-")
        tongue = wanted.partition("-")[0]
        near = [tag for tag in self._voices if tag.partition("-")[0] == tongue]
        for tag in (wanted, tongue, *near):
            if tag in self._voices:
                return tag, self._voices[tag]
        raise ProviderError(f"{self._name} has no voice for {language}", retryable=False)


def piper_voice(folder: Path | None, *, python: str = sys.executable) -> ModelVoice:
    """Raises ProviderError that says what is missing."""
    folder, voices = find_piper(folder)
    package = folder_of("piper", "piper", "piper")
    command = python_child(python, "strowger.providers.piper_child", str(folder), folders=[package])
    by_language: dict[str, str] = {}
    for name in voices:  # such as en_US-joe-medium
        by_language.setdefault(name.partition("-")[0].lower().replace("_", "-"), name)
    return ModelVoice("piper", command, by_language)


def kokoro_voice(
    model: Path | None, voices: Path | None, *, python: str = sys.executable
) -> ModelVoice:
    """Raises ProviderError that says what is missing."""
    model, voices = find_kokoro(model, voices)
    package = folder_of("kokoro_onnx", "kokoro", "kokoro")
    files = (str(model), str(voices))
    command = python_child(python, "strowger.providers.kokoro_child", *files, folders=[package])
    return ModelVoice("kokoro", command, KOKORO_VOICES)
