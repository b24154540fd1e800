"""Trunks: their sealed passwords, and the one default, within the caller's transaction."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import Conflict
from strowger.model import Trunk, TrunkId, WorkspaceId
from strowger.store import audit, gate, owned
from strowger.store.schema import LIVE, calls, trunks, workspaces
from strowger.store.sealing import opened, seal


def reader(connection: AsyncConnection) -> owned.Reader[Trunk]:
    """How a row becomes a trunk: its password is opened."""

    def read(row: Row[Any]) -> Trunk:
        values = dict(row._mapping)
        if row.password is not None:
            values["password"] = opened(connection, trunks.c.password, row.id, row.password)
        return Trunk(**values)

    return read


def _values(connection: AsyncConnection, trunk: Trunk) -> dict[str, Any]:
    values = asdict(trunk)
    if trunk.password is not None:
        values["password"] = seal(connection, trunks.c.password, trunk.id, trunk.password)
    return values


async def add(connection: AsyncConnection, trunk: Trunk) -> None:
    await _make_room(connection, trunk)
    await connection.execute(insert(trunks).values(**_values(connection, trunk)))
    await audit.note(connection, trunk.workspace_id, "trunk", trunk.id, "create")


async def get(connection: AsyncConnection, workspace: WorkspaceId, trunk: TrunkId) -> Trunk:
    return await owned.get(connection, trunks, reader(connection), workspace, trunk)


async def default(connection: AsyncConnection, workspace: WorkspaceId) -> Trunk | None:
    wanted = select(trunks).where(trunks.c.workspace_id == workspace, trunks.c.is_default)
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else reader(connection)(row)


async def replace(connection: AsyncConnection, trunk: Trunk) -> None:
    """All but when it was made. Raises NotFound."""
    await _make_room(connection, trunk)
    read = reader(connection)
    old = await owned.locked(connection, trunks, read, trunk.workspace_id, trunk.id)
    changed = audit.differences(old, trunk)
    values = _values(connection, trunk)
    del values["created_at"]
    if "password" not in changed:
        del values["password"]  # sealed anew it would look like another
    await owned.change(connection, trunks, trunk.workspace_id, trunk.id, values)
    if changed:
        await audit.note(connection, trunk.workspace_id, "trunk", trunk.id, "update", changed)
    if {"max_calls", "calls_per_second"} & set(changed):
        await gate.look_again(connection, trunk.workspace_id)


async def remove(connection: AsyncConnection, workspace: WorkspaceId, trunk: TrunkId) -> None:
    await owned.remove(connection, trunks, workspace, trunk)
    in_use = select(calls.c.id).where(calls.c.trunk_id == trunk, LIVE).limit(1)
    if (await connection.execute(in_use)).one_or_none() is not None:
        raise Conflict("calls that are not over use this trunk", code="trunk_in_use")
    await audit.note(connection, workspace, "trunk", trunk, "delete")


async def _make_room(connection: AsyncConnection, trunk: Trunk) -> None:
    """Take the default from the others; the workspace's lock keeps two from doing so at once."""
    if not trunk.is_default:
        return
    lock = select(workspaces.c.id).where(workspaces.c.id == trunk.workspace_id)
    await connection.execute(lock.with_for_update(key_share=True))
    others = update(trunks).where(
        trunks.c.workspace_id == trunk.workspace_id, trunks.c.id != trunk.id, trunks.c.is_default
    )
    yielding = others.values(is_default=False).returning(trunks.c.id)
    for other in (await connection.execute(yielding)).scalars().all():
        await audit.note(connection, trunk.workspace_id, "trunk", other, "update", ["is_default"])
