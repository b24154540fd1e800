"""What each provider is, and whether it can be asked: for lists of voices and for `doctor`.

Looks at settings and files only; asks no service and starts nothing.
"""

from collections.abc import Callable

from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import ProviderDescription
from strowger.providers.installed import (
    KOKORO_VOICES,
    find_espeak,
    find_flite,
    find_kokoro,
    find_piper,
    find_pocketsphinx,
    find_whisper,
    voices_of,
)
from strowger.providers.settings import OPENAI_URL, ProviderSettings

OPENAI_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""Those of OpenAI itself; another server has its own."""
NO_KEY = "no API key"
ONLY_PUBLIC = f"{NO_KEY}, without which it holds calls only with agents that are public"
SPEECH, EARS, MODEL, ALL = (
    ProviderKind.TEXT_TO_SPEECH, ProviderKind.SPEECH_TO_TEXT, ProviderKind.LANGUAGE_MODEL,
    ProviderKind.SPEECH_TO_SPEECH,
)  # fmt: skip


def describe(settings: ProviderSettings) -> list[ProviderDescription]:
    openai, models = settings.openai, settings.models
    piper_problem = problem_with(lambda: find_piper(models.piper))
    piper_voices = () if piper_problem else find_piper(models.piper)[1]
    remote = None if openai.configured else "no API key and no base_url of one's own"
    own = OPENAI_VOICES if openai.base_url == OPENAI_URL else (openai.speech_voice,)
    deepgram, eleven, cartesia = settings.deepgram, settings.elevenlabs, settings.cartesia
    return [
        described(SPEECH, "local", problem_with(find_espeak), espeak_voices(), "en-us+klatt"),
        described(SPEECH, "flite", problem_with(find_flite), ("kal", "rms", "slt"), "slt"),
        described(SPEECH, "openai", remote, own, openai.speech_voice),
        described(SPEECH, "elevenlabs", key_of(eleven.configured), (eleven.voice,), eleven.voice),
        described(
            SPEECH, "cartesia", key_of(cartesia.configured), (cartesia.voice,), cartesia.voice
        ),
        described(
            SPEECH, "deepgram", key_of(deepgram.configured), (deepgram.voice,), deepgram.voice
        ),
        described(SPEECH, "piper", piper_problem, piper_voices),
        described(
            SPEECH, "kokoro",
            problem_with(lambda: find_kokoro(models.kokoro, models.kokoro_voices)),
            tuple(KOKORO_VOICES.values()),
        ),
        described(EARS, "whisper", problem_with(lambda: find_whisper(models.whisper))),
        described(EARS, "local", problem_with(find_pocketsphinx)),
        described(EARS, "openai", remote, default=openai.transcription_model),
        described(EARS, "openai-realtime", remote, default=openai.realtime_model),
        described(EARS, "deepgram", key_of(deepgram.configured), default=deepgram.model),
        described(EARS, "deepgram-flux", key_of(deepgram.configured), default=deepgram.flux_model),
        described(EARS, "assemblyai", key_of(settings.assemblyai.configured)),
        described(
            EARS, "soniox", key_of(settings.soniox.configured), default=settings.soniox.model
        ),
        described(MODEL, "openai", remote, default=openai.chat_model),
        described(
            MODEL, "anthropic", key_of(settings.anthropic.configured),
            default=settings.anthropic.model,
        ),
        described(
            MODEL, "google", key_of(settings.google.configured), default=settings.google.model
        ),
        described(ALL, "openai", remote, default=openai.conversation_model),
        described(ALL, "elevenlabs", None if eleven.configured else ONLY_PUBLIC),
    ]  # fmt: skip


def key_of(configured: bool) -> str | None:
    return None if configured else NO_KEY


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
