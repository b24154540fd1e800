"""Settings of the providers: keys, addresses, and what agents get that name nothing themselves.

What is not set stays as the provider has it.
"""

from dataclasses import dataclass
from pathlib import Path

from strowger.config.declaring import setting
from strowger.config.values import read_path, read_text, read_url


def key_for(service: str) -> str | None:
    return setting(None, read_text, f"Key for {service}.", form="KEY", secret=True)


def address_of(service: str) -> str | None:
    usual = f"Where {service} is, if not at its usual address."
    return setting(None, read_url, usual, form="URL")


def default_with(what: str, provider: str) -> str | None:
    """Of agents with this provider, for those that name none."""
    whose = f"{what} with the provider {provider}, where an agent names none."
    return setting(None, read_text, whose, form="NAME")


def speech_model(provider: str) -> str | None:
    return setting(None, read_text, f"Speech model of the provider {provider}.", form="NAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeys:
    """Part of `Settings`."""

    openai_base_url: str = setting(
        "https://api.openai.com/v1",
        read_url,
        "Where the OpenAI-compatible services are.",
        form="URL",
    )
    openai_api_key: str | None = key_for("the OpenAI-compatible services")
    openai_model: str = setting(
        "gpt-6-luna",
        read_text,
        "Language model of agents, where an agent names none.",
        form="NAME",
    )
    openai_speech_model: str = setting(
        "gpt-4o-mini-tts", read_text, "Speech model of the provider openai.", form="NAME"
    )
    openai_voice: str = setting(
        "alloy",
        read_text,
        "Voice with the provider openai, where an agent names none.",
        form="NAME",
    )
    openai_transcription_model: str = setting(
        "gpt-transcribe",
        read_text,
        "Recognition model of openai, where an agent names none, and for its speech to speech.",
        form="NAME",
    )
    openai_realtime_model: str = setting(
        "gpt-live-transcribe",
        read_text,
        "Recognition model of openai-realtime, where an agent names none.",
        form="NAME",
    )
    openai_speech_to_speech_model: str = setting(
        "gpt-realtime-2.1",
        read_text,
        "Model of speech-to-speech agents with openai, where an agent names none.",
        form="NAME",
    )
    openai_speech_to_speech_voice: str = setting(
        "marin",
        read_text,
        "Voice of speech-to-speech agents with openai, where an agent names none.",
        form="NAME",
    )
    anthropic_api_key: str | None = key_for("Anthropic")
    anthropic_base_url: str | None = address_of("Anthropic")
    anthropic_model: str | None = default_with("Language model", "anthropic")
    google_api_key: str | None = key_for("Google's Gemini")
    google_base_url: str | None = address_of("Google's Gemini")
    google_model: str | None = default_with("Language model", "google")
    deepgram_api_key: str | None = key_for("Deepgram")
    deepgram_base_url: str | None = address_of("Deepgram")
    deepgram_model: str | None = default_with("Recognition model", "deepgram")
    deepgram_voice: str | None = default_with("Voice", "deepgram")
    assemblyai_api_key: str | None = key_for("AssemblyAI")
    assemblyai_base_url: str | None = address_of("AssemblyAI")
    assemblyai_model: str | None = default_with("Recognition model", "assemblyai")
    soniox_api_key: str | None = key_for("Soniox")
    soniox_base_url: str | None = address_of("Soniox")
    soniox_model: str | None = default_with("Recognition model", "soniox")
    elevenlabs_api_key: str | None = key_for("ElevenLabs")
    elevenlabs_base_url: str | None = address_of("ElevenLabs")
    elevenlabs_voice: str | None = default_with("Voice", "elevenlabs")
    elevenlabs_model: str | None = speech_model("elevenlabs")
    cartesia_api_key: str | None = key_for("Cartesia")
    cartesia_base_url: str | None = address_of("Cartesia")
    cartesia_voice: str | None = default_with("Voice", "cartesia")
    cartesia_model: str | None = speech_model("cartesia")
    whisper_model: Path | None = setting(  # noqa: RUF009
        None, read_path, "Folder of a CTranslate2 model for the recogniser whisper.", form="FOLDER"
    )
    piper_voices: Path | None = setting(  # noqa: RUF009
        None, read_path, "Folder of the voices of the provider piper.", form="FOLDER"
    )
    kokoro_model: Path | None = setting(  # noqa: RUF009
        None, read_path, "ONNX file of the model of the provider kokoro.", form="FILE"
    )
    kokoro_voices: Path | None = setting(  # noqa: RUF009
        None, read_path, "File of the voices of the provider kokoro.", form="FILE"
    )
