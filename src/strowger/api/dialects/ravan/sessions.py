"""A call as the vendor's call session: its words for how calls stand and end, and four shapes.

The list of sessions is camelCase, as the newer documentation and the live service have it; their
detail and a number's history are snake_case. Money is null: what a call cost, Strowger does not
know.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from strowger.api.dialects.endpoints import Backing
from strowger.api.dialects.forms import (
    duration_of,
    iso_time,
    spoken,
    uuid_of,
    workspace_uuid,
)
from strowger.api.dialects.links import recording_token
from strowger.api.dialects.ravan.known import Known
from strowger.api.dialects.ravan.wire import NAME, Wire
from strowger.api.sound_files import RecordingFormat
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import AgentId, Call, WorkspaceId

STATUSES: Mapping[CallStatus, str] = {
    CallStatus.SCHEDULED: "scheduled",
    CallStatus.QUEUED: "queued",
    CallStatus.INITIATED: "initiated",
    CallStatus.RINGING: "ringing",
    CallStatus.IN_PROGRESS: "in_progress",
    CallStatus.COMPLETED: "completed",
    CallStatus.BUSY: "busy",
    CallStatus.NO_ANSWER: "no_answer",
    CallStatus.FAILED: "failed",
    CallStatus.CANCELED: "failed",
}
"""The vendor has words for what is over, and `in_progress`; before that they are Strowger's."""
VOICEMAIL = "voicemail"
"""A completed call that a machine took."""

REASONS: Mapping[EndReason, str] = {
    EndReason.CALLEE_HANGUP: "user_hangup",
    EndReason.AGENT_HANGUP: "agent_hangup",
    EndReason.VOICEMAIL: "agent_hangup",
    EndReason.SILENCE: "agent_hangup",
    EndReason.MAX_DURATION: "agent_hangup",
    EndReason.API_REQUEST: "agent_hangup",
}
"""`disconnect_reason`; what is not here is an `error`."""
CHANNELS: Mapping[str, bool] = {
    "voice": True,
    "sip": True,
    "phone": True,
    "outbound_call": True,
    "web": False,
    "web_call": False,
    "inbound_call": False,
}
"""Words for channels to filter by: whether they mean telephone calls that were placed, which are
all that Strowger has."""


def status_of(call: Call) -> str:
    return VOICEMAIL if call.end_reason is EndReason.VOICEMAIL else STATUSES[call.status]


def statuses_named(word: str) -> frozenset[CallStatus]:
    """The statuses that the vendor calls so, in any case and with spaces; none for others."""
    name = word.strip().lower().replace(" ", "_").replace("-", "_")
    if name == VOICEMAIL:
        return frozenset({CallStatus.COMPLETED})
    return frozenset(status for status, given in STATUSES.items() if given == name)


def reasons_named(word: str) -> frozenset[EndReason] | None:
    """What tells `completed` and `voicemail` apart; None where nothing has to."""
    if word.strip().lower() == VOICEMAIL:
        return frozenset({EndReason.VOICEMAIL})
    if word.strip().lower() == "completed":
        return frozenset(EndReason) - {EndReason.VOICEMAIL}
    return None


def reason_of(call: Call) -> str | None:
    if call.end_reason is None:
        return None
    return REASONS.get(call.end_reason, "error")


def recording_of(backing: Backing, call: Call) -> str | None:
    """The vendor's own address of it, with a token that opens it for a week."""
    if not call.recording.available:
        return None
    token = recording_token(backing, call, RecordingFormat.MP3)
    where = f"{backing.public_url}/{NAME}/api/v1/calling/sessions/{uuid_of(call.id)}/recording"
    return f"{where}?{urlencode({'token': token})}"


def agent_uuid(id: AgentId | None) -> str | None:
    return None if id is None else uuid_of(id)


def organization(workspace: WorkspaceId) -> str:
    return workspace_uuid(workspace)


def began(call: Call) -> float | None:
    """When the answer came, or else when it was dialled: so that the times of what was said, and
    the duration, count from here."""
    return call.answered_at if call.answered_at is not None else call.started_at


def seconds_of_talk(call: Call) -> int:
    return round(duration_of(call) or 0)


def latency_of(call: Call) -> int | None:
    """The mean time to a reply in milliseconds; None where nothing was measured."""
    totals = [
        turn.latency.total
        for turn in call.transcript
        if turn.latency is not None and turn.latency.total is not None
    ]
    return round(1000 * sum(totals) / len(totals)) if totals else None


