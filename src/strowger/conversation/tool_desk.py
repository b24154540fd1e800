"""The tools of one call: what the model is offered, what it may have done, and what came of it.

Whatever the model writes, only what the agent's definition lists can happen: a name that is not
there, arguments that do not fit and targets of its own invention are answered to the model as
errors. Each use is asked of the shell once, and never again.
"""

import math
import re
from collections.abc import Sequence
from itertools import islice

from strowger.agent import McpTool, Progress, Tool
from strowger.conversation.dialogue import OfferedTool, ToolCall
from strowger.conversation.events import FoundTool, ToolRequested
from strowger.conversation.json_schema import mismatches
from strowger.conversation.offering import described, object_schema, parsed, schema_of
from strowger.conversation.orders import (
    Order,
    PutThrough,
    Refusal,
    Request,
    TakeWay,
    order_of,
    patience_of,
)
from strowger.conversation.transcript import ToolUse

LONGEST_RESULT = 16_384
"""Characters of an answer that the model is shown."""
LONGEST_DESCRIPTION = 1024
"""Characters of an MCP tool's; services refuse longer ones."""
_UNNAMEABLE = re.compile(r"[^a-zA-Z0-9_-]")
"""What may be in an MCP tool's name, and not in that of a model's function."""
MOST_MCP_TOOLS = 100


