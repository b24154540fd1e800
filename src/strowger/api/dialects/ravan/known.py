"""Whom a number belongs to, as far as the contacts say: callers have names in the vendor's answers.

A second shelf has the contacts by number, so that nothing has to be searched. Of several contacts
with one number, the one written last is known by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strowger.api.dialects.endpoints import Asked, Backing
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.ravan.wire import NAME
from strowger.model import WorkspaceId

CONTACTS = Shelf(NAME, "contact")
BY_NUMBER = Shelf(NAME, "contact_by_number")


@dataclass(frozen=True, slots=True)
class Known:
    """A contact, as calls with its number show it."""

    id: str
    name: str | None
    email: str | None


async def known_by(
    backing: Backing, workspace: WorkspaceId, numbers: Iterable[str]
) -> Mapping[str, Known]:
    """The contacts by those of the numbers that have one."""
    kept = backing.kept
    wanted = list(dict.fromkeys(numbers))
    places = await kept.find_records(workspace, NAME, BY_NUMBER.kind, wanted)
    ids = {number: str(place.body["contact_id"]) for number, place in places.items()}
    contacts = await kept.find_records(workspace, NAME, CONTACTS.kind, list(ids.values()))
    return {number: _known(id, contacts[id].body) for number, id in ids.items() if id in contacts}


async def remember(asked: Asked, number: object, contact_id: str) -> None:
    """Have the contact known by its number."""
    if isinstance(number, str) and number:
        await BY_NUMBER.put(asked, number, {"contact_id": contact_id})


async def forget(asked: Asked, number: object, contact_id: str) -> None:
    """The contact has this number no more; another that has it stays known."""
    if not isinstance(number, str) or not number:
        return
    place = (await BY_NUMBER.find(asked, [number])).get(number)
    if place is not None and place["contact_id"] == contact_id:
        await BY_NUMBER.discard(asked, number)


def _known(id: str, contact: Mapping[str, object]) -> Known:
    names = [str(contact[name]) for name in ("first_name", "last_name") if contact.get(name)]
    email = contact.get("email")
    return Known(id, " ".join(names) or None, None if email is None else str(email))
