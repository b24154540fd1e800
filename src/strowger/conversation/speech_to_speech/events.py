"""What a conversation held by a speech-to-speech service hears, and what it asks for.

What happens on the line and to tools comes as in `conversation/events.py`; what stands here comes
from the service, or goes to it. An *item* is one thing that one side says, by the service's name
for it. Sound itself passes by: only its stretches are told, as utterances of the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from strowger.agent import Scalar, SpeechToSpeechSettings
from strowger.conversation.dialogue import Message, OfferedTool
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    DropTool,
    EndRequested,
    FetchAgent,
    FindTools,
    HangUp,
    HungUp,
    MediaLost,
    SayRequested,
    SendDigits,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transfer,
    TransferAccepted,
    UseTool,
    UtteranceEnded,
    UtteranceStarted,
)


@dataclass(frozen=True, slots=True)
class Connected:
    """The service is ready to listen and to speak."""

    connection: int
    """The one asked for with `Connect`."""
    greets: bool
    """It speaks first by itself, if it is to."""
    resumes: bool
    """A new connection can be told the dialogue so far and go on with it."""


@dataclass(frozen=True, slots=True)
class ServiceFailed:
    """The service failed, or the connection to it: nothing more comes from this one."""

    connection: int
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class ServiceLeft:
    """The service has ended the conversation, as its agent may; nothing more comes."""

    connection: int


@dataclass(frozen=True, slots=True)
class CalleeBegan:
    """The service hears the callee speak: whatever the agent says is interrupted."""

    item: str


@dataclass(frozen=True, slots=True)
class CalleeDone:
    """The service takes the callee's turn for finished, and will answer."""

    item: str


@dataclass(frozen=True, slots=True)
class CalleeWords:
    """What the callee said, whole; empty where there were no words in it."""

    item: str
    text: str


@dataclass(frozen=True, slots=True)
class AgentWords:
    """Words of the agent's."""

    item: str
    text: str
    whole: bool
    """All of the item's words, in place of those told before; else more of them."""


@dataclass(frozen=True, slots=True)
class ItemOver:
    """No more sound of this item comes."""

    item: str


@dataclass(frozen=True, slots=True)
class ResponseOver:
    """The service has said all that it wants to say now."""


@dataclass(frozen=True, slots=True)
class SoundBegan:
    """The first sound of a stretch of an item came; it goes to the line as this utterance."""

    utterance: int
    item: str


ServiceEvent = (
    Connected
    | ServiceFailed
    | ServiceLeft
    | CalleeBegan
    | CalleeDone
    | CalleeWords
    | AgentWords
    | ItemOver
    | ResponseOver
    | ToolRequested
)
"""What comes from the service."""

SpokenEvent = (
    Answered
    | SpeechStarted
    | SpeechStopped
    | DigitPressed
    | ToolRequested
    | ToolFinished
    | TransferAccepted
    | AgentFetched
    | ToolsFound
    | UtteranceStarted
    | UtteranceEnded
    | MediaLost
    | HungUp
    | EndRequested
    | SayRequested
    | Connected
    | ServiceFailed
    | ServiceLeft
    | CalleeBegan
    | CalleeDone
    | CalleeWords
    | AgentWords
    | ItemOver
    | ResponseOver
    | SoundBegan
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a service is told when it is to take a conversation."""

    settings: SpeechToSpeechSettings
    instructions: str
    """Empty for those that are kept at the service."""
    first_message: str
    """Empty for what the service makes up, or keeps."""
    waits_for_callee: bool
    """The first message is to follow the callee's hello."""
    language: str
    tools: tuple[OfferedTool, ...] = ()
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    interruptible: bool = True
    endpointing_delay: float = 0.5
    """Silence, in seconds, after which the callee's turn is over."""
    dialogue: tuple[Message, ...] = ()
    """What was said before, where it goes on with a conversation."""
    goes_on: bool = False
    """It is to speak as if it had said all that itself; a service that cannot fails for good."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to a service and leave the one before; answered by Connected or ServiceFailed."""

    connection: int
    brief: Brief


@dataclass(frozen=True, slots=True)
class Respond:
    """Have the service speak now."""


@dataclass(frozen=True, slots=True)
class Say:
    """Have the service say this, in these words as far as it can."""

    text: str


@dataclass(frozen=True, slots=True)
class PassOn:
    """Tell the service, as the callee's, what it cannot hear; it is to answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Inform:
    """Tell the service something in the background."""

    text: str


@dataclass(frozen=True, slots=True)
class OfferTools:
    """From now on the service has these tools."""

    tools: tuple[OfferedTool, ...]


@dataclass(frozen=True, slots=True)
class AnswerTool:
    """What came of a tool that the service asked for, by its name for the use."""

    id: str
    ok: bool
    result: str


@dataclass(frozen=True, slots=True)
class ReportHeard:
    """So much of an item was heard before it was cut off."""

    item: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Hush:
    """Have the service say nothing more of what it is saying."""


@dataclass(frozen=True, slots=True)
class SayPlainly:
    """Say this in the fallback voice, as an item of this name, answered as sound always is."""

    item: str
    text: str


ToService = Respond | Say | PassOn | Inform | OfferTools | AnswerTool | ReportHeard | Hush
"""What goes to the service over its connection."""

SpokenEffect = (
    Connect
    | Respond
    | Say
    | PassOn
    | Inform
    | OfferTools
    | AnswerTool
    | ReportHeard
    | Hush
    | SayPlainly
    | StopSpeaking
    | UseTool
    | DropTool
    | FindTools
    | Transfer
    | FetchAgent
    | SendDigits
    | HangUp
)
