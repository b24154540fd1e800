"""Vocode's numbers: native ones, found by the number itself."""

from collections.abc import Mapping
from dataclasses import asdict

from pydantic import TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.bodies import body_of, object_of, query_of, validated, wire_names
from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked, Endpoint, refused, slashed
from strowger.api.dialects.forms import uuid_of, with_plus
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import everything
from strowger.api.dialects.vocode import agents
from strowger.api.dialects.vocode.kinds import CONNECTIONS
from strowger.api.dialects.vocode.parts import find
from strowger.api.dialects.vocode.shapes import ByNumber, Json, NewNumber, NumberRest
from strowger.api.dialects.vocode.things import NO_BUYING
from strowger.api.dialects.vocode.wire import (
    NAME,
    Wire,
    answer,
    given_in,
    owned,
    page_among,
    page_asked,
    within,
    wrong_field,
)
from strowger.errors import NotFound
from strowger.model import AgentId, PhoneNumber

NUMBERS = Shelf(NAME, "number")
"""The number as it was given, and what Strowger has no place for."""
BY_NUMBER: TypeAdapter[ByNumber] = TypeAdapter(ByNumber)
NEW: TypeAdapter[NewNumber] = TypeAdapter(NewNumber)
REST: TypeAdapter[NumberRest] = TypeAdapter(NumberRest)
PROVIDER = "vonage"
"""The vendor knows two, and this is its default; the calls themselves go by Strowger's trunks."""


async def twilio(asked: Asked, id: str) -> Wire:
    """A telephony account connection. Raises NotFound."""
    body = await find(asked, CONNECTIONS, id)
    if body["type"] != "account_connection_twilio":
        raise wrong_field(
            "this is not an account connection of Twilio", "telephony_account_connection"
        )
    return owned(asked, id, body)


# ── answering ────────────────────────────────────────────────────────────────────────────────


def normalized(asked: Asked, number: PhoneNumber, kept: Mapping[str, object] | None) -> Wire:
    rest = kept or {}
    connection = rest.get("telephony_account_connection")
    inbound = number.inbound_agent_id
    return {
        **owned(asked, uuid_of(number.id), {}),
        "active": True,
        "label": number.label,
        "inbound_agent": None if inbound is None else uuid_of(inbound),
        "outbound_only": rest.get("outbound_only", False),
        "example_context": rest.get("example_context"),
        "number": rest.get("number", number.number),
        "telephony_provider": PROVIDER if connection is None else "twilio",
        "telephony_account_connection": connection,
    }


async def expanded(asked: Asked, number: PhoneNumber) -> Wire:
    kept = (await NUMBERS.find(asked, [number.id])).get(number.id)
    wire = normalized(asked, number, kept)
    if wire["inbound_agent"] is not None:
        agent = await agents.named(asked, str(wire["inbound_agent"]))
        wire["inbound_agent"] = await agents.expanded(asked, agent)
    if wire["telephony_account_connection"] is not None:
        connection = str(wire["telephony_account_connection"])
        wire["telephony_account_connection"] = await twilio(asked, connection)
    return wire


# ── endpoints ────────────────────────────────────────────────────────────────────────────────


async def get_number(asked: Asked) -> Response:
    return answer(asked, await expanded(asked, await _named(asked)))


async def list_numbers(asked: Asked) -> Response:
    query = page_asked(asked)
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    kept = await NUMBERS.find(asked, [number.id for number in numbers])
    rows = [normalized(asked, number, kept.get(number.id)) for number in numbers]
    return answer(asked, page_among(query, rows))


async def link_number(asked: Asked) -> Response:
    given = await body_of(asked, NEW)
    async with asked.services.records.together():
        await twilio(asked, given.telephony_account_connection)
        inbound = await _inbound(asked, given.inbound_agent, None)
        fields = {"number": with_plus(given.phone_number), "inbound_agent_id": inbound}
        with wire_names({"number": "phone_number", "inbound_agent_id": "inbound_agent"}):
            number = await asked.services.numbers.create(asked.workspace, fields)
        rest = {
            "number": given.phone_number,
            "outbound_only": given.outbound_only,
            "example_context": None,
            "telephony_account_connection": given.telephony_account_connection,
        }
        await NUMBERS.put(asked, number.id, rest)
    return answer(asked, await expanded(asked, number))


async def update_number(asked: Asked) -> Response:
    raw = given_in(await object_of(asked))
    async with changing(asked, NAME):
        number = await _named(asked)
        kept = dict((await NUMBERS.find(asked, [number.id])).get(number.id, {}))
        given = asdict(validated({"label": number.label, **raw}, REST))
        changes: dict[str, object] = {"label": given["label"]}
        if "inbound_agent" in raw:
            changes["inbound_agent_id"] = await _inbound(
                asked, given["inbound_agent"], number.inbound_agent_id
            )
        with wire_names({"inbound_agent_id": "inbound_agent"}):
            number = await asked.services.numbers.update(asked.workspace, number.id, changes)
        for name in raw.keys() & {"outbound_only", "example_context"}:
            kept[name] = given[name]
        await NUMBERS.put(asked, number.id, kept)
    return answer(asked, await expanded(asked, number))


async def cancel_number(asked: Asked) -> Response:
    async with changing(asked, NAME):
        number = await _named(asked)
        wire = await expanded(asked, number)
        await asked.services.numbers.delete(asked.workspace, number.id)
    return answer(asked, {**wire, "active": False})


async def _named(asked: Asked) -> PhoneNumber:
    """The number in the query. Raises NotFound."""
    text = query_of(asked, BY_NUMBER).phone_number.strip()
    found = await asked.services.records.find_number(asked.workspace, with_plus(text))
    if found is None:
        raise NotFound(f"there is no number {text[:40]}")
    return found


async def _inbound(
    asked: Asked, given: str | Json | None, before: AgentId | None
) -> AgentId | None:
    """The agent for incoming calls: named, changed or new."""
    match given:
        case None | "default":  # the agent that the vendor has made: there is none here
            return None
        case str():
            return (await agents.named(asked, given)).id
        case _ if before is not None:
            agent = await asked.services.agents.get(asked.workspace, before)
            with within("inbound_agent"):
                return (await agents.change(asked, agent, given)).id
        case _:
            with within("inbound_agent"):
                return (await agents.create(asked, given)).id


ENDPOINTS: tuple[Endpoint, ...] = (
    slashed("GET", "/v1/numbers", "phone_numbers:read", get_number),
    slashed("GET", "/v1/numbers/list", "phone_numbers:read", list_numbers),
    refused("POST", "/v1/numbers/buy", "phone_numbers:write", NO_BUYING, "/v1/numbers/buy/"),
    slashed(
        "POST",
        "/v1/numbers/link",
        "phone_numbers:write",
        link_number,
        "Adds a number of Strowger's; its calls go by Strowger's trunk, not by the account that"
        " the connection is to. `default` is no inbound agent.",
    ),
    slashed("POST", "/v1/numbers/update", "phone_numbers:write", update_number),
    slashed(
        "POST",
        "/v1/numbers/cancel",
        "phone_numbers:write",
        cancel_number,
        "Takes the number out of Strowger; with the carrier it stays yours.",
    ),
)
