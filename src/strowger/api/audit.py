"""`/v1/audit`: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from strowger.api.auth import requires
from strowger.api.describe import operation
from strowger.api.routing import ListQuery, ServicesOf, page_answer
from strowger.calls.render import render_audit_entry
from strowger.model import ApiKey

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Reader = Annotated[ApiKey, Depends(requires("audit:read"))]


class AuditQuery(ListQuery):
    resource_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,80}$")
    """Only what happened to this thing."""


@router.get(
    "",
    summary="List who changed what",
    **operation("audit:read", answer="AuditList", errors=(422,)),
)
async def list_audit(
    key: Reader, services: ServicesOf, query: Annotated[AuditQuery, Query()]
) -> Response:
    """Changes of keys, agents, trunks, numbers and webhooks, newest first. What calls did is in
    their events."""
    page = await services.records.list_audit(
        key.workspace_id, query.resource_id, limit=query.limit, cursor=query.cursor
    )
    return page_answer(page, render_audit_entry)
