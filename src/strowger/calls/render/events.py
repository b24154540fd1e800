"""Events, as the API answers them and as webhooks carry them."""

from collections.abc import Mapping

from strowger.calls.render.calls import duration_between, render_latency
from strowger.calls.render.wire import Wire, optional_timestamp, timestamp
from strowger.model import (
    Event,
    TurnLatency,
)


def render_event(event: Event) -> Wire:
    """The event as the API answers it; webhooks carry the same `data`."""
    return {
        "id": event.id,
        "sequence": event.sequence,
        "type": event.type,
        "timestamp": timestamp(event.created_at),
        "call_id": event.call_id,
        "data": render_event_data(event),
    }


def render_event_data(event: Event) -> Wire:
    """What happened, from the plain values that were kept when it did.

    Where that is the state of a call, it becomes the call object of the API, which has its
    transcript and latency once the call is over.
    """
    kept = event.payload
    if "call_id" not in kept or "status" not in kept:
        return dict(kept)
    wire: Wire = {"call_id": kept["call_id"], "id": kept["call_id"], **kept}
    wire["duration"] = duration_between(_seconds(kept, "answered_at"), _seconds(kept, "ended_at"))
    for name in kept:
        if name.endswith("_at"):
            wire[name] = optional_timestamp(_seconds(kept, name))
    transcript = kept.get("transcript")
    if isinstance(transcript, list | tuple):
        wire["latency"] = render_latency(
            TurnLatency(**turn["latency"]) for turn in transcript if turn["latency"] is not None
        )
    return wire


def _seconds(kept: Mapping[str, object], name: str) -> float | None:
    value = kept.get(name)
    return float(value) if isinstance(value, int | float) else None
