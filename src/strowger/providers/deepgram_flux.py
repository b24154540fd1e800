"""Deepgram's Flux: recognition that listens for the end of each turn itself.

https://developers.deepgram.com/reference/speech-to-text/listen-flux
https://developers.deepgram.com/docs/flux/state (the events and their order)
https://developers.deepgram.com/docs/flux/force-end-turn

Flux wants to hear the pauses, and tells about each quarter of a second up to where it has heard.
So a result is final once that covers what was sent before the flush; no end has to be forced.
"""

from collections.abc import Sequence

from strowger.agent import TranscriberSettings
from strowger.ports import LINE_RATE, Recognised, TurnSign
from strowger.providers.deepgram import KEYTERMS, DeepgramSettings, listed, word_of
from strowger.providers.heard import HearingSession, number
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

EAGER_THRESHOLD = "0.5"
PING_EVERY = 5.0
"""Seconds. Flux takes no KeepAlive message, and closes what is silent:
https://github.com/deepgram/deepgram-python-sdk/issues/649"""
MULTILINGUAL = "flux-general-multi"
SIGNS = {
    "EagerEndOfTurn": TurnSign.PERHAPS_OVER,
    "TurnResumed": TurnSign.RESUMED,
    "EndOfTurn": TurnSign.OVER,
    "StartOfTurn": None,
    "Update": None,
}


class FluxEars:
    """EarVendor over `/v2/listen`."""

    name = "deepgram-flux"
    fills_pauses = True
    vocabulary = KEYTERMS
    may_stay_silent = False
    metered = False

    def __init__(self, settings: DeepgramSettings) -> None:
        self._settings = settings

    def dial(self, settings: TranscriberSettings, language: str) -> Dial:
        model = settings.model or self._settings.flux_model
        tongue = language.lower().partition("-")[0]
        if settings.model is None and tongue != "en":
            model = MULTILINGUAL
        query = [
            ("model", model),
            ("encoding", "linear16"),
            ("sample_rate", str(LINE_RATE)),
            ("eager_eot_threshold", EAGER_THRESHOLD),
        ]
        if model == MULTILINGUAL:
            query.append(("language_hint", tongue))
        query += [("keyterm", word) for word in settings.keywords]
        return Dial(
            name=self.name,
            url=socket_url(self._settings.base_url, "v2/listen", query, name=self.name),
            headers=self._settings.headers(),
            ping_every=PING_EVERY,
            farewell=to_json(type="CloseStream"),
            secret=self._settings.api_key,
        )

    def new_session(self) -> "FluxSession":
        return FluxSession()


class FluxSession(HearingSession):
    """EarSession over `TurnInfo` messages; one turn of ours may hold several of Flux's."""

    def __init__(self) -> None:
        super().__init__()
        self._first = 0
        """Index of Flux's first turn that belongs to ours."""
        self._index = 0
        self._open = False
        """Flux's present turn has words."""

    def begin(self) -> None:
        super().begin()
        self._open = False

    def flush(self) -> Sequence[Frame]:
        self._heard.ask()
        return ()

    def so_far(self) -> Recognised:
        return self._heard.result(final=True)

    def leave(self) -> Sequence[Frame]:
        if not self._open:
            self._first = self._index
            return ()
        self._first, self._open = self._index + 1, False
        return (to_json(type="ForceEndTurn"),)

    @property
    def settled(self) -> bool:
        return self._heard.wanted is None and not self._open

    def receive(self, frame: Frame) -> Recognised | None:
        message = read_json(frame)
        match message:
            case {"type": "TurnInfo", "event": str(event), "transcript": str(text)}:
                pass
            case {"type": "Error"}:
                said = f"{in_words(message.get('code'))}: {in_words(message.get('description'))}"
                raise VendorFailed(said, retryable=True)
            case {"type": "TurnInfo"}:
                raise Garbage("sent a turn without a transcript")
            case _:
                return None
        index = round(number(message.get("turn_index")))
        if index < self._first or event not in SIGNS:
            return None
        self._index = index + (event == "EndOfTurn")
        until = number(message.get("audio_window_end"))
        words = [word for item in listed(message.get("words")) if (word := word_of(item))]
        words = [word for word in words if word.end > 0]
        if event == "EndOfTurn":
            self._open = False
            self._heard.stand(text, words, until=until)
            return self._heard.result(final=self._heard.answered(), sign=TurnSign.OVER)
        self._open = bool(text.strip())
        self._heard.reach(until)
        return self._heard.result(text, words, final=self._heard.answered(), sign=SIGNS[event])
