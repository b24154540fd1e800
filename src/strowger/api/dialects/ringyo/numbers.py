"""`/v1/phone-numbers`: the numbers of the workspace."""

from starlette.responses import Response

from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import country_of, iso_time
from strowger.api.dialects.lists import cut, everything
from strowger.api.dialects.ringyo.wire import Wire, listed, number_name, place_of
from strowger.model import PhoneNumber


async def list_numbers(asked: Asked) -> Response:
    """Filtered by `country`; every number that is there is active."""
    query, place = asked.request.query_params, place_of(asked)
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    things = [rendered(number) for number in numbers]
    shown = [
        thing
        for thing in things
        if query.get("country", thing["country"]) == thing["country"]
        and query.get("status", "active") == "active"
    ]
    page = cut(shown, offset=place.offset, limit=place.limit)
    return listed(asked, page.items, place, page.total)


def rendered(number: PhoneNumber) -> Wire:
    return {
        "id": number_name(number.id),
        "phone_number": number.number,
        "friendly_name": number.label or number.number,
        "country": country_of(number.number),
        "region": None,
        "capabilities": {"voice": True, "sms": False},
        "status": "active",
        "default_agent_id": number.inbound_agent_id,
        "created_at": iso_time(number.created_at),
    }
