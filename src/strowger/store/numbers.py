"""Phone numbers: what is special about them, within the caller's transaction."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import NumberId, PhoneNumber, WorkspaceId
from strowger.store import audit, gate, owned
from strowger.store.schema import phone_numbers


def number_of(row: Row[Any]) -> PhoneNumber:
    return PhoneNumber(**row._mapping)


async def add(connection: AsyncConnection, number: PhoneNumber) -> None:
    await connection.execute(insert(phone_numbers).values(**asdict(number)))
    await audit.note(connection, number.workspace_id, "phone_number", number.id, "create")


async def replace(connection: AsyncConnection, number: PhoneNumber) -> None:
    """All but when it was made. Raises NotFound."""
    workspace = number.workspace_id
    old = await owned.locked(connection, phone_numbers, number_of, workspace, number.id)
    values = asdict(number)
    del values["created_at"]
    await owned.change(connection, phone_numbers, workspace, number.id, values)
    if changed := audit.differences(old, number):
        await audit.note(connection, workspace, "phone_number", number.id, "update", changed)
    if "max_calls" in changed:
        await gate.look_again(connection, workspace)


async def remove(connection: AsyncConnection, workspace: WorkspaceId, number: NumberId) -> None:
    await owned.remove(connection, phone_numbers, workspace, number)
    await audit.note(connection, workspace, "phone_number", number, "delete")
    await gate.look_again(connection, workspace)  # its limit is gone as well


async def find(
    connection: AsyncConnection, workspace: WorkspaceId, number: str
) -> PhoneNumber | None:
    wanted = select(phone_numbers).where(
        phone_numbers.c.workspace_id == workspace, phone_numbers.c.number == number
    )
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else number_of(row)
