"""`/api/v1/calling`: placing calls, looking at call sessions, hearing them, finalizing them."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from pydantic import TypeAdapter
from starlette.responses import JSONResponse, Response

from strowger.api.auth import authenticate
from strowger.api.dialects.bodies import wire_names
from strowger.api.dialects.endpoints import Asked, NotServed
from strowger.api.dialects.forms import flat, time_in, uuid_of, with_plus
from strowger.api.dialects.links import recording_by_token
from strowger.api.dialects.ravan import sessions
from strowger.api.dialects.ravan.agents import check_active
from strowger.api.dialects.ravan.known import known_by
from strowger.api.dialects.ravan.wire import (
    NAME,
    NUMBERS,
    Fields,
    Wire,
    answer,
    flag,
    given_in,
    id_in,
    meta_of,
    place_of,
    query_in,
    require,
)
from strowger.api.recordings import answer_recording
from strowger.api.sound_files import RecordingFormat
from strowger.calls.service import NewCall
from strowger.errors import Conflict, InvalidRequest
from strowger.model import AgentId, Call, CallId
from strowger.ports import CallSearch

NO_WEB_CALLS = (
    "web_call is not served yet: this server has no LiveKit room that a browser could join; "
    "outbound_call is"
)
WORDS = {
    "to": "to_phone_number",
    "from": "from_phone_number",
    "variables": "prompt_dynamic_variables",
}
ORDERS: Mapping[str, Literal["created_at", "started_at", "ended_at", "duration"]] = {
    "created_at": "created_at",
    "createdAt": "created_at",
    "started_at": "started_at",
    "startedAt": "started_at",
    "ended_at": "ended_at",
    "endedAt": "ended_at",
    "duration": "duration",
    "duration_sec": "duration",
    "durationSec": "duration",
}

LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")
"""A + before a zone that was not percent-encoded arrives as a space."""


class NewSession(Fields):
    """The page requires four; which of them depends on the type, so it is checked by hand."""

    type: Literal["web_call", "outbound_call"] | None = None
    agent_id: str | None = None
    from_phone_number: str | None = None
    to_phone_number: str | None = None
    metadata: dict[str, Any] | None = None
    prompt_dynamic_variables: dict[str, Any] | None = None


NEW: TypeAdapter[NewSession] = TypeAdapter(NewSession)


async def create_call(asked: Asked) -> Response:
    """`POST …/create-call`: flat, without the envelope's `data`.

    A telephone call has no room to join: `access_token` and `url` are then empty.
    """
    given = await given_in(asked, NEW)
    if given.get("type") == "web_call":
        raise NotServed(NO_WEB_CALLS)
    require(given, "type", "agent_id", "from_phone_number", "to_phone_number")
    agent_id = AgentId(id_in("agent", given["agent_id"]))
    await check_active(asked, agent_id)
    with wire_names(WORDS):
        call = await asked.services.calls.create(
            asked.workspace,
            NewCall(
                to=given["to_phone_number"],
                from_=given["from_phone_number"],
                agent_id=agent_id,
                variables=flat(given.get("prompt_dynamic_variables", {})),
                metadata=given.get("metadata", {}),
                test=asked.key.test,
                dialect=NAME,
                numbers=NUMBERS,
            ),
        )
    session = uuid_of(call.id)
    return JSONResponse(
        {
            "access_token": "",
            "message": "call created successfully",
            "room_id": f"call_{session}",
            "session_id": session,
            "success": True,
            "url": "",
        }
    )


async def list_sessions(asked: Asked) -> Response:
    """Newest first, in the newer of two documented shapes, with the older one's `meta` beside."""
    query = query_in(asked)
    place = place_of(query)
    found = await asked.backing.kept.search_calls(
        asked.workspace,
        _search(query),
        offset=place.offset,
        limit=place.limit,
        transcripts=True,
    )
    known = await known_by(asked.backing, asked.workspace, [call.to for call in found.calls])
    shown = [sessions.listed(asked.backing, call, known.get(call.to)) for call in found.calls]
    data = {"callSessions": shown, "totalCount": found.total}
    return answer("call sessions fetched successfully", data, meta=meta_of(place, found.total))


async def get_session(asked: Asked) -> Response:
    call = await asked.services.calls.get(asked.workspace, _session(asked))
    return answer("call session fetched successfully", sessions.detailed(asked.backing, call))


