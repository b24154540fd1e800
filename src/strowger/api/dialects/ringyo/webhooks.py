"""`/v1/webhooks`, and what is sent to them.

Each of the vendor's events that happens here has a native webhook of its own, whose format names
the vendor's word for it: both layers' words can be asked for, and each is sent as it was.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.bodies import body_of
from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked, Backing
from strowger.api.dialects.forms import iso_time
from strowger.api.dialects.hooks import Wish, signing_secret, swap
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import cut, everything
from strowger.api.dialects.ringyo.calls import result
from strowger.api.dialects.ringyo.wire import NAME, Wire, listed, place_of, wrapped
from strowger.calls.validation import url_problem
from strowger.errors import InvalidRequest, NotFound
from strowger.model import DialectRecord, WebhookId
from strowger.ports import Delivery, OutgoingRequest

SHELF = Shelf(NAME, "webhook")

EVENTS: Mapping[str, str | None] = {
    "call.initiated": "call.initiated",
    "call.started": "call.initiated",
    "call.ringing": "call.ringing",
    "call.answered": "call.answered",
    "call.completed": "call.completed",
    "call.failed": "call.failed",
    "call.transferred": None,
    "call.recording.ready": "call.recording_ready",
    "call.transcript.ready": "call.completed",
    "agent.created": None,
    "agent.updated": "agent.updated",
    "agent.deleted": None,
    "appointment.created": None,
    "appointment.updated": None,
    "appointment.cancelled": None,
    "appointment.reminder": None,
    "phone_number.assigned": None,
    "phone_number.released": None,
    "credits.low": None,
}
"""The vendor's events to ours; None for what does not happen here."""
WHEN_ALL = (
    "call.initiated",
    "call.ringing",
    "call.answered",
    "call.completed",
    "call.failed",
    "call.recording.ready",
    "call.transcript.ready",
    "agent.updated",
)
"""What `*` stands for."""
FOR_ONE_CALL = {
    "call.initiated": "call.initiated",
    "call.ringing": "call.ringing",
    "call.answered": "call.answered",
    "call.completed": "call.completed",
    "call.failed": "call.failed",
    "call.recording_ready": "call.recording.ready",
}
"""Ours to the vendor's, where a format names no event."""
SAVE_IT = "Save this signing secret securely. It won't be shown again."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    url: str
    events: tuple[str, ...]
    secret: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChanges:
    url: str | None = None
    events: tuple[str, ...] | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None
    status: Literal["active", "inactive"] | None = None


NEW: TypeAdapter[NewWebhook] = TypeAdapter(NewWebhook)
CHANGES: TypeAdapter[WebhookChanges] = TypeAdapter(WebhookChanges)


async def create(asked: Asked) -> Response:
    given = await body_of(asked, NEW)
    _check_events(given.events)
    _check_url(given.url)
    id = "wh_" + asked.services.ids("webhook").rpartition("_")[2]
    async with asked.services.records.together():
        secret, native = await _register(asked, id, given)
        record = await SHELF.put(
            asked,
            id,
            {
                "url": given.url,
                "events": list(given.events),
                "description": given.description,
                "metadata": given.metadata,
                "status": "active",
                "native": native,
                "secret": secret,
            },
        )
    shown = {"webhook_id": id, **_rendered(record), "message": SAVE_IT}
    shown["secret"] = given.secret or secret
    return wrapped(asked, shown, 201)


async def list_webhooks(asked: Asked) -> Response:
    place, records = place_of(asked), await SHELF.list(asked)
    natives = await everything(asked.services.webhooks.list, asked.workspace)
    left = {webhook.id for webhook in natives}
    records = tuple(record for record in records if _lives(record, left))
    page = cut(records, offset=place.offset, limit=place.limit)
    return listed(asked, [_rendered(record) for record in page.items], place, page.total)


async def get(asked: Asked) -> Response:
    return wrapped(asked, _rendered(await _webhook(asked)))


