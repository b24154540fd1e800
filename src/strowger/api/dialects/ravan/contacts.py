"""`/api/v1/contacts`: kept; their calls are the workspace's calls with their number."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import duration_of, iso_time, uuid_of
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import cut
from strowger.api.dialects.ravan import sessions
from strowger.api.dialects.ravan.calls import calls_with
from strowger.api.dialects.ravan.known import CONTACTS, forget, remember
from strowger.api.dialects.ravan.wire import (
    NAME,
    Fields,
    Wire,
    answer,
    given_in,
    id_in,
    meta_of,
    place_of,
    query_in,
)
from strowger.model import Call, DialectRecord
from strowger.ports import MOST_COUNTED

FIELDS = ("first_name", "last_name", "email", "phone", "company", "metadata")
SEARCHED = ("first_name", "last_name", "email", "phone")


class ContactFields(Fields):
    """None of them is required."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: Annotated[str, Field(max_length=100)] | None = None
    company: str | None = None
    metadata: dict[str, Any] | None = None


class Ids(Fields):
    ids: list[str]


class NewNote(Fields):
    content: str


CONTACT: TypeAdapter[ContactFields] = TypeAdapter(ContactFields)
IDS: TypeAdapter[Ids] = TypeAdapter(Ids)
NOTE: TypeAdapter[NewNote] = TypeAdapter(NewNote)


async def create(asked: Asked) -> Response:
    given, id = await given_in(asked, CONTACT), asked.services.ids("contact")
    async with asked.services.records.together():
        made = await CONTACTS.put(asked, id, given)
        await remember(asked, given.get("phone"), id)
    return answer("Contact created successfully", rendered(made))


async def get(asked: Asked) -> Response:
    return answer("Contact fetched successfully", rendered(await _contact(asked)))


async def list_contacts(asked: Asked) -> Response:
    """All where no `limit` is given; `search` is part of a name, address or number."""
    query = query_in(asked)
    place = place_of(query, default=MOST_COUNTED)
    text = query.get("search", "").strip().lower()
    contacts = [one for one in await CONTACTS.list(asked) if text in _searched(one.body)]
    page = cut(contacts, offset=place.offset, limit=place.limit)
    shown = [rendered(contact) for contact in page.items]
    return answer("Contacts fetched successfully", shown, meta=meta_of(place, page.total))


async def update(asked: Asked) -> Response:
    """PATCH, or PUT as the guides have it: the fields given are replaced."""
    given = await given_in(asked, CONTACT)
    async with changing(asked, NAME):
        old = await _contact(asked)
        await CONTACTS.put(asked, old.id, {**old.body, **given})
        if "phone" in given:
            await forget(asked, old.body.get("phone"), old.id)
            await remember(asked, given["phone"], old.id)
        changed = await CONTACTS.get(asked, old.id)
    return answer("Contact updated successfully", rendered(changed))


async def delete(asked: Asked) -> Response:
    async with changing(asked, NAME):
        await _remove(asked, await _contact(asked))
    return answer("Contact deleted successfully")


async def bulk_delete(asked: Asked) -> Response:
    """Those that are there; the answer counts them."""
    given = await given_in(asked, IDS)
    ids = {id_in("contact", text) for text in given["ids"]}
    async with changing(asked, NAME):
        contacts = [contact for contact in await CONTACTS.list(asked) if contact.id in ids]
        for contact in contacts:
            await _remove(asked, contact)
    return answer("Contacts deleted successfully", {"deleted_count": len(contacts)})


async def detail(asked: Asked) -> Response:
    contact = await _contact(asked)
    calls = await _calls(asked, contact)
    stats: Wire = {
        "total_calls": len(calls),
        "total_minutes": round(_talked(calls) / 60, 1),
        "last_call_at": _last(calls),
        "campaigns": [],
    }
    return answer("Contact detail fetched successfully", {**rendered(contact), **stats})


async def calls_of(asked: Asked) -> Response:
    shown = [
        {
            "call_session_id": uuid_of(call.id),
            "agent_name": call.agent.name,
            "channel": "voice",
            "status": sessions.status_of(call),
            "duration_sec": sessions.seconds_of_talk(call),
            "sentiment": None,
            "started_at": iso_time(sessions.began(call)),
        }
        for call in await _calls(asked, await _contact(asked))
    ]
    return answer("Calls fetched successfully", shown)


