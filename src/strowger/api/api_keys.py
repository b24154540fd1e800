"""`/v1/api-keys`: who may do what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ListQuery, PathId, ServicesOf, page_answer
from strowger.calls.render import render_key
from strowger.model import ApiKey, KeyId

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/api-keys", tags=["api keys"])

Reader = Annotated[ApiKey, Depends(requires("api_keys:read"))]
Writer = Annotated[ApiKey, Depends(requires("api_keys:write"))]


@router.post(
    "",
    summary="Make an API key",
    **operation("api_keys:write", takes="NewApiKey", answer="CreatedApiKey", status=201),
)
async def create_key(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.NewApiKey, Depends(body_of(requests.NEW_API_KEY))],
) -> Response:
    """Keep the `key` of the answer: it is not shown again. A key can make none that may more
    than itself, or that outlives it."""
    made, text = await services.keys.create(
        key.workspace_id,
        body.name,
        scopes=body.scopes,
        expires_at=None if body.expires_at is None else body.expires_at.timestamp(),
        test=body.test,
        granted_by=key,
    )
    location = {"Location": f"/v1/api-keys/{made.id}"}
    return JSONResponse({**render_key(made), "key": text}, 201, location)


@router.get(
    "",
    summary="List API keys",
    **operation("api_keys:read", answer="ApiKeyList", errors=(422,)),
)
async def list_keys(
    key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Keys, newest first, without their texts."""
    page = await services.keys.list(key.workspace_id, limit=query.limit, cursor=query.cursor)
    return page_answer(page, render_key)


@router.get(
    "/{key_id}",
    summary="Read an API key",
    **operation("api_keys:read", answer="ApiKey", errors=(404,)),
)
async def get_key(key_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """Without its text."""
    return JSONResponse(render_key(await services.keys.get(key.workspace_id, KeyId(key_id))))


@router.delete(
    "/{key_id}",
    summary="Revoke an API key",
    **operation("api_keys:write", answer=None, status=204, errors=(404,)),
)
async def revoke_key(key_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """It stops working everywhere within five seconds."""
    await services.keys.revoke(key.workspace_id, KeyId(key_id), revoked_by=key)
    return Response(status_code=204)
