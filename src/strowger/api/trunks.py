"""`/v1/trunks`: ways to the telephone network."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ListQuery, PathId, ServicesOf, page_answer
from strowger.api.versions import IfMatch, etag, versions_of
from strowger.calls.render import render_trunk, render_trunk_report
from strowger.model import ApiKey, TrunkId

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/trunks", tags=["trunks"])

Reader = Annotated[ApiKey, Depends(requires("trunks:read"))]
Writer = Annotated[ApiKey, Depends(requires("trunks:write"))]


@router.post(
    "",
    summary="Add a trunk",
    **operation("trunks:write", takes="NewTrunk", answer="Trunk", status=201, headers=("ETag",)),
)
async def create_trunk(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.NewTrunk, Depends(body_of(requests.NEW_TRUNK))],
) -> Response:
    """The first trunk of a workspace is its default, unless you say otherwise."""
    trunk = await services.trunks.create(
        key.workspace_id, body.model_dump(exclude={"is_default"}), is_default=body.is_default
    )
    return JSONResponse(
        render_trunk(trunk), 201, {"Location": f"/v1/trunks/{trunk.id}", **etag(trunk)}
    )


@router.get(
    "", summary="List trunks", **operation("trunks:read", answer="TrunkList", errors=(422,))
)
async def list_trunks(
    key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Trunks, newest first."""
    page = await services.trunks.list(key.workspace_id, limit=query.limit, cursor=query.cursor)
    return page_answer(page, render_trunk)


@router.get(
    "/{trunk_id}",
    summary="Read a trunk",
    **operation("trunks:read", answer="Trunk", errors=(404,), headers=("ETag",)),
)
async def get_trunk(trunk_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """Without its password."""
    trunk = await services.trunks.get(key.workspace_id, TrunkId(trunk_id))
    return JSONResponse(render_trunk(trunk), headers=etag(trunk))


@router.patch(
    "/{trunk_id}",
    summary="Change a trunk",
    **operation(
        "trunks:write",
        takes="TrunkChanges",
        answer="Trunk",
        errors=(404, 409, 412),
        headers=("ETag",),
    ),
)
async def update_trunk(
    trunk_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.TrunkChanges, Depends(body_of(requests.TRUNK_CHANGES))],
    if_match: IfMatch = None,
) -> Response:
    """Replace the fields given."""
    changes = body.model_dump(exclude_unset=True)
    trunk = await services.trunks.update(
        key.workspace_id, TrunkId(trunk_id), changes, expected=versions_of(if_match)
    )
    return JSONResponse(render_trunk(trunk), headers=etag(trunk))


@router.delete(
    "/{trunk_id}",
    summary="Delete a trunk",
    **operation("trunks:write", answer=None, status=204, errors=(404, 409)),
)
async def delete_trunk(trunk_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Refused while calls that are not over use it."""
    await services.trunks.delete(key.workspace_id, TrunkId(trunk_id))
    return Response(status_code=204)


@router.post(
    "/{trunk_id}/check",
    summary="Check a trunk",
    **operation("trunks:write", answer="TrunkCheck", errors=(404,)),
)
async def check_trunk(trunk_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Ask it whether it is there, and say in plain words what is wrong. Takes up to ten seconds;
    places no call."""
    trunk = await services.trunks.get(key.workspace_id, TrunkId(trunk_id))
    return JSONResponse(render_trunk_report(await services.checker.check(trunk)))
