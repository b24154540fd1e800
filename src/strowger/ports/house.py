"""The house as whoever watches it sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from strowger.model import (
    Call,
    CallResult,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseState:
    """The state of everything that shares a database, as of one moment."""

    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By kind and state (`queued`, `picked`)."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Calls that are not over, by status."""
    workers: int = 0
    """That gave a sign of life lately."""
    lines: int = 0
    """Of those workers."""
    busy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a process can serve, and what it finds."""

    tables: str
    """The version of the database's tables."""
    expected: str
    """The version that this program works with."""
    workers: int
    """That gave a sign of life lately."""


class House(Protocol):
    async def state(self) -> HouseState: ...
    async def readiness(self) -> Readiness:
        """Both raise Unavailable."""


class CallObserver(Protocol):
    def call_over(self, call: Call, result: CallResult) -> None:
        """A call of this worker has ended, this way."""
