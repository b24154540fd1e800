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
from strowger.api.versions import IfMatch, etag, versions_of
from strowger.calls.render import render_agent, render_agent_version
from strowger.errors import NotFound
from strowger.model import Agent, AgentId, ApiKey

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/agents", tags=["agents"])

Reader = Annotated[ApiKey, Depends(requires("agents:read"))]
Writer = Annotated[ApiKey, Depends(requires("agents:write"))]


@router.post(
    "",
    summary="Make an agent",
    **operation(
        "agents:write", takes="AgentDefinition", answer="Agent", status=201, headers=("ETag",)
    ),
)
async def create_agent(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.AgentDefinition, Depends(body_of(requests.AGENT_DEFINITION))],
) -> Response:
    """Its first version is 1."""
    agent = await services.agents.create(key.workspace_id, body.plain())
    return _made(agent)


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
    **operation("agents:read", answer="Agent", errors=(404,), headers=("ETag",)),
)
async def get_agent(agent_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """The present version."""
    return _answer(await services.agents.get(key.workspace_id, AgentId(agent_id)))


@router.patch(
    "/{agent_id}",
    summary="Change an agent",
    **operation(
        "agents:write",
        takes="AgentChanges",
        answer="Agent",
        errors=(404, 409, 412),
        headers=("ETag",),
    ),
)
async def update_agent(
    agent_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.AgentChanges, Depends(body_of(requests.AGENT_CHANGES))],
    if_match: IfMatch = None,
) -> Response:
    """Replace the fields given, each as a whole. What changes anything makes a new version."""
    agent = await services.agents.update(
        key.workspace_id, AgentId(agent_id), body.changes(), expected=versions_of(if_match)
    )
    return _answer(agent)


@router.delete(
    "/{agent_id}",
    summary="Delete an agent",
    **operation("agents:write", answer=None, status=204, errors=(404,)),
)
async def delete_agent(agent_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Calls that used it keep their copy."""
    await services.agents.delete(key.workspace_id, AgentId(agent_id))
    return Response(status_code=204)


@router.post(
    "/{agent_id}/duplicate",
    summary="Duplicate an agent",
    **operation("agents:write", answer="Agent", status=201, errors=(404,), headers=("ETag",)),
)
async def duplicate_agent(agent_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """A new agent like this one, `Copy of …` by name; its first version is 1."""
    return _made(await services.agents.duplicate(key.workspace_id, AgentId(agent_id)))


@router.get(
    "/{agent_id}/versions",
    summary="List an agent's versions",
    **operation("agents:read", answer="AgentVersionList", errors=(404, 422)),
)
async def list_versions(
    agent_id: PathId, key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Newest first; the first is the present one."""
    page = await services.agents.versions(
        key.workspace_id, AgentId(agent_id), limit=query.limit, cursor=query.cursor
    )
    return page_answer(page, render_agent_version)


@router.get(
    "/{agent_id}/versions/{version}",
    summary="Read a version of an agent",
    **operation("agents:read", answer="AgentVersion", errors=(404,)),
)
async def get_version(
    agent_id: PathId, version: PathId, key: Reader, services: ServicesOf
) -> Response:
    """The agent as it was then; calls name the version they used."""
    if not version.isascii() or not version.isdecimal() or len(version) > 9:
        raise NotFound("there is no such version")
    found = await services.agents.version(key.workspace_id, AgentId(agent_id), int(version))
    return JSONResponse(render_agent_version(found))


def _made(agent: Agent) -> Response:
    headers = {"Location": f"/v1/agents/{agent.id}", **etag(agent)}
    return JSONResponse(render_agent(agent), 201, headers)


def _answer(agent: Agent) -> Response:
    return JSONResponse(render_agent(agent), headers=etag(agent))
