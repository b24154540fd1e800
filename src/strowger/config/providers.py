"""Settings of the providers: keys, addresses, and what agents get that name nothing themselves.

What is not set stays as the provider has it.
"""

from dataclasses import dataclass
from pathlib import Path

from strowger.config.declaring import setting
from strowger.config.values import read_path, read_text, read_url


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeys:
    """Part of `Settings`."""

    openai_base_url: str = setting(
        "https://api.openai.com/v1",
        read_url,
        "Where the OpenAI-compatible services are.",
        form="URL",
    )
    openai_api_key: str | None = setting(
        None, read_text, "Key for the OpenAI-compatible services.", form="KEY", secret=True
    )
    openai_model: str = setting(
        "gpt-4.1-mini",
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
        "gpt-4o-mini-transcribe",
        read_text,
        "Recognition model of agents, where an agent names none.",
        form="NAME",
    )
    openai_realtime_model: str = setting(
        "gpt-4o-mini-transcribe",
        read_text,
        "Recognition model of the provider openai-realtime, and of speech to speech with openai.",
        form="NAME",
    )
    openai_speech_to_speech_model: str = setting(
        "gpt-realtime",
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
    anthropic_api_key: str | None = setting(
        None, read_text, "Key for Anthropic.", form="KEY", secret=True
    )
    anthropic_base_url: str | None = setting(
        None, read_url, "Where Anthropic is, if not at its usual address.", form="URL"
    )
    anthropic_model: str | None = setting(
        None,
        read_text,
        "Language model with the provider anthropic, where an agent names none.",
        form="NAME",
    )
    google_api_key: str | None = setting(
        None, read_text, "Key for Google's Gemini.", form="KEY", secret=True
    )
    google_base_url: str | None = setting(
        None, read_url, "Where Google's Gemini is, if not at its usual address.", form="URL"
    )
    google_model: str | None = setting(
        None,
        read_text,
        "Language model with the provider google, where an agent names none.",
        form="NAME",
    )
    deepgram_api_key: str | None = setting(
        None, read_text, "Key for Deepgram.", form="KEY", secret=True
    )
    deepgram_base_url: str | None = setting(
        None, read_url, "Where Deepgram is, if not at its usual address.", form="URL"
    )
    deepgram_model: str | None = setting(
        None,
        read_text,
        "Recognition model with the provider deepgram, where an agent names none.",
        form="NAME",
    )
    deepgram_voice: str | None = setting(
        None, read_text, "Voice with the provider deepgram, where an agent names none.", form="NAME"
    )
    assemblyai_api_key: str | None = setting(
        None, read_text, "Key for AssemblyAI.", form="KEY", secret=True
    )
    assemblyai_base_url: str | None = setting(
        None, read_url, "Where AssemblyAI is, if not at its usual address.", form="URL"
    )
    assemblyai_model: str | None = setting(
        None,
        read_text,
        "Recognition model with the provider assemblyai, where an agent names none.",
        form="NAME",
    )
    soniox_api_key: str | None = setting(
        None, read_text, "Key for Soniox.", form="KEY", secret=True
    )
    soniox_base_url: str | None = setting(
        None, read_url, "Where Soniox is, if not at its usual address.", form="URL"
    )
    soniox_model: str | None = setting(
        None,
        read_text,
        "Recognition model with the provider soniox, where an agent names none.",
        form="NAME",
    )
    elevenlabs_api_key: str | None = setting(
        None, read_text, "Key for ElevenLabs.", form="KEY", secret=True
    )
    elevenlabs_base_url: str | None = setting(
        None, read_url, "Where ElevenLabs is, if not at its usual address.", form="URL"
    )
    elevenlabs_voice: str | None = setting(
        None,
        read_text,
        "Voice with the provider elevenlabs, where an agent names none.",
        form="NAME",
    )
    elevenlabs_model: str | None = setting(
        None, read_text, "Speech model of the provider elevenlabs.", form="NAME"
    )
    cartesia_api_key: str | None = setting(
        None, read_text, "Key for Cartesia.", form="KEY", secret=True
    )
    cartesia_base_url: str | None = setting(
        None, read_url, "Where Cartesia is, if not at its usual address.", form="URL"
    )
    cartesia_voice: str | None = setting(
        None, read_text, "Voice with the provider cartesia, where an agent names none.", form="NAME"
    )
    cartesia_model: str | None = setting(
        None, read_text, "Speech model of the provider cartesia.", form="NAME"
    )
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
