"""`/v1/calls`: place, list, read and end calls, and follow their events."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation, streams
from strowger.api.idempotency import IdempotentRoute, PromiseOf, given
from strowger.api.live import AT_ONCE, last_event_id, stream
from strowger.api.routing import JsonAnswer, ListQuery, PathId, ServicesOf, page_answer
from strowger.api.shapes import DestinationInQuery, Strict
from strowger.calls.render import (
    render_call,
    render_call_summary,
    render_event,
    render_metrics,
    render_turn,
)
from strowger.lifecycle import TERMINAL, CallStatus
from strowger.model import AgentId, ApiKey, CallId, Event, StoredAnswer, WorkspaceId
from strowger.ports import CallFilter

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/calls", tags=["calls"])

Reader = Annotated[ApiKey, Depends(requires("calls:read"))]
Writer = Annotated[ApiKey, Depends(requires("calls:write"))]

LONGEST_WAIT = 30.0
"""Seconds."""
POLL_INTERVAL = 0.25
"""Seconds between two looks at the database while a client waits for events."""


class CallQuery(ListQuery):
    status: CallStatus | None = None
    """Only calls of this status."""
    agent_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,80}$")
    """Only calls this agent conducts."""
    to: DestinationInQuery | None = None
    """Only calls to this number; write its + as %2B."""


class EventQuery(Strict):
    after: int = Field(default=0, ge=0, le=2**63 - 1)
    """Only events whose `sequence` is greater: `next_cursor` of the answer before."""
    limit: int = Field(default=100, ge=1, le=100)
    """How many events to answer with at most."""
    wait: float = Field(default=0, ge=0, le=LONGEST_WAIT)
    """Seconds to wait for an event where there is none yet; the call's end ends the wait."""


@router.post(
    "",
    summary="Place a call",
    **operation("calls:write", takes="NewCall", answer="Call", status=201, errors=(409,)),
)
async def create_call(
    key: Writer,
    services: ServicesOf,
    promise: PromiseOf,
    body: Annotated[requests.NewCallBody, Depends(body_of(requests.NEW_CALL))],
) -> Response:
    """Queue a call. It is dialled as soon as a line is free.

    With a test key a simulated callee answers, needs no trunk and reaches none: +15005550001
    says yes, …0002 is busy, …0003 does not answer, …0004 hangs up, …0005 is a machine, …0006
    declines, …0007 cannot be reached, …0008 says no, …0009 is silent, …0010 presses 1, …0011
    interrupts; every other number says yes."""
    wanted = replace(body.plain(), test=key.test)
    call = await services.calls.draw_up(key.workspace_id, wanted)
    shown = bytes(JsonAnswer(render_call(call)).body)
    answer = StoredAnswer(status=201, location=f"/v1/calls/{call.id}", body=shown)
    kept = None if promise is None else promise.kept(answer, now=services.clock())
    await services.calls.place(call, kept)
    return given(answer)


@router.get(
    "",
    summary="List calls",
    **operation("calls:read", answer="CallList", errors=(422,)),
)
async def list_calls(
    key: Reader, services: ServicesOf, query: Annotated[CallQuery, Query()]
) -> Response:
    """Calls, newest first, without their transcripts."""
    which = CallFilter(
        status=query.status,
        agent_id=None if query.agent_id is None else AgentId(query.agent_id),
        to=query.to,
    )
    page = await services.calls.list(
        key.workspace_id, which, limit=query.limit, cursor=query.cursor
    )
    return page_answer(page, render_call_summary)


