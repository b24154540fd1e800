"""The agent's hands: has tools used, the callee put through, and other agents looked up.

Each use is noted in the database before it is made, and one that is noted is never made again:
after a crash it may have been done or not, and nobody finds out by doing it twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from strowger.agent import AgentDefinition, McpTool
from strowger.calls.consulting import put_through_attended
from strowger.calls.speaking import Voice
from strowger.conversation.events import (
    AgentFetched,
    DropTool,
    FetchAgent,
    FindTools,
    ToolFinished,
    ToolsFound,
    Transfer,
    TransferAccepted,
    UseTool,
)
from strowger.errors import RequestError, ToolFailed, TransferRefused, Unavailable
from strowger.ports import Line, Toolbox

log = structlog.get_logger()

FIND_WITHIN = 10.0
"""Seconds an MCP server has to tell its tools."""

Task = UseTool | DropTool | FindTools | Transfer | FetchAgent
News = ToolFinished | TransferAccepted | AgentFetched | ToolsFound
"""What comes of tasks."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What an agent can do on one call."""

    toolbox: Toolbox
    call_id: str
    note: Callable[[int, str, str], Awaitable[bool]]
    """Commit that a use (number, name, arguments) is about to be made; False where it was."""
    fetch_agent: Callable[[str], Awaitable[AgentDefinition]]
    """By its id. Raises RequestError (not found, not allowed) or Unavailable."""
    second_line: Callable[[], AbstractAsyncContextManager[None]]
    """Holds a line of the call's trunk for another call, one at a time. Raises Unavailable where
    none is free, TransferRefused while it is held."""


class Worker:
    """Several uses at a time, each answered by exactly one event unless it is dropped."""

    def __init__(
        self, line: Line, hands: Hands | None, voice: Voice | None, report: Callable[[News], None]
    ) -> None:
        """`voice` speaks to whom the callee is put through; without one nobody is told before."""
        self._line = line
        self._hands = hands
        self._voice = voice
        self._report = report
        self._running: dict[int, asyncio.Task[None]] = {}
        self._finding: list[asyncio.Task[None]] = []

    def do(self, task: Task, tasks: asyncio.TaskGroup) -> None:
        match task:
            case DropTool(use):
                if (running := self._running.pop(use, None)) is not None:
                    running.cancel()
            case FindTools(server):
                self._finding.append(tasks.create_task(self._find(server), name="find tools"))
            case UseTool(use) | Transfer(use) | FetchAgent(use):
                name = f"tool {use}"
                self._running[use] = tasks.create_task(self._carry_out(task), name=name)

    def change(self, voice: Voice) -> None:
        self._voice = voice

    def cancel(self) -> None:
        for task in (*self._running.values(), *self._finding):
            task.cancel()

    async def _carry_out(self, task: UseTool | Transfer | FetchAgent) -> None:
        try:
            match task:
                case UseTool():
                    event: News = ToolFinished(task.use, True, await self._use(task))
                case Transfer(use):
                    await self._put_through(task)
                    event = ToolFinished(use, True, "put through")
                case FetchAgent(use, agent):
                    event = AgentFetched(use, await self._fetch(agent))
        except (ToolFailed, TransferRefused, RequestError, Unavailable) as error:
            log.info("call.tool_failed", use=task.use, problem=str(error))
            event = ToolFinished(task.use, False, str(error))
        self._running.pop(task.use, None)
        self._report(event)

    async def _put_through(self, transfer: Transfer) -> None:
        def accepted() -> None:
            self._report(TransferAccepted(transfer.use))

        if transfer.briefing is None:
            await self._line.transfer(transfer.to, accepted)
        elif self._hands is None:
            raise TransferRefused("nobody else can be called from this call")
        elif self._voice is None:
            raise TransferRefused("there is no voice to tell who answers what it is about")
        else:
            async with self._hands.second_line():
                await put_through_attended(self._line, transfer, self._voice, accepted)

    async def _use(self, task: UseTool) -> str:
        hands = self._hands
        if hands is None:
            raise ToolFailed("no tools can be used on this call")
        name = task.remote or task.tool.name
        if not await hands.note(task.use, name, task.arguments):
            raise ToolFailed("this was asked for before; whether it was done is not known")
        return await hands.toolbox.use(
            task.tool,
            task.remote,
            task.arguments,
            key=f"{hands.call_id}-{task.use}",
        )

    async def _fetch(self, agent: str) -> AgentDefinition:
        if self._hands is None:
            raise ToolFailed("no other agent can be reached from this call")
        return await self._hands.fetch_agent(agent)

    async def _find(self, server: McpTool) -> None:
        try:
            if self._hands is None:
                raise ToolFailed("no tools can be used on this call")
            async with asyncio.timeout(FIND_WITHIN):
                found = await self._hands.toolbox.find(server)
        except (ToolFailed, Unavailable, TimeoutError) as error:
            log.warning("call.tools_not_found", server=server.name, problem=str(error))
            found = ()
        self._report(ToolsFound(server.name, tuple(found)))
