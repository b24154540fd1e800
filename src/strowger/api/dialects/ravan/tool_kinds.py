"""The vendor's tools as tools of native agents: those that an agent's `selected_tools` name.

The vendor's pages describe what a tool is told (an OpenAI function schema) and not where its call
goes. A tool whose definition says that (`url`, a number to transfer to) or needs no place (hanging
up, pressing keys) works on calls; any other is kept, and the agent does without it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

from strowger.agent import (
    DigitsTool,
    EndCallTool,
    HttpTool,
    Tool,
    TransferTarget,
    TransferTool,
)
from strowger.api.dialects.bodies import wire_names
from strowger.api.dialects.confidential import keep, place_of
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.ravan.wire import NAME, Wire, id_in
from strowger.errors import InvalidRequest

TOOLS = Shelf(NAME, "tool")
ADDRESSES = ("url", "webhook_url", "endpoint")
DESTINATIONS = ("phone_number", "transfer_to", "destination", "number")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
METHODS: Mapping[str, Method] = {
    "GET": "GET",
    "POST": "POST",
    "PUT": "PUT",
    "PATCH": "PATCH",
    "DELETE": "DELETE",
}


def _http(id: str, name: str, description: str, definition: Wire) -> Tool | None:
    url = _first(definition, ADDRESSES)
    if url is None:
        return None
    parameters = definition.get("parameters")
    return HttpTool(
        type="http",
        name=name,
        description=description,
        url=url,
        method=METHODS.get(str(definition.get("method", "POST")).upper(), "POST"),
        parameters=parameters if isinstance(parameters, dict) else {"type": "object"},
        headers={
            header: place_of(NAME, id, f"h{index}", text)
            for index, (header, text) in enumerate(_headers(definition).items())
        },
    )


def _headers(definition: Mapping[str, object]) -> dict[str, str]:
    headers = definition.get("headers")
    return (
        {str(key): str(text) for key, text in headers.items()} if isinstance(headers, dict) else {}
    )


async def keep_credentials(asked: Asked, id: str, definition: object) -> None:
    """Have what a tool's headers hold kept as secrets; of a tool without headers, none."""
    headers = _headers(definition) if isinstance(definition, dict) else {}
    held = {f"h{index}": text for index, text in enumerate(headers.values())}
    with wire_names({"value": "definition.headers"}):
        await keep(asked, NAME, id, held)


def _transfer(id: str, name: str, description: str, definition: Wire) -> Tool | None:
    to = _first(definition, DESTINATIONS)
    if to is None:
        return None
    target = TransferTarget(name=name, to=to, description=description)
    return TransferTool(type="transfer", name=name, description=description, targets=(target,))


def _end_call(id: str, name: str, description: str, definition: Wire) -> Tool | None:
    return EndCallTool(type="end_call", name=name, description=description)


def _digits(id: str, name: str, description: str, definition: Wire) -> Tool | None:
    return DigitsTool(type="digits", name=name, description=description)


KINDS: Mapping[str, Callable[[str, str, str, Wire], Tool | None]] = {
    "function": _http,
    "webhook": _http,
    "end_call": _end_call,
    "press_digit": _digits,
    "press_digits": _digits,
    "call_transfer": _transfer,
    "transfer_call": _transfer,
}
"""By the vendor's `type`: its page names the first two, clients others."""


def native_of(id: str, tool: Mapping[str, object]) -> Tool | None:
    """The tool of a native agent; None where it cannot be used on a call."""
    make = KINDS.get(str(tool["type"]))
    definition = tool["definition"]
    if make is None or not isinstance(definition, dict):
        return None
    name = definition.get("name") or tool["name"]
    description = definition.get("description") or tool["description"]
    return make(id, str(name), str(description), definition)


def ids_in(selected: object) -> list[str]:
    """The tools that `selected_tools` names: a list of ids or of objects with one, or an object by
    id. What is no id is passed over, as the pages do not say what else may stand there."""
    entries = selected if isinstance(selected, list) else []
    if isinstance(selected, dict):
        entries = [id for id, wanted in selected.items() if wanted]
    found: list[str] = []
    for entry in entries:
        text = entry.get("id") if isinstance(entry, dict) else entry
        with suppress(InvalidRequest):
            found.append(id_in("tool", str(text)))
    return list(dict.fromkeys(found))


def without(selected: object, tool_id: str) -> object:
    """The selection without one tool."""
    if isinstance(selected, dict):
        return {id: wanted for id, wanted in selected.items() if tool_id not in ids_in([id])}
    entries = selected if isinstance(selected, list) else []
    return [entry for entry in entries if tool_id not in ids_in([entry])]


async def natives(asked: Asked, selected: object) -> tuple[Tool, ...]:
    """The native tools of a selection. Raises InvalidRequest for tools that are not there."""
    ids = ids_in(selected)
    kept = await TOOLS.find(asked, ids)
    for id in ids:
        if id not in kept:
            raise InvalidRequest(f"selected_tools: there is no tool {id}")
    made = [native_of(id, kept[id]) for id in ids]
    return tuple(tool for tool in made if tool is not None)


def _first(definition: Wire, names: tuple[str, ...]) -> str | None:
    given = (definition.get(name) for name in names)
    return next((text for text in given if isinstance(text, str) and text), None)
