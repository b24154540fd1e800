"""What the operator has set of each provider; nothing here connects to anything."""

from dataclasses import dataclass, field
from pathlib import Path

from strowger.providers.anthropic import AnthropicSettings
from strowger.providers.assemblyai import AssemblyAISettings
from strowger.providers.cartesia import CartesiaSettings
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.google import GoogleSettings
from strowger.providers.http_service import HttpPolicy
from strowger.providers.soniox import SonioxSettings
from strowger.providers.websocket import SocketPolicy

__all__ = [
    "OPENAI_URL",
    "AnthropicSettings",
    "AssemblyAISettings",
    "CartesiaSettings",
    "DeepgramSettings",
    "ElevenLabsSettings",
    "GoogleSettings",
    "LocalModels",
    "OpenAISettings",
    "ProviderSettings",
    "SonioxSettings",
]

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAISettings:
    """A server that speaks OpenAI's protocol: OpenAI itself, vLLM, Ollama, llama.cpp …"""

    base_url: str = OPENAI_URL
    api_key: str | None = field(default=None, repr=False)
    """Secret; a server of one's own may need none."""
    chat_model: str = "gpt-6-luna"
    speech_model: str = "gpt-4o-mini-tts"
    speech_voice: str = "alloy"
    transcription_model: str = "gpt-transcribe"
    realtime_model: str = "gpt-live-transcribe"
    """What transcribes over the Realtime API."""
    conversation_model: str = "gpt-realtime-2.1"
    """What holds whole conversations."""
    conversation_voice: str = "marin"
    proxy: str | None = field(default=None, repr=False)
    http: HttpPolicy = field(default_factory=HttpPolicy)

    @property
    def configured(self) -> bool:
        return self.api_key is not None or self.base_url != OPENAI_URL

    @property
    def limit_name(self) -> str:
        """OpenAI renamed the limit of a reply's tokens; other servers know the old name."""
        return "max_completion_tokens" if self.base_url == OPENAI_URL else "max_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModels:
    """Where models lie that the operator has put on this machine."""

    whisper: Path | None = None
    """Folder of a CTranslate2 model for faster-whisper."""
    piper: Path | None = None
    """Folder of voices: `NAME.onnx` with `NAME.onnx.json` beside it."""
    kokoro: Path | None = None
    """The model's ONNX file."""
    kokoro_voices: Path | None = None
    """The file of its voices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    openai: OpenAISettings = field(default_factory=OpenAISettings)
    anthropic: AnthropicSettings = field(default_factory=AnthropicSettings)
    google: GoogleSettings = field(default_factory=GoogleSettings)
    deepgram: DeepgramSettings = field(default_factory=DeepgramSettings)
    assemblyai: AssemblyAISettings = field(default_factory=AssemblyAISettings)
    soniox: SonioxSettings = field(default_factory=SonioxSettings)
    elevenlabs: ElevenLabsSettings = field(default_factory=ElevenLabsSettings)
    cartesia: CartesiaSettings = field(default_factory=CartesiaSettings)
    models: LocalModels = field(default_factory=LocalModels)
    http: HttpPolicy = field(default_factory=HttpPolicy)
    sockets: SocketPolicy = field(default_factory=SocketPolicy)
    child_deadline: float = 5.0
    """Seconds a local engine may stay silent before it is started anew."""
    recognisers: int = 2
    """Most processes that recognise speech at once; each takes some 100 MB while in use."""
    recogniser_idle: float = 300.0
    """Seconds without work after which a recogniser's process is let go."""

    @property
    def asked_over_http(self) -> bool:
        """Whether there are services that are asked over HTTP; the others keep a websocket."""
        return self.openai.configured or self.anthropic.configured or self.google.configured
