"""ElevenLabs' streaming speech, with the time of every character.

https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input
https://elevenlabs.io/docs/cookbooks/multi-context-web-socket

The variant with contexts, as its connection outlives a text: each text is a context of its own.
Times of characters count from the beginning of the piece of sound they came with.
"""

from binascii import Error as BadBase64
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.media.events import Codec
from strowger.ports import LINE_RATE, Word
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

URL = "https://api.elevenlabs.io"
DEFAULT_MODEL = "eleven_flash_v2_5"
DEFAULT_VOICE = "21m00Tcm4TlvDq8ikWAM"
SLOWEST, FASTEST = 0.7, 1.2
TAKES_LANGUAGE = ("eleven_flash_v2_5", "eleven_turbo_v2_5")
NOT_STREAMED = {"eleven_v3"}
"""https://elevenlabs.io/docs/cookbooks/multi-context-web-socket: refused like a wrong key."""
FATAL_CODES = {1008, 4001, 4003}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevenLabsSettings:
    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL
    voice: str = DEFAULT_VOICE

    @property
    def configured(self) -> bool:
        return self.api_key is not None


class ElevenLabsVoice:
    """VoiceVendor over `/v1/text-to-speech/…/multi-stream-input`."""

    name = "elevenlabs"
    codec = Codec.PCMU
    longest_text = 5000

    def __init__(self, settings: ElevenLabsSettings) -> None:
        self._settings = settings

    def dial(self, settings: VoiceSettings, language: str) -> Dial:
        voice = quote(settings.voice_id or self._settings.voice, safe="")
        model = settings.model or self._settings.model
        if model in NOT_STREAMED:
            problem = f"{self.name} does not stream its model {model}: take {DEFAULT_MODEL}"
            raise ProviderError(problem, retryable=False)
        query = [
            ("model_id", model),
            ("output_format", "ulaw_8000"),
            ("auto_mode", "true"),
            ("sync_alignment", "true"),
            ("inactivity_timeout", "180"),
        ]
        if model.startswith(TAKES_LANGUAGE):
            query.append(("language_code", language.lower().partition("-")[0]))
        path = f"v1/text-to-speech/{voice}/multi-stream-input"
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, path, query, name=self.name),
            headers=(("xi-api-key", checked_key(self._settings.api_key, name=self.name)),),
            farewell=to_json(close_socket=True),
            secret=self._settings.api_key,
        )

    def new_session(self) -> "ElevenLabsSession":
        return ElevenLabsSession()


class ElevenLabsSession:
    """VoiceSession: what belongs to an earlier context is passed over."""

    def __init__(self) -> None:
        self._number = 0
        self._samples = 0
        self._spelled = SpelledWords()
        self.done = True

    @property
    def reusable(self) -> bool:
        return True

    def speak(self, text: str, settings: VoiceSettings, language: str) -> Sequence[Frame]:
        self._number += 1
        self._samples, self._spelled, self.done = 0, SpelledWords(), False
        context = str(self._number)
        speed = min(max(settings.speed, SLOWEST), FASTEST)
        return (
            to_json(text=" ", context_id=context, voice_settings={"speed": speed}),
            to_json(text=text.rstrip() + " ", context_id=context, flush=True),
            to_json(context_id=context, close_context=True),
        )

    def stop(self) -> Sequence[Frame]:
        return (to_json(context_id=str(self._number), close_context=True),)

    def receive(self, frame: Frame) -> Sequence[bytes | Word]:
        message = read_json(frame)
        if message.get("error") or (message.get("code") and "audio" not in message):
            said = message.get("message") or message.get("error")
            fatal = number(message.get("code")) in FATAL_CODES
            raise VendorFailed(in_words(said), retryable=not fatal)
        context = message.get("contextId", message.get("context_id"))
        if context is not None and context != str(self._number):
            return ()
        heard: list[bytes | Word] = []
        if audio := message.get("audio"):
            began = self._samples / LINE_RATE
            sound = decoded(audio)
            self._samples += len(sound)
            heard += [*self._aligned(message.get("alignment"), began), sound]
        if message.get("isFinal") or message.get("is_final"):
            if word := self._spelled.end():
                heard.append(word)
            self.done = True
        return heard

    def _aligned(self, alignment: object, began: float) -> list[Word]:
        match alignment:
            case None:
                return []
            case {
                "chars": list(chars),
                "charStartTimesMs": list(starts),
                "charDurationsMs": list(durations),
            } if len(chars) == len(starts) == len(durations):
                return self._spelled.take(chars, starts, durations, began)
        raise Garbage("sent times of characters that do not fit them")


@dataclass(slots=True)
class SpelledWords:
    """Words put together from characters."""

    _text: str = ""
    _start: float = 0.0
    _end: float = 0.0

    def take(
        self, chars: list[object], starts: list[object], durations: list[object], began: float
    ) -> list[Word]:
        """The words that end with one of these characters, which is then a space.

        Times are milliseconds; the words' are seconds from `began` seconds on.
        """
        words: list[Word] = []
        for char, start, lasts in zip(chars, starts, durations, strict=True):
            if not isinstance(char, str):
                continue
            if char.isspace():
                if word := self.end():
                    words.append(word)
                continue
            at = began + number(start) / 1000
            if not self._text:
                self._start = at
            self._text += char
            self._end = at + number(lasts) / 1000
        return words

    def end(self) -> Word | None:
        text, self._text = self._text, ""
        return Word(text, round(self._start, 3), round(self._end, 3)) if text else None


def decoded(audio: object) -> bytes:
    """Sound that was sent as text. Raises Garbage."""
    if not isinstance(audio, str):
        raise Garbage("sent sound that is not base64")
    try:
        return a2b_base64(audio, strict_mode=True)
    except (BadBase64, ValueError):
        raise Garbage("sent sound that is not base64") from None
