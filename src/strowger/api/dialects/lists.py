"""Lists in vendors' ways: by page or by offset, with a total.

Calls are found by the database (`DialectRecords.search_calls`). Of everything else a workspace
has few enough to be read whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from strowger.model import Page, WorkspaceId
from strowger.ports import MOST_COUNTED

T = TypeVar("T")


class Lister(Protocol[T]):
    """A list of a service's: `AgentService.list` and its like."""

    async def __call__(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[T]: ...


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    items: tuple[T, ...]
    total: int
    has_more: bool


async def everything(of: Lister[T], workspace: WorkspaceId) -> tuple[T, ...]:
    """All there is, newest first; at most `MOST_COUNTED`."""
    found: list[T] = []
    cursor: str | None = None
    while len(found) < MOST_COUNTED:
        page = await of(workspace, limit=100, cursor=cursor)
        found.extend(page.data)
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(found)


def cut(items: Sequence[T], *, offset: int, limit: int) -> Slice[T]:
    """The items from `offset` on."""
    return Slice(tuple(items[offset : offset + limit]), len(items), len(items) > offset + limit)
