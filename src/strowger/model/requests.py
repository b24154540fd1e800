"""Who asks, and what is kept of requests and their answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strowger.model.ids import KeyId, WorkspaceId

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    id: KeyId
    workspace_id: WorkspaceId
    name: str
    scopes: tuple[str, ...]
    """Such as `calls:write`; `*` for all."""
    expires_at: float | None = None
    created_at: float = 0.0
    last_used_at: float | None = None
    test: bool = False
    """Its calls never reach a carrier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What a request was answered with, kept to answer the same again."""

    status: int
    location: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The answer to a request that named an Idempotency-Key, to be kept with what it did."""

    key: str
    hash: bytes
    """Of the request: the key stands for this one only."""
    answer: StoredAnswer
    at: float
    """When it was answered, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who a request comes from."""

    key_id: KeyId
    request_id: str
    test: bool = False
    """It comes with a test key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who changed what. Names of fields only: what they hold may be secret."""

    id: str
    workspace_id: WorkspaceId
    at: float
    key_id: KeyId | None
    """None for the operator: the command line and the configuration."""
    request_id: str | None
    resource: str
    """Such as `trunk`."""
    resource_id: str
    action: str
    """`create`, `update`, `delete`, `rotate`, `test`, `retry` or `replay`; of a call `end`,
    `cancel`, `say` or `digits`: that it was created says the call itself."""
    fields: tuple[str, ...] = ()
    """What an update changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectRecord:
    """What a dialect keeps that Strowger itself has no place for.

    Either a thing of its own, or the rest of a native one, whose id it then has.
    """

    workspace_id: WorkspaceId
    dialect: str
    kind: str
    """Such as `prompt`, or `agent` for the rest of an agent."""
    id: str
    body: Mapping[str, object] = field(repr=False)
    """Plain JSON values; sealed in the database, as they may hold secrets."""
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list, newest first."""

    data: tuple[T, ...]
    next_cursor: str | None
