"""What a conversation hears and what it asks for.

Flat frozen records of plain values, so that a journal can keep them. Times are seconds on one
monotonic clock, passed beside the event as `now`; a field `at` is earlier than that.
"""

from dataclasses import dataclass
from enum import StrEnum


class ProviderKind(StrEnum):
    SPEECH_TO_TEXT = "speech_to_text"
    LANGUAGE_MODEL = "language_model"
    TEXT_TO_SPEECH = "text_to_speech"


@dataclass(frozen=True, slots=True)
class Answered:
    """The callee took the call."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The voice detector heard the callee begin to speak, at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The voice detector heard the callee fall silent; the last voiced sound was at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Transcribed:
    """All words of the callee's turn so far; each such event replaces the one before."""

    turn: int
    """The turn asked for with `Listen`; words of another turn are late and dropped."""
    text: str
    final: bool
    """Nothing that was said before the last `SpeechStopped` is missing."""
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class DigitPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class ReplySentence:
    """The language model finished one sentence of the reply asked for with `Generate`."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The language model has no more to say in this reply."""

    reply: int


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """The first packet of the utterance left for the callee, at `at`."""

    utterance: int
    at: float


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The callee hears no more of this utterance."""

    utterance: int
    heard: float
    """Seconds of it that were played."""
    duration: float
    """Seconds it would have lasted; equal to `heard` where it was played whole."""
    complete: bool


@dataclass(frozen=True, slots=True)
class ProviderFailed:
    """A provider failed or kept silent beyond its deadline."""

    kind: ProviderKind
    message: str
    retryable: bool
    reference: int
    """The turn, reply or utterance that was asked of it."""


@dataclass(frozen=True, slots=True)
class MediaLost:
    """Nothing has come from the callee's telephone for too long."""


@dataclass(frozen=True, slots=True)
class HungUp:
    """The callee, or the network, ended the call."""


@dataclass(frozen=True, slots=True)
class EndRequested:
    """The customer asked for the call to end."""


@dataclass(frozen=True, slots=True)
class SayRequested:
    """The customer asked the agent to say something now."""

    text: str


Event = (
    Answered
    | SpeechStarted
    | SpeechStopped
    | Transcribed
    | DigitPressed
    | ReplySentence
    | ReplyFinished
    | UtteranceStarted
    | UtteranceEnded
    | ProviderFailed
    | MediaLost
    | HungUp
    | EndRequested
    | SayRequested
)


@dataclass(frozen=True, slots=True)
class Listen:
    """From the callee's next speech on, recognise a new turn with this number.

    `phrases` is all a recogniser with a grammar needs to know: the answers that may come.
    Empty means anything.
    """

    turn: int
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Generate:
    """Ask the language model for a reply to the dialogue so far."""

    reply: int
    dialogue: tuple[tuple[str, str], ...]
    """(role, text) with roles `system`, `user`, `assistant`; what was heard, not what was meant."""


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop the model; whatever it still says is not wanted."""

    reply: int


@dataclass(frozen=True, slots=True)
class Speak:
    """Say this after all that was asked for before."""

    utterance: int
    text: str
    fallback: bool = False
    """Use the fallback voice: the agent's own has just failed."""


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Cut the playout now; every utterance not yet ended is answered by UtteranceEnded."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call. `reason` is a `lifecycle.EndReason`."""

    reason: str


Effect = Listen | Generate | CancelReply | Speak | StopSpeaking | HangUp
