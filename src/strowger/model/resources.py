"""What workspaces have: agents, trunks, numbers, secrets."""

from dataclasses import dataclass, field
from typing import Literal

from strowger.agent import AgentDefinition
from strowger.model.ids import AgentId, NumberId, SecretId, TrunkId, WorkspaceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Who owns everything else. Its secret is told apart: see `Records`."""

    id: WorkspaceId
    name: str
    max_calls: int | None = None
    """Most calls at the same time; None for as many as come. The operator sets it."""
    webhook_secret_at: float | None = None
    """When the secret was made that signs for the `webhook_url` of calls and agents; None where
    nobody has asked for it yet."""
    previous_webhook_secret_until: float | None = None
    """Until when the one before it signs as well."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    id: AgentId
    workspace_id: WorkspaceId
    version: int
    """Grows by one with every change; a call names the version it used."""
    definition: AgentDefinition
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """An agent as it was until its next change."""

    agent_id: AgentId
    version: int
    definition: AgentDefinition
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A way to the telephone network: one SIP peer and how to speak to it."""

    id: TrunkId
    workspace_id: WorkspaceId
    name: str
    host: str
    port: int = 5060
    transport: Literal["udp"] = "udp"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """Secret: never printed, logged or answered."""
    is_default: bool = False
    max_calls: int | None = None
    """Most calls at the same time; None for as many as come. Further ones wait."""
    calls_per_second: float | None = None
    """Fastest pace of new calls; None for any."""
    version: int = 1
    """Grows by one with every change."""
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Something that agents' tools need and nobody may read: `{{secrets.NAME}}`."""

    id: SecretId
    workspace_id: WorkspaceId
    name: str
    value: str = field(repr=False)
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    id: NumberId
    workspace_id: WorkspaceId
    number: str
    """E.164."""
    label: str = ""
    trunk_id: TrunkId | None = None
    inbound_agent_id: AgentId | None = None
    max_calls: int | None = None
    """Most calls from this number at the same time; None for as many as come."""
    version: int = 1
    """Grows by one with every change."""
    created_at: float = 0.0
    updated_at: float = 0.0
