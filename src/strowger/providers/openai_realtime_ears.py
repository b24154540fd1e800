"""Transcription over OpenAI's Realtime API: words come while the callee still speaks.

https://developers.openai.com/api/docs/guides/realtime-transcription
https://developers.openai.com/api/reference/resources/realtime/client-events

Without turn detection of its own: what was appended is committed when the callee pauses.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strowger.agent import TranscriberSettings
from strowger.media import g711
from strowger.media.events import Codec
from strowger.ports import LINE_RATE, Recognised
from strowger.providers.heard import HearingSession
from strowger.providers.openai_hints import hints
from strowger.providers.vocabulary import VocabularyLimits
from strowger.providers.websocket import (
    Dial,
    Frame,
    Garbage,
    VendorFailed,
    in_words,
    read_json,
    socket_url,
    to_json,
)

SHORTEST = 0.1
"""Seconds that have to be committed at least."""
EXPIRED = "session_expired"
"""After 60 minutes, whatever is going on; another connection has as long again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeSettings:
    base_url: str
    api_key: str | None
    model: str


class RealtimeEars:
    """EarVendor over `/realtime?intent=transcription`."""

    name = "openai-realtime"
    fills_pauses = False
    vocabulary = VocabularyLimits(most=100, longest=100, total=500)
    """As much as fits into a prompt with commas."""
    may_stay_silent = False
    metered = False

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings

    def dial(self, settings: TranscriberSettings, language: str) -> Dial:
        model = settings.model or self._settings.model
        transcription = {"model": model, **hints(model, language, settings.keywords)}
        session = {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": transcription,
                    "turn_detection": None,
                }
            },
        }
        key = self._settings.api_key
        query = [("intent", "transcription")]
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "realtime", query, name=self.name),
            headers=() if key is None else (("Authorization", f"Bearer {key}"),),
            first=(to_json(type="session.update", session=session),),
            secret=key,
        )

    def new_session(self) -> "RealtimeSession":
        return RealtimeSession()


class RealtimeSession(HearingSession):
    """EarSession: each commit makes an item, whose words come in deltas and then whole."""

    def __init__(self) -> None:
        super().__init__()
        self._uncommitted = 0.0
        self._committing = 0
        """Commits whose item is not known yet."""
        self._texts: dict[str, str] = {}
        """The items of this turn in their order."""
        self._open: set[str] = set()

    def begin(self) -> None:
        super().begin()
        self._texts, self._open, self._uncommitted = {}, set(), 0.0

    def audio(self, pcm: bytes) -> Sequence[Frame]:
        self._heard.took(pcm)
        self._uncommitted += len(pcm) / 2 / LINE_RATE
        codes = g711.encode(Codec.PCMU, np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2"))
        audio = b64encode(codes.tobytes()).decode()
        return (to_json(type="input_audio_buffer.append", audio=audio),)

    def flush(self) -> Sequence[Frame]:
        if self._heard.settled:
            return ()
        frames: list[Frame] = []
        if self._uncommitted < SHORTEST:
            frames += self.audio(bytes(2 * round(SHORTEST * LINE_RATE)))
        self._heard.ask()
        self._committing += 1
        self._uncommitted = 0.0
        return [*frames, to_json(type="input_audio_buffer.commit")]

    def so_far(self) -> Recognised:
        return self._heard.result(" ".join(self._texts.values()), final=True)

    @property
    def settled(self) -> bool:
        return not self._committing and not self._open and self._heard.settled

    def receive(self, frame: Frame) -> Recognised | None:
        message = read_json(frame)
        match message:
            case {"type": "input_audio_buffer.committed", "item_id": str(item)}:
                self._committing = max(0, self._committing - 1)
                self._texts.setdefault(item, "")
                self._open.add(item)
                return None
            case {"type": str(kind), "item_id": str(item)} if "input_audio_transcription" in kind:
                return self._transcribed(kind.rpartition(".")[2], item, message)
            case {"type": "error", "error": dict(error)}:
                problem = in_words(error.get("message"))
                mends = error.get("type") == "server_error" or error.get("code") == EXPIRED
                raise VendorFailed(problem, retryable=mends)
            case {"type": str()}:
                return None
        raise Garbage("sent a message without a type")

    def _transcribed(self, stage: str, item: str, message: dict[str, object]) -> Recognised | None:
        match stage, message:
            case "delta", {"delta": str(text)}:
                self._texts[item] = self._texts.get(item, "") + text
                return self._heard.result(" ".join(self._texts.values()), final=False)
            case "completed", {"transcript": str(text)}:
                self._texts[item] = text.strip()
                self._open.discard(item)
            case "failed", {"error": dict(error)}:
                raise VendorFailed(in_words(error.get("message")), retryable=True)
            case "segment", _:
                return None
            case _:
                raise Garbage(f"sent a transcription without its words ({stage})")
        final = not self._open and not self._committing
        if final:
            self._heard.settle()
        return self._heard.result(" ".join(self._texts.values()), final=final)
