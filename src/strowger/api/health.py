"""`/healthz` and `/readyz`: for whatever watches the process. No key is needed."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from strowger.api.describe import problem_responses
from strowger.api.routing import ServicesOf

router = APIRouter(tags=["health"])

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
    responses={**_HEALTHY, **problem_responses(500, 503)},
)
async def readyz(services: ServicesOf) -> Response:
    """Ready while the database answers."""
    await services.records.ping()
    return JSONResponse({"status": "ok"})
