"""`/v1/agents`: who conducts calls. Every change makes a new version."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ListQuery, PathId, ServicesOf, page_answer
from strowger.calls.render import render_agent
from strowger.model import AgentId, ApiKey

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/agents", tags=["agents"])

Reader = Annotated[ApiKey, Depends(requires("agents:read"))]
Writer = Annotated[ApiKey, Depends(requires("agents:write"))]


@router.post(
    "",
    summary="Make an agent",
    **operation("agents:write", takes="AgentDefinition", answer="Agent", status=201),
)
async def create_agent(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.AgentDefinition, Depends(body_of(requests.AGENT_DEFINITION))],
) -> Response:
    """Its first version is 1."""
    agent = await services.agents.create(key.workspace_id, body.plain())
    return JSONResponse(render_agent(agent), 201, {"Location": f"/v1/agents/{agent.id}"})


@router.get(
    "", summary="List agents", **operation("agents:read", answer="AgentList", errors=(422,))
)
async def list_agents(
    key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Agents, newest first."""
    page = await services.agents.list(key.workspace_id, limit=query.limit, cursor=query.cursor)
    return page_answer(page, render_agent)


@router.get(
    "/{agent_id}",
    summary="Read an agent",
    **operation("agents:read", answer="Agent", errors=(404,)),
)
async def get_agent(agent_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """The present version."""
    return JSONResponse(
        render_agent(await services.agents.get(key.workspace_id, AgentId(agent_id)))
    )


@router.patch(
    "/{agent_id}",
    summary="Change an agent",
    **operation("agents:write", takes="AgentChanges", answer="Agent", errors=(404,)),
)
async def update_agent(
    agent_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.AgentChanges, Depends(body_of(requests.AGENT_CHANGES))],
) -> Response:
    """Replace the fields given, each as a whole. What changes anything makes a new version."""
    agent = await services.agents.update(key.workspace_id, AgentId(agent_id), body.changes())
    return JSONResponse(render_agent(agent))


@router.delete(
    "/{agent_id}",
    summary="Delete an agent",
    **operation("agents:write", answer=None, status=204, errors=(404, 409)),
)
async def delete_agent(agent_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Calls that used it keep their copy."""
    await services.agents.delete(key.workspace_id, AgentId(agent_id))
    return Response(status_code=204)
