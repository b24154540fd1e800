"""API keys: only their hashes are kept."""

from typing import Any

from sqlalchemy import Row, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import ApiKey, KeyId, WorkspaceId
from strowger.store import audit, owned
from strowger.store.schema import api_keys

USE_NOTED_EVERY = 60.0
"""Seconds between two notes of a key's last use: a busy key is not a write per request."""

COLUMNS = tuple(column for column in api_keys.c if column.name != "sha256")


async def add(connection: AsyncConnection, key: ApiKey, sha256: bytes) -> None:
    await connection.execute(
        insert(api_keys).values(
            id=key.id,
            workspace_id=key.workspace_id,
            name=key.name,
            sha256=sha256,
            scopes=list(key.scopes),
            expires_at=key.expires_at,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            test=key.test,
        )
    )
    await audit.note(connection, key.workspace_id, "api_key", key.id, "create")


def key_of(row: Row[Any]) -> ApiKey:
    values = {column.name: row._mapping[column] for column in COLUMNS}
    return ApiKey(**{**values, "scopes": tuple(row.scopes)})


async def remove(connection: AsyncConnection, workspace: WorkspaceId, key: KeyId) -> None:
    """From now on nobody finds it; who has just found it forgets it within seconds."""
    await owned.remove(connection, api_keys, workspace, key)
    await audit.note(connection, workspace, "api_key", key, "delete")


async def by_hash(connection: AsyncConnection, sha256: bytes) -> ApiKey | None:
    """The key, noting that it was used."""
    now = func.extract("epoch", func.clock_timestamp())
    wanted = select(*COLUMNS, now.label("now")).where(api_keys.c.sha256 == sha256)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    seen = float(values.pop("now"))
    key = ApiKey(**{**values, "scopes": tuple(row.scopes)})
    if key.last_used_at is None or key.last_used_at < seen - USE_NOTED_EVERY:
        unnoted = or_(
            api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < seen - USE_NOTED_EVERY
        )
        await connection.execute(
            update(api_keys).where(api_keys.c.id == key.id, unnoted).values(last_used_at=seen)
        )
    return key
