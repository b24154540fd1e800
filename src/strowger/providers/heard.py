"""What a stream of results makes of one turn: the words that stand, and where in it they lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from strowger.ports import LINE_RATE, Recognised, TurnSign, Word
from strowger.providers.websocket import Frame

SLACK = 0.05
"""Seconds that a result may end before the audio does and still cover it."""


@dataclass(slots=True)
class Heard:
    """Bookkeeping of a recogniser's connection; positions are seconds of what was sent on it."""

    sent: float = 0.0
    began: float = 0.0
    """Where the present turn begins."""
    covered: float = 0.0
    """As far as it was heard."""
    wanted: float | None = None
    """As far as a final result was asked for and has not come."""
    _open: bool = False
    """Words were told that may still change."""
    _texts: list[str] = field(default_factory=list)
    _words: list[Word] = field(default_factory=list)

    def begin(self) -> None:
        self.began = self.covered = self.sent
        self.wanted, self._open = None, False
        self._texts, self._words = [], []

    def took(self, pcm: bytes) -> None:
        self.sent += len(pcm) / 2 / LINE_RATE

    def ask(self) -> None:
        """A final result for all that was sent so far is wanted."""
        self.wanted = self.sent

    @property
    def settled(self) -> bool:
        return self.wanted is None and self.covered >= self.sent - SLACK

    def may_be_all(self, silence: float) -> bool:
        """No word is open, and so many seconds or less were sent that no result covers."""
        return not self._open and self.sent - self.covered <= silence

    def settle(self) -> None:
        """All that was asked for is in the words that stand."""
        self.reach(self.sent if self.wanted is None else self.wanted)
        self.wanted = None

    def reach(self, until: float) -> None:
        """As far as this it was heard."""
        self.covered = max(self.covered, until)

    def guess(self, text: str) -> None:
        """These words may still change."""
        self._open = self._open or bool(text.strip())

    def stand(self, text: str, words: Sequence[Word], *, until: float) -> None:
        """These words will not change any more."""
        if text.strip():
            self._texts.append(text.strip())
        self._words += [self._placed(word) for word in words]
        self._open = False
        self.reach(until)

    def answered(self) -> bool:
        """Whether what was asked for has come by now; takes note of it."""
        if self.wanted is None or self.covered < self.wanted - SLACK:
            return False
        self.wanted = None
        return True

    def result(
        self,
        open_text: str = "",
        open_words: Sequence[Word] = (),
        *,
        final: bool,
        sign: TurnSign | None = None,
    ) -> Recognised:
        """All of the turn, with words that may still change at its end."""
        words = (*self._words, *(self._placed(word) for word in open_words))
        sure = [word.confidence for word in words if word.confidence is not None]
        return Recognised(
            text=" ".join([*self._texts, *([open_text.strip()] if open_text.strip() else [])]),
            final=final,
            confidence=round(sum(sure) / len(sure), 3) if sure else None,
            words=words,
            sign=sign,
        )

    def _placed(self, word: Word) -> Word:
        """From the connection's time to the turn's."""
        start, end = word.start - self.began, word.end - self.began
        return Word(word.text, max(0.0, round(start, 3)), max(0.0, round(end, 3)), word.confidence)


class HearingSession:
    """What a vendor's `EarSession` does where its protocol asks for nothing else."""

    def __init__(self) -> None:
        self._heard = Heard()

    def begin(self) -> None:
        self._heard.begin()

    def audio(self, pcm: bytes) -> Sequence[Frame]:
        self._heard.took(pcm)
        return (pcm,)

    def so_far(self) -> Recognised:
        self._heard.settle()
        return self._heard.result(final=True)

    def may_be_all(self, silence: float) -> bool:
        return self._heard.may_be_all(silence)

    def leave(self) -> Sequence[Frame]:
        return ()

    @property
    def settled(self) -> bool:
        return self._heard.settled


def number(value: object, default: float = 0.0) -> float:
    """A number of JSON; what is none is the default."""
    if type(value) is not int and type(value) is not float:  # a bool is neither
        return default
    try:
        found = float(value)
    except OverflowError:  # more digits than there are atoms
        return default
    return found if math.isfinite(found) else default
