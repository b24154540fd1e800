"""The audit log: who changed what, written in the transaction of the change."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, Table, func, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import ApiKey, AuditEntry, Page, PhoneNumber, Trunk, Webhook, WorkspaceId
from strowger.ports import ACTOR
from strowger.store import owned
from strowger.store.ids import new_id
from strowger.store.schema import audit_log

Audited = ApiKey | PhoneNumber | Trunk | Webhook

UNTOLD = {"id", "workspace_id", "created_at", "updated_at", "version"}
"""Fields that say nothing of what somebody wanted to change."""


async def note(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    thing: str,
    id: str,
    action: str,
    changed: Sequence[str] = (),
) -> None:
    """Write down that whoever the present request comes from did `action` to a thing.

    `changed` are names of fields, never what they hold.
    """
    actor = ACTOR.get()
    await connection.execute(
        insert(audit_log).values(
            id=new_id("audit"),
            workspace_id=workspace,
            at=func.extract("epoch", func.clock_timestamp()),
            key_id=None if actor is None else actor.key_id,
            request_id=None if actor is None else actor.request_id,
            resource=thing,
            resource_id=id,
            action=action,
            fields=list(changed),
        )
    )


def differences(old: Audited, new: Audited) -> list[str]:
    """Names of the fields in which two states of a thing differ."""
    return [
        field.name
        for field in fields(new)
        if field.name not in UNTOLD and getattr(old, field.name) != getattr(new, field.name)
    ]


def thing_of(table: Table) -> str:
    """`trunk` for `trunks`."""
    return table.name.removesuffix("s")


async def page(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    resource: str | None,
    *,
    limit: int,
    cursor: str | None,
) -> Page[AuditEntry]:
    where = [] if resource is None else [audit_log.c.resource_id == resource]
    return await owned.page(
        connection, audit_log, _entry_of, workspace, *where, limit=limit, cursor=cursor
    )


def _entry_of(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**{**row._mapping, "fields": tuple(row.fields)})
