"""What the vendor sends when a call is over, in two shapes, and who asks for which.

Its reference page documents one (`ravan:documented`); what was captured of the live service is
another (`ravan:observed`), and what receivers that work today can read: so that is plain `ravan`.
"""

import json
from collections.abc import Mapping

from strowger.api.dialects.endings import analyzed_call
from strowger.api.dialects.endpoints import Backing
from strowger.api.dialects.forms import as_lines, iso_time, uuid_of
from strowger.api.dialects.hooks import Wish
from strowger.api.dialects.ravan import sessions
from strowger.api.dialects.ravan.known import Known, known_by
from strowger.api.dialects.ravan.wire import NAME, Wire
from strowger.errors import InvalidRequest
from strowger.model import AgentId, Call
from strowger.ports import Delivery, OutgoingRequest

OBSERVED, DOCUMENTED = f"{NAME}:observed", f"{NAME}:documented"
FORMATS = (NAME, OBSERVED, DOCUMENTED)
ENDINGS = ("call.completed", "call.failed")
"""Strowger's events that mean a call session has ended; the vendor has one for all."""
FIELDS = ("webhook_url", "webhook_urls", "webhook_events")
"""Of an agent."""
ASKED_BY: Mapping[str, str] = {
    "call_completed": OBSERVED,
    "call.completed": DOCUMENTED,
    "call.ended": DOCUMENTED,
}
"""The shape that each of an agent's `webhook_events` asks for; others are never sent."""
DISCONNECTED: Mapping[str, str] = {"user_hangup": "customer_hangup"}
"""What the reference page calls otherwise than the newer pages and the live service."""


def wishes_of(agent: AgentId, given: Mapping[str, object]) -> list[Wish]:
    """The native webhooks that an agent's fields ask for. Raises InvalidRequest.

    Without `webhook_events` each URL gets what the live service sends.
    """
    events = given["webhook_events"]
    formats = [OBSERVED]
    if isinstance(events, list) and events:
        formats = list(dict.fromkeys(ASKED_BY[name] for name in events if name in ASKED_BY))
    return [
        Wish(url=url, events=ENDINGS, format=format, agent_id=agent)
        for url in _urls(given)
        for format in formats
    ]


class RavanFormat:
    """One event, when a call is over."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
        event = delivery.event
        if event.type not in ENDINGS or event.call_id is None:
            return None
        call = await analyzed_call(self._backing, delivery, event.call_id)
        if delivery.format == DOCUMENTED:
            known = await known_by(self._backing, call.workspace_id, [call.to])
            told = documented(self._backing, call, known.get(call.to))
        else:
            told = observed(self._backing, call)
        return OutgoingRequest(url=delivery.url, body=json.dumps(told, ensure_ascii=False).encode())


def observed(backing: Backing, call: Call) -> Wire:
    """As captured: analysis twice, each value with its type, and the transcript as a text whose
    lines of the user begin with `: `."""
    analysis = sessions.analysis_of(call)
    return {
        "event": "call_completed",
        "agent_name": call.agent.name,
        "call_type": "outbound_call",
        "call_session": {
            "id": uuid_of(call.id),
            "agent_id": sessions.agent_uuid(call.agent_id),
            "caller_number": call.from_,
            "callee_number": call.to,
            "channel": "outbound_call",
            "status": sessions.status_of(call),
            "disconnect_reason": sessions.reason_of(call),
            "duration_sec": sessions.seconds_of_talk(call),
            "recording_url": sessions.recording_of(backing, call),
            "metadata": dict(call.metadata),
            "post_call_analysis_result": analysis,
        },
        "post_call_analysis": analysis,
        "transcriptions": as_lines(call, f"{call.agent.name}: ", ": "),
    }


def documented(backing: Backing, call: Call, known: Known | None) -> Wire:
    """As the reference page has it; what Strowger does not know is null."""
    reason = sessions.reason_of(call)
    return {
        "event": "call.completed",
        "org_id": sessions.organization(call.workspace_id),
        "data": {
            "campaign_id": None,
            "contact_id": None if known is None else uuid_of(known.id),
            "phone": call.to,
            "status": sessions.status_of(call),
            "duration_sec": sessions.seconds_of_talk(call),
            "call_session_id": uuid_of(call.id),
            "attempt": 1,
            "summary": call.summary,
            "recording_url": sessions.recording_of(backing, call),
            "caller_number": call.from_,
            "callee_number": call.to,
            "caller_name": None if known is None else known.name,
            "caller_email": None if known is None else known.email,
            "agent_name": call.agent.name,
            "channel": "voice",
            "disconnect_reason": None if reason is None else DISCONNECTED.get(reason, reason),
            "cost_total": None,
            "call_latency_ms": sessions.latency_of(call),
            "metadata": dict(call.metadata),
            "started_at": iso_time(sessions.began(call)),
            "ended_at": iso_time(call.ended_at),
            "created_at": iso_time(call.created_at),
            "post_call_analysis": {
                "sentiment": None if call.analysis is None else call.analysis.sentiment,
                "disposition": call.outcome,
                "goals_met": None,
                "next_steps": None,
            },
            "transcripts": [
                {
                    "id": line["id"],
                    "timestamp_ms": line["after_ms"],
                    "role": line["message"]["role"],
                    "message": {"content": line["message"]["content"], "format": "text"},
                    "created_at": line["created_at"],
                }
                for line in sessions.lines_of(call)
            ],
        },
    }


def _urls(given: Mapping[str, object]) -> list[str]:
    """From `webhook_url`, and `webhook_urls` as a list of URLs or of objects with a `url`."""
    many = given["webhook_urls"]
    found: list[str] = []
    for entry in [given["webhook_url"], *(many if isinstance(many, list) else [many])]:
        url = entry.get("url") if isinstance(entry, dict) else entry
        if url is None or url == "":
            continue
        if not isinstance(url, str):
            raise InvalidRequest("webhook_urls: expected URLs, or objects with a url")
        found.append(url)
    return list(dict.fromkeys(found))
