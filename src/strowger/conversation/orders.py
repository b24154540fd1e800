"""What a tool call comes to: the agent's definition says what can be ordered, and of whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, assert_never

from strowger.agent import (
    DigitsTool,
    EndCallTool,
    HandoffTarget,
    HandoffTool,
    HttpTool,
    McpTool,
    Progress,
    Tool,
    TransferTarget,
    TransferTool,
    VoicemailTool,
)
from strowger.conversation import phrases

T = TypeVar("T", TransferTarget, HandoffTarget)

KEYS = frozenset("0123456789*#")
HANDOFF_DEADLINE = 5.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP tool or one of an MCP server is to be used."""

    tool: HttpTool | McpTool
    remote: str
    """For an MCP server: which of its tools."""


@dataclass(frozen=True, slots=True)
class Keys:
    digits: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The call is to end once what is being said was heard."""

    tool: EndCallTool | VoicemailTool
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class PutThrough:
    """The callee is to be put through once what is being said was heard."""

    tool: TransferTool
    target: TransferTarget
    briefing: str | None
    """What who answers is told before; None where nobody is asked before."""


@dataclass(frozen=True, slots=True)
class HandOver:
    target: HandoffTarget


@dataclass(frozen=True, slots=True)
class TakeWay:
    """The conversation goes on another way once what is being said was heard."""

    way: str
    arguments: Mapping[str, object]


Order = Request | Keys | Goodbye | PutThrough | HandOver | TakeWay
"""What a tool call comes to."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A tool call that comes to nothing, and what the model is told about it."""

    message: str


def order_of(tool: Tool, arguments: Mapping[str, object]) -> Order | Refusal:
    """From arguments that fit their schema."""
    match tool:
        case HttpTool():
            return Request(tool, "")
        case TransferTool():
            return _put_through(tool, arguments)
        case HandoffTool():
            return HandOver(_named(tool.agents, arguments["agent"]))
        case EndCallTool():
            outcome = arguments.get("outcome")
            return Goodbye(tool, outcome if isinstance(outcome, str) else None)
        case VoicemailTool():
            return Goodbye(tool)
        case DigitsTool():
            digits = str(arguments["digits"])
            return Keys(digits) if set(digits) <= KEYS else Refusal("expected 0 to 9, * and #")
        case McpTool():
            return Refusal("not a tool by itself")
        case _:
            assert_never(tool)


def _put_through(tool: TransferTool, arguments: Mapping[str, object]) -> PutThrough:
    target = _named(tool.targets, arguments["target"])
    briefing = str(arguments.get("briefing") or "").strip() or phrases.SOMEBODY_FOR_YOU
    return PutThrough(tool, target, briefing if target.attended else None)


def _named(targets: Sequence[T], name: object) -> T:
    """The schema lets no other name through."""
    return next(target for target in targets if target.name == name)


def patience_of(order: Order | Refusal) -> tuple[float, Progress | None]:
    """Seconds that it may take, and what is said meanwhile."""
    match order:
        case Request(tool):
            return tool.deadline, tool.progress
        case PutThrough(tool):
            return tool.deadline, tool.progress
        case HandOver():
            return HANDOFF_DEADLINE, Progress()
        case _:
            return 0.0, None
