"""What happened."""

from pydantic import Field, JsonValue

from strowger.api.shapes import Strict, Timestamp


class Event(Strict):
    """Something that happened on a call."""

    id: str
    """The event's id, the same in webhooks (`webhook-id`)."""
    sequence: int
    """Its place in the order of events."""
    type: str = Field(examples=["call.answered"])
    """What happened."""
    timestamp: Timestamp
    """When it happened."""
    call_id: str | None
    """The call it happened on."""
    data: dict[str, JsonValue]
    """What webhooks carry as `data`."""


class EventList(Strict):
    """Events in the order they happened."""

    data: tuple[Event, ...]
    """The events."""
    has_more: bool
    """Whether more were there already."""
    next_cursor: str
    """Send it as `after` for what follows."""
