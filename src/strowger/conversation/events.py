"""What a conversation hears and what it asks for.

Frozen records of plain values, so that a journal can keep them. Times are seconds on one
monotonic clock, passed beside the event as `now`; a field `at` is earlier than that.
"""

from dataclasses import dataclass
from enum import StrEnum

from strowger.agent import AgentDefinition, HttpTool, McpTool
from strowger.conversation.dialogue import Message, OfferedTool


class ProviderKind(StrEnum):
    SPEECH_TO_TEXT = "speech_to_text"
    LANGUAGE_MODEL = "language_model"
    TEXT_TO_SPEECH = "text_to_speech"
    SPEECH_TO_SPEECH = "speech_to_speech"
    """A service that does what the other three do."""


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


class TurnHint(StrEnum):
    """What a recogniser that listens for ends of turns makes of the present one."""

    PERHAPS_OVER = "perhaps_over"
    OVER = "over"
    RESUMED = "resumed"
    """It speaks on after all."""


@dataclass(frozen=True, slots=True)
class TurnHinted:
    """The recogniser has changed its mind about whether the turn is over."""

    turn: int
    hint: TurnHint


@dataclass(frozen=True, slots=True)
class PauseJudged:
    """The turn model has listened to the pause that began at `at`."""

    at: float
    """As in `SpeechStopped`."""
    over: float
    """From 0, it goes on, to 1, it is over."""


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
class ToolRequested:
    """The language model wants a tool used, in the reply asked for with `Generate`."""

    reply: int
    id: str
    """The model's name for it."""
    name: str
    arguments: str
    """JSON, or what the model took for it."""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """Something came of a use that was asked for with `UseTool`, `Transfer` or `FetchAgent`."""

    use: int
    ok: bool
    result: str
    """For the model to read."""


@dataclass(frozen=True, slots=True)
class TransferAccepted:
    """The far end is putting the callee through: it will soon end the call."""

    use: int


@dataclass(frozen=True, slots=True)
class AgentFetched:
    """The agent that is to take over."""

    use: int
    definition: AgentDefinition


@dataclass(frozen=True, slots=True)
class FoundTool:
    """One tool of an MCP server."""

    name: str
    description: str
    parameters: str
    """JSON schema."""


@dataclass(frozen=True, slots=True)
class ToolsFound:
    """An MCP server has told its tools; none where it could not be asked."""

    server: str
    tools: tuple[FoundTool, ...]


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """The first packet of the utterance left for the callee, at `at`."""

    utterance: int
    at: float
    waited: float = 0.0
    """Seconds from the voice's first sound until then."""


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The callee hears no more of this utterance."""

    utterance: int
    heard: float
    """Seconds of it that were played."""
    duration: float
    """Seconds it would have lasted; equal to `heard` where it was played whole."""
    complete: bool
    words: int | None = None
    """How many words of the text were played to their end, where the voice tells their times."""


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


ToolEvent = ToolRequested | ToolFinished | TransferAccepted | AgentFetched | ToolsFound

Event = (
    Answered
    | SpeechStarted
    | SpeechStopped
    | Transcribed
    | TurnHinted
    | PauseJudged
    | DigitPressed
    | ReplySentence
    | ReplyFinished
    | ToolRequested
    | ToolFinished
    | TransferAccepted
    | AgentFetched
    | ToolsFound
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
    dialogue: tuple[Message, ...]
    """What was heard, not what was meant."""
    tools: tuple[OfferedTool, ...] = ()


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
    after: int = 0
    """The text is the rest of this earlier utterance, whose sound goes on where it is at hand."""
    skip: float = 0.0
    """Seconds of that sound that were heard."""


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Cut the playout now; every utterance not yet ended is answered by UtteranceEnded."""


@dataclass(frozen=True, slots=True)
class UseTool:
    """Do this once, and answer with ToolFinished. Nothing asks for the same use again."""

    use: int
    tool: HttpTool | McpTool
    remote: str
    """For an MCP server: which of its tools."""
    arguments: str
    """A JSON object that fits the tool's schema."""


@dataclass(frozen=True, slots=True)
class DropTool:
    """Nobody waits any more for what comes of this use."""

    use: int


@dataclass(frozen=True, slots=True)
class FindTools:
    """Ask an MCP server for its tools; answered by ToolsFound."""

    server: McpTool


@dataclass(frozen=True, slots=True)
class Transfer:
    """Put the callee through; answered by TransferAccepted, ToolFinished or both."""

    use: int
    to: str
    """E.164 number, or a `sip:` URI."""
    briefing: str | None = None
    """What to tell who answers before; None to put the callee through without calling first."""


@dataclass(frozen=True, slots=True)
class FetchAgent:
    """Look up the agent that is to take over; answered by AgentFetched or ToolFinished."""

    use: int
    agent_id: str


@dataclass(frozen=True, slots=True)
class Become:
    """From here on speak with this agent's voice and ask its model."""

    definition: AgentDefinition


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send key tones to the callee's side, in place of speech."""

    digits: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call. `reason` is a `lifecycle.EndReason`."""

    reason: str


Effect = (
    Listen
    | Generate
    | CancelReply
    | Speak
    | StopSpeaking
    | UseTool
    | DropTool
    | FindTools
    | Transfer
    | FetchAgent
    | Become
    | SendDigits
    | HangUp
)
