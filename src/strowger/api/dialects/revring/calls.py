"""`/v1/calls`: placed with or without a queue, read one by one or a hundred at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.responses import JSONResponse, Response

from strowger.api.dialects.bodies import body_of, query_of, wire_names
from strowger.api.dialects.endpoints import Asked, Backing
from strowger.api.dialects.forms import (
    duration_of,
    flat,
    id_of,
    iso_time,
    number_rule,
    spoken,
    time_in,
    uuid_of,
    workspace_uuid,
)
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.links import recording_url
from strowger.api.dialects.revring.agents import check_enabled, webhook_of
from strowger.api.dialects.revring.wire import NAME, Wire, wrapped
from strowger.api.sound_files import RecordingFormat
from strowger.calls.service import NewCall
from strowger.errors import NotFound, TooManyRequests
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import AgentId, Call, CallId
from strowger.ports import CallSearch, DeliveryState

NUMBERS = number_rule(r"^\+[1-9]\d{1,14}$")
REST = Shelf(NAME, "call")
WORDS = {"to": "toNumber", "from": "fromNumber", "agent_id": "agentId"}
RETRY_AFTER = 5.0
"""Seconds after which a line may be free."""

STATUSES: Mapping[CallStatus, str] = {
    CallStatus.SCHEDULED: "QUEUED",
    CallStatus.QUEUED: "INITIATED",
    CallStatus.INITIATED: "INITIATED",
    CallStatus.RINGING: "INITIATED",
    CallStatus.IN_PROGRESS: "ONGOING",
    CallStatus.COMPLETED: "COMPLETED",
    CallStatus.BUSY: "FAILED",
    CallStatus.NO_ANSWER: "FAILED",
    CallStatus.FAILED: "FAILED",
    CallStatus.CANCELED: "CANCELED",
}
"""A queued call is QUEUED only while it waits for a line: `waiting`."""

CAUSES: Mapping[EndReason, str] = {
    EndReason.CALLEE_HANGUP: "USER_ENDED",
    EndReason.AGENT_HANGUP: "END_CALL_TOOL",
    EndReason.SILENCE: "SILENCE_TIMEOUT",
    EndReason.MAX_DURATION: "MAX_DURATION",
    EndReason.VOICEMAIL: "VOICEMAIL_DETECTED",
    EndReason.RING_TIMEOUT: "NO_ANSWER",
    EndReason.CALLEE_BUSY: "BUSY",
}
"""What the vendor has a word for; others are Strowger's end reason in capitals."""

