"""What dialects keep, and calls found in their ways: `ports.DialectRecords`.

The bodies are sealed whole: a dialect may keep a customer's credentials anywhere in them, and
nothing is ever looked for inside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, or_, select
from sqlalchemy import delete as deletion
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.errors import NotFound
from strowger.model import Call, CallId, DialectRecord, WorkspaceId
from strowger.ports import MOST_COUNTED, CallSearch, FoundCalls
from strowger.store import gate
from strowger.store.call_rows import COLUMNS, WITH_TURNS, call_of
from strowger.store.codec import from_json, to_json
from strowger.store.connect import joined, reading, transaction
from strowger.store.schema import WAITING, calls, dialect_records
from strowger.store.sealing import opened, seal

BODY = dialect_records.c.body


class PostgresDialectRecords:
    """`ports.DialectRecords` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add_record(self, record: DialectRecord) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(insert(dialect_records).values(_values(connection, record)))

    async def put_record(self, record: DialectRecord) -> None:
        async with transaction(self._engine) as connection:
            values = _values(connection, record)
            changes = {"body": values["body"], "updated_at": record.updated_at}
            new = upsert(dialect_records).values(values)
            await connection.execute(new.on_conflict_do_update(index_elements=["id"], set_=changes))

    async def get_record(
        self, workspace: WorkspaceId, dialect: str, kind: str, id: str
    ) -> DialectRecord:
        found = await self.find_records(workspace, dialect, kind, [id])
        if id not in found:
            raise NotFound(f"no such {kind}")
        return found[id]

    async def find_records(
        self, workspace: WorkspaceId, dialect: str, kind: str, ids: Sequence[str]
    ) -> Mapping[str, DialectRecord]:
        keys = [_key(workspace, dialect, kind, id) for id in ids]
        async with reading(self._engine) as connection:
            wanted = select(dialect_records).where(dialect_records.c.id.in_(keys))
            rows = (await connection.execute(wanted)).all()
            return {row.record_id: _record(connection, row) for row in rows}

    async def list_records(
        self, workspace: WorkspaceId, dialect: str, kind: str
    ) -> tuple[DialectRecord, ...]:
        wanted = (
            select(dialect_records)
            .where(
                dialect_records.c.workspace_id == workspace,
                dialect_records.c.dialect == dialect,
                dialect_records.c.kind == kind,
            )
            .order_by(dialect_records.c.created_at.desc(), dialect_records.c.record_id.desc())
            .limit(MOST_COUNTED)
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(wanted)).all()
            return tuple(_record(connection, row) for row in rows)

    async def delete_record(self, workspace: WorkspaceId, dialect: str, kind: str, id: str) -> None:
        gone = deletion(dialect_records).where(
            dialect_records.c.id == _key(workspace, dialect, kind, id)
        )
        async with transaction(self._engine) as connection:
            if (await connection.execute(gone)).rowcount == 0:
                raise NotFound(f"no such {kind}")

    async def hold(self, workspace: WorkspaceId, dialect: str) -> None:
        assert joined(), "a lock that ends with its own statement holds nothing"
        of_both = func.hashtextextended(f"dialect/{workspace}/{dialect}", 0)
        async with transaction(self._engine) as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(of_both)))

    async def search_calls(
        self,
        workspace: WorkspaceId,
        search: CallSearch,
        *,
        offset: int,
        limit: int,
        transcripts: bool = False,
    ) -> FoundCalls:
        where = _conditions(workspace, search)
        counted = select(calls.c.id).where(*where).limit(MOST_COUNTED + 1).subquery()
        column = _order(search)
        order = column.asc() if search.ascending else column.desc().nulls_last()
        by_id = calls.c.id.asc() if search.ascending else calls.c.id.desc()
        page = (WITH_TURNS if transcripts else select(*COLUMNS)).where(*where)
        page = page.order_by(order, by_id).offset(offset).limit(limit)
        async with transaction(self._engine) as connection:
            total = await connection.scalar(select(func.count()).select_from(counted))
            rows = (await connection.execute(page)).all()
        found = tuple(_call(row, transcripts=transcripts) for row in rows)
        many = (total or 0) > MOST_COUNTED
        return FoundCalls(calls=found, total=min(total or 0, MOST_COUNTED), total_is_estimated=many)

    async def talk_time(self, workspace: WorkspaceId, *, since: float) -> float:
        talked = func.greatest(calls.c.ended_at - calls.c.answered_at, 0.0)
        wanted = select(func.coalesce(func.sum(talked), 0.0)).where(
            calls.c.workspace_id == workspace, calls.c.created_at >= since
        )
        async with reading(self._engine) as connection:
            return float((await connection.execute(wanted)).scalar_one())

    async def take_line(self, call: CallId, *, now: float) -> bool:
        async with transaction(self._engine) as connection:
            return await gate.admits(connection, call, now=now)

    async def waiting_for_line(
        self, workspace: WorkspaceId, ids: Sequence[CallId]
    ) -> frozenset[CallId]:
        wanted = select(calls.c.id).where(
            calls.c.workspace_id == workspace, calls.c.id.in_(ids), WAITING
        )
        async with reading(self._engine) as connection:
            return frozenset((await connection.execute(wanted)).scalars())


