"""Trunks: their sealed passwords, and the one default, within the caller's transaction."""

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import Conflict, NotFound
from strowger.model import Trunk, TrunkId, WorkspaceId
from strowger.store import audit, gate, numbers, owned
from strowger.store.schema import LIVE, calls, phone_numbers, trunks, workspaces
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


async def change(connection: AsyncConnection, trunk: Trunk) -> Trunk:
    """All but when it was made. Raises NotFound, PreconditionFailed."""
    await _make_room(connection, trunk)
    old = await owned.at_version(
        connection, trunks, reader(connection), trunk.workspace_id, trunk.id, trunk.version
    )
    changed = audit.differences(old, trunk)
    new = replace(trunk, version=trunk.version + 1, created_at=old.created_at)
    values = _values(connection, new)
    if "password" not in changed:
        del values["password"]  # sealed anew it would look like another
    await owned.change(connection, trunks, trunk.workspace_id, trunk.id, values)
    if changed:
        await audit.note(connection, trunk.workspace_id, "trunk", trunk.id, "update", changed)
    if {"max_calls", "calls_per_second"} & set(changed):
        await gate.look_again(connection, trunk.workspace_id)
    return new


async def ensure(connection: AsyncConnection, trunk: Trunk) -> None:
    """Add it, or make the one with its id like it: for a trunk from the configuration."""
    try:
        old = await owned.locked(
            connection, trunks, reader(connection), trunk.workspace_id, trunk.id
        )
    except NotFound:
        await add(connection, trunk)
    else:
        if audit.differences(old, trunk):
            await change(connection, replace(trunk, version=old.version))


async def remove(connection: AsyncConnection, workspace: WorkspaceId, trunk: TrunkId) -> None:
    await numbers.let_go(connection, workspace, phone_numbers.c.trunk_id, trunk)
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
    yielding = others.values(is_default=False, version=trunks.c.version + 1)
    yielded = await connection.execute(yielding.returning(trunks.c.id))
    for other in yielded.scalars().all():
        await audit.note(connection, trunk.workspace_id, "trunk", other, "update", ["is_default"])
