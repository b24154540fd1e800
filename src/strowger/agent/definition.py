"""What an operator writes down of an agent: prompt, voice, flow, limits.

Plain frozen records, the same in the API, in files and in the database. `__pydantic_config__`
makes the boundary that reads them refuse unknown fields; nothing here imports it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, TypeVar

from strowger.agent.speech_to_speech import SpeechToSpeechSettings
from strowger.agent.tagged import STRICT, OneOfByType
from strowger.agent.tools import Tool
from strowger.agent.values import Scalar

Replaced = TypeVar("Replaced", "ModelSettings", "TranscriberSettings")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceFallback:
    """A voice that speaks where the one before it fails; all else stays as it is set."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str
    """Which configured speech provider speaks."""
    voice_id: str | None = None
    """The provider's name for a voice; none for its default."""
    model: str | None = None
    """The provider's name for a speech model; none for its default."""

    def instead_of(self, settings: "VoiceSettings") -> "VoiceSettings":
        """How it is asked in place of the voice with these settings, and of nobody after it."""
        return replace(
            settings,
            provider=self.provider,
            voice_id=self.voice_id,
            model=self.model,
            fallbacks=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A provider that is asked where the one before it fails; all else stays as it is set."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str
    """Which configured provider is asked."""
    model: str | None = None
    """The provider's name for a model; none for its default."""

    def instead_of(self, settings: Replaced) -> Replaced:
        """How it is asked in place of who has these settings, and of nobody after it."""
        return replace(settings, provider=self.provider, model=self.model, fallbacks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """How the agent sounds."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str = "local"
    """Which configured speech provider speaks, such as `local`, `openai` or `elevenlabs`."""
    voice_id: str | None = None
    """The provider's name for a voice; none for its default."""
    model: str | None = None
    """The provider's name for a speech model; none for its default."""
    speed: float = 1.0
    """1.0 is the voice's natural speed; from 0.5 to 2.0."""
    fallbacks: tuple[VoiceFallback, ...] = ()
    """Who says what has not been said when the voice fails, in this order."""
    fallback_after: float = 2.0
    """Seconds without a sound after which a voice counts as failed, where another is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which language model answers, and how."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str = "openai"
    """Which configured language model provider answers."""
    model: str | None = None
    """The provider's name for a model; none for the configured default."""
    temperature: float | None = None
    """0 is the most predictable; up to 2. None for the provider's default."""
    max_tokens: int | None = None
    """Longest reply, in the model's tokens."""
    fallbacks: tuple[Fallback, ...] = ()
    """Who is asked when the model fails before it has said anything, in this order."""
    fallback_after: float = 3.0
    """Seconds without a word after which a model counts as failed, where another is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriberSettings:
    """Who listens, and for what."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str = "local"
    """Which configured recogniser listens, such as `local`, `openai` or `deepgram`."""
    model: str | None = None
    """The provider's name for a model; none for its default."""
    keywords: tuple[str, ...] = ()
    """Words to expect: names, products, places."""
    fallbacks: tuple[Fallback, ...] = ()
    """Who hears a turn when the recogniser fails, all of it from its beginning, in this order."""
    fallback_after: float = 2.0
    """Seconds without an answer after which a recogniser counts as failed, where one is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaking:
    """Whose turn it is: when to speak, when to wait, when to give up."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    endpointing_delay: float = 0.5
    """Silence, in seconds, after which the callee's turn is over where nothing tells more."""
    complete_delay: float = 0.35
    """The silence where the words, the recogniser or the turn model say that it is complete."""
    incomplete_delay: float = 1.5
    """The silence where they say that more is to come: a number half said, a name being spelled."""
    interruption_delay: float = 0.25
    """How long, in seconds, the callee must speak over the agent before the agent yields."""
    interruption_words: int = 0
    """Words the callee must say besides; words that show that one listens do not count."""
    interruptible: bool = True
    """Whether the callee can interrupt the agent at all."""
    silence_timeout: float = 7.0
    """Seconds of silence from both sides before the agent asks again."""
    max_reprompts: int = 2
    """How often the agent asks again before it ends the call for silence."""
    reprompts: tuple[str, ...] = ()
    """What to say into a silence, one after another; a flow asks its question again."""
    preemptive: bool = True
    """Whether the language model begins on a reply while the silence may still be a pause."""
    fillers: tuple[str, ...] = ()
    """What to say, one after another, where the language model takes its time; none for nothing."""
    filler_delay: float = 1.2
    """Seconds from the end of the callee's turn to a filler."""
    who_speaks_first: Literal["agent", "callee"] = "agent"
    """`callee` waits for the callee's hello (for at most the silence timeout)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a call may take."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    max_duration: float = 1800.0
    """Longest call in seconds, counted from the answer."""
    ring_timeout: float = 45.0
    """Seconds the callee's telephone rings before the call counts as not answered."""
    provider_deadline: float = 5.0
    """Seconds a provider may stay silent before it counts as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One recognised value and the phrases that mean it."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    value: str
    """What is recognised, as branches and variables name it."""
    phrases: tuple[str, ...]
    """What people say for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The answers a question can have; recognisers are told, so that they listen for these."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["yes_no", "number", "date", "keywords", "digits", "anything"]
    """What kind of answer it is."""
    keywords: tuple[Phrases, ...] = ()
    """For `keywords`: the values and what people say for them."""
    minimum: int = 0
    """For `number`: the least value that counts as an answer."""
    maximum: int = 100
    """For `number`: the greatest value that counts as an answer."""
    length: int | None = None
    """For `digits`: how many are wanted; none for any number, ended by `#` or a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOverride:
    """How turns are taken while the conversation stands at one node; none for as everywhere."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    endpointing_delay: float | None = None
    """Silence, in seconds, after which the callee's turn is over."""
    complete_delay: float | None = None
    """The same where signs say that the turn is complete."""
    incomplete_delay: float | None = None
    """The same where signs say that more is to come."""
    interruption_delay: float | None = None
    """How long, in seconds, the callee must speak over the agent."""
    interruptible: bool | None = None
    """Whether the callee can interrupt at all."""
    silence_timeout: float | None = None
    """Seconds of silence from both sides before the agent asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SayNode:
    """Speak, then go on."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["say"]
    """Tells the kinds of node apart."""
    text: str
    """What to say; `{{name}}` stands for a variable."""
    next: str
    """The node that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskNode:
    """Speak, listen for an answer, branch on it."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["ask"]
    """Tells the kinds of node apart."""
    text: str
    """The question; `{{name}}` stands for a variable."""
    expect: Expectation
    """What answer is expected."""
    branches: Mapping[str, str] = field(default_factory=dict)
    """Recognised value to the next node's name: `yes`, `no`, a keyword's value, a number."""
    next: str | None = None
    """Where a recognised answer without a branch of its own leads."""
    otherwise: str | None = None
    """Where `attempts` answers that were not understood lead; none ends the call."""
    save_as: str | None = None
    """The variable that keeps the answer."""
    retry_text: str | None = None
    """What to say when an answer was not understood; none repeats the question."""
    attempts: int = 3
    """How often the question is put before `otherwise` is taken."""
    turn_taking: TurnOverride | None = None
    """How turns are taken at this node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way on from where the language model leads the conversation."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    next: str
    """The node it leads to."""
    when: str = ""
    """In words, for the model: when to take it."""
    condition: str = ""
    """Over variables, such as `age >= 18`: taken by itself as soon as it is true."""
    collect: Mapping[str, object] = field(default_factory=dict)
    """JSON schema properties that the model has to give with it; each is kept as a variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkNode:
    """The language model talks with the callee until one of the ways on is taken."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["talk"]
    """Tells the kinds of node apart."""
    prompt: str
    """What the model is to do here, besides the agent's prompt; `{{name}}` is a variable."""
    ways: Mapping[str, Way]
    """By name: what the model calls them."""
    text: str = ""
    """What is said first; empty to have the model begin."""
    tools: tuple[str, ...] | None = None
    """Which of the agent's tools the model has here; none for all."""
    turn_taking: TurnOverride | None = None
    """How turns are taken at this node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNode:
    """Give a variable a value, without speaking."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["set"]
    """Tells the kinds of node apart."""
    variable: str
    """The variable's name."""
    value: Scalar
    """Its new value."""
    next: str
    """The node that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Where a condition over variables leads."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    when: str
    """Such as `age >= 18 and country in ["MX", "US"]`."""
    next: str
    """The node that follows where it is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchNode:
    """Go on by a variable's value, without speaking."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["branch"]
    """Tells the kinds of node apart."""
    variable: str = ""
    """The variable's name; needed for `branches`."""
    branches: Mapping[str, str] = field(default_factory=dict)
    """The variable's value, as text, to the next node's name."""
    conditions: tuple[Condition, ...] = ()
    """Looked at first, in order: the first that is true leads on."""
    otherwise: str
    """The node that follows any other value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndNode:
    """Say goodbye, hang up, and leave an outcome."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["end"]
    """Tells the kinds of node apart."""
    text: str = ""
    """The goodbye; empty to hang up without one."""
    outcome: str | None = None
    """What the call came to, such as `appointment: confirmed {{day}}`."""


Node = Annotated[SayNode | AskNode | TalkNode | SetNode | BranchNode | EndNode, OneOfByType()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anywhere:
    """A way that is open wherever the conversation stands, such as to a person."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    next: str
    """The node it leads to."""
    phrases: tuple[str, ...] = ()
    """What people say for it, where it is no answer to the question asked."""
    when: str = ""
    """In words, for the language model: when to take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A scripted conversation: a graph of nodes. Only `talk` nodes need a language model."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    start: str
    """The node the conversation starts at."""
    nodes: Mapping[str, Node]
    """The nodes by name."""
    anywhere: Mapping[str, Anywhere] = field(default_factory=dict)
    """Ways by name that are open at every node that listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailPolicy:
    """What to do when a machine answers."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    action: Literal["hangup", "leave_message"] = "hangup"
    """Hang up, or say `message` after the tone."""
    message: str = ""
    """What to say; `{{name}}` stands for a variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a language model is asked of an answered call once it is over; nothing by default."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    summary: bool = False
    """Whether the call is summed up, for who was not there."""
    summary_prompt: str | None = None
    """How the call is to be summed up, in words; with these it is, whatever `summary` says."""
    extract: Mapping[str, object] | None = None
    """JSON schema, of an object, of what to look for in what was said."""
    success: str | None = None
    """What makes the call a success, in words."""
    sentiment: bool = False
    """Whether to tell the callee's mood: positive, neutral or negative."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Questions about the call, by the names that their answers are to have."""
    model: ModelSettings | None = None
    """Which language model is asked; none for the agent's own."""

    @property
    def wanted(self) -> bool:
        """Whether there is anything to ask."""
        asked = (self.sums_up, self.sentiment, self.extract is not None, self.success, self.prompts)
        return any(asked)

    @property
    def sums_up(self) -> bool:
        return self.summary or self.summary_prompt is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefinition:
    """Everything that decides how an agent behaves on a call."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    """For people to read."""
    prompt: str = ""
    """Instructions for the language model; a flow needs none."""
    first_message: str = ""
    """What the agent says when the callee has answered; a flow starts with its own node."""
    language: str = "en-US"
    """BCP 47 tag of the language spoken."""
    timezone: str = "UTC"
    """IANA name of the time zone that `{{now}}` and dates are in."""
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    """How the agent sounds."""
    model: ModelSettings = field(default_factory=ModelSettings)
    """Which language model answers, where no flow does."""
    transcriber: TranscriberSettings = field(default_factory=TranscriberSettings)
    """Who listens, and for what."""
    speech_to_speech: SpeechToSpeechSettings | None = None
    """A service that hears, thinks and speaks, in place of `transcriber`, `model` and `voice`."""
    flow: Flow | None = None
    """A script in place of the language model."""
    tools: tuple[Tool, ...] = ()
    """What the language model may do besides talking."""
    turn_taking: TurnTaking = field(default_factory=TurnTaking)
    """When to speak, when to wait, when to give up."""
    limits: Limits = field(default_factory=Limits)
    """Bounds on what a call may take; a call can set its own."""
    voicemail: VoicemailPolicy = field(default_factory=VoicemailPolicy)
    """What to do when a machine answers."""
    analysis: Analysis = field(default_factory=Analysis)
    """What a language model is asked of a call once it is over."""
    end_call_phrases: tuple[str, ...] = ()
    """When the agent has said one of these, it hangs up."""
    recording: bool = True
    """Whether calls are recorded; a call can say otherwise."""
    default_variables: Mapping[str, Scalar] = field(default_factory=dict)
    """Values for `{{name}}` where the call gives none."""
    webhook_url: str | None = None
    """Where events of this agent's calls go, besides the workspace's webhooks."""
    caller_id: str | None = None
    """E.164 number shown to the callee where the call names none."""
