"""Events as they happen: server-sent events of one call, or of everything in a workspace.

Each event's `id` is its sequence, so that a client that comes back with `Last-Event-ID` misses
nothing and hears nothing twice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import StreamingResponse

from strowger.calls.render import render_event
from strowger.errors import FieldProblem, InvalidRequest, Unavailable
from strowger.model import CallId, Event
from strowger.ports import Bell

MEDIA_TYPE = "text/event-stream"
LOOK_EVERY = 1.0
"""Seconds between two looks, should the bell not ring."""
ALIVE_EVERY = 15.0
"""Seconds of silence after which a comment keeps proxies from closing the connection."""
AT_ONCE = 100
"""Events read by one look."""

Look = Callable[[int], Awaitable[tuple[Event, ...]]]
"""The events after a sequence, at most AT_ONCE of them."""
Over = Callable[[], Awaitable[bool]]
"""Whether no more will come, asked before the look that finds none."""


def wants_stream(request: Request) -> bool:
    """Whether the client would rather be told than ask."""
    accepted = request.headers.get("accept", "").lower()
    return any(part.split(";")[0].strip() == MEDIA_TYPE for part in accepted.split(","))


def last_event_id(request: Request) -> int | None:
    """Where a client that comes back wants to go on. Raises InvalidRequest."""
    text = request.headers.get("last-event-id")
    if text is None or not text.strip():
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        problem = FieldProblem("Last-Event-ID", "expected the id of an event of this stream")
        raise InvalidRequest(
            f"Last-Event-ID: {problem.message}", code="invalid_cursor", problems=(problem,)
        )
    return int(text)


def stream(
    bell: Bell, topic: CallId | None, look: Look, *, after: int, over: Over
) -> StreamingResponse:
    """Tell of all events after that, for as long as the client listens and more may come."""
    return StreamingResponse(
        _tell(bell, topic, look, after, over),
        media_type=MEDIA_TYPE,
        # Proxies would hold back what is to be heard at once.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _tell(
    bell: Bell, topic: CallId | None, look: Look, after: int, over: Over
) -> AsyncIterator[str]:
    now = asyncio.get_running_loop().time
    quiet_since = now()
    # The id alone is no event, but where a client goes on that is cut off before it hears one.
    yield f": listening\nid: {after}\n\n"
    with bell.heard(topic) as rung:
        while True:
            rung.clear()
            try:
                last = await over()
                events = await look(after)
            except Unavailable:
                return  # the client comes back by itself, with the id of the last it heard
            for event in events:
                after, quiet_since = event.sequence, now()
                yield _printed(event)
            if len(events) >= AT_ONCE:
                continue
            if last:
                return
            if now() - quiet_since >= ALIVE_EVERY:
                quiet_since = now()
                yield ": still here\n\n"
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await rung.wait()


def _printed(event: Event) -> str:
    told = json.dumps(render_event(event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.sequence}\nevent: {event.type}\ndata: {told}\n\n"
