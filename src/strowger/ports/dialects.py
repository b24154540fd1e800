"""What the dialects of the API keep, and find, in their ways; links that open without a key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    AgentId,
    Call,
    CallId,
    DialectRecord,
    WorkspaceId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSearch:
    """Which calls a dialect's list is to hold, and in which order; None for any."""

    ids: tuple[CallId, ...] | None = None
    statuses: frozenset[CallStatus] | None = None
    end_reasons: frozenset[EndReason] | None = None
    agent_id: AgentId | None = None
    to: str | None = None
    from_: str | None = None
    either: str | None = None
    """A number that called or was called."""
    text: str | None = None
    """Part of either number."""
    created_from: float | None = None
    created_to: float | None = None
    """Both times are included."""
    started_from: float | None = None
    started_to: float | None = None
    """When it was dialled; both times are included."""
    order_by: Literal["created_at", "started_at", "ended_at", "duration"] = "created_at"
    ascending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCalls:
    """One page of what was looked for."""

    calls: tuple[Call, ...]
    total: int
    """How many there are; no more than `MOST_COUNTED` are counted."""
    total_is_estimated: bool


MOST_COUNTED = 10_000
"""Counting takes time with every row: beyond this, lists say that there are more."""


class DialectRecords(Protocol):
    """What dialects keep, and lists in their ways. Every method is one transaction, or part of
    `Records.together`, and sees one workspace only."""

    async def add_record(self, record: DialectRecord) -> None:
        """Raises Conflict where there is one of its kind with its id."""

    async def put_record(self, record: DialectRecord) -> None:
        """The same, in place of one that is there; that one's `created_at` stays."""

    async def get_record(
        self, workspace: WorkspaceId, dialect: str, kind: str, id: str
    ) -> DialectRecord:
        """Raises NotFound."""

    async def find_records(
        self, workspace: WorkspaceId, dialect: str, kind: str, ids: Sequence[str]
    ) -> Mapping[str, DialectRecord]:
        """Those of `ids` that are there."""

    async def list_records(
        self, workspace: WorkspaceId, dialect: str, kind: str
    ) -> tuple[DialectRecord, ...]:
        """Newest first, at most `MOST_COUNTED`."""

    async def delete_record(self, workspace: WorkspaceId, dialect: str, kind: str, id: str) -> None:
        """Raises NotFound."""

    async def hold(self, workspace: WorkspaceId, dialect: str) -> None:
        """Wait until nobody else holds what the dialect keeps of the workspace, and hold it until
        the end of `Records.together`."""

    async def search_calls(
        self,
        workspace: WorkspaceId,
        search: CallSearch,
        *,
        offset: int,
        limit: int,
        transcripts: bool = False,
    ) -> FoundCalls:
        """A page by its place. Without `transcripts` the calls have none."""

    async def talk_time(self, workspace: WorkspaceId, *, since: float) -> float:
        """Seconds between answer and end, of all calls made since then."""

    async def take_line(self, call: CallId, *, now: float) -> bool:
        """Whether a call that was just queued can be dialled at once; its line is then its own.
        One that cannot waits for its turn."""

    async def waiting_for_line(
        self, workspace: WorkspaceId, ids: Sequence[CallId]
    ) -> frozenset[CallId]:
        """Those of `ids` that wait for a line."""


class LinkSigner(Protocol):
    """Signs links that open something without a key, such as a recording."""

    def sign(self, text: str) -> str:
        """A signature of URL-safe characters, the same in all processes of the house."""

    def verify(self, text: str, signature: str) -> bool: ...
