"""What an agent's tools need of the world."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from strowger.agent import (
    HttpTool,
    McpTool,
    Scalar,
)
from strowger.conversation.events import FoundTool
from strowger.model import (
    WorkspaceId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The call that a tool is used in."""

    workspace_id: WorkspaceId
    """Whose secrets it may use."""
    variables: Mapping[str, Scalar]


class Toolbox(Protocol):
    """Does what agents' tools say, on servers of the customer's, for one call."""

    async def use(self, tool: HttpTool | McpTool, remote: str, arguments: str, *, key: str) -> str:
        """What the server answered, for the model to read. Tried once.

        `remote` is the name of an MCP server's tool; `arguments` a JSON object; `key` is the same
        for the same use and goes to the server, which may know it again. Raises ToolFailed, or
        Unavailable before anything was asked.
        """

    async def find(self, server: McpTool) -> Sequence[FoundTool]:
        """The tools of an MCP server. Raises ToolFailed or Unavailable."""


class Toolboxes(Protocol):
    def opened(self, context: ToolContext) -> AbstractAsyncContextManager[Toolbox]:
        """The toolbox of one call."""


class Secrets(Protocol):
    async def secrets(self, workspace: WorkspaceId, names: Sequence[str]) -> Mapping[str, str]:
        """Those that there are. Raises Unavailable."""
