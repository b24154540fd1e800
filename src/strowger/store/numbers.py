"""Phone numbers: what is special about them, within the caller's transaction."""

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import PhoneNumber, WorkspaceId
from strowger.store.schema import phone_numbers


def number_of(row: Row[Any]) -> PhoneNumber:
    return PhoneNumber(**row._mapping)


async def find(
    connection: AsyncConnection, workspace: WorkspaceId, number: str
) -> PhoneNumber | None:
    wanted = select(phone_numbers).where(
        phone_numbers.c.workspace_id == workspace, phone_numbers.c.number == number
    )
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else number_of(row)
