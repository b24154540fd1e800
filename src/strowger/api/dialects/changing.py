"""Changes of what is there: what one request reads, no other writes before it has written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

from strowger.agent import AgentDefinition
from strowger.api.dialects.endpoints import Asked
from strowger.model import Agent


@asynccontextmanager
async def changing(asked: Asked, dialect: str) -> AsyncIterator[None]:
    """`Records.together`, one after the other for each workspace and dialect.

    What is to be changed is to be read within.
    """
    async with asked.services.records.together():
        await asked.backing.kept.hold(asked.workspace, dialect)
        yield


async def rewritten(asked: Asked, agent: Agent, definition: AgentDefinition) -> Agent:
    """The agent with this definition; what is the same in both is left as it is by now."""
    changes = {
        field.name: getattr(definition, field.name)
        for field in fields(definition)
        if getattr(definition, field.name) != getattr(agent.definition, field.name)
    }
    return await asked.services.agents.update(asked.workspace, agent.id, changes)