def _call(row: Row[Any], *, transcripts: bool) -> Call:
    call = call_of(row)
    return replace(call, transcript=tuple(row.turns or ())) if transcripts else call


def _conditions(workspace: WorkspaceId, search: CallSearch) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [calls.c.workspace_id == workspace]
    if search.ids is not None:
        conditions.append(calls.c.id.in_(search.ids))
    if search.statuses is not None:
        conditions.append(calls.c.status.in_(search.statuses))
    if search.end_reasons is not None:
        conditions.append(calls.c.end_reason.in_(search.end_reasons))
    if search.either is not None:
        conditions.append(or_(calls.c.to == search.either, calls.c.from_ == search.either))
    if search.text:
        pattern = search.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        conditions.append(or_(calls.c.to.like(f"%{pattern}%"), calls.c.from_.like(f"%{pattern}%")))
    equal = {
        calls.c.agent_id: search.agent_id,
        calls.c.to: search.to,
        calls.c.from_: search.from_,
    }
    conditions += [column == value for column, value in equal.items() if value is not None]
    if search.created_from is not None:
        conditions.append(calls.c.created_at >= search.created_from)
    if search.created_to is not None:
        conditions.append(calls.c.created_at <= search.created_to)
    if search.started_from is not None:
        conditions.append(calls.c.started_at >= search.started_from)
    if search.started_to is not None:
        conditions.append(calls.c.started_at <= search.started_to)
    return conditions


def _order(search: CallSearch) -> ColumnElement[Any]:
    if search.order_by == "duration":
        return calls.c.ended_at - calls.c.answered_at
    if search.order_by == "created_at":
        return calls.c.id  # ids sort by the time they were made, and have an index
    return calls.c[search.order_by]


def _values(connection: AsyncConnection, record: DialectRecord) -> dict[str, object]:
    key = _key(record.workspace_id, record.dialect, record.kind, record.id)
    return {
        "id": key,
        "workspace_id": record.workspace_id,
        "dialect": record.dialect,
        "kind": record.kind,
        "record_id": record.id,
        "body": seal(connection, BODY, key, to_json(record.body)),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _record(connection: AsyncConnection, row: Row[Any]) -> DialectRecord:
    body = from_json(opened(connection, BODY, row.id, row.body))
    assert isinstance(body, dict)
    return DialectRecord(
        workspace_id=row.workspace_id,
        dialect=row.dialect,
        kind=row.kind,
        id=row.record_id,
        body=body,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _key(workspace: WorkspaceId, dialect: str, kind: str, id: str) -> str:
    return "/".join((workspace, dialect, kind, id))
