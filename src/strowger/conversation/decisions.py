"""What the turn machine decides: the seam between who speaks and what is said."""

from dataclasses import dataclass, replace

from strowger.conversation.events import TurnHint


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The callee is done and waits for an answer."""

    text: str
    """Empty for sounds without words."""
    digits: str
    """What was pressed instead of spoken."""
    confidence: float | None
    started_at: float
    ended_at: float
    """The last voiced sound, or the last digit."""
    decided_at: float
    """When the silence had lasted long enough."""

    def continued_by(self, rest: "TurnEnded") -> "TurnEnded":
        """Both as one turn, that was taken for finished in its middle."""
        return replace(rest, text=f"{self.text} {rest.text}".strip(), started_at=self.started_at)


@dataclass(slots=True)
class TurnSoFar:
    """What has come of the callee's turn until now."""

    text: str = ""
    confidence: float | None = None
    complete: bool = False
    """Nothing said before the last silence is missing from `text`."""
    lost: bool = False
    """The recogniser has failed: there will be no more words."""
    digits: str = ""
    hint: TurnHint | None = None
    likely: float | None = None
    """What the turn model says of the last pause."""
    begun: str | None = None
    """The words that a reply may have been begun to."""
    started_at: float | None = None
    """None while nothing has been heard."""
    ended_at: float = 0.0
    decided_at: float | None = None

    def ended(self, *, now: float) -> TurnEnded:
        """The turn as it stands; its digits are used up."""
        digits, self.digits = self.digits, ""
        unheard = self.started_at is None
        return TurnEnded(
            text="" if digits else self.text,
            digits=digits.partition("#")[0],
            confidence=self.confidence,
            started_at=now if self.started_at is None else self.started_at,
            ended_at=now if unheard else self.ended_at,
            decided_at=now if self.decided_at is None else self.decided_at,
        )


@dataclass(frozen=True, slots=True)
class WordsMissing:
    """The callee spoke, and the recogniser did not say what."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The callee takes the floor from the agent, having begun to speak at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class LikelyEnded:
    """The callee may be done: a reply to these words can be begun, not yet spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class WentOn:
    """The callee speaks on after what may have been the end."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """What the callee uttered over the agent was too short to mean anything."""


@dataclass(frozen=True, slots=True)
class StayedSilent:
    """Nobody has spoken for the silence timeout."""


Decision = TurnEnded | LikelyEnded | WentOn | WordsMissing | Interrupted | Dismissed | StayedSilent
