"""One thing that one side says: when, and what of it the other side has heard.

Those of the agent are cut at what the line has played.
"""

from dataclasses import dataclass, field, replace

from strowger.conversation.events import UtteranceEnded, UtteranceStarted
from strowger.conversation.transcript import SECONDS_PER_CHARACTER, heard_words
from strowger.model import Turn, TurnLatency

PLAIN = "plain "
"""How the names of items begin that the fallback voice says."""


def is_plain(item: str) -> bool:
    """Whether the fallback voice says it, by its name."""
    return item.startswith(PLAIN)


@dataclass(slots=True)
class CalleeItem:
    item: str
    started_at: float
    ended_at: float
    done_at: float | None = None
    """When the service took it for finished."""
    text: str | None = None
    """None until it is told; empty where there are no words."""

    @property
    def settled(self) -> bool:
        return self.text is not None

    def as_turn(self, answered_at: float) -> Turn | None:
        if not self.text:
            return None
        return Turn(
            role="callee",
            text=self.text,
            started_at=max(0.0, self.started_at - answered_at),
            ended_at=max(0.0, self.ended_at - answered_at),
        )


@dataclass(slots=True)
class AgentItem:
    item: str
    text: str = ""
    over: bool = False
    """No more sound of it comes."""
    broken_off: bool = False
    """It is over before all of its words had sounded, as far as is known."""
    interrupted: bool = False
    cause: CalleeItem | None = None
    """The turn of the callee's that it answers first."""
    started_at: float | None = None
    ended_at: float = 0.0
    waited: float = 0.0
    playing: set[int] = field(default_factory=set)
    """Utterances of the line that are not over."""
    plays: tuple[int, float] | None = None
    """The one that is being heard, and since when."""
    heard: float = 0.0
    sound: float = 0.0
    """Seconds: played, and all that came."""
    words: int | None = 0
    """How many were played to their end; None where that is not told."""

    @property
    def plain(self) -> bool:
        """The fallback voice says it."""
        return is_plain(self.item)

    @property
    def unfinished(self) -> bool:
        """More of it may come."""
        return not self.over and not self.interrupted

    @property
    def settled(self) -> bool:
        return not self.playing and not self.unfinished

    @property
    def whole(self) -> bool:
        complete = self.over and not self.broken_off
        return complete and not self.playing and self.heard >= self.sound

    def spoken(self) -> str:
        """The words heard."""
        if self.started_at is None or not self.heard:
            return ""
        if self.whole:
            return " ".join(self.text.split())
        duration = self.sound
        if not self.over or self.broken_off:
            duration = max(duration, SECONDS_PER_CHARACTER * len(self.text))
        return heard_words(self.text, heard=self.heard, duration=duration, known=self.words)

    def will_have_spoken(self, *, now: float) -> str:
        """The words heard once what is played now is over, all of it unless it was cut."""
        if self.playing and not self.interrupted:
            return " ".join(self.text.split())
        left = replace(self, playing=set(self.playing))
        left.break_off(now=now)
        return left.spoken()

    def started(self, event: UtteranceStarted) -> None:
        self.plays = event.utterance, event.at
        if self.started_at is None:
            self.started_at, self.waited = event.at, event.waited

    def ended(self, event: UtteranceEnded, *, now: float) -> None:
        self.playing.discard(event.utterance)
        if self.plays is not None and self.plays[0] == event.utterance:
            self.plays = None
        self.heard += event.heard
        self.sound += event.duration
        self.ended_at = now
        known = event.words
        self.words = None if self.words is None or known is None else self.words + known

    def break_off(self, *, now: float) -> None:
        """The call is over: what plays now is heard as far as the clock tells."""
        if self.playing and self.started_at is not None:
            heard = 0.0 if self.plays is None else max(0.0, now - self.plays[1])
            self.heard += heard
            self.sound += max(heard, SECONDS_PER_CHARACTER * len(self.text) - self.sound)
            self.ended_at, self.words = now, None
        self.playing.clear()

    def as_turn(self, answered_at: float) -> Turn | None:
        text = self.spoken()
        if not text or self.started_at is None:
            return None
        return Turn(
            role="agent",
            text=text,
            started_at=self.started_at - answered_at,
            ended_at=max(self.started_at, self.ended_at) - answered_at,
            interrupted=self.interrupted or self.heard < self.sound,
            latency=self._latency(self.started_at),
        )

    def _latency(self, began: float) -> TurnLatency | None:
        """What can be known: recognition, thought and speech are one at the service."""
        cause = self.cause
        if cause is None or began < cause.ended_at:
            return None
        done = cause.ended_at if cause.done_at is None else max(cause.done_at, cause.ended_at)
        done = min(done, began)
        wire = min(self.waited, began - done)
        return TurnLatency(
            endpointing=done - cause.ended_at,
            model=began - done - wire,
            wire=wire,
            total=began - cause.ended_at,
        )
