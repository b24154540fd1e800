"""Webhooks, their sealed secrets and their failures, within the caller's transaction."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import Webhook, WebhookId, WorkspaceId
from strowger.store import audit, owned
from strowger.store.events import Happening, publish
from strowger.store.schema import webhooks
from strowger.store.sealing import opened, seal

FAILING_FOR = 5 * 86_400.0
"""Seconds of nothing but failures after which a webhook is disabled."""


def reader(connection: AsyncConnection) -> owned.Reader[Webhook]:
    """How a row becomes a webhook: its secrets are opened."""

    def read(row: Row[Any]) -> Webhook:
        values = dict(row._mapping)
        for column in (webhooks.c.secret, webhooks.c.previous_secret):
            sealed = values[column.name]
            if sealed is not None:
                values[column.name] = opened(connection, column, row.id, sealed)
        return Webhook(**{**values, "events": tuple(row.events)})

    return read


async def add(connection: AsyncConnection, webhook: Webhook) -> None:
    values = asdict(webhook)
    values["secret"] = seal(connection, webhooks.c.secret, webhook.id, webhook.secret)
    await connection.execute(insert(webhooks).values(**values))
    await audit.note(connection, webhook.workspace_id, "webhook", webhook.id, "create")


async def replace(connection: AsyncConnection, webhook: Webhook) -> Webhook:
    """All but its secrets, which `rotate` changes, and when it was made.

    Raises NotFound, PreconditionFailed.
    """
    read, workspace = reader(connection), webhook.workspace_id
    old = await owned.at_version(connection, webhooks, read, workspace, webhook.id, webhook.version)
    values = {
        "version": webhook.version + 1,
        "url": webhook.url,
        "events": list(webhook.events),
        "enabled": webhook.enabled,
        "updated_at": webhook.updated_at,
    }
    if webhook.enabled and not old.enabled:
        values["failing_since"] = None  # it gets another five days
    changed = [name for name in audit.differences(old, webhook) if name in values]
    await owned.change(connection, webhooks, workspace, webhook.id, values)
    if changed:
        await audit.note(connection, workspace, "webhook", webhook.id, "update", changed)
    return await owned.get(connection, webhooks, read, workspace, webhook.id)


async def remove(connection: AsyncConnection, workspace: WorkspaceId, webhook: WebhookId) -> None:
    await owned.remove(connection, webhooks, workspace, webhook)
    await audit.note(connection, workspace, "webhook", webhook, "delete")


async def rotate(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    webhook: WebhookId,
    secret: str,
    *,
    previous_until: float,
    now: float,
) -> Webhook:
    read = reader(connection)
    old = await owned.locked(connection, webhooks, read, workspace, webhook)
    values = {
        "secret": seal(connection, webhooks.c.secret, webhook, secret),
        "previous_secret": seal(connection, webhooks.c.previous_secret, webhook, old.secret),
        "previous_secret_until": previous_until,
        "version": old.version + 1,
        "updated_at": now,
    }
    await owned.change(connection, webhooks, workspace, webhook, values)
    await audit.note(connection, workspace, "webhook", webhook, "rotate", ["secret"])
    return await owned.get(connection, webhooks, read, workspace, webhook)


async def signing_secrets(
    connection: AsyncConnection, workspace: WorkspaceId, webhook: WebhookId
) -> tuple[str, str | None]:
    """What signs now, and what still does since a rotation. Raises NotFound."""
    found = await owned.get(connection, webhooks, reader(connection), workspace, webhook)
    if found.previous_secret is None or not await still(connection, found.previous_secret_until):
        return found.secret, None
    return found.secret, found.previous_secret


async def still(connection: AsyncConnection, until: float | None) -> bool:
    """Whether the database's clock has not come to `until`."""
    if until is None:
        return False
    now = (await connection.execute(select(func.extract("epoch", func.now())))).scalar_one()
    return bool(now < until)


async def note_outcome(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    webhook: WebhookId,
    *,
    delivered: bool,
    at: float,
) -> None:
    """Remember since when it fails; disable it, and say so, where that has been too long.

    Most outcomes change nothing and write nothing.
    """
    wanted = select(webhooks.c.failing_since, webhooks.c.enabled, webhooks.c.url)
    row = (await connection.execute(wanted.where(webhooks.c.id == webhook))).one_or_none()
    if row is None or (delivered and row.failing_since is None):
        return
    mine = update(webhooks).where(webhooks.c.id == webhook)
    if delivered:
        await connection.execute(mine.values(failing_since=None))
    elif row.failing_since is None:
        first = mine.where(webhooks.c.failing_since.is_(None))
        await connection.execute(first.values(failing_since=at))
    elif row.enabled and at - row.failing_since >= FAILING_FOR:
        off = mine.where(webhooks.c.enabled).values(
            enabled=False, updated_at=at, version=webhooks.c.version + 1
        )
        if (await connection.execute(off)).rowcount == 0:
            return  # somebody else has just done it
        payload = {"webhook_id": webhook, "url": row.url, "failing_since": row.failing_since}
        happening = Happening(workspace=workspace, type="webhook.disabled", payload=payload, at=at)
        await publish(connection, happening)
