"""What an operator writes down of an agent: prompt, turn-taking, limits, and the parts beside.

Plain frozen records, the same in the API, in files and in the database. `__pydantic_config__`
makes the boundary that reads them refuse unknown fields; nothing here imports it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from strowger.agent.flow import Flow
from strowger.agent.providers import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.agent.speech_to_speech import SpeechToSpeechSettings
from strowger.agent.tagged import STRICT
from strowger.agent.tools import Tool
from strowger.agent.values import Scalar


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
