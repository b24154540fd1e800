"""Agents and their versions: SQL of two tables, within the caller's transaction."""

from dataclasses import fields
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.agent import AgentDefinition
from strowger.errors import InvalidRequest, NotFound
from strowger.model import Agent, AgentId, AgentVersion, Page, WorkspaceId
from strowger.store import audit, numbers, owned
from strowger.store.events import Happening, publish
from strowger.store.ids import cursor_after, id_of_cursor
from strowger.store.schema import agent_versions, agents, phone_numbers


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
    await audit.note(connection, agent.workspace_id, "agent", agent.id, "create")


async def get(connection: AsyncConnection, workspace: WorkspaceId, agent: AgentId) -> Agent:
    return await owned.get(connection, agents, agent_of, workspace, agent)


async def replace(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    agent: AgentId,
    definition: AgentDefinition,
    *,
    was: int,
    now: float,
) -> Agent:
    """Raises PreconditionFailed where the present version is not `was`."""
    old = await owned.at_version(connection, agents, agent_of, workspace, agent, was)
    changed = (
        update(agents)
        .where(agents.c.workspace_id == workspace, agents.c.id == agent)
        .values(version=agents.c.version + 1, definition=definition, updated_at=now)
        .returning(agents)
    )
    new = agent_of((await connection.execute(changed)).one())
    await _keep_version(connection, new)
    names = [
        field.name
        for field in fields(definition)
        if getattr(old.definition, field.name) != getattr(definition, field.name)
    ]
    await audit.note(connection, workspace, "agent", agent, "update", names)
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


async def remove(connection: AsyncConnection, workspace: WorkspaceId, agent: AgentId) -> None:
    await numbers.let_go(connection, workspace, phone_numbers.c.inbound_agent_id, agent)
    await owned.remove(connection, agents, workspace, agent)
    await audit.note(connection, workspace, "agent", agent, "delete")


# ── versions ─────────────────────────────────────────────────────────────────────────────────


async def get_version(
    connection: AsyncConnection, workspace: WorkspaceId, agent: AgentId, version: int
) -> AgentVersion:
    wanted = _versions(workspace, agent).where(agent_versions.c.version == version)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("no such version of such an agent")
    return AgentVersion(**row._mapping)


async def list_versions(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    agent: AgentId,
    *,
    limit: int,
    cursor: str | None,
) -> Page[AgentVersion]:
    """Newest first. Raises NotFound."""
    await get(connection, workspace, agent)
    wanted, kind = _versions(workspace, agent), f"versions of {agent}"
    if cursor is not None:
        before = id_of_cursor(kind, cursor)
        if not (before.isdecimal() and len(before) <= 9):
            raise InvalidRequest("this cursor does not belong to this list", code="invalid_cursor")
        wanted = wanted.where(agent_versions.c.version < int(before))
    wanted = wanted.order_by(agent_versions.c.version.desc()).limit(limit + 1)
    rows = (await connection.execute(wanted)).all()
    shown = rows[:limit]
    following = cursor_after(kind, str(shown[-1].version)) if len(rows) > limit else None
    return Page(data=tuple(AgentVersion(**row._mapping) for row in shown), next_cursor=following)


def _versions(workspace: WorkspaceId, agent: AgentId) -> Select[Any]:
    mine = (agents.c.workspace_id == workspace) & (agents.c.id == agent)
    return select(agent_versions).join(agents, agents.c.id == agent_versions.c.agent_id).where(mine)
