"""`/v1/agents/{id}/custom-tools`: requests that the agent can make on a call."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter
from starlette.responses import JSONResponse, Response

from strowger.api.dialects.bodies import body_of, wire_names
from strowger.api.dialects.changing import changing
from strowger.api.dialects.confidential import keep
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import iso_time, uuid_of
from strowger.api.dialects.revring.abilities import credentials
from strowger.api.dialects.revring.agents import rest_of, with_tools
from strowger.api.dialects.revring.wire import NAME, Wire, agent_of, wrapped
from strowger.errors import InvalidRequest, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFields:
    name: str | None = None
    webhookUrl: str | None = None
    httpMethod: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    headers: tuple[Pair, ...] | None = None
    queryParams: tuple[Pair, ...] | None = None
    sendRawRequestBody: bool | None = None
    enabled: bool | None = None
    schema: dict[str, Any] | None = None


FIELDS: TypeAdapter[ToolFields] = TypeAdapter(ToolFields)
DEFAULTS: Wire = {
    "httpMethod": "POST",
    "headers": [],
    "queryParams": [],
    "sendRawRequestBody": False,
    "enabled": True,
    "schema": {},
}
WORDS = {"tools": "webhookUrl"}


async def list_tools(asked: Asked) -> Response:
    agent = await agent_of(asked)
    return JSONResponse({"data": (await rest_of(asked, agent.id))["customTools"]})


async def create(asked: Asked) -> Response:
    given = _plain(await body_of(asked, FIELDS))
    for name in ("name", "webhookUrl"):
        if name not in given:
            raise InvalidRequest(f"{name}: is required")
    now = iso_time(asked.services.clock())
    id = uuid_of(asked.services.ids("tool"))
    tool = {"id": id, **DEFAULTS, **given, "createdAt": now, "updatedAt": now}
    async with changing(asked, NAME):
        agent = await agent_of(asked)
        tools = (await rest_of(asked, agent.id))["customTools"]
        await _keep_credentials(asked, tool)
        with wire_names(WORDS):
            await with_tools(asked, agent, [*tools, tool])
    return wrapped(tool, 201)


async def update(asked: Asked) -> Response:
    given = _plain(await body_of(asked, FIELDS))
    changes = {**given, "updatedAt": iso_time(asked.services.clock())}
    return wrapped(await _replaced(asked, changes))


async def delete(asked: Asked) -> Response:
    return wrapped(await _replaced(asked, None))


async def _replaced(asked: Asked, changes: Wire | None) -> Wire:
    """The tool that the path names, changed; None takes it away."""
    id = asked.path("tool_id")
    async with changing(asked, NAME):
        agent = await agent_of(asked)
        tools = (await rest_of(asked, agent.id))["customTools"]
        found = [tool for tool in tools if tool["id"] == id]
        if not found:
            raise NotFound(f"there is no tool {id[:80]}", code="tool_not_found")
        tool: Wire = {**found[0], **(changes or {})}
        others = [tool if old["id"] == id else old for old in tools]
        if changes is None:
            others = [old for old in tools if old["id"] != id]
            await keep(asked, NAME, id, {})
        else:
            await _keep_credentials(asked, tool)
        with wire_names(WORDS):
            await with_tools(asked, agent, others)
    return tool


async def _keep_credentials(asked: Asked, tool: Wire) -> None:
    with wire_names({"value": "headers"}):
        await keep(asked, NAME, tool["id"], credentials(tool))


def _plain(given: ToolFields) -> Wire:
    plain: Wire = FIELDS.dump_python(given, mode="json", exclude_none=True)
    return plain
