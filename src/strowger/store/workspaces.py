"""Workspaces, and the sealed secret that addresses without a webhook of their own are signed with.

Within the caller's transaction.
"""

from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import NotFound
from strowger.model import Workspace, WorkspaceId
from strowger.signing_secrets import new_secret
from strowger.store import audit
from strowger.store.schema import workspaces
from strowger.store.sealing import opened, seal
from strowger.store.webhooks import still

TOLD = (
    workspaces.c.id,
    workspaces.c.name,
    workspaces.c.max_calls,
    workspaces.c.webhook_secret_at,
    workspaces.c.previous_webhook_secret_until,
    workspaces.c.created_at,
)


async def get(connection: AsyncConnection, workspace: WorkspaceId) -> Workspace:
    """Raises NotFound."""
    wanted = select(*TOLD).where(workspaces.c.id == workspace)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("no such workspace")
    return Workspace(**row._mapping)


async def signing_secrets(
    connection: AsyncConnection, workspace: WorkspaceId
) -> tuple[str, str | None]:
    """What signs now, and what still does since a rotation.

    Made when first asked for; of two who ask at once both get the same. Raises NotFound.
    """
    row = await _secrets(connection, workspace)
    if row.webhook_secret is None:
        fresh = new_secret()
        mine = (workspaces.c.id == workspace) & workspaces.c.webhook_secret.is_(None)
        new = update(workspaces).where(mine)
        await connection.execute(
            new.values(
                webhook_secret=seal(connection, workspaces.c.webhook_secret, workspace, fresh),
                webhook_secret_at=func.extract("epoch", func.now()),
            )
        )
        row = await _secrets(connection, workspace)
    signs = opened(connection, workspaces.c.webhook_secret, workspace, row.webhook_secret)
    if not await still(connection, row.previous_webhook_secret_until):
        return signs, None
    column = workspaces.c.previous_webhook_secret
    return signs, opened(connection, column, workspace, row.previous_webhook_secret)


async def rotate(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    secret: str,
    *,
    previous_until: float,
    now: float,
) -> Workspace:
    """The secret until now, if there was one, signs as well until `previous_until`.

    Raises NotFound.
    """
    values: dict[str, object] = {
        "webhook_secret": seal(connection, workspaces.c.webhook_secret, workspace, secret),
        "webhook_secret_at": now,
    }
    old = (await _secrets(connection, workspace, locked=True)).webhook_secret
    if old is not None:
        until_now = opened(connection, workspaces.c.webhook_secret, workspace, old)
        column = workspaces.c.previous_webhook_secret
        values["previous_webhook_secret"] = seal(connection, column, workspace, until_now)
        values["previous_webhook_secret_until"] = previous_until
    await connection.execute(
        update(workspaces).where(workspaces.c.id == workspace).values(**values)
    )
    await audit.note(connection, workspace, "workspace", workspace, "rotate", ["webhook_secret"])
    return await get(connection, workspace)


async def _secrets(
    connection: AsyncConnection, workspace: WorkspaceId, *, locked: bool = False
) -> Row[Any]:
    wanted: Select[Any] = select(
        workspaces.c.webhook_secret,
        workspaces.c.previous_webhook_secret,
        workspaces.c.previous_webhook_secret_until,
    ).where(workspaces.c.id == workspace)
    if locked:
        wanted = wanted.with_for_update(key_share=True)
    row: Row[Any] | None = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("no such workspace")
    return row
