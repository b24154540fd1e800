"""Phone numbers: what is special about them, within the caller's transaction."""

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Column, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import NumberId, PhoneNumber, WorkspaceId
from strowger.store import audit, gate, owned
from strowger.store.schema import phone_numbers


def number_of(row: Row[Any]) -> PhoneNumber:
    return PhoneNumber(**row._mapping)


async def add(connection: AsyncConnection, number: PhoneNumber) -> None:
    await connection.execute(insert(phone_numbers).values(**asdict(number)))
    await audit.note(connection, number.workspace_id, "phone_number", number.id, "create")


async def change(connection: AsyncConnection, number: PhoneNumber) -> PhoneNumber:
    """All but when it was made. Raises NotFound, PreconditionFailed."""
    workspace = number.workspace_id
    old = await owned.at_version(
        connection, phone_numbers, number_of, workspace, number.id, number.version
    )
    new = replace(number, version=number.version + 1, created_at=old.created_at)
    await owned.change(connection, phone_numbers, workspace, number.id, asdict(new))
    if changed := audit.differences(old, number):
        await audit.note(connection, workspace, "phone_number", number.id, "update", changed)
    if "max_calls" in changed:
        await gate.look_again(connection, workspace)
    return new


async def let_go(
    connection: AsyncConnection, workspace: WorkspaceId, column: Column[Any], of: str
) -> None:
    """Have no number name the trunk or agent `of` any more, which is about to go: a change of
    theirs, so that nobody who has just read them writes it back."""
    naming = update(phone_numbers).where(phone_numbers.c.workspace_id == workspace, column == of)
    await connection.execute(naming.values({column: None, "version": phone_numbers.c.version + 1}))


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
