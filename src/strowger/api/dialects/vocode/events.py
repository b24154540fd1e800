"""Vocode's webhooks: its events, which of ours they come of, and how they are written.

Each event that an agent's webhook subscribes to is a native webhook of its own, as several of the
vendor's come of one of ours. Only the shape `{type, call_id, payload}` is documented, and the
payload of `event_human_detection`; the others are those of the vendor's open-source library.
"""

import json
from collections.abc import Callable, Mapping
from typing import get_args
from urllib.parse import urlencode

from strowger.api.dialects.endpoints import Asked, Backing
from strowger.api.dialects.forms import as_lines, uuid_of
from strowger.api.dialects.hooks import Wish, swap
from strowger.api.dialects.links import recording_url
from strowger.api.dialects.vocode.shapes import EventType, Json
from strowger.api.dialects.vocode.wire import NAME, Wire
from strowger.api.sound_files import RecordingFormat
from strowger.lifecycle import CallStatus
from strowger.model import NATIVE_FORMAT, AgentId, Call, Event, Webhook
from strowger.ports import Delivery, OutgoingRequest

NAMES: tuple[str, ...] = get_args(EventType)
NATIVE = {
    "event_message": ("call.turn",),
    "event_action": ("call.tool_called",),
    "event_phone_call_connected": ("call.answered",),
    "event_phone_call_ended": ("call.completed", "call.failed"),
    "event_phone_call_did_not_connect": ("call.failed",),
    "event_transcript": ("call.completed", "call.failed"),
    "event_recording": ("call.recording_ready",),
    "event_human_detection": ("call.completed", "call.failed"),
}
FIRST = {
    "call.turn": "event_message",
    "call.tool_called": "event_action",
    "call.answered": "event_phone_call_connected",
    "call.completed": "event_phone_call_ended",
    "call.recording_ready": "event_recording",
}
"""What the plain format, without an event's name, makes of ours; of `call.failed` see `_plain`."""
BY_GET = "get"
FORMATS = (
    NAME,
    *(f"{NAME}:{event}" for event in NAMES),
    *(f"{NAME}:{event}:{BY_GET}" for event in NAMES),
)
AGENT_SAYS, CALLEE_SAYS = "BOT: ", "HUMAN: "
DETECTED = {"human": "human", "machine": "no_human"}
TELEPHONY = {
    CallStatus.BUSY: "busy",
    CallStatus.NO_ANSWER: "no-answer",
    CallStatus.CANCELED: "canceled",
    CallStatus.FAILED: "failed",
}


async def subscribe(
    asked: Asked, agent: AgentId, webhook: Mapping[str, object] | None, *, old: list[str]
) -> list[str]:
    """Native webhooks for an agent's webhook, in place of the `old` ones; their ids."""
    if webhook is None:
        return await swap(asked, old, ())
    subscriptions = webhook["subscriptions"]
    assert isinstance(subscriptions, list)
    by_get = f":{BY_GET}" if webhook["method"] == "GET" else ""
    wishes = [
        Wish(
            url=str(webhook["url"]),
            events=NATIVE[event],
            format=f"{NAME}:{event}{by_get}",
            agent_id=agent,
        )
        for event in dict.fromkeys(subscriptions)
    ]
    return await swap(asked, old, wishes)


# ── native webhooks as the vendor's ──────────────────────────────────────────────────────────


def is_shown(webhook: Webhook) -> bool:
    """Whether it is ours or the native API's; not another dialect's."""
    return webhook.format.partition(":")[0] in {NAME, NATIVE_FORMAT}


def from_native(webhook: Webhook) -> Json:
    _, event, way = (*webhook.format.split(":"), "", "")[:3]
    named = [event] if event else subscriptions_of(webhook.events)
    return {
        "subscriptions": named,
        "url": webhook.url,
        "method": "GET" if way == BY_GET else "POST",
    }


def subscriptions_of(events: tuple[str, ...]) -> list[str]:
    wanted = set(events)
    return [name for name in NAMES if "*" in wanted or wanted & set(NATIVE[name])]


