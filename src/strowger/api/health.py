"""`/healthz`, `/readyz` and `/metrics`: for whatever watches the process."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.auth import requires
from strowger.api.describe import problem_responses
from strowger.api.routing import ServicesOf
from strowger.errors import Forbidden, Unavailable
from strowger.model import DEFAULT_WORKSPACE, ApiKey
from strowger.observability.figures import CONTENT_TYPE, ApiFigures, exposition
from strowger.ports import House

router = APIRouter(tags=["health"])

Operator = Annotated[ApiKey, Depends(requires("metrics:read"))]

_HEALTHY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As it should be.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
    }
}


@router.get(
    "/healthz", summary="Is the process alive?", responses={**_HEALTHY, **problem_responses(500)}
)
async def healthz() -> Response:
    """Alive, whatever the state of the database."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    summary="Can it serve?",
    responses={
        200: {
            "description": "It can; without workers, calls wait.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Readiness"}}},
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        },
        **problem_responses(500, 503),
    },
)
async def readyz(request: Request, services: ServicesOf) -> Response:
    """Ready while the database answers and has the tables of this version. Also says how many
    workers live: with none, calls are accepted and wait."""
    house: House | None = request.app.state.house
    if house is None:
        await services.records.ping()
        return JSONResponse({"status": "ok", "database": "ok", "tables": None, "workers": None})
    found = await house.readiness()
    if found.tables != found.expected:
        raise Unavailable(
            f"the tables are of version {found.tables}, this program needs {found.expected}: "
            "run `strowger migrate`"
        )
    return JSONResponse(
        {"status": "ok", "database": "ok", "tables": found.tables, "workers": found.workers}
    )


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        },
        **problem_responses(401, 403, 429, 500, 503),
    },
    openapi_extra={"security": [{"bearer": ["metrics:read"]}, {"api_key": ["metrics:read"]}]},
)
async def metrics(request: Request, key: Operator) -> Response:
    """Of this process, and of the database that all share; needs a key of the operator's own
    workspace. Workers have pages of their own: see the setting `metrics`."""
    if key.workspace_id != DEFAULT_WORKSPACE:
        raise Forbidden("these figures are of all workspaces", code="operator_only")
    figures: ApiFigures = request.app.state.figures
    house: House | None = request.app.state.house
    if house is not None:
        try:
            figures.database(await house.state())
        except Unavailable:
            figures.database(None)  # that too is a figure
    return Response(exposition(figures.registry), media_type=CONTENT_TYPE)
