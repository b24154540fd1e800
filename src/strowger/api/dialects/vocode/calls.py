"""Vocode's calls: placed, read, listed, ended and heard, and the minutes they came to."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal, cast

from pydantic import TypeAdapter
from starlette.responses import Response

from strowger.api.dialects.bodies import body_of, validated, wire_names
from strowger.api.dialects.endpoints import Asked, Endpoint, slashed
from strowger.api.dialects.forms import (
    as_lines,
    id_of,
    iso_time,
    number_rule,
    uuid_of,
    with_plus,
    workspace_uuid,
)
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.vocode import agents, events
from strowger.api.dialects.vocode.numbers import PROVIDER
from strowger.api.dialects.vocode.shapes import HOUSE_VOICE, ById, Json, NewCall
from strowger.api.dialects.vocode.translation import variables_of
from strowger.api.dialects.vocode.wire import (
    NAME,
    Wire,
    answer,
    id_in,
    owned,
    page_asked,
    page_of,
    unknown_column,
    within,
    wrong_field,
)
from strowger.api.recordings import answer_recording
from strowger.api.sound_files import RecordingFormat
from strowger.calls.service import NewCall as NativeCall
from strowger.errors import Conflict
from strowger.lifecycle import TERMINAL, CallStatus, EndReason
from strowger.model import Agent, AgentId, Call, CallId
from strowger.ports import CallSearch

CALLS = Shelf(NAME, "call")
"""The numbers as they were given, and what Strowger has no place for."""
NEW: TypeAdapter[NewCall] = TypeAdapter(NewCall)
BY_ID: TypeAdapter[ById] = TypeAdapter(ById)
NUMBERS = number_rule(r"^\+[1-9]\d{6,14}$")
"""Written with + or without; the vendor documents no pattern."""
WORDS = {"to": "to_number", "from": "from_number", "variables": "context", "agent_id": "agent"}
STATUS = {
    CallStatus.SCHEDULED: "not_started",
    CallStatus.QUEUED: "not_started",
    CallStatus.INITIATED: "in_progress",
    CallStatus.RINGING: "in_progress",
    CallStatus.IN_PROGRESS: "in_progress",
    CallStatus.COMPLETED: "ended",
    CallStatus.BUSY: "ended",
    CallStatus.NO_ANSWER: "ended",
    CallStatus.CANCELED: "ended",
    CallStatus.FAILED: "error",
}
UNANSWERED = {
    CallStatus.BUSY: "human_unanswered",
    CallStatus.NO_ANSWER: "human_unanswered",
    CallStatus.CANCELED: "call_did_not_connect",
    CallStatus.FAILED: "call_did_not_connect",
}
"""The outcome of calls that nobody answered."""
BY_THE_CALLEE = frozenset({EndReason.CALLEE_HANGUP, EndReason.MEDIA_LOST})
"""Why answered calls ended that the agent did not end."""
COLUMNS = {
    "id": "created_at",
    "created_at": "created_at",
    "start_time": "started_at",
    "end_time": "ended_at",
}
REDACTED = "[REDACTED]"


# ── answering ────────────────────────────────────────────────────────────────────────────────


def normalized(asked: Asked, call: Call, kept: Mapping[str, object] | None) -> Wire:
    """As lists show it: the agent by its id, and times as seconds."""
    rest = kept or {}
    secret = bool(rest.get("hipaa_compliant", False))
    said = as_lines(call, events.AGENT_SAYS, events.CALLEE_SAYS)
    from_number = rest.get("from_number", call.from_ or "")
    to_number = rest.get("to_number", call.to)
    context = {name: _text(value) for name, value in call.variables.items()}
    return {
        **owned(asked, uuid_of(call.id), {}),
        "status": STATUS[call.status],
        "error_message": call.error if call.status is CallStatus.FAILED else None,
        "recording_available": call.recording.available,
        "transcript": None if secret or not said else said,
        "human_detection_result": events.DETECTED.get(call.answered_by),
        "do_not_call_result": None,
        "telephony_id": None,
        "stage": _stage(call),
        "stage_outcome": _outcome(call),
        "telephony_metadata": None,
        "start_time": call.started_at,
        "end_time": call.ended_at,
        "to_number": to_number,
        "from_number": from_number,
        "agent": uuid_of(call.agent_id or call.id),
        "telephony_provider": PROVIDER,
        "agent_phone_number": from_number if call.direction == "outbound" else to_number,
        "hipaa_compliant": secret,
        "on_no_human_answer": rest.get("on_no_human_answer"),
        "context": rest.get("context", context or None),
        "run_do_not_call_detection": rest.get("run_do_not_call_detection"),
        "telephony_account_connection": None,
        "telephony_params": rest.get("telephony_params"),
    }


async def expanded(asked: Asked, call: Call) -> Wire:
    """With the agent as it was when the call was accepted, and times as text."""
    kept = (await CALLS.find(asked, [call.id])).get(call.id)
    wire = normalized(asked, call, kept)
    wire["start_time"], wire["end_time"] = iso_time(call.started_at), iso_time(call.ended_at)
    speaker = Agent(
        id=AgentId(call.agent_id or call.id),
        workspace_id=call.workspace_id,
        version=call.agent_version or 1,
        definition=call.agent,
        created_at=call.created_at,
        updated_at=call.created_at,
    )
    agent = await agents.expanded(asked, speaker)
    if wire["hipaa_compliant"]:
        prompt = agent["prompt"]
        assert isinstance(prompt, dict)
        agent["prompt"] = {**prompt, "content": REDACTED}
    wire["agent"] = agent
    return wire


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _stage(call: Call) -> str:
    return "created" if call.answered_at is None else "picked_up"


def _outcome(call: Call) -> str | None:
    if call.status not in TERMINAL:
        return None
    if call.answered_at is None:
        return UNANSWERED.get(call.status, "call_did_not_connect")
    return "human_disconnected" if call.end_reason in BY_THE_CALLEE else "bot_disconnected"


# ── endpoints ────────────────────────────────────────────────────────────────────────────────


async def create_call(asked: Asked) -> Response:
    """`POST /v1/calls/create`: 200, with the whole call."""
    given = await body_of(asked, NEW)
    context = given.context or {}
    async with asked.services.records.together():
        agent_id = await _agent(asked, given.agent)
        with wire_names(WORDS):
            call = await asked.services.calls.create(
                asked.workspace,
                NativeCall(
                    to=with_plus(given.to_number),
                    from_=with_plus(given.from_number),
                    agent_id=agent_id,
                    variables=variables_of(context),
                    record=False if given.hipaa_compliant else None,
                    test=asked.key.test,
                    dialect=NAME,
                    numbers=NUMBERS,
                ),
            )
        rest = {name: value for name, value in asdict(given).items() if name != "agent"}
        await CALLS.put(asked, call.id, rest)
    return answer(asked, await expanded(asked, call))


async def _agent(asked: Asked, given: str | Json) -> AgentId:
    """The agent named, or a new one for what was given inline."""
    if isinstance(given, str):
        if not given.startswith("agent_") and agents.as_uuid(given) is None:
            raise wrong_field("Input should be a valid UUID", "agent", type="uuid_parsing")
        return (await agents.named(asked, given)).id
    inline = {"voice": dict(HOUSE_VOICE), **given}
    with within("agent"):
        return (await agents.create(asked, inline)).id


async def get_call(asked: Asked) -> Response:
    return answer(asked, await expanded(asked, await _named(asked)))


async def list_calls(asked: Asked) -> Response:
    query = page_asked(asked)
    column = COLUMNS.get(query.sort_column or "id")
    if column is None:
        raise unknown_column(str(query.sort_column))
    search = CallSearch(
        order_by=cast(Literal["created_at", "started_at", "ended_at"], column),
        ascending=query.sort_column is not None and not query.sort_desc,
    )
    found = await asked.backing.kept.search_calls(
        asked.workspace,
        search,
        offset=(query.page - 1) * query.size,
        limit=query.size,
        transcripts=True,
    )
    kept = await CALLS.find(asked, [call.id for call in found.calls])
    rows = [normalized(asked, call, kept.get(call.id)) for call in found.calls]
    page = page_of(query, rows, total=found.total, estimated=found.total_is_estimated)
    return answer(asked, page)


async def end_call(asked: Asked) -> Response:
    """A call that is over already is answered as it is."""
    call = await _named(asked)
    try:
        call = await asked.services.calls.end(asked.workspace, call.id)
    except Conflict:
        call = await asked.services.calls.get(asked.workspace, call.id)
    return answer(asked, await expanded(asked, call))


async def get_recording(asked: Asked) -> Response:
    """MP3; the guides write the id in the path, the specification in the query."""
    named = asked.request.path_params.get("id")
    id = id_in(asked) if named is None else validated({"id": named}, BY_ID, where="path").id
    return await answer_recording(
        asked.request, asked.services, asked.workspace, _native_id(id), RecordingFormat.MP3
    )


async def get_usage(asked: Asked) -> Response:
    """The minutes of this calendar month (UTC), rounded up."""
    now = datetime.fromtimestamp(asked.services.clock(), UTC)
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    seconds = await asked.backing.kept.talk_time(asked.workspace, since=begin)
    usage = {
        "user_id": workspace_uuid(asked.workspace),
        "plan_type": "plan_unlimited",
        "monthly_usage_minutes": math.ceil(seconds / 60),
        "monthly_usage_limit_minutes": None,
    }
    return answer(asked, usage)


async def _named(asked: Asked) -> Call:
    return await asked.services.calls.get(asked.workspace, _native_id(id_in(asked)))


def _native_id(uuid: str) -> CallId:
    return CallId(id_of("call", uuid))


ENDPOINTS: tuple[Endpoint, ...] = (
    slashed(
        "POST",
        "/v1/calls/create",
        "calls:write",
        create_call,
        "on_no_human_answer, run_do_not_call_detection and telephony_params are kept and come"
        " back, and do nothing.",
    ),
    slashed("GET", "/v1/calls", "calls:read", get_call),
    slashed("GET", "/v1/calls/list", "calls:read", list_calls),
    slashed("POST", "/v1/calls/end", "calls:write", end_call),
    slashed(
        "GET", "/v1/calls/recording", "calls:read", get_recording, "", "/v1/calls/recording/{id}"
    ),
    slashed(
        "GET",
        "/v1/usage",
        "calls:read",
        get_usage,
        "Minutes of this calendar month (UTC); there are no plans here, so it is `plan_unlimited`.",
    ),
)