class ToolDesk:
    """Judges tool calls and keeps account of those that run."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools: dict[str, Tool] = {
            tool.name: tool for tool in tools if not isinstance(tool, McpTool)
        }
        self._servers = {tool.name: tool for tool in tools if isinstance(tool, McpTool)}
        self._found: dict[str, tuple[McpTool, FoundTool]] = {}
        self._ways: dict[str, OfferedTool] = {}
        self._only: tuple[str, ...] | None = None
        self._uses = 0
        self._ids: set[str] = set()
        """The model's names for uses; not every model gives each its own."""
        self._running: dict[int, ToolUse] = {}
        self._transfers: dict[int, float] = {}
        """Uses that put the callee through, and how long each may take."""
        self._unreported: list[ToolUse] = []

    @property
    def servers(self) -> tuple[McpTool, ...]:
        """The MCP servers whose tools are to be asked for."""
        return tuple(self._servers.values())

    @property
    def running(self) -> bool:
        return bool(self._running)

    @property
    def unreported(self) -> bool:
        """Whether something came of a tool that the model has not been told yet."""
        return bool(self._unreported)

    @property
    def deadline(self) -> float | None:
        return min((use.deadline for use in self._running.values()), default=None)

    @property
    def progress(self) -> Progress | None:
        """What is said while the tools that run take their time: of the one begun first."""
        return next((use.progress for use in self._running.values() if use.progress), None)

    def replace(self, tools: Sequence[Tool]) -> None:
        """Another agent goes on, with tools of its own; what runs is waited for still."""
        fresh = ToolDesk(tools)
        self._tools, self._servers, self._found = fresh._tools, fresh._servers, {}

    def found(self, server: str, tools: Sequence[FoundTool]) -> None:
        """An MCP server has told what tools it has."""
        owner = self._servers.get(server)
        if owner is None:
            return
        for tool in tools[:MOST_MCP_TOOLS]:
            name = _UNNAMEABLE.sub("_", f"{server}_{tool.name}")[:64]
            if (not owner.tools or tool.name in owner.tools) and name not in self._tools:
                self._found[name] = owner, tool

    def stand_at(self, ways: tuple[OfferedTool, ...], only: tuple[str, ...] | None) -> None:
        """The ways on that the model may take now, and which tools it has; None for all."""
        self._ways = {way.name: way for way in ways}
        self._only = only

    def offered(self) -> tuple[OfferedTool, ...]:
        own = [
            OfferedTool(name=tool.name, description=described(tool), parameters=schema_of(tool))
            for tool in self._tools.values()
        ]
        found = [
            OfferedTool(
                name=name,
                description=tool.description[:LONGEST_DESCRIPTION],
                parameters=object_schema(tool.parameters),
            )
            for name, (_, tool) in self._found.items()
        ]
        tools = [tool for tool in (*own, *found) if self._has(tool.name)]
        return (*tools, *self._ways.values())

    def _has(self, name: str) -> bool:
        """Whether the model has a tool where the conversation stands."""
        if name in self._ways:
            return False
        if self._only is None or name in self._only:
            return True
        return name in self._found and self._found[name][0].name in self._only

    def judge(self, call: ToolRequested) -> Order | Refusal:
        """What a tool call of the model's comes to."""
        if call.name in self._ways:
            return self._judge_way(call)
        has = self._has(call.name)
        own = self._tools.get(call.name) if has else None
        found = self._found.get(call.name) if has else None
        if own is None and found is None:
            known = ", ".join(tool.name for tool in self.offered()) or "none"
            return Refusal(f"there is no tool {call.name!r}; there are: {known}")
        arguments = parsed(call.arguments)
        if arguments is None:
            return Refusal("the arguments are not a JSON object")
        if own is not None:
            schema = schema_of(own)
        else:
            assert found is not None
            schema = object_schema(found[1].parameters)
        problems = list(islice(mismatches(arguments, schema), 5))
        if problems:
            return Refusal("; ".join(problems))
        if own is not None:
            return order_of(own, arguments)
        assert found is not None
        return Request(found[0], found[1].name)

    def _judge_way(self, call: ToolRequested) -> Order | Refusal:
        arguments = parsed(call.arguments)
        if arguments is None:
            return Refusal("the arguments are not a JSON object")
        problems = list(islice(mismatches(arguments, self._ways[call.name].parameters), 5))
        return Refusal("; ".join(problems)) if problems else TakeWay(call.name, arguments)

    def begin(self, event: ToolRequested, order: Order | Refusal, *, now: float) -> ToolUse:
        """Take down a use; it runs until `finish`, or is over at once where it was refused."""
        self._uses += 1
        deadline, progress = patience_of(order)
        known = event.id in self._ids or not event.id
        call = ToolCall(
            f"{event.id}_{self._uses}" if known else event.id, event.name, event.arguments
        )
        self._ids.add(call.id)
        use = ToolUse(self._uses, event.reply, call, now, now + deadline, progress)
        self._running[use.number] = use
        if isinstance(order, PutThrough):
            self._transfers[use.number], use.deadline = deadline, math.inf
        if isinstance(order, Refusal):
            self.finish(use.number, order.message, ok=False, now=now)
        return use

    @property
    def running_since(self) -> float:
        """When the use that has run longest began."""
        return min((use.started_at for use in self._running.values()), default=0.0)

    def runs(self, number: int) -> bool:
        return number in self._running

    def is_transfer(self, number: int) -> bool:
        """Whether the use is a transfer that runs."""
        return number in self._transfers and number in self._running

    @property
    def puts_through(self) -> bool:
        """Whether any transfer runs."""
        return any(number in self._running for number in self._transfers)

    def restart(self, number: int, *, now: float) -> bool:
        """From now on the use is waited for; False for one that is over."""
        use = self._running.get(number)
        if use is None:
            return False
        use.deadline = now + self._transfers.get(number, 0.0)
        return True

    def finish(self, number: int, result: str, *, ok: bool, now: float) -> bool:
        """What came of a use; False for one that is over already."""
        use = self._running.pop(number, None)
        if use is None:
            return False
        use.end(result[:LONGEST_RESULT], ok=ok, now=now)
        self._unreported.append(use)
        return True

    def expire(self, *, now: float) -> list[int]:
        """Give up those that are due; their numbers."""
        due = [use for use in self._running.values() if use.deadline <= now]
        for use in due:
            patience = use.deadline - use.started_at
            self.finish(
                use.number,
                f"no answer within {patience:g} s; whether it was done is not known",
                ok=False,
                now=now,
            )
        return [use.number for use in due]

    def break_off(self, *, now: float) -> list[int]:
        """The call is over: nobody waits any more."""
        left = list(self._running)
        for number in left:
            self.finish(number, "the call ended before an answer came", ok=False, now=now)
        return left

    def report(self) -> None:
        """The model is being told everything."""
        self._unreported = []
