"""The endpoints of prompts, voices, actions, webhooks, vector databases and connections: get,
list, create, update, the same for each kind."""

from pydantic import TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.bodies import object_of, validated
from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked, Endpoint, Handler, NotServed, refused, slashed
from strowger.api.dialects.forms import id_of
from strowger.api.dialects.vocode import events
from strowger.api.dialects.vocode.agents import change, named, refresh
from strowger.api.dialects.vocode.kinds import (
    ACTIONS,
    CONNECTIONS,
    PROMPTS,
    VECTOR_DATABASES,
    VOICES,
    WEBHOOKS,
    Kind,
)
from strowger.api.dialects.vocode.parts import find, keep, natives, new_id
from strowger.api.dialects.vocode.shapes import Json, SteeringNumber
from strowger.api.dialects.vocode.wire import (
    NAME,
    Wire,
    answer,
    id_in,
    owned,
    page_among,
    page_asked,
    wrong_field,
)
from strowger.errors import Conflict
from strowger.model import WebhookId

STEERING: TypeAdapter[SteeringNumber] = TypeAdapter(SteeringNumber)


def endpoints_of(kind: Kind, plural: str, scopes: str, note: str = "") -> tuple[Endpoint, ...]:
    """get, list, create and update of one kind, under `/v1/{plural}`."""
    path, reads, writes = f"/v1/{plural}", f"{scopes}:read", f"{scopes}:write"
    return (
        slashed("GET", path, reads, _get(kind)),
        slashed("GET", f"{path}/list", reads, _list(kind)),
        slashed("POST", f"{path}/create", writes, _create(kind), note),
        slashed("POST", f"{path}/update", writes, _update(kind), note),
    )


def _get(kind: Kind) -> Handler:
    async def get(asked: Asked) -> Response:
        id = id_in(asked)
        return answer(asked, _shown(asked, kind, id, await find(asked, kind, id)))

    return get


def _list(kind: Kind) -> Handler:
    async def list_all(asked: Asked) -> Response:
        query = page_asked(asked)
        kept = [(record.id, record.body) for record in await kind.shelf.list(asked)]
        ids = {id for id, _ in kept}
        others = [(id, body) for id, body in await natives(asked, kind) if id not in ids]
        rows = [_shown(asked, kind, id, dict(body), short=True) for id, body in (*kept, *others)]
        return answer(asked, page_among(query, rows))

    return list_all


def _create(kind: Kind) -> Handler:
    async def create(asked: Asked) -> Response:
        body, id = kind.new(await object_of(asked)), new_id(asked)
        async with asked.services.records.together():
            await keep(asked, kind, id, body)
        return answer(asked, _shown(asked, kind, id, body))

    return create


def _update(kind: Kind) -> Handler:
    async def update(asked: Asked) -> Response:
        id, raw = id_in(asked), await object_of(asked)
        async with changing(asked, NAME):
            body = kind.changed(await find(asked, kind, id), raw)
            await _put(asked, kind, id, body, raw)
        return answer(asked, _shown(asked, kind, id, body))

    return update


async def _put(asked: Asked, kind: Kind, id: str, body: Json, raw: Json) -> None:
    """Keep a changed thing, and write it to the agents that have it."""
    if id in await kind.shelf.find(asked, [id]):
        await keep(asked, kind, id, body)
        await refresh(asked, kind, id)
    elif kind is WEBHOOKS:
        await _put_native(asked, id, body)
    else:
        await change(asked, await named(asked, id), {kind.name: raw})


async def _put_native(asked: Asked, id: str, body: Json) -> None:
    """A webhook of the native API stays one: its address and events change, not its format."""
    webhook_id = WebhookId(id_of("webhook", id))
    webhook = await asked.services.webhooks.get(asked.workspace, webhook_id)
    before = events.from_native(webhook)
    if body["method"] != before["method"]:
        raise Conflict("this webhook was added over Strowger's own API, which sends it by POST")
    changes: dict[str, object] = {"url": body["url"]}
    subscriptions = body["subscriptions"]
    assert isinstance(subscriptions, list)
    if subscriptions != before["subscriptions"]:
        changes["events"] = events.to_native(subscriptions)
    await asked.services.webhooks.update(asked.workspace, webhook_id, changes)


def _shown(asked: Asked, kind: Kind, id: str, body: Json, *, short: bool = False) -> Wire:
    """A thing with its ids; in lists, a prompt names its template by its id alone."""
    wire = owned(asked, id, body)
    template = wire.get("prompt_template")
    if short and isinstance(template, dict):
        wire["prompt_template"] = template["id"]
    return wire


# ── steering pools ───────────────────────────────────────────────────────────────────────────


async def add_to_steering_pool(asked: Asked) -> Response:
    given = await object_of(asked)
    if given.get("phone_number") is None:
        raise NotServed(NO_BUYING)
    return await _steer(asked, given, add=True)


async def remove_from_steering_pool(asked: Asked) -> Response:
    return await _steer(asked, await object_of(asked), add=False)


async def _steer(asked: Asked, given: Json, *, add: bool) -> Response:
    id, number = id_in(asked), validated(given, STEERING).phone_number
    async with changing(asked, NAME):
        body = await find(asked, CONNECTIONS, id)
        if body["type"] != "account_connection_twilio":
            raise Conflict("only Twilio account connections have a steering pool")
        pool = body["steering_pool"]
        assert isinstance(pool, list)
        if not add and number not in pool:
            raise wrong_field("this number is not in the steering pool", "phone_number")
        left = [one for one in pool if one != number]
        body["steering_pool"] = [*left, number] if add else left
        await CONNECTIONS.shelf.put(asked, id, body)
    return answer(asked, owned(asked, id, body))


NO_BUYING = (
    "Strowger buys no numbers, as it has no account with a carrier: order one from yours and add"
    " it with POST /v1/numbers/link"
)
KEPT = "Kept and answered; calls go by Strowger's trunks and providers, not by this account."
ENDPOINTS: tuple[Endpoint, ...] = (
    *endpoints_of(
        ACTIONS,
        "actions",
        "agents",
        "Ending, transferring, keys and external requests are tools of the native agent;"
        " action_add_to_conference and action_set_hold are kept, come back, and do nothing.",
    ),
    *endpoints_of(
        VOICES,
        "voices",
        "agents",
        "A voice that a provider here has by this name; any other is the server's default.",
    ),
    *endpoints_of(WEBHOOKS, "webhooks", "webhooks"),
    *endpoints_of(PROMPTS, "prompts", "agents"),
    *endpoints_of(
        VECTOR_DATABASES, "vector_databases", "agents", "Kept and answered; nothing asks it."
    ),
    *endpoints_of(CONNECTIONS, "account_connections", "trunks", KEPT),
    slashed(
        "POST",
        "/v1/account_connections/add_to_steering_pool",
        "trunks:write",
        add_to_steering_pool,
        "Kept; without a number the vendor buys one, which is refused.",
    ),
    slashed(
        "POST",
        "/v1/account_connections/remove_from_steering_pool",
        "trunks:write",
        remove_from_steering_pool,
        "Kept; calls are not steered.",
    ),
    refused(
        "GET",
        "/metrics",
        "metrics:read",
        "Figures of this server are at its own metrics address, see docs/reference/metrics.md",
    ),
)
