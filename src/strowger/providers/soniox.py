"""Soniox's real-time recognition.

https://soniox.com/docs/api-reference/stt/websocket-api
https://soniox.com/docs/stt/real-time-API/manual-finalization (`<fin>` answers `finalize`)

The vendor charges for the whole time of a stream, so none is opened without need.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strowger.agent import TranscriberSettings
from strowger.ports import LINE_RATE, Recognised, TurnSign, Word
from strowger.providers.heard import HearingSession, number
from strowger.providers.vocabulary import VocabularyLimits
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

URL = "https://stt-rt.soniox.com"
DEFAULT_MODEL = "stt-rt-v5"
FINALIZED, ENDPOINT = "<fin>", "<end>"
OUR_FAULT = {400, 401, 402, 403, 404}


@dataclass(frozen=True, slots=True, kw_only=True)
class SonioxSettings:
    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL

    @property
    def configured(self) -> bool:
        return self.api_key is not None


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a word; one that begins a word begins with a space."""

    text: str
    start: float
    end: float
    confidence: float | None


class SonioxEars:
    """EarVendor over `/transcribe-websocket`."""

    name = "soniox"
    fills_pauses = False
    vocabulary = VocabularyLimits(most=500, longest=200, total=5000)
    """https://soniox.com/docs/stt/concepts/context: 8000 tokens, some 10,000 characters."""
    may_stay_silent = False
    metered = True

    def __init__(self, settings: SonioxSettings) -> None:
        self._settings = settings

    def dial(self, settings: TranscriberSettings, language: str) -> Dial:
        start: dict[str, object] = {
            "model": settings.model or self._settings.model,
            "audio_format": "pcm_s16le",
            "sample_rate": LINE_RATE,
            "num_channels": 1,
            "language_hints": [language.lower().partition("-")[0]],
        }
        if settings.keywords:
            start["context"] = {"terms": list(settings.keywords)}
        key = checked_key(self._settings.api_key, name=self.name)
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "transcribe-websocket", [], name=self.name),
            headers=(("Authorization", f"Bearer {key}"),),
            first=(to_json(**start),),
            keep_alive=to_json(type="keepalive"),
            keep_alive_every=8.0,
            farewell="",  # an empty message ends the stream
            metered=self.metered,
            secret=self._settings.api_key,
        )

    def new_session(self) -> "SonioxSession":
        return SonioxSession()


class SonioxSession(HearingSession):
    """EarSession over tokens: final ones come once, the others anew with each message."""

    def __init__(self) -> None:
        super().__init__()
        self._final: list[Token] = []
        self._asked = 0
        """Finalizations that were not answered yet."""

    def begin(self) -> None:
        super().begin()
        self._final = []

    def flush(self) -> Sequence[Frame]:
        if self._heard.settled:
            return ()
        self._heard.ask()
        self._asked += 1
        return (to_json(type="finalize"),)

    def so_far(self) -> Recognised:
        return self._heard.result(*said(self._final), final=True)

    @property
    def settled(self) -> bool:
        return self._asked == 0 and self._heard.settled

    def receive(self, frame: Frame) -> Recognised | None:
        message = read_json(frame)
        if message.get("error_code") is not None:
            code = round(number(message["error_code"]))
            problem = f"{code} {in_words(message.get('error_message'))}"
            raise VendorFailed(problem, retryable=code not in OUR_FAULT)
        tokens = message.get("tokens")
        if not isinstance(tokens, list):
            raise Garbage("sent a message without tokens")
        finished, sign = False, None
        open_: list[Token] = []
        for item in tokens:
            match item:
                case {"text": "<fin>"}:
                    self._asked = max(0, self._asked - 1)
                    finished = self._asked == 0
                case {"text": "<end>"}:
                    sign = TurnSign.OVER
                case {"text": str(text)}:
                    token = _token(text, item)
                    (self._final if item.get("is_final") else open_).append(token)
                case _:
                    raise Garbage("sent a token without a text")
        if finished:
            self._heard.settle()
            self._final.append(Token(" ", 0.0, 0.0, None))  # what follows is a word of its own
        elif not tokens:
            return None
        return self._heard.result(*said([*self._final, *open_]), final=finished, sign=sign)


def _token(text: str, item: dict[str, object]) -> Token:
    start, end = number(item.get("start_ms")) / 1000, number(item.get("end_ms")) / 1000
    sure = item.get("confidence")
    return Token(text, start, end, number(sure) if sure is not None else None)


def said(tokens: Sequence[Token]) -> tuple[str, list[Word]]:
    """The text of tokens, and their words with times."""
    words: list[Word] = []
    begins = True
    for token in tokens:
        text = token.text.strip()
        begins = begins or token.text[:1].isspace()
        if text and (begins or not words):
            words.append(Word(text, token.start, token.end, token.confidence))
        elif text:
            before = words.pop()
            sure = [c for c in (before.confidence, token.confidence) if c is not None]
            whole = before.text + text
            words.append(Word(whole, before.start, token.end, min(sure, default=None)))
        begins = token.text[-1:].isspace() if token.text else begins
    return " ".join("".join(token.text for token in tokens).split()), words
