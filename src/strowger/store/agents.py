"""Agents and their versions: SQL of two tables, within the caller's transaction."""

from typing import Any

from sqlalchemy import Row, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.agent import AgentDefinition
from strowger.errors import NotFound
from strowger.model import Agent, AgentId, WorkspaceId
from strowger.store import owned
from strowger.store.events import Happening, publish
from strowger.store.schema import agent_versions, agents


def agent_of(row: Row[Any]) -> Agent:
    return Agent(**row._mapping)


async def add(connection: AsyncConnection, agent: Agent) -> None:
    await connection.execute(
        insert(agents).values(
            id=agent.id,
            workspace_id=agent.workspace_id,
            version=agent.version,
            definition=agent.definition,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
        )
    )
    await _keep_version(connection, agent)


async def get(connection: AsyncConnection, workspace: WorkspaceId, agent: AgentId) -> Agent:
    return await owned.get(connection, agents, agent_of, workspace, agent)


async def replace(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    agent: AgentId,
    definition: AgentDefinition,
    *,
    now: float,
) -> Agent:
    changed = (
        update(agents)
        .where(agents.c.workspace_id == workspace, agents.c.id == agent)
        .values(version=agents.c.version + 1, definition=definition, updated_at=now)
        .returning(agents)
    )
    row = (await connection.execute(changed)).one_or_none()
    if row is None:
        raise NotFound("no such agent")
    new = agent_of(row)
    await _keep_version(connection, new)
    payload = {"agent_id": new.id, "version": new.version, "definition": new.definition}
    happening = Happening(workspace=workspace, type="agent.updated", payload=payload, at=now)
    await publish(connection, happening)
    return new


async def _keep_version(connection: AsyncConnection, agent: Agent) -> None:
    await connection.execute(
        insert(agent_versions).values(
            agent_id=agent.id,
            version=agent.version,
            definition=agent.definition,
            created_at=agent.updated_at,
        )
    )
