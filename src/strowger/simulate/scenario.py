"""What a rehearsed call is like, and what is expected of it: plain records, written in YAML.

`simulate/scenario_files.py` reads them, `simulate/rehearsal.py` holds the calls, and
`simulate/judging.py` holds what came of them against the expectations.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal

from strowger.agent import AgentDefinition, Scalar
from strowger.errors import FieldProblem
from strowger.simulate.persona import DIGITS, Answer, Impairments, Persona

_STRICT: dict[str, object] = {"extra": "forbid", "use_attribute_docstrings": True}

EXACT = "exact"
"""The recogniser that knows what was played, and finds it again in what was heard."""
SCRIPTED = "scripted"
"""The model whose replies are written in the scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPlan:
    """Who speaks for both sides, and how fast speech comes."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    provider: str = "local"
    """A configured speech provider: `local` is espeak-ng, which needs no network."""
    first_audio: float = 0.1
    """Seconds from the text to its first sound."""
    word_times: bool = False
    """Whether the voice tells when each word is spoken, as some providers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionPlan:
    """Who listens for both sides."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    provider: str = EXACT
    """`exact` finds the words that were played in the sound that arrived; else a configured
    provider, such as `local` (pocketsphinx), is given the sound of each turn."""
    delay: float = 0.15
    """Seconds from the end of speech to its words."""
    interim_every: float | None = 0.6
    """Seconds of speech between two interim results of `exact`; none for final ones only."""
    word_errors: float = 0.0
    """Share of the words that `exact` gets wrong, 0 to 1: half are lost, half are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedTool:
    """A tool that a scripted model asks for."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict)
    """A text is handed on as it is, to try what is no JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """One reply of a scripted model."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    say: str = ""
    tools: tuple[ScriptedTool, ...] = ()
    """Asked for after `say`; what comes of them is what the next reply's `when` sees."""
    when: str | None = None
    """A regular expression for what the callee said last, or what came of a tool after that; a
    reply without one waits for its turn."""
    first_token: float | None = None
    """Seconds, where this reply takes longer than others."""
    trouble: Literal["fail", "hang"] | None = None
    """`fail` breaks off with an error after `say`, `hang` says nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """Who thinks for one side."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    provider: str = SCRIPTED
    """`scripted`, or a configured provider, which is asked for real: its replies come at the pace
    they came at, and the same seed does not give the same call any more."""
    replies: tuple[ScriptedReply, ...] = ()
    """In order; the last is said again and again. One whose `when` fits goes before."""
    first_token: float = 0.2
    """Seconds until a reply begins."""
    tokens_per_second: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """What comes of one use of a tool, in place of its server."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    answer: str | Mapping[str, object] = "done"
    """For the model to read; a mapping is written as JSON."""
    after: float = 0.3
    """Seconds."""
    trouble: Literal["fail", "hang"] | None = None
    """`fail` tells the model that it failed, with `answer` as the reason; `hang` never answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPlan:
    """What the network does when the agent asks it to put the callee through."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    status: int = 200
    """200 puts the callee through, and the call is over for the agent; others refuse."""
    after: float = 2.0
    """Seconds."""

    @property
    def succeeds(self) -> bool:
        return self.status == 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A provider of the agent's that does not do what it should."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    provider: Literal["speech", "recognition"]
    request: int
    """The first request that goes wrong: 1 is the first of the call."""
    times: int = 1
    """How many do."""
    kind: Literal["fail", "hang"] = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Something the customer asks for while the call goes on. One of the last three is given."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    after: float
    """Seconds since the answer."""
    say: str | None = None
    press: str | None = None
    end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCallee:
    """A callee that an agent plays: a prompt or a flow at the other end of the line."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    name: str
    agent: AgentDefinition
    answer: Answer = field(default_factory=Answer)
    model: ModelPlan = field(default_factory=ModelPlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a number may be."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimits:
    """The longest that answers may take, in seconds: last sound of the callee to first of ours."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    p50: float | None = None
    p95: float | None = None
    longest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What must be true of the call. What is left out is not looked at."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    status: str | None = None
    end_reason: str | None = None
    outcome: str | None = None
    """A regular expression that all of the outcome fits."""
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    """Of those that the conversation set."""
    agent_says: tuple[str, ...] = ()
    """Phrases that were heard of the agent, whatever their case and punctuation."""
    agent_never_says: tuple[str, ...] = ()
    callee_says: tuple[str, ...] = ()
    """Phrases that were understood of the callee."""
    callee_never_says: tuple[str, ...] = ()
    callee_hears: tuple[str, ...] = ()
    """Phrases that the callee's own recogniser made out; of callees that listen for something."""
    tools: tuple[str, ...] | None = None
    """Names of the tools that were used, in order."""
    interruptions: int | Bounds | None = None
    """Turns of the agent's that were cut off."""
    turns: int | Bounds | None = None
    """Turns of both sides together."""
    duration: Bounds | None = None
    """Seconds from the answer to the end."""
    latency: LatencyLimits | None = None
    longest_silence: float | None = None
    """Seconds in which nobody is heard, at most, between the answer and the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One call to rehearse."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    name: str
    agent: AgentDefinition
    callee: Persona | AgentCallee
    description: str = ""
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    now: str = "2026-03-02T09:00:00+00:00"
    """The date and time of the call, for agents that speak of days; a Monday where not given."""
    network: Impairments = field(default_factory=Impairments)
    seed: int = 0
    """Decides about everything that is left to chance: the same seed gives the same call."""
    repeat: int = 1
    """How often the call is held, each time with the next seed."""
    speech: SpeechPlan = field(default_factory=SpeechPlan)
    recognition: RecognitionPlan = field(default_factory=RecognitionPlan)
    model: ModelPlan = field(default_factory=ModelPlan)
    tools: Mapping[str, tuple[ToolAnswer, ...]] = field(default_factory=dict)
    """By the tool's name (an MCP server's are `server_tool`): what comes of each use of it; the
    last is what comes of all further ones."""
    transfer: TransferPlan = field(default_factory=TransferPlan)
    agents: Mapping[str, AgentDefinition] = field(default_factory=dict)
    """By id, those that the agent can hand the call to."""
    troubles: tuple[Trouble, ...] = ()
    orders: tuple[Order, ...] = ()
    expect: Expectations = field(default_factory=Expectations)


def problems_of_scenario(scenario: Scenario) -> Iterator[FieldProblem]:
    """What has the right shape and yet makes no sense, all of it."""
    if not scenario.name.strip():
        yield FieldProblem("name", "must not be empty")
    if not 1 <= scenario.repeat <= 1000:
        yield FieldProblem("repeat", "must be between 1 and 1000")
    for number, order in enumerate(scenario.orders):
        given = [order.say, order.press, order.end or None]
        if sum(each is not None for each in given) != 1:
            yield FieldProblem(f"orders.{number}", "needs exactly one of say, press and end")
        if order.press is not None and not set(order.press) <= DIGITS:
            yield FieldProblem(f"orders.{number}.press", "may hold 0-9, *, # and A-D")
        if order.after < 0:
            yield FieldProblem(f"orders.{number}.after", "must not be negative")
    for number, trouble in enumerate(scenario.troubles):
        if trouble.request < 1 or trouble.times < 1:
            yield FieldProblem(f"troubles.{number}", "request and times begin at 1")
    if not 0 <= scenario.recognition.word_errors <= 1:
        yield FieldProblem("recognition.word_errors", "must be between 0 and 1")
    for name, answers in scenario.tools.items():
        if not answers:
            yield FieldProblem(f"tools.{name}", "needs at least one answer")
    status = scenario.transfer.status
    if not (status == 200 or 300 <= status <= 699):
        yield FieldProblem("transfer.status", "must be 200, or 300 to 699 to refuse")
    yield from _model_problems(scenario)
    yield from _expectation_problems(scenario.expect)


def _model_problems(scenario: Scenario) -> Iterator[FieldProblem]:
    plans = {"model": (scenario.agent, scenario.model)}
    if isinstance(scenario.callee, AgentCallee):
        plans["callee.model"] = (scenario.callee.agent, scenario.callee.model)
    for where, (agent, plan) in plans.items():
        asked = agent.flow is None and agent.speech_to_speech is None
        if asked and plan.provider == SCRIPTED and not plan.replies:
            yield FieldProblem(where, "an agent without a flow needs `replies`, or a provider")
        if plan.tokens_per_second <= 0:
            yield FieldProblem(f"{where}.tokens_per_second", "must be more than 0")
        for number, reply in enumerate(plan.replies):
            if reply.when is not None:
                yield from _pattern_problem(f"{where}.replies.{number}.when", reply.when)


def _expectation_problems(expect: Expectations) -> Iterator[FieldProblem]:
    if expect.outcome is not None:
        yield from _pattern_problem("expect.outcome", expect.outcome)
    for each in fields(expect):
        phrases = getattr(expect, each.name)
        if isinstance(phrases, tuple) and any(not str(phrase).strip() for phrase in phrases):
            yield FieldProblem(f"expect.{each.name}", "a phrase must not be empty")


def _pattern_problem(where: str, pattern: str) -> Iterator[FieldProblem]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield FieldProblem(where, f"is no regular expression: {error}")
