"""Trunks: what is special about them, within the caller's transaction."""

from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import Conflict
from strowger.model import Trunk, TrunkId, WorkspaceId
from strowger.store import gate, owned
from strowger.store.schema import LIVE, calls, trunks, workspaces


def trunk_of(row: Row[Any]) -> Trunk:
    return Trunk(**row._mapping)


async def add(connection: AsyncConnection, trunk: Trunk) -> None:
    await _make_room(connection, trunk)
    await owned.add(connection, trunks, trunk)


async def get(connection: AsyncConnection, workspace: WorkspaceId, trunk: TrunkId) -> Trunk:
    return await owned.get(connection, trunks, trunk_of, workspace, trunk)


async def default(connection: AsyncConnection, workspace: WorkspaceId) -> Trunk | None:
    wanted = select(trunks).where(trunks.c.workspace_id == workspace, trunks.c.is_default)
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else trunk_of(row)


async def replace(connection: AsyncConnection, trunk: Trunk) -> None:
    await _make_room(connection, trunk)
    await owned.replace(connection, trunks, trunk)
    await gate.look_again(connection, trunk.workspace_id)  # its limits may have changed


async def remove(connection: AsyncConnection, workspace: WorkspaceId, trunk: TrunkId) -> None:
    await owned.remove(connection, trunks, workspace, trunk)
    in_use = select(calls.c.id).where(calls.c.trunk_id == trunk, LIVE).limit(1)
    if (await connection.execute(in_use)).one_or_none() is not None:
        raise Conflict("calls that are not over use this trunk", code="trunk_in_use")


async def _make_room(connection: AsyncConnection, trunk: Trunk) -> None:
    """Take the default from the others; the workspace's lock keeps two from doing so at once."""
    if not trunk.is_default:
        return
    lock = select(workspaces.c.id).where(workspaces.c.id == trunk.workspace_id)
    await connection.execute(lock.with_for_update(key_share=True))
    others = update(trunks).where(
        trunks.c.workspace_id == trunk.workspace_id, trunks.c.id != trunk.id, trunks.c.is_default
    )
    await connection.execute(others.values(is_default=False))
