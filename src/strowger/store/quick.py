"""Calls by their ids, as fast as it gets: the statement that customers ask for most.

Straight to the driver, and for several at a time. `call_rows.WITH_TURNS` is the same for everybody
else.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql

from strowger.errors import NotFound
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import Call, CallId, Turn, WorkspaceId
from strowger.store.call_rows import COLUMNS, FIELDS, WITH_TURNS
from strowger.store.codec import Json, clean

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
    return Call(**values, transcript=() if turns is None else TURNS.validate_python(turns))


@cache
def _statement() -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    made = str(WITH_TURNS.compile(dialect=dialect))
    return (
        f"{made} JOIN unnest($1::text[], $2::text[]) AS asked(workspace, call)"
        " ON calls.workspace_id = asked.workspace AND calls.id = asked.call"
    )


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