@router.get(
    "/{call_id}",
    summary="Read a call",
    **operation("calls:read", answer="Call", errors=(404,)),
)
async def get_call(call_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """The call as it stands, with what was said so far."""
    return JsonAnswer(render_call(await services.calls.get(key.workspace_id, CallId(call_id))))


@router.post(
    "/{call_id}/end",
    summary="End a call",
    **operation("calls:write", answer="Call", errors=(404, 409)),
)
async def end_call(call_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Hang up. A call that still waits is canceled at once; a live one ends a moment later."""
    return JsonAnswer(render_call(await services.calls.end(key.workspace_id, CallId(call_id))))


@router.post(
    "/{call_id}/cancel",
    summary="Cancel a call",
    **operation("calls:write", answer="Call", errors=(404, 409)),
)
async def cancel_call(call_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """For a call that nobody has answered: one that waits is canceled at once, one that rings
    stops a moment later. Once somebody is on the line, it is `end` that hangs up."""
    call = await services.calls.cancel(key.workspace_id, CallId(call_id))
    return JsonAnswer(render_call(call))


@router.post(
    "/{call_id}/say",
    summary="Have the agent say something",
    **operation("calls:write", takes="WordsToSay", answer="Call", status=202, errors=(404, 409)),
)
async def say(
    call_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.WordsToSay, Depends(body_of(requests.WORDS_TO_SAY))],
) -> Response:
    """For a call in progress. The words come after what the agent is saying, and when the callee
    speaks, after that; what of them was heard is in the transcript."""
    call = await services.calls.say(key.workspace_id, CallId(call_id), body.text)
    return JsonAnswer(render_call(call), 202)


@router.post(
    "/{call_id}/digits",
    summary="Press keys",
    **operation("calls:write", takes="DigitsToSend", answer="Call", status=202, errors=(404, 409)),
)
async def send_digits(
    call_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.DigitsToSend, Depends(body_of(requests.DIGITS_TO_SEND))],
) -> Response:
    """For a call in progress: sent as RFC 4733 events, in place of speech."""
    call = await services.calls.send_digits(key.workspace_id, CallId(call_id), body.digits)
    return JsonAnswer(render_call(call), 202)


@router.get(
    "/{call_id}/metrics",
    summary="Read how a call went, in numbers",
    **operation("calls:read", answer="CallMetrics", errors=(404,)),
)
async def get_metrics(call_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """How fast the agent replied, and what became of the audio."""
    call = await services.calls.get(key.workspace_id, CallId(call_id))
    figures = await services.calls.figures(key.workspace_id, call.id)
    return JsonAnswer(render_metrics(call, figures))


@router.get(
    "/{call_id}/live",
    summary="Follow a call live",
    **streams(operation("calls:read", answer=None, errors=(404, 422))),
)
async def live(call_id: PathId, request: Request, key: Reader, services: ServicesOf) -> Response:
    """Server-sent events from now on, or from the event after `Last-Event-ID`; the end of the
    call ends the stream, or that of its analysis. `data` is the event as `/events` lists it."""
    calls, workspace, call = services.calls, key.workspace_id, CallId(call_id)
    heard = last_event_id(request)
    await calls.get(workspace, call)
    begin = await calls.last_sequence(workspace) if heard is None else heard

    async def look(after: int) -> tuple[Event, ...]:
        return await calls.events(workspace, call, after=after, limit=AT_ONCE)

    async def over() -> bool:
        found = await calls.get(workspace, call)
        analysed = found.analysis is None or found.analysis.status != "pending"
        return found.status in TERMINAL and analysed

    return stream(services.bell, call, look, after=begin, over=over)


@router.get(
    "/{call_id}/transcript",
    summary="Read what was said",
    **operation("calls:read", answer="Transcript", errors=(404,)),
)
async def get_transcript(call_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """The turns so far, as they were heard."""
    call = await services.calls.get(key.workspace_id, CallId(call_id))
    turns = [render_turn(turn) for turn in call.transcript]
    return JsonAnswer({"call_id": call.id, "status": call.status.value, "turns": turns})


@router.get(
    "/{call_id}/events",
    summary="Follow a call",
    **operation("calls:read", answer="EventList", errors=(404, 422)),
)
async def list_events(
    call_id: PathId,
    request: Request,
    key: Reader,
    services: ServicesOf,
    query: Annotated[EventQuery, Query()],
) -> Response:
    """Events in order. With `wait`, the answer comes as soon as there is one."""
    found = await _events(request, key.workspace_id, CallId(call_id), query)
    shown = found[: query.limit]
    return JsonAnswer(
        {
            "data": [render_event(event) for event in shown],
            "has_more": len(found) > len(shown),
            "next_cursor": str(shown[-1].sequence if shown else query.after),
        }
    )


async def _events(
    request: Request, workspace: WorkspaceId, call: CallId, query: EventQuery
) -> tuple[Event, ...]:
    """One more than the limit, to know whether more are there; waits where there is none."""
    calls = request.app.state.services.calls
    now = asyncio.get_running_loop().time
    deadline = now() + query.wait
    while True:
        # The call first: an event written between the two reads is then not missed.
        over = (await calls.get(workspace, call)).status in TERMINAL
        found: tuple[Event, ...] = await calls.events(
            workspace, call, after=query.after, limit=query.limit + 1
        )
        left = deadline - now()
        if found or over or left <= 0 or await request.is_disconnected():
            return found
        await asyncio.sleep(min(POLL_INTERVAL, left))
