"""Calls by their ids, as fast as it gets: the statement that customers ask for most.

Straight to the driver, and for several at a time. `call_rows.find` is the same for everybody else.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from sqlalchemy import Text, cast, select
from sqlalchemy.dialects import postgresql

from strowger.errors import NotFound
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import Call, CallId, Turn, WorkspaceId
from strowger.store.call_rows import COLUMNS, FIELDS, TURNS_OF_CALL
from strowger.store.codec import Json, clean, definition_of
from strowger.store.schema import calls

TURNS: TypeAdapter[tuple[Turn, ...]] = TypeAdapter(tuple[Turn, ...])

CallAsked = tuple[WorkspaceId, CallId]


async def get_calls(
    driver: asyncpg.Connection, asked: Sequence[CallAsked]
) -> list[Call | NotFound]:
    """Each with its transcript."""
    ids = [(clean(workspace), clean(call)) for workspace, call in asked]
    rows = await driver.fetch(_statement(), *zip(*ids, strict=True))
    found = {(row["workspace_id"], row["id"]): row for row in rows}
    return [_call_of(found[place]) if place in found else NotFound("no such call") for place in ids]


def _call_of(row: asyncpg.Record) -> Call:
    values: dict[str, Any] = dict(zip(FIELDS, row, strict=False))
    for name, read in _readers():
        if values[name] is not None:
            values[name] = read(values[name])
    turns = row["turns"]
    return Call(**values, transcript=() if turns is None else TURNS.validate_json(turns))


@cache
def _statement() -> str:
    """Records come as text, which is read straight into what they are."""
    columns = [
        cast(column, Text).label(name) if isinstance(column.type, Json) else column
        for name, column in zip(FIELDS, COLUMNS, strict=True)
    ]
    wanted = select(*columns, cast(TURNS_OF_CALL, Text).label("turns")).select_from(calls)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return (
        f"{wanted.compile(dialect=dialect)}"
        " JOIN unnest($1::text[], $2::text[]) AS asked(workspace, call)"
        " ON calls.workspace_id = asked.workspace AND calls.id = asked.call"
    )


@cache
def _readers() -> tuple[tuple[str, Callable[[Any], object]], ...]:
    """How to read the columns that are not what they look like."""
    readers: dict[str, Callable[[Any], object]] = {
        "status": CallStatus,
        "end_reason": EndReason,
        **{
            name: TypeAdapter(column.type.record).validate_json
            for name, column in zip(FIELDS, COLUMNS, strict=True)
            if isinstance(column.type, Json)
        },
        "agent": definition_of,
    }
    return tuple(readers.items())
