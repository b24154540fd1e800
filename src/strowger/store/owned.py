"""Flat things that a workspace owns: one row each."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy import ColumnElement, Row, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import NotFound, PreconditionFailed
from strowger.model import Page, WorkspaceId
from strowger.store.ids import cursor_after, id_of_cursor
from strowger.store.schema import dialect_records

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


class Reader(Protocol[R_co]):
    """How a row becomes its record."""

    def __call__(self, row: Row[Any], /) -> R_co: ...


async def get(
    connection: AsyncConnection,
    table: Table,
    read: Reader[T],
    workspace: WorkspaceId,
    id: str,
) -> T:
    """Raises NotFound."""
    wanted = select(table).where(_is(table, workspace, id))
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise _missing(table)
    return read(row)


async def locked(
    connection: AsyncConnection,
    table: Table,
    read: Reader[T],
    workspace: WorkspaceId,
    id: str,
) -> T:
    """One that nobody else changes before this transaction ends. Raises NotFound."""
    wanted = select(table).where(_is(table, workspace, id))
    # NO KEY UPDATE: does not get into the way of rows that refer to it.
    row = (await connection.execute(wanted.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise _missing(table)
    return read(row)


async def change(
    connection: AsyncConnection,
    table: Table,
    workspace: WorkspaceId,
    id: str,
    values: Mapping[str, Any],
) -> None:
    """Raises NotFound."""
    changed = update(table).where(_is(table, workspace, id)).values(**values)
    if (await connection.execute(changed)).rowcount == 0:
        raise _missing(table)


async def at_version(
    connection: AsyncConnection,
    table: Table,
    read: Reader[V],
    workspace: WorkspaceId,
    id: str,
    version: int,
) -> V:
    """`locked`, at the version that somebody wants to change.

    Raises NotFound, and PreconditionFailed where it has changed meanwhile.
    """
    found = await locked(connection, table, read, workspace, id)
    if found.version != version:
        raise PreconditionFailed(f"it is at version {found.version}, not {version}")
    return found


async def remove(
    connection: AsyncConnection, table: Table, workspace: WorkspaceId, id: str
) -> None:
    """What dialects keep of it by its id goes with it. Raises NotFound."""
    if (await connection.execute(delete(table).where(_is(table, workspace, id)))).rowcount == 0:
        raise _missing(table)
    kept = dialect_records.c
    await connection.execute(
        delete(dialect_records).where(kept.workspace_id == workspace, kept.record_id == id)
    )


async def page(
    connection: AsyncConnection,
    table: Table,
    read: Reader[T],
    workspace: WorkspaceId,
    *where: ColumnElement[bool],
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """Newest first, walked by id: each page costs the same however many rows there are."""
    wanted = select(table).where(table.c.workspace_id == workspace, *where)
    if cursor is not None:
        wanted = wanted.where(table.c.id < id_of_cursor(table.name, cursor))
    wanted = wanted.order_by(table.c.id.desc()).limit(limit + 1)  # one more tells of a next page
    rows = (await connection.execute(wanted)).all()
    shown = rows[:limit]
    following = cursor_after(table.name, shown[-1].id) if len(rows) > limit else None
    return Page(data=tuple(read(row) for row in shown), next_cursor=following)


def _is(table: Table, workspace: WorkspaceId, id: str) -> ColumnElement[bool]:
    return (table.c.workspace_id == workspace) & (table.c.id == id)


def _missing(table: Table) -> NotFound:
    return NotFound(f"no such {table.name.removesuffix('s').replace('_', ' ')}")
