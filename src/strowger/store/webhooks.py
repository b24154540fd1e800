"""Webhooks and the secret that addresses without a webhook of their own are signed with."""

import base64
import secrets
from typing import Any

from sqlalchemy import Row, func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import NotFound
from strowger.model import Webhook, WorkspaceId
from strowger.store.schema import workspaces

SECRET_LENGTH = 24  # bytes, the least that Standard Webhooks recommends


def webhook_of(row: Row[Any]) -> Webhook:
    return Webhook(**{**row._mapping, "events": tuple(row.events)})


async def workspace_secret(connection: AsyncConnection, workspace: WorkspaceId) -> str:
    """Made when first asked for; of two who ask at once both get the same. Raises NotFound."""
    fresh = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_LENGTH)).decode()
    kept = (
        update(workspaces)
        .where(workspaces.c.id == workspace)
        .values(webhook_secret=func.coalesce(workspaces.c.webhook_secret, fresh))
        .returning(workspaces.c.webhook_secret)
    )
    secret = (await connection.execute(kept)).scalar_one_or_none()
    if secret is None:
        raise NotFound("no such workspace")
    return str(secret)
