"""The configured providers by name: who makes them, who closes them, what is there at all.

Nothing is started or connected before somebody asks for it, and everything that was is closed
with the context.
"""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import LanguageModel, ProviderDescription, SpeechToText, TextToSpeech
from strowger.providers.child import ChildPolicy
from strowger.providers.espeak import EspeakSpeech, find_espeak, voices_of
from strowger.providers.flite import FliteSpeech, find_flite
from strowger.providers.http import HttpConnection, HttpPolicy, HttpService
from strowger.providers.openai_chat import OpenAIChat
from strowger.providers.openai_speech import OpenAISpeech
from strowger.providers.openai_transcription import OpenAITranscription
from strowger.providers.pocketsphinx import PocketsphinxRecogniser, find_pocketsphinx

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""Those of OpenAI itself; another server has its own."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAISettings:
    """A server that speaks OpenAI's protocol: OpenAI itself, vLLM, Ollama, llama.cpp …"""

    base_url: str = OPENAI_URL
    api_key: str | None = field(default=None, repr=False)
    """Secret; a server of one's own may need none."""
    chat_model: str = "gpt-4.1-mini"
    speech_model: str = "gpt-4o-mini-tts"
    speech_voice: str = "alloy"
    transcription_model: str = "gpt-4o-mini-transcribe"
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
class ProviderSettings:
    openai: OpenAISettings = field(default_factory=OpenAISettings)
    child_deadline: float = 5.0
    """Seconds a local engine may stay silent before it is started anew."""
    recognisers: int = 2
    """Most processes that recognise speech at once; each takes some 100 MB while in use."""
    recogniser_idle: float = 300.0
    """Seconds without work after which a recogniser's process is let go."""


class ConfiguredProviders:
    """The port `Providers`, filled from settings. Use as a context manager."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self._connection: HttpConnection | None = None
        self._ears: dict[str, SpeechToText] = {}
        self._voices: dict[str, TextToSpeech] = {}
        self._models: dict[str, LanguageModel] = {}
        self._make_ears: Mapping[str, Callable[[], SpeechToText]] = {
            "local": self._pocketsphinx,
            "openai": self._openai_transcription,
        }
        self._make_voices: Mapping[str, Callable[[], TextToSpeech]] = {
            "local": self._espeak,
            "flite": self._flite,
            "openai": self._openai_speech,
        }
        self._make_models: Mapping[str, Callable[[], LanguageModel]] = {"openai": self._openai_chat}

    async def __aenter__(self) -> "ConfiguredProviders":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    def speech_to_text(self, name: str) -> SpeechToText:
        return made(name, ProviderKind.SPEECH_TO_TEXT, self._ears, self._make_ears)

    def text_to_speech(self, name: str) -> TextToSpeech:
        return made(name, ProviderKind.TEXT_TO_SPEECH, self._voices, self._make_voices)

    def language_model(self, name: str) -> LanguageModel:
        return made(name, ProviderKind.LANGUAGE_MODEL, self._models, self._make_models)

    def fallback_voice(self) -> TextToSpeech | None:
        for name in ("local", "flite"):
            with suppress(ProviderError):
                return self.text_to_speech(name)
        return None

    def describe(self) -> list[ProviderDescription]:
        """What there is. Looks at files only; asks no service and starts nothing."""
        openai = self._settings.openai
        speech, ears = ProviderKind.TEXT_TO_SPEECH, ProviderKind.SPEECH_TO_TEXT
        remote = None if openai.configured else "no API key and no base_url of one's own"
        own = OPENAI_VOICES if openai.base_url == OPENAI_URL else (openai.speech_voice,)
        return [
            described(speech, "local", problem_with(find_espeak), espeak_voices(), "en-us+klatt"),
            described(speech, "flite", problem_with(find_flite), ("kal", "rms", "slt"), "slt"),
            described(speech, "openai", remote, own, openai.speech_voice),
            described(ears, "local", problem_with(find_pocketsphinx)),
            described(ears, "openai", remote, default=openai.transcription_model),
            described(ProviderKind.LANGUAGE_MODEL, "openai", remote, default=openai.chat_model),
        ]

    def _espeak(self) -> EspeakSpeech:
        speech = EspeakSpeech(find_espeak(), ChildPolicy(deadline=self._settings.child_deadline))
        self._opened.push_async_callback(speech.close)
        return speech

    def _flite(self) -> FliteSpeech:
        return FliteSpeech(find_flite())

    def _pocketsphinx(self) -> PocketsphinxRecogniser:
        settings = self._settings
        policy = ChildPolicy(deadline=settings.child_deadline, idle=settings.recogniser_idle)
        ears = PocketsphinxRecogniser(find_pocketsphinx(), policy, size=settings.recognisers)
        self._opened.push_async_callback(ears.close)
        return ears

    def _openai(self) -> HttpConnection:
        if self._connection is None:
            openai = self._settings.openai
            if not openai.configured:
                raise ProviderError("openai has no API key", retryable=False)
            service = HttpService(
                name="openai", base_url=openai.base_url, api_key=openai.api_key, proxy=openai.proxy
            )
            self._connection = HttpConnection(service, openai.http)
            self._opened.push_async_callback(self._connection.close)
        return self._connection

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
        ready[name] = makers[name]()
    return ready[name]


def problem_with(find: Callable[[], object]) -> str | None:
    try:
        find()
    except ProviderError as error:
        return str(error)
    return None


def espeak_voices() -> tuple[str, ...]:
    try:
        return tuple(sorted(voices_of(find_espeak())))
    except ProviderError:
        return ()


def described(
    kind: ProviderKind,
    name: str,
    problem: str | None,
    voices: tuple[str, ...] = (),
    default: str | None = None,
) -> ProviderDescription:
    return ProviderDescription(
        kind=kind,
        name=name,
        available=problem is None,
        problem=problem,
        voices=() if problem else voices,
        default=default,
    )
