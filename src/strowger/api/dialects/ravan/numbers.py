"""`/api/v1/phone-numbers`: native numbers, and the trunks they are imported with.

All numbers of a workspace are its own, so each is in the list of purchased ones and in that of
imported ones: Strowger sells none. A SIP password goes in and comes back in that one answer only.
"""

import re
from collections.abc import Mapping
from contextlib import suppress

from pydantic import TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.bodies import wire_names
from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import country_of, iso_time, uuid_of
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import everything
from strowger.api.dialects.ravan.wire import (
    NAME,
    Fields,
    Wire,
    answer,
    flag,
    given_in,
    id_in,
    query_in,
    require,
)
from strowger.errors import Conflict, InvalidRequest, NotFound
from strowger.model import NumberId, PhoneNumber, Trunk, TrunkId

REST = Shelf(NAME, "number")
WORDS = {
    "number": "phone",
    "label": "name",
    "host": "termination_uri",
    "port": "termination_uri",
    "username": "sip_username",
    "password": "sip_password",
}
TERMINATION = re.compile(
    r"(?:sips?:)?(?:[^@\s;/]+@)?(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<parameters>(?:;[^\s;]+)*)"
)
"""`sip:trunk@provider.com`, or a host alone."""
NO_PROVIDER = (
    "No telephony provider configured: numbers are imported with their SIP trunk, and calls go "
    "through that"
)


class NumberFields(Fields):
    phone: str | None = None
    type: str | None = None
    name: str | None = None
    termination_uri: str | None = None
    sip_username: str | None = None
    sip_password: str | None = None


FIELDS: TypeAdapter[NumberFields] = TypeAdapter(NumberFields)


async def purchased(asked: Asked) -> Response:
    query = query_in(asked)
    wanted, active = query.get("iso_country", "").upper(), flag(query, "is_active")
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    shown = [_purchased(number) for number in numbers]
    if wanted:
        shown = [number for number in shown if number["iso_country"] == wanted]
    if active is False or "region" in query:
        shown = []  # none is inactive, and of none the region is known
    return answer("Phone numbers fetched successfully", shown)


async def release(asked: Asked) -> Response:
    """Takes a number out of Strowger; the carrier is not told."""
    text = asked.path("phone_number")
    async with changing(asked, NAME):
        found = await asked.services.records.find_number(asked.workspace, text)
        if found is None:
            raise NotFound(f"there is no number {text[:40]}")
        await _remove(asked, found)
    told = {
        "phone_number": found.number,
        "status": "released",
        "released_at": iso_time(asked.services.clock()),
    }
    return answer("Phone number released successfully", told)


async def import_number(asked: Asked) -> Response:
    """A native number; with a termination URI, on a native trunk of its own."""
    given = _told(await given_in(asked, FIELDS))
    require(given, "phone", "type")
    async with asked.services.records.together():
        trunk = None
        with wire_names(WORDS):
            if "termination_uri" in given:
                trunk = await asked.services.trunks.create(asked.workspace, _trunk_fields(given))
            number = await asked.services.numbers.create(
                asked.workspace,
                {
                    "number": given["phone"],
                    "label": given.get("name", ""),
                    "trunk_id": None if trunk is None else trunk.id,
                },
            )
        kept = {**_kept(given), "trunk_id": number.trunk_id}
        await REST.put(asked, number.id, kept)
    told = {**imported(number, trunk, kept), "sip_password": given.get("sip_password")}
    return answer("Phone number imported successfully", told)


async def list_imported(asked: Asked) -> Response:
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    trunks = await everything(asked.services.trunks.list, asked.workspace)
    by_id = {trunk.id: trunk for trunk in trunks}
    kept = await REST.find(asked, [number.id for number in numbers])
    shown = [
        imported(
            number,
            None if number.trunk_id is None else by_id.get(number.trunk_id),
            kept.get(number.id, {}),
        )
        for number in numbers
    ]
    return answer("Imported numbers retrieved", shown)


async def get_imported(asked: Asked) -> Response:
    return answer("Imported number retrieved", await _imported(asked, await _number(asked)))


async def update_imported(asked: Asked) -> Response:
    """The fields given are replaced: the name, and how its trunk is reached."""
    given = _told(await given_in(asked, FIELDS))
    async with changing(asked, NAME):
        number = await _number(asked)
        kept = dict((await REST.find(asked, [number.id])).get(number.id, {}))
        with wire_names(WORDS):
            if "name" in given:
                number = await asked.services.numbers.update(
                    asked.workspace, number.id, {"label": given["name"]}
                )
            number = await _rerouted(asked, number, given, kept)
        kept |= {**_kept(given), "trunk_id": number.trunk_id}
        await REST.put(asked, number.id, kept)
        told = await _imported(asked, number)
    return answer("Imported number updated successfully", told)


async def delete_imported(asked: Asked) -> Response:
    async with changing(asked, NAME):
        await _remove(asked, await _number(asked))
    return answer("Imported number deleted successfully")


async def selected_telephony(asked: Asked) -> Response:
    """The vendor's own 404 for organisations without a provider, which all are here."""
    raise NotFound(NO_PROVIDER)


