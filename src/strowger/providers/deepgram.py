"""Deepgram's streaming recognition with its Nova models.

https://developers.deepgram.com/reference/speech-to-text/listen-streaming
https://developers.deepgram.com/docs/finalize (asks for the final result at a pause)
https://developers.deepgram.com/docs/audio-keep-alive (10 s without audio close the connection)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from strowger.agent import TranscriberSettings
from strowger.ports import LINE_RATE, Recognised, TurnSign, Word
from strowger.providers.heard import HearingSession, number
from strowger.providers.vocabulary import VocabularyLimits
from strowger.providers.websocket import (
    Dial,
    Frame,
    Garbage,
    Message,
    VendorFailed,
    checked_key,
    in_words,
    read_json,
    socket_url,
    to_json,
)

URL = "https://api.deepgram.com"
DEFAULT_MODEL = "nova-3"
KEYTERMS = VocabularyLimits(most=100, longest=100, total=1200)
"""https://developers.deepgram.com/docs/keyterm: 100, and 500 tokens in all, over which a stream is
refused; a token of names and other languages may have but three letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepgramSettings:
    """Shared by recognition, turns (Flux) and speech (Aura)."""

    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL
    flux_model: str = "flux-general-en"
    voice: str = "aura-2-thalia-en"

    @property
    def configured(self) -> bool:
        return self.api_key is not None

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Raises ProviderError without a key."""
        return (("Authorization", f"Token {checked_key(self.api_key, name='deepgram')}"),)


class DeepgramEars:
    """EarVendor over `/v1/listen`."""

    name = "deepgram"
    fills_pauses = False
    may_stay_silent = True
    """https://developers.deepgram.com/docs/finalize: no answer is sure where hardly any sound is
    left to be heard."""
    metered = False
    vocabulary = KEYTERMS

    def __init__(self, settings: DeepgramSettings) -> None:
        self._settings = settings

    def dial(self, settings: TranscriberSettings, language: str) -> Dial:
        model = settings.model or self._settings.model
        query = [
            ("model", model),
            ("language", language),
            ("encoding", "linear16"),
            ("sample_rate", str(LINE_RATE)),
            ("channels", "1"),
            ("interim_results", "true"),
            ("smart_format", "true"),
            ("endpointing", "300"),
            ("utterance_end_ms", "1000"),
        ]
        if model.startswith("nova-3"):
            query += [("keyterm", term) for term in settings.keywords]
        else:  # which takes words, and no more of them than terms
            words = dict.fromkeys(word for term in settings.keywords for word in term.split())
            query += [("keywords", word) for word in islice(words, KEYTERMS.most)]
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "v1/listen", query, name=self.name),
            headers=self._settings.headers(),
            keep_alive=to_json(type="KeepAlive"),
            farewell=to_json(type="CloseStream"),
            secret=self._settings.api_key,
        )

    def new_session(self) -> "DeepgramSession":
        return DeepgramSession()


class DeepgramSession(HearingSession):
    """EarSession: results come in segments; `Finalize` ends the present one."""

    def flush(self) -> Sequence[Frame]:
        if self._heard.settled:
            return ()
        self._heard.ask()
        return (to_json(type="Finalize"),)

    def receive(self, frame: Frame) -> Recognised | None:
        message = read_json(frame)
        match message.get("type"):
            case "Results":
                return self._segment(message)
            case "UtteranceEnd":
                return self._heard.result(final=self._heard.settled, sign=TurnSign.OVER)
            case "Error":
                said = message.get("description") or message.get("message") or "no reason given"
                raise VendorFailed(in_words(said), retryable=True)
        return None

    def _segment(self, message: Message) -> Recognised | None:
        match message:
            case {"channel": {"alternatives": [{"transcript": str(text)} as best, *_]}}:
                pass
            case _:
                raise Garbage("sent a result without a transcript")
        words = [word for item in listed(best.get("words")) if (word := word_of(item))]
        until = number(message.get("start")) + number(message.get("duration"))
        if until <= self._heard.began:
            return None  # of the turn before
        if not message.get("is_final"):
            self._heard.guess(text)
            return self._heard.result(text, words, final=False)
        self._heard.stand(text, words, until=until)
        if message.get("from_finalize") and self._heard.wanted is not None:
            self._heard.settle()
            return self._heard.result(final=True)
        sign = TurnSign.PERHAPS_OVER if message.get("speech_final") and text else None
        return self._heard.result(final=self._heard.answered(), sign=sign)


def listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def word_of(item: object) -> Word | None:
    """A word as Deepgram writes it, with its punctuation where that was asked for."""
    if not isinstance(item, dict):
        return None
    text = item.get("punctuated_word") or item.get("word")
    sure = item.get("confidence")
    if not isinstance(text, str):
        return None
    return Word(
        text,
        number(item.get("start")),
        number(item.get("end")),
        number(sure) if sure is not None else None,
    )
