"""Models that the operator has put on this machine: Whisper hears, Piper and Kokoro speak.

Each runs in a child process of its own, for the reasons of ADR 6. Nothing is ever downloaded.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.errors import ProviderError
from strowger.ports import Recognised, Word
from strowger.providers.child import ChildPolicy, ChildPool, python_child
from strowger.providers.hearing import prepare
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
KOKORO_VOICES = {
    "en-us": "af_heart", "en-gb": "bf_emma", "es": "ef_dora", "fr-fr": "ff_siwis",
    "hi": "hf_alpha", "it": "if_sara", "ja": "jf_alpha", "pt-br": "pf_dora", "zh": "zf_xiaoxiao",
}  # fmt: skip
"""One for each language that the model speaks."""


def find_whisper(model: Path | None) -> Path:
    """The model's folder. Raises ProviderError that says what is missing."""
    _find("faster_whisper", "whisper", "pip install strowger[whisper]")
    if model is None:
        raise ProviderError(
            "whisper_model names no folder (STROWGER_WHISPER_MODEL)", retryable=False
        )
    if not (model / "model.bin").is_file():
        raise ProviderError(f"there is no CTranslate2 model in {model}", retryable=False)
    return model


def find_piper(folder: Path | None) -> tuple[Path, tuple[str, ...]]:
    """The folder and the names of its voices. Raises ProviderError that says what is missing."""
    _find("piper", "piper", "pip install strowger[piper]")
    if folder is None:
        raise ProviderError("piper_voices names no folder (STROWGER_PIPER_VOICES)", retryable=False)
    found = (path.stem for path in folder.glob("*.onnx") if Path(f"{path}.json").is_file())
    voices = tuple(sorted(found))
    if not voices:
        problem = f"there is no NAME.onnx with NAME.onnx.json in {folder}"
        raise ProviderError(problem, retryable=False)
    return folder, voices


def find_kokoro(model: Path | None, voices: Path | None) -> tuple[Path, Path]:
    """The files of the model. Raises ProviderError that says what is missing."""
    _find("kokoro_onnx", "kokoro", "pip install strowger[kokoro]")
    if model is None or voices is None:
        raise ProviderError(
            "kokoro_model and kokoro_voices name no files"
            " (STROWGER_KOKORO_MODEL, STROWGER_KOKORO_VOICES)",
            retryable=False,
        )
    for file in (model, voices):
        if not file.is_file():
            raise ProviderError(f"there is no file {file}", retryable=False)
    return model, voices


def _find(package: str, name: str, install: str) -> str:
    """The folder that holds a package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ProviderError(f"{name} is not installed: {install}", retryable=False)
    return str(Path(spec.origin).parents[1])


class WhisperEars:
    """SpeechToText by faster-whisper: a turn is heard when the callee pauses."""

    def __init__(self, model: Path, *, size: int = 1, python: str = sys.executable) -> None:
        folder = _find("faster_whisper", "whisper", "pip install strowger[whisper]")
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
    package = _find("piper", "piper", "pip install strowger[piper]")
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
    package = _find("kokoro_onnx", "kokoro", "pip install strowger[kokoro]")
    files = (str(model), str(voices))
    command = python_child(python, "strowger.providers.kokoro_child", *files, folders=[package])
    return ModelVoice("kokoro", command, KOKORO_VOICES)
