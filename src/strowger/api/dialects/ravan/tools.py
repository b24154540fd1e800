"""`/api/v1/tools`: kept, and given to the agents that name them in `selected_tools`."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import uuid_of, workspace_uuid
from strowger.api.dialects.lists import cut
from strowger.api.dialects.ravan.agents import retool
from strowger.api.dialects.ravan.tool_kinds import TOOLS, keep_credentials
from strowger.api.dialects.ravan.wire import (
    NAME,
    Fields,
    Wire,
    answer,
    either_case,
    given_in,
    id_in,
    meta_of,
    place_of,
    query_in,
    require,
)
from strowger.model import DialectRecord
from strowger.ports import MOST_COUNTED

DEFAULTS: Mapping[str, object] = {
    "name": "",
    "description": "",
    "type": "function",
    "definition": {},
    "is_active": False,
    "agent_id": None,
}
REQUIRED = ("name", "description", "type", "definition")


class ToolFields(Fields):
    """The page requires four to make one; `agent_id` and `is_active` are what clients send."""

    name: str | None = None
    description: str | None = None
    type: str | None = None
    definition: dict[str, Any] | None = None
    is_active: bool | None = None
    agent_id: str | None = None


FIELDS: TypeAdapter[ToolFields] = TypeAdapter(ToolFields)


async def create(asked: Asked) -> Response:
    given = await given_in(asked, FIELDS)
    require(given, *REQUIRED)
    id = asked.services.ids("tool")
    async with asked.services.records.together():
        await keep_credentials(asked, id, given["definition"])
        made = await TOOLS.put(asked, id, {**DEFAULTS, **given})
    return answer("Tool created successfully", rendered(made))


async def get(asked: Asked) -> Response:
    return answer("Tool fetched successfully", rendered(await TOOLS.get(asked, _id(asked))))


async def list_tools(asked: Asked) -> Response:
    """All where no `limit` is given; `agent_id` is a filter that clients use."""
    query = query_in(asked)
    place = place_of(query, default=MOST_COUNTED)
    tools = await TOOLS.list(asked)
    if "agent_id" in query:
        tools = tuple(tool for tool in tools if tool.body["agent_id"] == query["agent_id"])
    page = cut(tools, offset=place.offset, limit=place.limit)
    shown = [rendered(tool) for tool in page.items]
    return answer("Tools fetched successfully", shown, meta=meta_of(place, page.total))


async def update(asked: Asked) -> Response:
    given, id = await given_in(asked, FIELDS), _id(asked)
    async with changing(asked, NAME):
        body = {**(await TOOLS.get(asked, id)).body, **given}
        await keep_credentials(asked, id, body["definition"])
        changed = await TOOLS.put(asked, id, body)
        await retool(asked, id)
    return answer("Tool updated successfully", rendered(changed))


async def delete(asked: Asked) -> Response:
    id = _id(asked)
    async with changing(asked, NAME):
        await retool(asked, id, gone=True)
        await keep_credentials(asked, id, None)
        await TOOLS.remove(asked, id)
    return answer("Tool deleted successfully")


def rendered(tool: DialectRecord) -> Wire:
    """The page's table has snake_case, its example camelCase: both are there."""
    thing = {
        "id": uuid_of(tool.id),
        "organization_id": workspace_uuid(tool.workspace_id),
        **{name: tool.body.get(name, default) for name, default in DEFAULTS.items()},
    }
    return either_case(thing, ("organization_id", "is_active", "agent_id"))


def _id(asked: Asked) -> str:
    return id_in("tool", asked.path("tool_id"))
