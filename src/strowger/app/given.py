"""What the parts of several processes are given of the settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from strowger.config import Settings
from strowger.model import CallId, WorkspaceId

if TYPE_CHECKING:
    from strowger.calls.numbers import DialPolicy
    from strowger.providers.registry import ProviderSettings


def dial_policy(settings: Settings) -> "DialPolicy":
    from strowger.calls.numbers import DialPolicy

    return DialPolicy(
        allow_countries=frozenset(settings.allow_countries),
        allow_sip_uris=settings.allow_sip_uris,
    )


def recording_path(folder: Path, workspace: WorkspaceId, call: CallId) -> Path:
    """Where workers write the recording of a call, and the API reads it."""
    return folder / workspace / f"{call}.wav"


def provider_settings(settings: Settings) -> "ProviderSettings":
    """What the providers need of the settings."""
    from strowger.providers import settings as of

    return of.ProviderSettings(
        openai=of.OpenAISettings(
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key,
            chat_model=settings.openai_model,
            speech_model=settings.openai_speech_model,
            speech_voice=settings.openai_voice,
            transcription_model=settings.openai_transcription_model,
            realtime_model=settings.openai_realtime_model,
            conversation_model=settings.openai_speech_to_speech_model,
            conversation_voice=settings.openai_speech_to_speech_voice,
        ),
        anthropic=of.AnthropicSettings(**_given(settings, "anthropic", "model")),
        google=of.GoogleSettings(**_given(settings, "google", "model")),
        deepgram=of.DeepgramSettings(**_given(settings, "deepgram", "model", "voice")),
        assemblyai=of.AssemblyAISettings(**_given(settings, "assemblyai", "model")),
        soniox=of.SonioxSettings(**_given(settings, "soniox", "model")),
        elevenlabs=of.ElevenLabsSettings(**_given(settings, "elevenlabs", "voice", "model")),
        cartesia=of.CartesiaSettings(**_given(settings, "cartesia", "voice", "model")),
        models=of.LocalModels(
            whisper=settings.whisper_model,
            piper=settings.piper_voices,
            kokoro=settings.kokoro_model,
            kokoro_voices=settings.kokoro_voices,
        ),
    )


def _given(settings: Settings, provider: str, *names: str) -> dict[str, str]:
    """What is set of a provider; the rest stays as it is there."""
    values = {
        name: getattr(settings, f"{provider}_{name}") for name in ("api_key", "base_url", *names)
    }
    return {name: value for name, value in values.items() if value is not None}
