"""`/v1/calls`: both layers' fields in, both layers' fields out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.bodies import body_of, wire_names
from strowger.api.dialects.endpoints import Asked, Backing
from strowger.api.dialects.forms import (
    as_lines,
    duration_of,
    flat,
    iso_time,
    number_rule,
    spoken,
    time_in,
)
from strowger.api.dialects.links import recording_url
from strowger.api.dialects.ringyo.agents import check_active
from strowger.api.dialects.ringyo.wire import NAME, Wire, listed, place_of, wrapped
from strowger.api.sound_files import RecordingFormat
from strowger.calls.service import NewCall
from strowger.errors import FieldProblem, InvalidRequest, NotFound
from strowger.lifecycle import CallStatus
from strowger.model import AgentId, Call, CallId
from strowger.ports import CallSearch

NUMBERS = number_rule(r"^\+[1-9]\d{1,14}$")
BAD_DATE = "invalid_date_format"

STATUSES: Mapping[CallStatus, str] = {
    CallStatus.SCHEDULED: "queued",
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
ASKED: Mapping[str, frozenset[CallStatus]] = {
    **{
        name: frozenset(status for status, shown in STATUSES.items() if shown == name)
        for name in STATUSES.values()
    },
    "answered": frozenset({CallStatus.IN_PROGRESS}),
    "transferred": frozenset(),
}
"""What a list can be asked for; both layers' names."""

WORDS = {"to": "to", "from": "from_number", "variables": "context", "record": "record"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRingyoCall:
    agent_id: str
    to: str | None = None
    phone_number: str | None = None
    from_number: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    webhook_url: str | None = None
    record: bool = True
    max_duration: Annotated[int, Field(ge=1, le=3600)] = 3600


NEW_CALL: TypeAdapter[NewRingyoCall] = TypeAdapter(NewRingyoCall)


async def create(asked: Asked) -> Response:
    """`POST /v1/calls`: `to` or `phone_number`; `context` becomes the agent's variables."""
    given = await body_of(asked, NEW_CALL)
    to = given.to or given.phone_number
    if to is None or (given.phone_number or to) != to:
        problem = FieldProblem("to", "expected to or phone_number, and not two different ones")
        raise InvalidRequest(f"to: {problem.message}", problems=(problem,))
    await check_active(asked, given.agent_id)
    named_to = "to" if given.to else "phone_number"
    with wire_names({**WORDS, "to": named_to}):
        call = await asked.services.calls.create(
            asked.workspace,
            NewCall(
                to=to,
                agent_id=AgentId(given.agent_id),
                from_=given.from_number,
                variables=flat(given.context),
                metadata=given.metadata,
                webhook_url=given.webhook_url,
                record=given.record,
                max_duration=float(given.max_duration),
                test=asked.key.test,
                dialect=NAME,
                numbers=NUMBERS,
            ),
        )
    return wrapped(asked, rendered(call), 201)


async def list_calls(asked: Asked) -> Response:
    """`GET /v1/calls`, newest first unless `order=asc`."""
    query, place = asked.request.query_params, place_of(asked)
    until = time_in(query.get("to_date"), "to_date", code=BAD_DATE)
    if place.as_of is not None:
        until = place.as_of if until is None else min(until, place.as_of)
    status = query.get("status")
    if status is not None and status not in ASKED:
        raise InvalidRequest(f"status: expected one of {', '.join(ASKED)}")
    found = await asked.backing.kept.search_calls(
        asked.workspace,
        CallSearch(
            statuses=None if status is None else ASKED[status],
            agent_id=AgentId(query["agent_id"]) if "agent_id" in query else None,
            to=query.get("phone_number"),
            created_from=time_in(query.get("from_date"), "from_date", code=BAD_DATE),
            created_to=until,
            ascending=query.get("order") == "asc",
        ),
        offset=place.offset,
        limit=place.limit,
    )
    return listed(asked, [rendered(call) for call in found.calls], place, found.total)


async def get(asked: Asked) -> Response:
    """`GET /v1/calls/{call_id}`, with what `include` names."""
    try:
        call = await asked.services.calls.get(asked.workspace, CallId(asked.path("call_id")))
    except NotFound as error:
        raise NotFound(str(error), code="no_such_call") from error
    wanted = set(asked.request.query_params.get("include", "").split(","))
    thing = rendered(call)
    if "transcript" in wanted:
        thing["transcript"] = messages(call)
    if "recording" in wanted:
        thing["recording_url"] = recording_url(asked.backing, NAME, call, RecordingFormat.MP3)
    if "analysis" in wanted:
        thing["analysis"] = _analysis(call)
    return wrapped(asked, thing)


def _analysis(call: Call) -> Wire:
    made = call.analysis
    return {
        "outcome": call.outcome,
        "extracted_data": dict(call.extracted),
        "summary": call.summary,
        "sentiment": None if made is None else made.sentiment,
        "success": None if made is None else made.success,
    }


def rendered(call: Call) -> Wire:
    duration = duration_of(call)
    rounded = None if duration is None else round(duration)
    return {
        "id": call.id,
        "call_id": call.id,
        "status": STATUSES[call.status],
        "to": call.to,
        "phone_number": call.to,
        "from_number": call.from_,
        "agent_id": call.agent_id,
        "context": dict(call.variables),
        "metadata": dict(call.metadata),
        "record": call.record,
        "max_duration": round(call.max_duration),
        "duration": rounded,
        "duration_seconds": rounded,
        "created_at": iso_time(call.created_at),
        "answered_at": iso_time(call.answered_at),
        "ended_at": iso_time(call.ended_at),
    }


def result(backing: Backing, call: Call) -> Wire:
    """What webhooks tell of a call: the concepts page's result, and the call's own fields."""
    return {
        **rendered(call),
        "outcome": call.outcome,
        "end_reason": None if call.end_reason is None else call.end_reason.value,
        "transcript": as_lines(call, "Agent: ", "Customer: "),
        "messages": messages(call),
        "recording_url": recording_url(backing, NAME, call, RecordingFormat.MP3),
        "extracted_data": dict(call.extracted),
    }


def messages(call: Call) -> list[Wire]:
    """The transcript as the endpoint's page has it."""
    return [
        {
            "role": "agent" if turn.role == "agent" else "user",
            "content": turn.text,
            "timestamp": round(turn.started_at, 2),
        }
        for turn in spoken(call)
    ]