async def update(asked: Asked) -> Response:
    given = await body_of(asked, CHANGES)
    changes = {
        name: value
        for name in ("url", "events", "description", "metadata", "status")
        if (value := getattr(given, name)) is not None
    }
    async with changing(asked, NAME):
        old = await _webhook(asked)
        body: Wire = {**old.body, **changes}
        _check_events(body["events"])
        _check_url(body["url"])
        body["events"] = list(body["events"])
        wishes = _wishes(old.id, body) if body["status"] == "active" else []
        body["native"] = await swap(asked, body["native"], wishes)
        record = await SHELF.put(asked, old.id, body)
    return wrapped(asked, _rendered(record))


async def delete(asked: Asked) -> Response:
    async with changing(asked, NAME):
        old = await _webhook(asked)
        native = old.body["native"]
        assert isinstance(native, list)
        await swap(asked, native, [])
        await SHELF.remove(asked, old.id)
    return wrapped(asked, {"id": old.id, "deleted": True})


async def _register(asked: Asked, id: str, given: NewWebhook) -> tuple[str, list[str]]:
    """The native webhooks, which all sign with one secret: given, or the first one's."""
    secret = None if given.secret is None else signing_secret(given.secret)
    body: Wire = {"url": given.url, "events": given.events, "secret": secret}
    wishes = _wishes(id, body)
    if not wishes:
        raise InvalidRequest(
            "events: none of these happens here; expected one of " + ", ".join(WHEN_ALL),
            code="invalid_events",
        )
    first = await swap(asked, [], wishes[:1])
    made = await asked.services.webhooks.get(asked.workspace, WebhookId(first[0]))
    others = _wishes(id, {**body, "secret": made.secret})[1:]
    return made.secret, first + await swap(asked, [], others)


def _wishes(id: str, body: Mapping[str, Any]) -> list[Wish]:
    names = WHEN_ALL if "*" in body["events"] else dict.fromkeys(body["events"])
    return [
        Wish(
            url=body["url"],
            events=(native,),
            format=f"{NAME}:{name}:{id}",
            secret=body.get("secret"),
        )
        for name in names
        if (native := EVENTS[name]) is not None
    ]


def _check_events(events: tuple[str, ...]) -> None:
    unknown = [event for event in events if event != "*" and event not in EVENTS]
    if unknown or not events:
        raise InvalidRequest(
            f"events: expected some of *, {', '.join(EVENTS)}", code="invalid_events"
        )


def _check_url(url: str) -> None:
    wrong = url_problem(url)
    if wrong is not None:
        raise InvalidRequest(f"url: {wrong}", code="invalid_url")


async def _webhook(asked: Asked) -> DialectRecord:
    try:
        record = await SHELF.get(asked, asked.path("webhook_id"))
    except NotFound as error:
        raise NotFound(str(error), code="no_such_webhook") from error
    natives = await everything(asked.services.webhooks.list, asked.workspace)
    if not _lives(record, {webhook.id for webhook in natives}):
        raise NotFound("no such webhook", code="no_such_webhook")
    return record


def _lives(record: DialectRecord, left: Collection[WebhookId]) -> bool:
    """Whether one of its native webhooks is left, or it never had any, as an inactive one: who
    deleted them all over the native API has deleted it."""
    native = record.body["native"]
    assert isinstance(native, list)
    return not native or any(id in left for id in native)


def _rendered(record: DialectRecord) -> Wire:
    body = record.body
    return {
        "id": record.id,
        "url": body["url"],
        "events": body["events"],
        "description": body["description"],
        "metadata": body["metadata"],
        "status": body["status"],
        "created_at": iso_time(record.created_at),
    }


class RingyoFormat:
    """`ringyo:EVENT:WEBHOOK` for the vendor's own webhooks, `ringyo` for any other address."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
        event = delivery.event
        _, _, rest = delivery.format.partition(":")
        name, _, webhook = rest.partition(":")
        word = name or FOR_ONE_CALL.get(event.type)
        if word is None:
            return None
        data: Wire = dict(event.payload)
        if event.call_id is not None:
            call = await self._backing.services.calls.get(event.workspace_id, event.call_id)
            if webhook and call.dialect == NAME and call.webhook_url is not None:
                return None  # a call's own address stands in for the account's webhooks
            data = result(self._backing, call)
        told = {
            "event": word,
            "timestamp": iso_time(event.created_at),
            "webhook_id": webhook or None,
            "data": data,
        }
        return OutgoingRequest(url=delivery.url, body=json.dumps(told, ensure_ascii=False).encode())
