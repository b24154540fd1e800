"""One call by its id, as fast as it gets: the statement that customers ask for most.

Straight to the driver, which keeps the statement prepared; what SQLAlchemy does for each execution
costs several times what the database does. `call_rows.WITH_TURNS` is the same for everybody else.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import NotFound
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import Call, CallId, Turn, WorkspaceId
from strowger.store.call_rows import COLUMNS, FIELDS, WITH_TURNS
from strowger.store.codec import Json

TURNS: TypeAdapter[tuple[Turn, ...]] = TypeAdapter(tuple[Turn, ...])


async def get_call(connection: AsyncConnection, workspace: WorkspaceId, call: CallId) -> Call:
    """Raises NotFound."""
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, asyncpg.Connection)
    row = await driver.fetchrow(_statement(), workspace, call)
    if row is None:
        raise NotFound("no such call")
    values: dict[str, Any] = dict(zip(FIELDS, row, strict=False))
    for name, read in _readers():
        if values[name] is not None:
            values[name] = read(values[name])
    turns = row["turns"]
    return Call(**values, transcript=() if turns is None else TURNS.validate_python(turns))


@cache
def _statement() -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    made = str(WITH_TURNS.compile(dialect=dialect))
    return f"{made} WHERE calls.workspace_id = $1 AND calls.id = $2"


@cache
def _readers() -> tuple[tuple[str, Callable[[Any], object]], ...]:
    """How to read the columns that are not what they look like."""
    readers: list[tuple[str, Callable[[Any], object]]] = [
        ("status", CallStatus),
        ("end_reason", EndReason),
    ]
    for name, column in zip(FIELDS, COLUMNS, strict=True):
        if isinstance(column.type, Json):
            readers.append((name, TypeAdapter(column.type.record).validate_python))
    return tuple(readers)