WEBHOOK_STATES: Mapping[DeliveryState, str] = {
    DeliveryState.PENDING: "pending",
    DeliveryState.WAITING: "pending",
    DeliveryState.DELIVERED: "sent",
    DeliveryState.GIVEN_UP: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevRingCall:
    agentId: str
    toNumber: str
    fromNumber: str
    variables: dict[str, Any] = field(default_factory=dict)
    callerIdName: Annotated[str, Field(min_length=1, max_length=15)] | None = None
    skipQueue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
    pageSize: Annotated[int, Field(ge=1, le=100)] = 50
    sortBy: Literal["createdAt", "initiatedAt", "startedAt", "endedAt", "durationSeconds"] = (
        "createdAt"
    )
    sortDir: Literal["asc", "desc"] = "desc"
    agentId: str | None = None
    status: str | None = None
    createdFrom: str | None = None
    createdTo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGet:
    ids: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    minimal: bool = False


NEW_CALL: TypeAdapter[NewRevRingCall] = TypeAdapter(NewRevRingCall)
QUERY: TypeAdapter[CallQuery] = TypeAdapter(CallQuery)
BATCH_GET: TypeAdapter[BatchGet] = TypeAdapter(BatchGet)
SORTS: Mapping[str, Literal["created_at", "started_at", "ended_at", "duration"]] = {
    "createdAt": "created_at",
    "initiatedAt": "created_at",
    "startedAt": "started_at",
    "endedAt": "ended_at",
    "durationSeconds": "duration",
}


async def create(asked: Asked) -> Response:
    """`POST /v1/calls`. With `skipQueue` a call that finds no line is refused and not kept."""
    given = await body_of(asked, NEW_CALL)
    agent_id = _agent_id(given.agentId)
    await check_enabled(asked, agent_id)
    async with asked.services.records.together():
        with wire_names(WORDS):
            call = await asked.services.calls.create(
                asked.workspace,
                NewCall(
                    to=given.toNumber,
                    from_=given.fromNumber,
                    agent_id=agent_id,
                    variables=flat(given.variables),
                    test=asked.key.test,
                    dialect=NAME,
                    numbers=NUMBERS,
                ),
            )
        if given.callerIdName is not None:
            await REST.put(asked, call.id, {"callerIdName": given.callerIdName})
        free = await asked.backing.kept.take_line(call.id, now=asked.services.clock())
        if given.skipQueue and not free:
            raise TooManyRequests(
                "as many calls as may be are under way, and skipQueue is set",
                retry_after=RETRY_AFTER,
            )
    return wrapped(await _rendered(asked, call), 201)


async def get(asked: Asked) -> Response:
    call = await _call(asked)
    thing = await _rendered(asked, call)
    thing["postCallWebhookStatus"] = await _webhook_status(asked, call)
    return wrapped(thing)


async def cancel(asked: Asked) -> Response:
    """`POST /v1/calls/{id}/cancel`: whatever goes on, the call ends."""
    call = await _call(asked)
    return wrapped(await _rendered(asked, await asked.services.calls.end(asked.workspace, call.id)))


async def list_calls(asked: Asked) -> Response:
    query = query_of(asked, QUERY)
    statuses = None
    if query.status is not None:
        wanted = query.status.upper()
        statuses = frozenset(status for status, shown in STATUSES.items() if shown == wanted)
        if wanted == "QUEUED":
            statuses |= {CallStatus.QUEUED}
    found = await asked.backing.kept.search_calls(
        asked.workspace,
        CallSearch(
            agent_id=None if query.agentId is None else _agent_id(query.agentId),
            statuses=statuses,
            created_from=time_in(query.createdFrom, "createdFrom"),
            created_to=time_in(query.createdTo, "createdTo"),
            order_by=SORTS[query.sortBy],
            ascending=query.sortDir == "asc",
        ),
        offset=(query.page - 1) * query.pageSize,
        limit=query.pageSize,
        transcripts=True,
    )
    things = await _all_rendered(asked, found.calls)
    place = {"page": query.page, "pageSize": query.pageSize, "total": found.total}
    return JSONResponse({"data": things, **place})


async def batch_get(asked: Asked) -> Response:
    """`POST /v1/calls/batch-get`, in the order asked for; ids that are none are left out."""
    given = await body_of(asked, BATCH_GET)
    ids = []
    for text in given.ids:
        try:
            ids.append(CallId(id_of("call", text)))
        except NotFound:
            continue
    found = await asked.backing.kept.search_calls(
        asked.workspace,
        CallSearch(ids=tuple(ids)),
        offset=0,
        limit=len(ids) or 1,
        transcripts=not given.minimal,
    )
    order = {id: place for place, id in enumerate(ids)}
    calls = sorted(found.calls, key=lambda call: order[call.id])
    things = await _all_rendered(asked, calls)
    if given.minimal:
        for thing in things:
            for name in ("transcript", "summary", "metrics", "variables"):
                del thing[name]
    return wrapped(things)


def rendered(
    backing: Backing, call: Call, *, waiting: bool = False, rest: Mapping[str, object] | None = None
) -> Wire:
    """The call as every answer and the post-call webhook have it."""
    duration = duration_of(call)
    changed = call.ended_at or call.answered_at or call.started_at or call.created_at
    queued = waiting and call.status is CallStatus.QUEUED
    return {
        "id": uuid_of(call.id),
        "organizationId": workspace_uuid(call.workspace_id),
        "direction": call.direction.upper(),
        "status": "QUEUED" if queued else STATUSES[call.status],
        "fromNumber": call.from_,
        "toNumber": call.to,
        "initiatedAt": iso_time(call.started_at or call.created_at),
        "createdAt": iso_time(call.created_at),
        "updatedAt": iso_time(changed),
        "agentId": None if call.agent_id is None else uuid_of(call.agent_id),
        "sipTrunkId": None if call.trunk_id is None else uuid_of(call.trunk_id),
        "agentCallerIdName": (rest or {}).get("callerIdName"),
        "agentName": call.agent.name,
        "variables": dict(call.variables),
        "recordingUrl": recording_url(backing, NAME, call, RecordingFormat.MP3),
        "hangupCause": _cause(call),
        "errorMessage": call.error,
        "transcript": _transcript(call),
        "summary": call.summary,
        "metrics": {},
        "startedAt": iso_time(call.answered_at),
        "endedAt": iso_time(call.ended_at),
        "durationSeconds": None if duration is None else round(duration),
        "postCallWebhookStatus": None,
        "preCallWebhookStatus": None,
        "source": None,
    }


async def _rendered(asked: Asked, call: Call) -> Wire:
    return (await _all_rendered(asked, [call]))[0]


async def _all_rendered(asked: Asked, calls: "list[Call] | tuple[Call, ...]") -> list[Wire]:
    ids = [call.id for call in calls]
    waiting = await asked.backing.kept.waiting_for_line(asked.workspace, ids)
    rest = await REST.find(asked, ids)
    return [
        rendered(asked.backing, call, waiting=call.id in waiting, rest=rest.get(call.id))
        for call in calls
    ]


def _transcript(call: Call) -> list[Wire] | None:
    if call.answered_at is None:
        return None
    return [
        {
            "role": "agent" if turn.role == "agent" else "user",
            "content": turn.text,
            "timestamp": round(turn.started_at, 2),
        }
        for turn in spoken(call)
    ]


def _cause(call: Call) -> str | None:
    reason = call.end_reason
    if reason is None:
        return None
    return CAUSES.get(reason, reason.value.upper())


async def _webhook_status(asked: Asked, call: Call) -> str | None:
    """What became of the post-call webhook; None where the agent has none."""
    webhook = None if call.agent_id is None else await webhook_of(asked, call.agent_id)
    if webhook is None:
        return None
    page = await asked.services.deliveries.list(
        asked.workspace, webhook, None, limit=100, cursor=None
    )
    states = [report.state for report in page.data if report.call_id == call.id]
    return WEBHOOK_STATES[states[0]] if states else None


async def _call(asked: Asked) -> Call:
    try:
        id = CallId(id_of("call", asked.path("id")))
        return await asked.services.calls.get(asked.workspace, id)
    except NotFound as error:
        raise NotFound(str(error), code="call_not_found") from error


def _agent_id(text: str) -> AgentId:
    try:
        return AgentId(id_of("agent", text))
    except NotFound as error:
        raise NotFound(str(error), code="agent_not_found") from error
