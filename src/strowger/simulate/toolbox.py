"""The customer's servers of a rehearsed call: what each use of a tool comes to."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from strowger.agent import HttpTool, McpTool
from strowger.conversation.events import FoundTool
from strowger.errors import ToolFailed
from strowger.ports import Toolbox, ToolContext
from strowger.simulate.scenario import ToolAnswer

ANYTHING = json.dumps({"type": "object"})
"""The schema of a scripted MCP tool."""


class ScriptedToolbox:
    """A `Toolbox`, and the `Toolboxes` that open it: answers as the scenario says."""

    def __init__(self, answers: Mapping[str, Sequence[ToolAnswer]]) -> None:
        self._answers = answers
        self._uses: Counter[str] = Counter()

    @asynccontextmanager
    async def opened(self, context: ToolContext) -> AsyncIterator[Toolbox]:
        yield self

    async def use(self, tool: HttpTool | McpTool, remote: str, arguments: str, *, key: str) -> str:
        name = f"{tool.name}_{remote}" if remote else tool.name
        answers = self._answers.get(name)
        if not answers:
            raise ToolFailed(f"the scenario has no answer for the tool {name}")
        came = answers[min(self._uses[name], len(answers) - 1)]
        self._uses[name] += 1
        if came.trouble == "hang":
            await asyncio.Event().wait()
        await asyncio.sleep(came.after)
        answer = came.answer if isinstance(came.answer, str) else json.dumps(came.answer)
        if came.trouble == "fail":
            raise ToolFailed(answer)
        return answer

    async def find(self, server: McpTool) -> Sequence[FoundTool]:
        """Those that the scenario has answers for."""
        prefix = f"{server.name}_"
        names = [name.removeprefix(prefix) for name in self._answers if name.startswith(prefix)]
        return [FoundTool(name, f"The tool {name}.", ANYTHING) for name in names]
