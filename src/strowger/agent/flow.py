"""What an operator writes down of a scripted conversation: nodes, and the ways between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from strowger.agent.tagged import STRICT, OneOfByType
from strowger.agent.values import Scalar


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
