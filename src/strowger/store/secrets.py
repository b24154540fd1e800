"""Secrets of agents' tools, sealed, within the caller's transaction."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import Secret, SecretId, WorkspaceId
from strowger.store import audit, owned
from strowger.store.schema import secrets
from strowger.store.sealing import opened, seal


def reader(connection: AsyncConnection) -> owned.Reader[Secret]:
    """How a row becomes a secret: its value is opened."""

    def read(row: Row[Any]) -> Secret:
        value = opened(connection, secrets.c.value, row.id, row.value)
        return Secret(**{**row._mapping, "value": value})

    return read


async def add(connection: AsyncConnection, secret: Secret) -> None:
    values = asdict(secret)
    values["value"] = seal(connection, secrets.c.value, secret.id, secret.value)
    await connection.execute(insert(secrets).values(**values))
    await audit.note(connection, secret.workspace_id, "secret", secret.id, "create")


async def replace(connection: AsyncConnection, secret: Secret) -> None:
    """Its value. Raises NotFound."""
    values = {
        "value": seal(connection, secrets.c.value, secret.id, secret.value),
        "updated_at": secret.updated_at,
    }
    await owned.change(connection, secrets, secret.workspace_id, secret.id, values)
    await audit.note(connection, secret.workspace_id, "secret", secret.id, "update", ["value"])


async def remove(connection: AsyncConnection, workspace: WorkspaceId, secret: SecretId) -> None:
    await owned.remove(connection, secrets, workspace, secret)
    await audit.note(connection, workspace, "secret", secret, "delete")


async def named(
    connection: AsyncConnection, workspace: WorkspaceId, names: Sequence[str]
) -> dict[str, str]:
    """The values of those that there are."""
    wanted = select(secrets).where(
        secrets.c.workspace_id == workspace, secrets.c.name.in_(list(names))
    )
    read = reader(connection)
    found = [read(row) for row in (await connection.execute(wanted)).all()]
    return {secret.name: secret.value for secret in found}