def imported(number: PhoneNumber, trunk: Trunk | None, kept: Mapping[str, object]) -> Wire:
    return {
        "id": uuid_of(number.id),
        "phone": number.number,
        "type": kept.get("type", "sip"),
        "name": number.label,
        "termination_uri": _termination(trunk, kept.get("termination_uri")),
        "sip_username": None if trunk is None else trunk.username,
        "sip_password": None,
        "status": "active",
        "created_at": iso_time(number.created_at),
    }


def _purchased(number: PhoneNumber) -> Wire:
    return {
        "id": uuid_of(number.id),
        "telephony_id": None,
        "subscription_id": None,
        "inbound_trunk_id": None,
        "outbound_trunk_id": None if number.trunk_id is None else uuid_of(number.trunk_id),
        "number": number.number,
        "friendly_name": number.label,
        "per_minute_price_inbound": None,
        "per_minute_price_outbound": None,
        "price": None,
        "region": None,
        "iso_country": country_of(number.number),
        "is_active": True,
        "created_at": iso_time(number.created_at),
        "updated_at": iso_time(number.updated_at),
    }


async def _number(asked: Asked) -> PhoneNumber:
    id = NumberId(id_in("number", asked.path("number_id")))
    try:
        return await asked.services.numbers.get(asked.workspace, id)
    except NotFound as error:
        raise NotFound("Imported number not found") from error


async def _imported(asked: Asked, number: PhoneNumber) -> Wire:
    kept = (await REST.find(asked, [number.id])).get(number.id, {})
    return imported(number, await _trunk_of(asked, number), kept)


async def _trunk_of(asked: Asked, number: PhoneNumber) -> Trunk | None:
    if number.trunk_id is None:
        return None
    return await asked.services.trunks.get(asked.workspace, number.trunk_id)


async def _rerouted(
    asked: Asked, number: PhoneNumber, given: Wire, kept: Mapping[str, object]
) -> PhoneNumber:
    """The number with its trunk changed, or with one of its own where it had none."""
    if not given.keys() & {"termination_uri", "sip_username", "sip_password"}:
        return number
    own = number.trunk_id is not None and kept.get("trunk_id") == number.trunk_id
    if own and number.trunk_id is not None:
        changes = _trunk_fields(given) if "termination_uri" in given else _credentials(given)
        await asked.services.trunks.update(asked.workspace, number.trunk_id, changes)
        return number
    if "termination_uri" not in given:
        raise InvalidRequest("termination_uri: is required, as the number has no trunk of its own")
    trunk = await asked.services.trunks.create(asked.workspace, _trunk_fields(given))
    return await asked.services.numbers.update(asked.workspace, number.id, {"trunk_id": trunk.id})


async def _remove(asked: Asked, number: PhoneNumber) -> None:
    """With the trunk that was imported with it, unless calls still use that."""
    kept = (await REST.find(asked, [number.id])).get(number.id, {})
    await asked.services.numbers.delete(asked.workspace, number.id)
    trunk = kept.get("trunk_id")
    if isinstance(trunk, str) and not await _used(asked, trunk):
        with suppress(Conflict, NotFound):
            await asked.services.trunks.delete(asked.workspace, TrunkId(trunk))


async def _used(asked: Asked, trunk: str) -> bool:
    """Whether other numbers have been put on the trunk meanwhile."""
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    return any(number.trunk_id == trunk for number in numbers)


def _told(given: Wire) -> Wire:
    """The same without what is empty: clients send forms whole."""
    return {name: value for name, value in given.items() if value != ""}


def _kept(given: Wire) -> Wire:
    """What a native number and its trunk have no place for, or not in the same words."""
    return {name: given[name] for name in ("type", "termination_uri") if name in given}


def _trunk_fields(given: Wire) -> Wire:
    host, port = _host_and_port(str(given["termination_uri"]))
    name = str(given.get("name") or given.get("phone") or host)
    return {"name": name, "host": host, "port": port, **_credentials(given)}


def _credentials(given: Wire) -> Wire:
    words = {"sip_username": "username", "sip_password": "password"}
    return {words[name]: given[name] for name in words if name in given}


def _host_and_port(uri: str) -> tuple[str, int]:
    """Raises InvalidRequest for what is no SIP address, or not over UDP."""
    found = TERMINATION.fullmatch(uri.strip())
    if found is None:
        raise InvalidRequest("termination_uri: expected a SIP URI such as sip:trunk@provider.com")
    if uri.startswith("sips:") or re.search(r";transport=(?!udp)", found["parameters"], re.I):
        raise InvalidRequest("termination_uri: trunks are reached over UDP only as yet")
    return found["host"].strip("[]"), int(found["port"] or 5060)


def _termination(trunk: Trunk | None, given: object) -> str | None:
    """As it was given, while the trunk is still where that says."""
    if trunk is None:
        return None
    if isinstance(given, str) and _host_and_port(given) == (trunk.host, trunk.port):
        return given
    host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    return f"sip:{host}" + ("" if trunk.port == 5060 else f":{trunk.port}")
