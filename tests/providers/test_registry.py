import asyncio
import importlib.util
from pathlib import Path

import pytest

from strowger.agent import VoiceSettings
from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import LanguageModel, Providers, SpeechToText, TextToSpeech
from strowger.providers.anthropic import AnthropicSettings
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.espeak import EspeakSpeech
from strowger.providers.fallback_ears import FallbackEars
from strowger.providers.fallback_model import FallbackModel
from strowger.providers.fallback_voice import FallbackVoice
from strowger.providers.flite import FliteSpeech
from strowger.providers.openai_chat import OpenAIChat
from strowger.providers.openai_speech import OpenAISpeech
from strowger.providers.openai_transcription import OpenAITranscription
from strowger.providers.pocketsphinx import PocketsphinxRecogniser
from strowger.providers.registry import ConfiguredProviders, OpenAISettings, ProviderSettings

WITH_OPENAI = ProviderSettings(openai=OpenAISettings(base_url="http://127.0.0.1:1/v1", api_key="k"))


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As where these packages are not installed."""
    find = importlib.util.find_spec

    def find_others(name: str) -> object:
        return None if name in packages else find(name)

    monkeypatch.setattr("strowger.providers.installed.find_spec", find_others)


def test_providers_are_found_by_name_and_made_once() -> None:
    async def main() -> None:
        async with ConfiguredProviders(WITH_OPENAI) as configured:
            providers: Providers = configured
            ears: SpeechToText = providers.speech_to_text("local")
            voice: TextToSpeech = providers.text_to_speech("local")
            model: LanguageModel = providers.language_model("openai")
            assert isinstance(ears, FallbackEars)
            assert isinstance(voice, FallbackVoice)
            assert isinstance(model, FallbackModel)
            assert isinstance(configured.own_ears("local"), PocketsphinxRecogniser)
            assert isinstance(configured.own_voice("local"), EspeakSpeech)
            assert isinstance(configured.own_model("openai"), OpenAIChat)
            assert isinstance(configured.own_voice("openai"), OpenAISpeech)
            assert isinstance(configured.own_ears("openai"), OpenAITranscription)
            assert configured.own_voice("openai") is configured.own_voice("openai")
            assert isinstance(providers.fallback_voice(), FallbackVoice)

    asyncio.run(main())


def test_an_unknown_name_says_which_there_are() -> None:
    async def main() -> None:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            with pytest.raises(ProviderError, match="'nobody'; there are: cartesia, deepgram"):
                providers.text_to_speech("nobody")
            with pytest.raises(ProviderError, match="language model provider 'local'"):
                providers.language_model("local")

    asyncio.run(main())


def test_a_key_or_an_address_that_cannot_be_right_is_like_none_to_a_call() -> None:
    settings = ProviderSettings(
        deepgram=DeepgramSettings(api_key="line\nbreak"),
        anthropic=AnthropicSettings(api_key="line\nbreak"),
        elevenlabs=ElevenLabsSettings(api_key="k", base_url="ftp://example.com"),
    )

    async def main() -> None:
        async with ConfiguredProviders(settings) as providers:
            with pytest.raises(ProviderError, match="key of deepgram has a character no key has"):
                providers.speech_to_text("deepgram")
            with pytest.raises(ProviderError, match="key of anthropic has a character no key has"):
                providers.language_model("anthropic")
            with pytest.raises(ProviderError, match="base_url of elevenlabs: expected http"):
                providers.text_to_speech("elevenlabs")

    asyncio.run(main())


def test_openai_without_a_key_or_an_address_is_not_there() -> None:
    async def main() -> None:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            with pytest.raises(ProviderError, match="no API key") as failure:
                providers.language_model("openai")
            assert not failure.value.retryable

    asyncio.run(main())


def test_a_server_of_ones_own_needs_no_key() -> None:
    settings = ProviderSettings(openai=OpenAISettings(base_url="http://127.0.0.1:1/v1"))

    async def main() -> None:
        async with ConfiguredProviders(settings) as providers:
            assert isinstance(providers.own_model("openai"), OpenAIChat)

    asyncio.run(main())


def test_closing_leaves_no_process_behind_and_nothing_usable() -> None:
    def children() -> list[str]:
        return Path("/proc/thread-self/children").read_text().split()

    async def main() -> None:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            voice = providers.text_to_speech("local")
            async for _ in voice.speak("Hello.", VoiceSettings(), language="en-US"):
                pass
            assert children()
        assert not children()
        with pytest.raises(ProviderError, match="closed"):
            await anext(voice.speak("Hello.", VoiceSettings(), language="en-US"))

    asyncio.run(main())


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "espeakng_loader", "pocketsphinx")

    async def main() -> None:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            for ask in (providers.text_to_speech, providers.speech_to_text):
                with pytest.raises(ProviderError, match=r"pip install strowger\[local\]"):
                    ask("local")

    asyncio.run(main())


def test_the_fallback_voice_is_whatever_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without(monkeypatch, "espeakng_loader")

    async def fallback() -> TextToSpeech | None:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            voice = providers.fallback_voice()
            return None if voice is None else providers.own_voice("flite")

    monkeypatch.setattr("strowger.providers.registry.find_flite", lambda: str(tmp_path / "flite"))
    assert isinstance(asyncio.run(fallback()), FliteSpeech)
    monkeypatch.undo()
    without(monkeypatch, "espeakng_loader")

    def none() -> str:
        raise ProviderError("flite is not installed", retryable=False)

    monkeypatch.setattr("strowger.providers.registry.find_flite", none)
    assert asyncio.run(fallback()) is None


def test_the_description_lists_what_there_is_and_why_the_rest_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    described = {
        (one.kind, one.name): one for one in ConfiguredProviders(ProviderSettings()).describe()
    }
    local = described[ProviderKind.TEXT_TO_SPEECH, "local"]
    assert local.available and local.default == "en-us+klatt"
    assert {"en-us", "en-gb", "de", "fr-fr"} <= set(local.voices)
    openai = described[ProviderKind.LANGUAGE_MODEL, "openai"]
    assert not openai.available and openai.problem == "no API key and no base_url of one's own"
    agents = described[ProviderKind.SPEECH_TO_SPEECH, "elevenlabs"]
    assert agents.problem is not None and "only with agents that are public" in agents.problem
    without(monkeypatch, "pocketsphinx", "espeakng_loader")
    for one in ConfiguredProviders(WITH_OPENAI).describe():
        if one.name == "local":
            assert not one.available
            assert one.problem is not None and "pip install strowger[local]" in one.problem
            assert one.voices == ()
        elif one.name == "openai":
            assert one.available


def test_settings_do_not_show_their_secrets() -> None:
    settings = ProviderSettings(openai=OpenAISettings(api_key="sk-secret", proxy="http://u:pw@p"))
    assert "sk-secret" not in repr(settings)
    assert "pw" not in repr(settings)
