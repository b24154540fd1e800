"""Deepgram's Aura: streaming speech without word times.

https://developers.deepgram.com/reference/text-to-speech/speak-streaming
https://developers.deepgram.com/docs/tts-ws-flush (at most 20 flushes a minute on a connection)

What was called off may still be on its way: a connection is left after that.
"""

from collections.abc import Sequence

from strowger.agent import VoiceSettings
from strowger.media.events import Codec
from strowger.ports import LINE_RATE, Word
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.websocket import (
    Dial,
    Frame,
    VendorFailed,
    in_words,
    read_json,
    socket_url,
    to_json,
)

MOST_FLUSHES = 20
SLOWEST, FASTEST = 0.7, 1.5


class AuraVoice:
    """VoiceVendor over `/v1/speak`."""

    name = "deepgram"
    codec = Codec.PCMU
    longest_text = 2000

    def __init__(self, settings: DeepgramSettings) -> None:
        self._settings = settings

    def dial(self, settings: VoiceSettings, language: str) -> Dial:
        query = [
            ("model", settings.voice_id or settings.model or self._settings.voice),
            ("encoding", "mulaw"),
            ("sample_rate", str(LINE_RATE)),
        ]
        if settings.speed != 1.0:
            query.append(("speed", f"{min(max(settings.speed, SLOWEST), FASTEST):g}"))
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "v1/speak", query, name=self.name),
            headers=self._settings.headers(),
            farewell=to_json(type="Close"),
            secret=self._settings.api_key,
        )

    def new_session(self) -> "AuraSession":
        return AuraSession()


class AuraSession:
    """VoiceSession: sound comes as bytes, `Flushed` after the last of a text."""

    def __init__(self) -> None:
        self._flushes = 0
        self.done = True

    @property
    def reusable(self) -> bool:
        return self.done and self._flushes < MOST_FLUSHES

    def speak(self, text: str, settings: VoiceSettings, language: str) -> Sequence[Frame]:
        self._flushes += 1
        self.done = False
        return (to_json(type="Speak", text=text), to_json(type="Flush"))

    def stop(self) -> Sequence[Frame]:
        return (to_json(type="Clear"),)

    def receive(self, frame: Frame) -> Sequence[bytes | Word]:
        if isinstance(frame, bytes):
            return (frame,) if frame else ()
        message = read_json(frame)
        match message.get("type"):
            case "Flushed":
                self.done = True
            case "Error" | "Warning":
                said = message.get("description") or message.get("err_msg") or "no reason given"
                raise VendorFailed(in_words(said), retryable=True)
        return ()
