"""`/v1/secrets`: what agents' tools need and nobody may read."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ListQuery, PathId, ServicesOf, page_answer
from strowger.calls.render import render_secret
from strowger.model import ApiKey, SecretId

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/secrets", tags=["secrets"])

Reader = Annotated[ApiKey, Depends(requires("secrets:read"))]
Writer = Annotated[ApiKey, Depends(requires("secrets:write"))]


@router.post(
    "",
    summary="Add a secret",
    **operation("secrets:write", takes="NewSecret", answer="Secret", status=201, errors=(409,)),
)
async def create_secret(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.NewSecret, Depends(body_of(requests.NEW_SECRET))],
) -> Response:
    """Tools of agents write it as `{{secrets.NAME}}`. Its value is sealed and never shown."""
    secret = await services.secrets.create(key.workspace_id, body.name, body.value)
    return JSONResponse(render_secret(secret), 201, {"Location": f"/v1/secrets/{secret.id}"})


@router.get(
    "", summary="List secrets", **operation("secrets:read", answer="SecretList", errors=(422,))
)
async def list_secrets(
    key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Their names, newest first."""
    page = await services.secrets.list(key.workspace_id, limit=query.limit, cursor=query.cursor)
    return page_answer(page, render_secret)


@router.get(
    "/{secret_id}",
    summary="Read a secret",
    **operation("secrets:read", answer="Secret", errors=(404,)),
)
async def get_secret(secret_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """All but its value."""
    found = await services.secrets.get(key.workspace_id, SecretId(secret_id))
    return JSONResponse(render_secret(found))


@router.patch(
    "/{secret_id}",
    summary="Change a secret",
    **operation("secrets:write", takes="SecretChanges", answer="Secret", errors=(404,)),
)
async def update_secret(
    secret_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.SecretChanges, Depends(body_of(requests.SECRET_CHANGES))],
) -> Response:
    """Give it another value; calls under way use that from their next request on."""
    changed = await services.secrets.update(key.workspace_id, SecretId(secret_id), body.value)
    return JSONResponse(render_secret(changed))


@router.delete(
    "/{secret_id}",
    summary="Delete a secret",
    **operation("secrets:write", answer=None, status=204, errors=(404,)),
)
async def delete_secret(secret_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Tools that use it fail from then on."""
    await services.secrets.delete(key.workspace_id, SecretId(secret_id))
    return Response(status_code=204)