def analysis_of(call: Call) -> dict[str, Wire]:
    """What the conversation came to, each with its type, as the live service writes it."""
    found: dict[str, object] = dict(call.extracted)
    if call.outcome is not None:
        found["outcome"] = call.outcome
    if call.summary is not None:
        found["summary"] = call.summary
    return {name: {"type": _type_of(value), "value": value} for name, value in found.items()}


def credits_of(call: Call) -> Wire:
    return {
        "channel": "voice",
        "duration_sec": seconds_of_talk(call),
        "model_credits": None,
        "provider_credits": None,
        "provider_managed": None,
        "telephony_type": None,
        "total_credits": None,
    }


def listed(backing: Backing, call: Call, known: Known | None) -> Wire:
    """One of `data.callSessions`."""
    return {
        "id": uuid_of(call.id),
        "agentId": agent_uuid(call.agent_id),
        "organizationId": organization(call.workspace_id),
        "roomId": f"call_{uuid_of(call.id)}",
        "callerNumber": call.from_,
        "calleeNumber": call.to,
        "callerName": None if known is None else known.name,
        "callerEmail": None if known is None else known.email,
        "channel": "voice",
        "status": status_of(call),
        "summary": call.summary,
        "metadata": dict(call.metadata),
        "errorMessage": call.error,
        "disconnectReason": reason_of(call),
        "promptDynamicVariables": dict(call.variables),
        "extractDynamicVariables": dict(call.extracted),
        "callLatencyMs": latency_of(call),
        "startedAt": iso_time(began(call)),
        "endedAt": iso_time(call.ended_at),
        "durationSec": seconds_of_talk(call),
        "createdAt": iso_time(call.created_at),
        "recordingUrl": recording_of(backing, call),
        "costTotal": None,
        "agentName": call.agent.name,
        "postCallAnalysisResult": analysis_of(call),
        "creditBreakdown": credits_of(call),
    }


def _plain(backing: Backing, call: Call) -> Wire:
    """What the detail and the history have in common."""
    return {
        "id": uuid_of(call.id),
        "agent_id": agent_uuid(call.agent_id),
        "agent_name": call.agent.name,
        "organization_id": organization(call.workspace_id),
        "caller_number": call.from_,
        "callee_number": call.to,
        "status": status_of(call),
        "summary": call.summary,
        "recording_url": recording_of(backing, call),
        "duration_sec": seconds_of_talk(call),
        "cost_total": None,
        "credit_breakdown": credits_of(call),
        "disconnect_reason": reason_of(call),
        "call_latency_ms": latency_of(call),
        "metadata": dict(call.metadata),
        "post_call_analysis_result": analysis_of(call),
        "started_at": iso_time(began(call)),
        "ended_at": iso_time(call.ended_at),
        "created_at": iso_time(call.created_at),
    }


def detailed(backing: Backing, call: Call) -> Wire:
    """`data` of a session's detail; the times of what was said count from the answer."""
    return {
        **_plain(backing, call),
        "room_id": f"call_{uuid_of(call.id)}",
        "channel": "voice",
        "transcripts": [
            {"id": line["id"], "message": line["message"], "timestamp_ms": line["after_ms"]}
            for line in lines_of(call)
        ],
    }


def remembered(backing: Backing, call: Call, known: Known | None, *, transcripts: bool) -> Wire:
    """One of the `calls` of a number's history; here times of what was said are Unix times."""
    told = {
        **_plain(backing, call),
        "channel": "phone",
        "caller_name": None if known is None else known.name,
        "caller_email": None if known is None else known.email,
        "twilio_cost": None,
        "model_cost": None,
        "error_message": call.error,
    }
    if not transcripts:
        return told
    began_ms = round(1000 * (began(call) or call.created_at))
    return {
        **told,
        "transcripts": [
            {
                "id": line["id"],
                "call_session_id": told["id"],
                "message": line["message"],
                "timestamp_ms": began_ms + line["after_ms"],
                "created_at": line["created_at"],
            }
            for line in lines_of(call)
        ],
    }


def lines_of(call: Call) -> list[dict[str, Any]]:
    """What was said: each with its place, who and what, milliseconds from the answer, and when."""
    start = began(call) or call.created_at
    return [
        {
            "id": f"t-{place:03}",
            "message": {
                "role": "agent" if turn.role == "agent" else "user",
                "content": turn.text,
            },
            "after_ms": round(1000 * turn.started_at),
            "created_at": iso_time(start + turn.started_at),
        }
        for place, turn in enumerate(spoken(call), start=1)
    ]


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"
