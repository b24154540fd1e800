"""Cartesia's streaming speech, with the times of its words.

https://docs.cartesia.ai/api-reference/tts/websocket
https://docs.cartesia.ai/use-the-api/tts-websocket/contexts

Each text is a context of its own on a connection that stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strowger.agent import VoiceSettings
from strowger.media.events import Codec
from strowger.ports import LINE_RATE, Word
from strowger.providers.elevenlabs import decoded
from strowger.providers.heard import number
from strowger.providers.websocket import (
    Dial,
    Frame,
    Garbage,
    VendorFailed,
    checked_key,
    in_words,
    read_json,
    socket_url,
    to_json,
)

URL = "https://api.cartesia.ai"
VERSION = "2026-03-01"
DEFAULT_MODEL = "sonic-3"
DEFAULT_VOICE = "f786b574-daa5-4673-aa0c-cbe3e8534c02"
SLOWEST, FASTEST = 0.6, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CartesiaSettings:
    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL
    voice: str = DEFAULT_VOICE

    @property
    def configured(self) -> bool:
        return self.api_key is not None


class CartesiaVoice:
    """VoiceVendor over `/tts/websocket`."""

    name = "cartesia"
    codec = Codec.PCMU
    longest_text = 5000

    def __init__(self, settings: CartesiaSettings) -> None:
        self._settings = settings

    def dial(self, settings: VoiceSettings, language: str) -> Dial:
        key = checked_key(self._settings.api_key, name=self.name)
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "tts/websocket", [], name=self.name),
            headers=(("X-API-Key", key), ("Cartesia-Version", VERSION)),
            secret=key,
        )

    def new_session(self) -> "CartesiaSession":
        return CartesiaSession(self._settings)


class CartesiaSession:
    """VoiceSession: what belongs to an earlier context is passed over."""

    def __init__(self, settings: CartesiaSettings) -> None:
        self._settings = settings
        self._number = 0
        self.done = True

    @property
    def reusable(self) -> bool:
        return True

    def speak(self, text: str, settings: VoiceSettings, language: str) -> Sequence[Frame]:
        self._number += 1
        self.done = False
        request: dict[str, object] = {
            "model_id": settings.model or self._settings.model,
            "transcript": text,
            "voice": {"mode": "id", "id": settings.voice_id or self._settings.voice},
            "language": language.lower().partition("-")[0],
            "context_id": self._context,
            "output_format": {
                "container": "raw",
                "encoding": "pcm_mulaw",
                "sample_rate": LINE_RATE,
            },
            "add_timestamps": True,
            "continue": False,
        }
        if settings.speed != 1.0:
            speed = min(max(settings.speed, SLOWEST), FASTEST)
            request["generation_config"] = {"speed": speed}
        return (to_json(**request),)

    def stop(self) -> Sequence[Frame]:
        return (to_json(context_id=self._context, cancel=True),)

    def receive(self, frame: Frame) -> Sequence[bytes | Word]:
        message = read_json(frame)
        context = message.get("context_id")
        if context is not None and context != self._context:
            return ()
        match message:
            case {"type": "error"}:
                said = message.get("message") or message.get("title") or message.get("error")
                status = round(number(message.get("status_code"), 500))
                fatal = 400 <= status < 500 and status != 429
                raise VendorFailed(in_words(said), retryable=not fatal)
            case {"type": "chunk", "data": audio}:
                self.done = bool(message.get("done"))
                sound = decoded(audio)
                return (sound,) if sound else ()
            case {"type": "timestamps", "word_timestamps": dict(times)}:
                return _words(times)
            case {"type": "done"}:
                self.done = True
            case {"type": "chunk" | "timestamps"}:
                raise Garbage("sent a message without what it is for")
        return ()

    @property
    def _context(self) -> str:
        return f"c{self._number}"


def _words(times: dict[str, object]) -> list[Word]:
    match times:
        case {"words": list(words), "start": list(starts), "end": list(ends)} if (
            len(words) == len(starts) == len(ends)
        ):
            return [
                Word(word.strip(), number(start), number(end))
                for word, start, end in zip(words, starts, ends, strict=True)
                if isinstance(word, str)
            ]
    raise Garbage("sent times of words that do not fit them")
