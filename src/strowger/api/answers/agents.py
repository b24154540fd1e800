"""Agents and their versions."""

from dataclasses import dataclass

from strowger.api.answers.common import ListOf
from strowger.api.requests import AgentDefinition
from strowger.api.shapes import Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(AgentDefinition):
    """An agent, as it is now; calls name the version they used."""

    id: str
    """The agent's id."""
    workspace_id: str
    """The workspace the agent belongs to."""
    version: int
    """Grows by one with every change."""
    created_at: Timestamp
    """When the agent was made."""
    updated_at: Timestamp
    """When the agent was last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion(AgentDefinition):
    """An agent as it was until its next change."""

    agent_id: str
    """The agent's id."""
    version: int
    """The number of this version."""
    created_at: Timestamp
    """When this version was made."""


AgentList = ListOf[Agent]
AgentVersionList = ListOf[AgentVersion]
