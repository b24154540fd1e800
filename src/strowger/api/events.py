"""`/v1/events`: everything that happened in the workspace, in order."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.auth import requires
from strowger.api.describe import operation, streams
from strowger.api.live import AT_ONCE, last_event_id, stream, wants_stream
from strowger.api.routing import ServicesOf
from strowger.api.shapes import Strict
from strowger.calls.render import render_event
from strowger.model import ApiKey, Event

router = APIRouter(prefix="/v1/events", tags=["events"])

Reader = Annotated[ApiKey, Depends(requires("calls:read"))]


class FeedQuery(Strict):
    after: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """Only events whose `sequence` is greater: `next_cursor` of the answer before. Left out, a
    list begins with the first event and a stream with the next."""
    limit: int = Field(default=100, ge=1, le=100)
    """How many events a list holds at most."""


@router.get(
    "",
    summary="Follow everything",
    **streams(operation("calls:read", answer="EventList", errors=(422,))),
)
async def list_all_events(
    request: Request,
    key: Reader,
    services: ServicesOf,
    query: Annotated[FeedQuery, Query()],
) -> Response:
    """Events of the whole workspace, oldest first. With `Accept: text/event-stream` they come as
    they happen; `Last-Event-ID` goes on after the event that was heard last."""
    calls, workspace = services.calls, key.workspace_id
    heard = last_event_id(request)
    if not wants_stream(request):
        after = query.after or 0
        found = await calls.feed(workspace, after=after, limit=query.limit + 1)
        shown = found[: query.limit]
        return JSONResponse(
            {
                "data": [render_event(event) for event in shown],
                "has_more": len(found) > len(shown),
                "next_cursor": str(shown[-1].sequence if shown else after),
            }
        )
    heard = query.after if heard is None else heard
    begin = await calls.last_sequence(workspace) if heard is None else heard

    async def look(after: int) -> tuple[Event, ...]:
        return await calls.feed(workspace, after=after, limit=AT_ONCE)

    async def over() -> bool:
        return False

    return stream(services.bell, None, look, after=begin, over=over)