def to_native(subscriptions: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(event for name in subscriptions for event in NATIVE[name]))


# ── what is sent ─────────────────────────────────────────────────────────────────────────────


class VocodeFormat:
    """`{type, call_id, payload}` as a POST's body, or as the query of a GET."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
        event = delivery.event
        if event.call_id is None:
            return None
        call = await self._backing.services.calls.get(event.workspace_id, event.call_id)
        _, named, way = (*delivery.format.split(":"), "", "")[:3]
        name = named or _plain(event, call)
        if event.type not in NATIVE.get(name, ()):
            return None
        payload = PAYLOADS[name](self._backing, event, call)
        if payload is None:
            return None
        told: Wire = {"type": name, "call_id": uuid_of(call.id), "payload": payload}
        if way != BY_GET:
            body = json.dumps(told, ensure_ascii=False).encode()
            return OutgoingRequest(url=delivery.url, body=body)
        query = urlencode({**told, "payload": json.dumps(payload, ensure_ascii=False)})
        joint = "&" if "?" in delivery.url else "?"
        return OutgoingRequest(method="GET", url=f"{delivery.url}{joint}{query}", body=b"")


def _plain(event: Event, call: Call) -> str:
    if event.type == "call.failed":
        answered = call.answered_at is not None
        return "event_phone_call_ended" if answered else "event_phone_call_did_not_connect"
    return FIRST.get(event.type, "")


def _message(backing: Backing, event: Event, call: Call) -> Wire | None:
    turn = event.payload.get("turn")
    if not isinstance(turn, Mapping) or turn.get("role") not in {"agent", "callee"}:
        return None
    return {
        "text": turn["text"],
        "sender": "bot" if turn["role"] == "agent" else "human",
        "timestamp": _seconds((call.answered_at or event.created_at) + turn["started_at"]),
    }


def _action(backing: Backing, event: Event, call: Call) -> Wire | None:
    turn = event.payload.get("turn")
    used = turn.get("tool") if isinstance(turn, Mapping) else None
    if not isinstance(turn, Mapping) or not isinstance(used, Mapping):
        return None
    given = {"action": used["name"], "params": _read(str(used["arguments"]))}
    return {"action_input": given, "action_output": {"response": turn["text"], "ok": used["ok"]}}


def _read(arguments: str) -> object:
    """What the model wrote, as JSON where it is."""
    try:
        found: object = json.loads(arguments or "{}")
    except ValueError:
        return arguments
    return found


def _connected(backing: Backing, event: Event, call: Call) -> Wire | None:
    return {"to_phone_number": call.to, "from_phone_number": call.from_}


def _ended(backing: Backing, event: Event, call: Call) -> Wire | None:
    if call.answered_at is None or call.ended_at is None:
        return None
    return {"conversation_minutes": round((call.ended_at - call.answered_at) / 60, 4)}


def _did_not_connect(backing: Backing, event: Event, call: Call) -> Wire | None:
    if call.answered_at is not None:
        return None
    return {"telephony_status": TELEPHONY[call.status]}


def _transcript(backing: Backing, event: Event, call: Call) -> Wire | None:
    said = as_lines(call, AGENT_SAYS, CALLEE_SAYS)
    return {"transcript": said} if said else None


def _recording(backing: Backing, event: Event, call: Call) -> Wire | None:
    return {"recording_url": recording_url(backing, NAME, call, RecordingFormat.MP3)}


def _detection(backing: Backing, event: Event, call: Call) -> Wire | None:
    result = DETECTED.get(call.answered_by)
    return None if result is None else {"result": result}


def _seconds(at: float) -> float:
    return round(at, 3)


PAYLOADS: Mapping[str, Callable[[Backing, Event, Call], Wire | None]] = {
    "event_message": _message,
    "event_action": _action,
    "event_phone_call_connected": _connected,
    "event_phone_call_ended": _ended,
    "event_phone_call_did_not_connect": _did_not_connect,
    "event_transcript": _transcript,
    "event_recording": _recording,
    "event_human_detection": _detection,
}
"""The payload of each; None where there is nothing to tell."""