async def call_stats(asked: Asked) -> Response:
    """Shares are of all calls, in percent; the mean duration is of those that were answered."""
    calls = await _calls(asked, await _contact(asked))
    answered = [call for call in calls if call.answered_at is not None]
    stats = {
        "total_calls": len(calls),
        "total_duration_sec": round(_talked(calls)),
        "completed_pct": _percent(calls, "completed"),
        "failed_pct": _percent(calls, "failed"),
        "no_answer_pct": _percent(calls, "no_answer"),
        "avg_duration_sec": round(_talked(calls) / len(answered)) if answered else 0,
        "last_call_at": _last(calls),
    }
    return answer("Call stats fetched successfully", stats)


async def activities(asked: Asked) -> Response:
    """Calls and notes, oldest first."""
    contact = await _contact(asked)
    told = [
        (
            call.created_at,
            "call",
            f"{sessions.status_of(call).replace('_', ' ').capitalize()} call with"
            f" {call.agent.name} ({_minutes(sessions.seconds_of_talk(call))})",
        )
        for call in await _calls(asked, contact)
    ]
    told += [
        (note.created_at, "note", str(note.body["content"]))
        for note in await _notes(contact).list(asked)
    ]
    shown = [
        {"type": type, "description": text, "timestamp": iso_time(at)}
        for at, type, text in sorted(told, key=lambda one: one[0])
    ]
    return answer("Activities fetched successfully", shown)


async def campaigns_of(asked: Asked) -> Response:
    await _contact(asked)
    return answer("Campaigns fetched successfully", [])


async def create_note(asked: Asked) -> Response:
    given = await given_in(asked, NOTE)
    contact = await _contact(asked)
    note = await _notes(contact).put(asked, asked.services.ids("note"), given)
    told = {"contact_id": uuid_of(contact.id), **_note(note)}
    return answer("Note created successfully", told)


async def list_notes(asked: Asked) -> Response:
    """Newest first."""
    notes = await _notes(await _contact(asked)).list(asked)
    return answer("Notes fetched successfully", [_note(note) for note in notes])


def rendered(contact: DialectRecord) -> Wire:
    return {
        "id": uuid_of(contact.id),
        **{name: contact.body.get(name) for name in FIELDS},
        "created_at": iso_time(contact.created_at),
        "updated_at": iso_time(contact.updated_at),
    }


def _note(note: DialectRecord) -> Wire:
    return {
        "id": uuid_of(note.id),
        "content": note.body["content"],
        "created_at": iso_time(note.created_at),
    }


def _notes(contact: DialectRecord) -> Shelf:
    """A shelf for each contact: its notes are found without looking at those of others."""
    return Shelf(NAME, f"note:{contact.id}")


async def _contact(asked: Asked) -> DialectRecord:
    return await CONTACTS.get(asked, id_in("contact", asked.path("contact_id")))


async def _remove(asked: Asked, contact: DialectRecord) -> None:
    await CONTACTS.remove(asked, contact.id)
    await forget(asked, contact.body.get("phone"), contact.id)
    for note in await _notes(contact).list(asked):
        await _notes(contact).remove(asked, note.id)


async def _calls(asked: Asked, contact: DialectRecord) -> tuple[Call, ...]:
    phone = contact.body.get("phone")
    return await calls_with(asked, phone) if isinstance(phone, str) and phone else ()


def _searched(body: Mapping[str, object]) -> str:
    first, last = body.get("first_name") or "", body.get("last_name") or ""
    return "\n".join([*(str(body.get(name) or "") for name in SEARCHED), f"{first} {last}"]).lower()


def _talked(calls: Iterable[Call]) -> float:
    return sum(duration_of(call) or 0 for call in calls)


def _last(calls: tuple[Call, ...]) -> str | None:
    """When the newest call began; calls come newest first."""
    return iso_time(sessions.began(calls[0]) or calls[0].created_at) if calls else None


def _percent(calls: tuple[Call, ...], status: str) -> float:
    if not calls:
        return 0.0
    return round(100 * sum(sessions.status_of(call) == status for call in calls) / len(calls), 1)


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}m {seconds % 60}s"
