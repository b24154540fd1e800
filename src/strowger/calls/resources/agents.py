"""Agents: every change makes a version."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from strowger.agent import AgentDefinition
from strowger.calls.resources.versions import Clock, Ids, update
from strowger.calls.validation import LONGEST_NAME, Offered, Problems, definition_problems
from strowger.model import Agent, AgentId, AgentVersion, Page, WorkspaceId
from strowger.ports import Records


class AgentService:
    def __init__(
        self, records: Records, *, ids: Ids, clock: Clock, offered: Offered | None = None
    ) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock
        self._offered = offered or Offered()

    async def create(self, workspace: WorkspaceId, definition: AgentDefinition) -> Agent:
        self._check(definition)
        now = self._clock()
        agent = Agent(
            id=AgentId(self._ids("agent")),
            workspace_id=workspace,
            version=1,
            definition=definition,
            created_at=now,
            updated_at=now,
        )
        await self._records.add_agent(agent)
        return agent

    async def get(self, workspace: WorkspaceId, agent: AgentId) -> Agent:
        return await self._records.get_agent(workspace, agent)

    async def list(self, workspace: WorkspaceId, *, limit: int, cursor: str | None) -> Page[Agent]:
        return await self._records.list_agents(workspace, limit=limit, cursor=cursor)

    async def update(
        self,
        workspace: WorkspaceId,
        agent: AgentId,
        changes: Mapping[str, Any],
        *,
        expected: Container[int] | None = None,
    ) -> Agent:
        """Replace the top-level fields given; what differs makes a new version.

        Raises PreconditionFailed where the present version is none of `expected`.
        """

        async def change(current: Agent) -> Agent:
            changed = replace(current.definition, **changes)
            self._check(changed)
            return replace(current, definition=changed)

        async def write(changed: Agent) -> Agent:
            return await self._records.replace_agent(
                workspace, agent, changed.definition, was=changed.version, now=self._clock()
            )

        return await update(
            lambda: self._records.get_agent(workspace, agent), change, write, expected=expected
        )

    async def duplicate(self, workspace: WorkspaceId, agent: AgentId) -> Agent:
        """A new agent that is like this one is now."""
        current = (await self._records.get_agent(workspace, agent)).definition
        name = f"Copy of {current.name}"[:LONGEST_NAME]
        return await self.create(workspace, replace(current, name=name))

    async def version(self, workspace: WorkspaceId, agent: AgentId, number: int) -> AgentVersion:
        return await self._records.get_agent_version(workspace, agent, number)

    async def versions(
        self, workspace: WorkspaceId, agent: AgentId, *, limit: int, cursor: str | None
    ) -> Page[AgentVersion]:
        return await self._records.list_agent_versions(workspace, agent, limit=limit, cursor=cursor)

    async def delete(self, workspace: WorkspaceId, agent: AgentId) -> None:
        await self._records.delete_agent(workspace, agent)

    def _check(self, definition: AgentDefinition) -> None:
        problems = Problems()
        problems.extend(definition_problems(definition, self._offered))
        problems.raise_if_any()
