"""`/v1/workspace`: the workspace that a key opens, and the secret that signs in its name."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response

from strowger.api.auth import requires
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ServicesOf
from strowger.calls.render import render_workspace
from strowger.model import ApiKey

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/workspace", tags=["workspace"])

Reader = Annotated[ApiKey, Depends(requires("workspace:read"))]
Writer = Annotated[ApiKey, Depends(requires("workspace:write"))]


@router.get("", summary="Read the workspace", **operation("workspace:read", answer="Workspace"))
async def get_workspace(key: Reader, services: ServicesOf) -> Response:
    """The one that the key opens."""
    return JSONResponse(render_workspace(await services.workspaces.get(key.workspace_id)))


@router.post(
    "/webhook-secret/rotate",
    summary="Rotate the workspace's webhook secret",
    **operation("workspace:write", answer="RotatedWorkspace"),
)
async def rotate_webhook_secret(key: Writer, services: ServicesOf) -> Response:
    """A new secret for what goes to the `webhook_url` of calls and agents: keep it, it is not
    shown again. (A webhook has a secret of its own.) For 24 hours what is sent there has two
    signatures, by the new and by the old secret; a second rotation ends that at once."""
    workspace, secret = await services.workspaces.rotate_secret(key.workspace_id)
    return JSONResponse({**render_workspace(workspace), "webhook_secret": secret})