async def phone_history(asked: Asked) -> Response:
    """Calls from or to a number; flat, without the envelope's `data`."""
    query = query_in(asked)
    phone = _number(query.get("phone"))
    if phone is None:
        raise InvalidRequest("phone: is required")
    place, wanted = place_of(query), bool(flag(query, "include_transcripts"))
    search = CallSearch(either=phone, agent_id=_agent(query))
    found = await asked.backing.kept.search_calls(
        asked.workspace, search, offset=place.offset, limit=place.limit, transcripts=True
    )
    known = await known_by(asked.backing, asked.workspace, [call.to for call in found.calls])
    calls = [
        sessions.remembered(asked.backing, call, known.get(call.to), transcripts=wanted)
        for call in found.calls
    ]
    told: Wire = {
        "success": True,
        "message": "call history retrieved successfully",
        "phone": phone,
        "total_count": found.total,
        "page": place.page,
        "page_size": place.limit,
        "calls": calls,
    }
    return JSONResponse(told)


async def recording(asked: Asked) -> Response:
    """The sound itself, as MP3: to a key, or to whoever has the `token` of a `recording_url`."""
    token = asked.request.query_params.get("token")
    if token:
        return await recording_by_token(asked, _session(asked), RecordingFormat.MP3, token)
    key = await authenticate(asked.request, "calls:read")
    return await answer_recording(
        asked.request, asked.services, key.workspace_id, _session(asked), RecordingFormat.MP3
    )


async def finalize(asked: Asked) -> Response:
    """Clients say so when they have left the call: it ends, if it has not by itself."""
    id = _session(asked)
    call = await asked.services.calls.get(asked.workspace, id)
    if call.ended_at is None:
        with suppress(Conflict):  # it has ended meanwhile
            await asked.services.calls.end(asked.workspace, id)
        call = await asked.services.calls.get(asked.workspace, id)
    return answer("session finalized successfully", sessions.detailed(asked.backing, call))


async def calls_with(asked: Asked, number: str) -> tuple[Call, ...]:
    """All calls from or to a number that lists count, newest first, without transcripts."""
    found: tuple[Call, ...] = ()
    while True:
        page = await asked.backing.kept.search_calls(
            asked.workspace, CallSearch(either=number), offset=len(found), limit=1000
        )
        found += page.calls
        if len(page.calls) < 1000 or len(found) >= page.total:
            return found


def _search(query: Mapping[str, str]) -> CallSearch:
    search = CallSearch(
        agent_id=_agent(query),
        from_=_number(query.get("caller_number")),
        text=query.get("search", "").strip().lstrip("+") or None,
        started_from=_moment(query, "started_after"),
        started_to=_moment(query, "started_before"),
        order_by=_order(query),
        ascending=query.get("sort_order", "desc").lower() == "asc",
    )
    if "status" in query:
        search = replace(
            search,
            statuses=sessions.statuses_named(query["status"]),
            end_reasons=sessions.reasons_named(query["status"]),
        )
    placed_by_telephone = sessions.CHANNELS.get(query.get("channel", "voice").lower(), False)
    if "campaign_id" in query or not placed_by_telephone:
        return replace(search, ids=())  # there are no such calls
    return search


def _order(
    query: Mapping[str, str],
) -> Literal["created_at", "started_at", "ended_at", "duration"]:
    name = query.get("sort_by", "created_at")
    if name not in ORDERS:
        raise InvalidRequest(f"sort_by: expected one of {', '.join(ORDERS)}, got {name[:40]}")
    return ORDERS[name]


def _moment(query: Mapping[str, str], field: str) -> float | None:
    text = query.get(field)
    return time_in(None if text is None else LOST_PLUS.sub(r"\1+\2", text), field)


def _agent(query: Mapping[str, str]) -> AgentId | None:
    return AgentId(id_in("agent", query["agent_id"])) if "agent_id" in query else None


def _number(text: str | None) -> str | None:
    """A number from a query, whose + may have come as a space, or not at all."""
    return None if text is None else with_plus(text.strip())


def _session(asked: Asked) -> CallId:
    """From a session's id or a room's, which is that with `call_` before it."""
    return CallId(id_in("call", asked.path("session_id").removeprefix("call_")))
