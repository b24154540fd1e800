"""A dialogue as a language model reads it: messages, and the tools it may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    """The callee."""
    ASSISTANT = "assistant"
    """The agent: what the callee heard of it, and the tools it asked for."""
    TOOL = "tool"
    """What came of a tool."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants used."""

    id: str
    """The model's own name for it, which the answer has to bear; unique in one dialogue."""
    name: str
    arguments: str
    """JSON as the model wrote it, which may be broken."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    """For `assistant`: what it asked for, besides the text."""
    tool_call_id: str | None = None
    """For `tool`: what it answers. Such messages follow the one that asked, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    """A tool as the model is told of it."""

    name: str
    """Letters, digits, `_` and `-`; at most 64."""
    description: str
    parameters: Mapping[str, object]
    """JSON schema of an object."""
