"""The configured providers by name: who makes them, who closes them, what is there at all.

Nothing is started or connected before somebody asks for it, and everything that was is closed
with the context. What is handed out goes on with its fallbacks where it fails.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, TypeVar

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.conversation.events import ProviderKind
from strowger.errors import ConfigurationError, ProviderError
from strowger.ports import (
    LanguageModel,
    ProviderDescription,
    ProviderObserver,
    Providers,
    ProviderWatch,
    SpeechToSpeech,
    SpeechToText,
    TextToSpeech,
)
from strowger.providers.anthropic import VERSION as ANTHROPIC_VERSION
from strowger.providers.anthropic import AnthropicMessages
from strowger.providers.assemblyai import AssemblyAIEars
from strowger.providers.candidates import Health
from strowger.providers.cartesia import CartesiaVoice
from strowger.providers.chains import Chains
from strowger.providers.child import ChildPolicy
from strowger.providers.deepgram import DeepgramEars
from strowger.providers.deepgram_aura import AuraVoice
from strowger.providers.deepgram_flux import FluxEars
from strowger.providers.description import describe
from strowger.providers.elevenlabs import ElevenLabsVoice
from strowger.providers.elevenlabs_agents import ElevenLabsAgents, ElevenLabsAgentsSettings
from strowger.providers.espeak import EspeakSpeech
from strowger.providers.flite import FliteSpeech
from strowger.providers.google import Gemini
from strowger.providers.http import HttpConnection
from strowger.providers.http_service import HttpPolicy, HttpService
from strowger.providers.installed import find_espeak, find_flite, find_pocketsphinx, find_whisper
from strowger.providers.livekit_bridge import PREFIX, LivekitPlugins
from strowger.providers.local_models import (
    ModelVoice,
    WhisperEars,
    kokoro_voice,
    piper_voice,
)
from strowger.providers.openai_chat import OpenAIChat
from strowger.providers.openai_realtime import OpenAIConversations
from strowger.providers.openai_realtime_ears import RealtimeEars, RealtimeSettings
from strowger.providers.openai_realtime_items import RealtimeConversationSettings
from strowger.providers.openai_speech import OpenAISpeech
from strowger.providers.openai_transcription import OpenAITranscription
from strowger.providers.pocketsphinx import PocketsphinxRecogniser
from strowger.providers.settings import OPENAI_URL, OpenAISettings, ProviderSettings
from strowger.providers.soniox import SonioxEars
from strowger.providers.streamed_dialogue import DialogueVendor, StreamedDialogues
from strowger.providers.streamed_ears import EarVendor, StreamedEars
from strowger.providers.streamed_model import StreamedModel
from strowger.providers.streamed_voice import StreamedVoice, VoiceVendor
from strowger.providers.websocket import Connector, keyless

__all__ = ["OPENAI_URL", "ConfiguredProviders", "OpenAISettings", "ProviderSettings"]

T = TypeVar("T")


class _Service(Protocol):
    @property
    def api_key(self) -> str | None: ...


Keyed = TypeVar("Keyed", bound=_Service)


class ConfiguredProviders:
    """The port `WatchedProviders`, filled from settings. Use as a context manager."""

    def __init__(
        self, settings: ProviderSettings, *, observer: ProviderObserver | None = None
    ) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._openai_http: HttpConnection | None = None
        self._livekit: LivekitPlugins | None = None
        self._connector = Connector(settings.sockets)
        self._health = {kind: Health(kind, observer) for kind in ProviderKind}
        self._chains = Chains(self, self._health)
        self._ears: dict[str, SpeechToText] = {}
        self._voices: dict[str, TextToSpeech] = {}
        self._models: dict[str, LanguageModel] = {}
        self._services: dict[str, SpeechToSpeech] = {}
        self._make_services: Mapping[str, Callable[[], SpeechToSpeech]] = {
            "openai": self._openai_conversations,
            "elevenlabs": self._elevenlabs_agents,
        }
        self._make_ears: Mapping[str, Callable[[], SpeechToText]] = {
            "local": self._pocketsphinx,
            "openai": self._openai_transcription,
            "openai-realtime": self._openai_realtime,
            "deepgram": lambda: self._keyed_ears(DeepgramEars, settings.deepgram),
            "deepgram-flux": lambda: self._keyed_ears(FluxEars, settings.deepgram),
            "assemblyai": lambda: self._keyed_ears(AssemblyAIEars, settings.assemblyai),
            "whisper": self._whisper,
            "soniox": lambda: self._keyed_ears(SonioxEars, settings.soniox),
        }
        self._make_voices: Mapping[str, Callable[[], TextToSpeech]] = {
            "local": self._espeak,
            "flite": self._flite,
            "openai": self._openai_speech,
            "elevenlabs": lambda: self._keyed_voice(ElevenLabsVoice, settings.elevenlabs),
            "cartesia": lambda: self._keyed_voice(CartesiaVoice, settings.cartesia),
            "piper": self._piper,
            "kokoro": self._kokoro,
            "deepgram": lambda: self._keyed_voice(AuraVoice, settings.deepgram),
        }
        self._make_models: Mapping[str, Callable[[], LanguageModel]] = {
            "openai": self._openai_chat,
            "anthropic": self._anthropic,
            "google": self._google,
        }

    async def __aenter__(self) -> "ConfiguredProviders":
        self._tasks = await self._opened.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    def watched(self, by: ProviderWatch) -> Providers:
        return self._chains.watched(by)

    def speech_to_text(self, name: str) -> SpeechToText:
        return self._chains.speech_to_text(name)

    def text_to_speech(self, name: str) -> TextToSpeech:
        return self._chains.text_to_speech(name)

    def language_model(self, name: str) -> LanguageModel:
        return self._chains.language_model(name)

    def fallback_voice(self) -> TextToSpeech | None:
        return self._chains.fallback_voice()

    def speech_to_speech(self, name: str) -> SpeechToSpeech:
        kind = ProviderKind.SPEECH_TO_SPEECH
        return made(name, kind, self._services, self._make_services)

    def own_ears(self, name: str) -> SpeechToText:
        """A recogniser without its fallbacks. Raises ProviderError."""
        if name.startswith(PREFIX):
            return self._ears.setdefault(name, self._plugins().ears(name))
        return made(name, ProviderKind.SPEECH_TO_TEXT, self._ears, self._make_ears)

    def own_voice(self, name: str) -> TextToSpeech:
        """A voice without its fallbacks. Raises ProviderError."""
        if name.startswith(PREFIX):
            return self._voices.setdefault(name, self._plugins().voice(name))
        return made(name, ProviderKind.TEXT_TO_SPEECH, self._voices, self._make_voices)

    def own_model(self, name: str) -> LanguageModel:
        """A model without its fallbacks. Raises ProviderError."""
        if name.startswith(PREFIX):
            return self._models.setdefault(name, self._plugins().model(name))
        return made(name, ProviderKind.LANGUAGE_MODEL, self._models, self._make_models)

    def describe(self) -> list[ProviderDescription]:
        """What there is. Looks at files only; asks no service and starts nothing."""
        return describe(self._settings)

    def _espeak(self) -> EspeakSpeech:
        voice = EspeakSpeech(find_espeak(), ChildPolicy(deadline=self._settings.child_deadline))
        self._opened.push_async_callback(voice.close)
        return voice

    def _flite(self) -> FliteSpeech:
        return FliteSpeech(find_flite())

    def _pocketsphinx(self) -> PocketsphinxRecogniser:
        settings = self._settings
        policy = ChildPolicy(deadline=settings.child_deadline, idle=settings.recogniser_idle)
        ears = PocketsphinxRecogniser(find_pocketsphinx(), policy, size=settings.recognisers)
        self._opened.push_async_callback(ears.close)
        return ears

    def _plugins(self) -> LivekitPlugins:
        if self._livekit is None:
            self._livekit = LivekitPlugins(self._beside("livekit"))
            self._opened.push_async_callback(self._livekit.close)
        return self._livekit

    def _whisper(self) -> WhisperEars:
        model = find_whisper(self._settings.models.whisper)
        ears = WhisperEars(model, size=self._settings.recognisers)
        self._opened.push_async_callback(ears.close)
        return ears

    def _piper(self) -> ModelVoice:
        return self._kept(piper_voice(self._settings.models.piper))

    def _kokoro(self) -> ModelVoice:
        models = self._settings.models
        return self._kept(kokoro_voice(models.kokoro, models.kokoro_voices))

    def _kept(self, voice: ModelVoice) -> ModelVoice:
        self._opened.push_async_callback(voice.close)
        return voice

    def _keyed_ears(self, vendor: Callable[[Keyed], EarVendor], settings: Keyed) -> StreamedEars:
        made_of = vendor(settings)
        configured(made_of.name, settings.api_key)
        made_of.dial(TranscriberSettings(), "en-US")  # says what is wrong with key and address
        return self._streamed_ears(made_of)

    def _keyed_voice(
        self, vendor: Callable[[Keyed], VoiceVendor], settings: Keyed
    ) -> StreamedVoice:
        made_of = vendor(settings)
        configured(made_of.name, settings.api_key)
        made_of.dial(VoiceSettings(), "en-US")  # says what is wrong with key and address
        return self._streamed_voice(made_of)

    def _streamed_ears(self, vendor: EarVendor) -> StreamedEars:
        ears = StreamedEars(vendor, self._connector)
        self._run_beside(ears.pool.run, vendor.name)
        return ears

    def _streamed_voice(self, vendor: VoiceVendor) -> StreamedVoice:
        voice = StreamedVoice(vendor, self._connector)
        self._run_beside(voice.pool.run, vendor.name)
        return voice

    def _openai(self) -> HttpConnection:
        openai = self._settings.openai
        if not openai.configured:
            raise ProviderError(
                "openai is not configured: it has no API key and no base_url of one's own; set"
                " openai_api_key or openai_base_url",
                retryable=False,
            )
        if self._openai_http is None:
            self._openai_http = self._connected(
                HttpService(
                    name="openai",
                    base_url=openai.base_url,
                    api_key=openai.api_key,
                    proxy=openai.proxy,
                ),
                openai.http,
            )
        return self._openai_http

    def _openai_chat(self) -> OpenAIChat:
        openai = self._settings.openai
        return OpenAIChat(
            self._openai(), default_model=openai.chat_model, limit_name=openai.limit_name
        )

    def _openai_speech(self) -> OpenAISpeech:
        openai = self._settings.openai
        return OpenAISpeech(
            self._openai(), model=openai.speech_model, default_voice=openai.speech_voice
        )

    def _openai_transcription(self) -> OpenAITranscription:
        model = self._settings.openai.transcription_model
        return OpenAITranscription(self._openai(), default_model=model)

    def _openai_realtime(self) -> StreamedEars:
        openai = self._settings.openai
        self._openai()  # says what is missing
        settings = RealtimeSettings(
            base_url=openai.base_url, api_key=openai.api_key, model=openai.realtime_model
        )
        return self._streamed_ears(RealtimeEars(settings))

    def _openai_conversations(self) -> StreamedDialogues:
        openai = self._settings.openai
        self._openai()  # says what is missing
        settings = RealtimeConversationSettings(
            base_url=openai.base_url,
            api_key=openai.api_key,
            model=openai.conversation_model,
            voice=openai.conversation_voice,
            transcription_model=openai.transcription_model,
        )
        return self._dialogues(OpenAIConversations(settings))

    def _elevenlabs_agents(self) -> StreamedDialogues:
        elevenlabs = self._settings.elevenlabs
        settings = ElevenLabsAgentsSettings(
            base_url=elevenlabs.base_url, api_key=elevenlabs.api_key
        )
        return self._dialogues(ElevenLabsAgents(settings))

    def _dialogues(self, vendor: DialogueVendor) -> StreamedDialogues:
        health = self._health[ProviderKind.SPEECH_TO_SPEECH]
        return StreamedDialogues(vendor, self._connector, health)

    def _anthropic(self) -> StreamedModel:
        anthropic = self._settings.anthropic
        service = HttpService(
            name="anthropic",
            base_url=anthropic.base_url,
            api_key=configured("anthropic", anthropic.api_key),
            key_header="x-api-key",
            headers=(("anthropic-version", ANTHROPIC_VERSION),),
        )
        return StreamedModel(AnthropicMessages(anthropic.model), self._connected(service))

    def _google(self) -> StreamedModel:
        google = self._settings.google
        service = HttpService(
            name="google",
            base_url=google.base_url,
            api_key=configured("google", google.api_key),
            key_header="x-goog-api-key",
        )
        return StreamedModel(Gemini(google.model), self._connected(service))

    def _connected(self, service: HttpService, policy: HttpPolicy | None = None) -> HttpConnection:
        connection = HttpConnection(service, policy or self._settings.http)
        self._opened.push_async_callback(connection.close)
        return connection

    def _run_beside(self, run: Callable[[], Coroutine[None, None, None]], name: str) -> None:
        """Until the context is left."""
        task = self._beside(name).create_task(run(), name=f"pool {name}")
        self._opened.callback(task.cancel)

    def _beside(self, name: str) -> asyncio.TaskGroup:
        if self._tasks is None:
            raise ProviderError(f"{name} is asked for outside of its context", retryable=False)
        return self._tasks


def configured(name: str, key: str | None) -> str:
    """Raises ProviderError without a key."""
    if key is None:
        raise keyless(name)
    return key


def made(
    name: str, kind: ProviderKind, ready: dict[str, T], makers: Mapping[str, Callable[[], T]]
) -> T:
    """The provider of that name, made when it is first asked for."""
    if name not in ready:
        if name not in makers:
            known = ", ".join(sorted(makers))
            raise ProviderError(
                f"no {kind.replace('_', ' ')} provider {name!r}; there are: {known}",
                retryable=False,
            )
        try:
            ready[name] = makers[name]()
        except ConfigurationError as error:  # a key or an address that cannot be right
            raise ProviderError(str(error), retryable=False) from error
    return ready[name]
