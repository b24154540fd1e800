"""AssemblyAI's Universal Streaming, version 3.

https://www.assemblyai.com/docs/streaming/message-sequence (messages and their order)
https://assemblyai.com/docs/api-reference/streaming-api/streaming-api (parameters; audio in
pieces of 50 to 1000 ms)

The vendor charges for the time a session is open, so none is opened without need.
"""

import json
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
    Message,
    VendorFailed,
    checked_key,
    in_words,
    read_json,
    socket_url,
    to_json,
)

URL = "https://streaming.assemblyai.com"
ENGLISH, MULTILINGUAL = "universal-streaming-english", "universal-streaming-multilingual"
SHORTEST = 2 * LINE_RATE * 50 // 1000
LONGEST = 2 * LINE_RATE * 1000 // 1000
"""Bytes of one message of audio."""
UNAUTHORIZED = 1008
"""The key is wrong, or the account is out of credit or disabled.

https://www.assemblyai.com/docs/streaming/common-session-errors-and-closures"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyAISettings:
    base_url: str = URL
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None

    @property
    def configured(self) -> bool:
        return self.api_key is not None


class AssemblyAIEars:
    """EarVendor over `/v3/ws`."""

    name = "assemblyai"
    fills_pauses = False
    vocabulary = VocabularyLimits(most=100, longest=50, total=2500)
    """https://www.assemblyai.com/docs/streaming/keyterms-prompting: more than 100 are an error."""
    may_stay_silent = True
    metered = True

    def __init__(self, settings: AssemblyAISettings) -> None:
        self._settings = settings

    def dial(self, settings: TranscriberSettings, language: str) -> Dial:
        own = ENGLISH if language.lower().startswith("en") else MULTILINGUAL
        query = [
            ("speech_model", settings.model or self._settings.model or own),
            ("sample_rate", str(LINE_RATE)),
            ("encoding", "pcm_s16le"),
            ("format_turns", "false"),
        ]
        if settings.keywords:
            query.append(("keyterms_prompt", json.dumps(list(settings.keywords))))
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "v3/ws", query, name=self.name),
            headers=(("Authorization", checked_key(self._settings.api_key, name=self.name)),),
            farewell=to_json(type="Terminate"),
            metered=self.metered,
            secret=self._settings.api_key,
        )

    def new_session(self) -> "AssemblyAISession":
        return AssemblyAISession()


class AssemblyAISession(HearingSession):
    """EarSession: the vendor's turns come one after another; `ForceEndpoint` ends the present."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        self._order = -1
        """The vendor's turn that was ended last."""

    def begin(self) -> None:
        super().begin()
        self._rest = b""

    def audio(self, pcm: bytes) -> Sequence[Frame]:
        self._heard.took(pcm)
        pcm = self._rest + pcm
        pieces: list[Frame] = []
        while len(pcm) >= SHORTEST:
            # Never leave less behind than can be sent.
            take = LONGEST if len(pcm) >= LONGEST + SHORTEST else min(len(pcm), LONGEST)
            pieces.append(pcm[:take])
            pcm = pcm[take:]
        self._rest = pcm
        return pieces

    def flush(self) -> Sequence[Frame]:
        if self._heard.settled:
            return ()
        frames: list[Frame] = []
        if self._rest:
            silence = bytes(SHORTEST - len(self._rest))
            self._heard.took(silence)
            frames.append(self._rest + silence)
            self._rest = b""
        self._heard.ask()
        return [*frames, to_json(type="ForceEndpoint")]

    def receive(self, frame: Frame) -> Recognised | None:
        message = read_json(frame)
        if "error" in message:
            fatal = message.get("error_code") == UNAUTHORIZED
            raise VendorFailed(in_words(message["error"]), retryable=not fatal)
        return self._turn(message) if message.get("type") == "Turn" else None

    def _turn(self, message: Message) -> Recognised | None:
        match message:
            case {"words": list(items), "transcript": str(text), "end_of_turn": bool(over)}:
                pass
            case _:
                raise Garbage("sent a turn without words")
        order = round(number(message.get("turn_order")))
        words = [word for item in items if (word := _word(item))]
        if order <= self._order or (words and words[-1].end <= self._heard.began):
            return None  # told before, or formatted only, or of the turn before
        if not over:
            spoken = " ".join(word.text for word in words) or text
            self._heard.guess(spoken)
            return self._heard.result(spoken, words, final=False)
        self._order = order
        asked = self._heard.wanted is not None
        until = words[-1].end if words else self._heard.covered
        self._heard.stand(text or " ".join(word.text for word in words), words, until=until)
        if asked:  # the end that was forced covers everything
            self._heard.settle()
        return self._heard.result(final=asked, sign=None if asked else TurnSign.OVER)


def _word(item: object) -> Word | None:
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        return None
    start, end = number(item.get("start")) / 1000, number(item.get("end")) / 1000
    return Word(item["text"], start, end, number(item.get("confidence")))
