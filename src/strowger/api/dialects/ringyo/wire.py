"""What all of the vendor's answers share: wrapping, errors, lists, headers."""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import uuid_of
from strowger.api.problems import Refusal, request_id
from strowger.api.rate_limits import RateState
from strowger.errors import InvalidRequest

NAME = "ringyo"
NO_LIMIT = 1_000_000
"""What the headers say where the operator has set no limit."""
LARGEST_PAGE = 100
DEFAULT_PAGE = 20
WHOLE = re.compile(r"[0-9]{1,9}")
CURSOR = re.compile(r"(?P<as_of>[0-9]{1,12}\.[0-9]{6}) (?P<offset>[0-9]{1,9})")
"""What a cursor holds, in base64: when the first page was read, and where the next one begins."""

Wire = dict[str, Any]

ERRORS: Mapping[str, tuple[int, str]] = {
    "unauthenticated": (401, "unauthorized"),
    "key_expired": (401, "unauthorized"),
    "forbidden": (403, "forbidden"),
    "missing_scope": (403, "insufficient_permissions"),
    "not_found": (404, "not_found"),
    "unknown_agent": (404, "agent_not_found"),
    "no_such_agent": (404, "agent_not_found"),
    "no_such_call": (404, "call_not_found"),
    "no_such_webhook": (404, "webhook_not_found"),
    "no_such_address": (404, "not_found"),
    "invalid_request": (400, "invalid_request"),
    "agent_inactive": (400, "agent_inactive"),
    "invalid_cursor": (400, "invalid_cursor"),
    "invalid_date_format": (400, "invalid_date_format"),
    "invalid_events": (400, "invalid_events"),
    "invalid_url": (400, "invalid_url"),
    "invalid_phone_number": (400, "invalid_phone_number"),
    "unknown_caller_id": (400, "invalid_from_number"),
    "destination_not_allowed": (403, "destination_not_allowed"),
    "malformed_json": (400, "invalid_json"),
    "rate_limited": (429, "rate_limit_exceeded"),
    "internal_error": (500, "internal_error"),
}
"""Strowger's codes to the status and code answered; others as they are."""


def request_name(request: Request) -> str:
    """The request's id as the vendor writes them: `req_…`."""
    return "req_" + request_id(request).rpartition("_")[2]


def wrapped(asked: Asked, thing: Wire, status: int = 200) -> Response:
    """One object, as both layers want it: within `data`, and its fields beside."""
    meta = {"request_id": request_name(asked.request)}
    return JSONResponse({**thing, "data": thing, "meta": meta}, status)


def refuse(request: Request, refusal: Refusal) -> Response:
    status, code = ERRORS.get(refusal.code, (refusal.status, refusal.code))
    details = {problem.field: problem.message for problem in refusal.errors}
    return JSONResponse(
        {
            "error": {"code": code, "message": refusal.detail, "details": details},
            "meta": {"request_id": request_name(request)},
        },
        status,
        dict(refusal.headers),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list a page begins."""

    limit: int
    offset: int
    as_of: float | None
    """When the first page was read: what is newer does not move the others."""


def place_of(asked: Asked) -> Place:
    """From `limit` with `offset` or `cursor`. Raises InvalidRequest."""
    query = asked.request.query_params
    limit = _number(query.get("limit"), "limit", DEFAULT_PAGE, 1, LARGEST_PAGE)
    cursor = query.get("cursor")
    if not cursor:
        return Place(limit, _number(query.get("offset"), "offset", 0, 0, 1_000_000), None)
    found = CURSOR.fullmatch(_decoded(cursor))
    if found is None:
        raise InvalidRequest("the cursor is none of ours", code="invalid_cursor")
    return Place(limit, int(found["offset"]), float(found["as_of"]))


def _decoded(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode() + b"==").decode("ascii")
    except ValueError:
        return ""


def listed(asked: Asked, things: Sequence[Wire], place: Place, total: int) -> Response:
    """One page, placed by offset and by cursor."""
    following = place.offset + len(things)
    more = following < total
    as_of = asked.services.clock() if place.as_of is None else place.as_of
    cursor = f"{as_of:.6f} {following}".encode()
    return JSONResponse(
        {
            "data": list(things),
            "pagination": {
                "total": total,
                "limit": place.limit,
                "offset": place.offset,
                "has_more": more,
            },
            "has_more": more,
            "next_cursor": base64.urlsafe_b64encode(cursor).decode().rstrip("=") if more else None,
            "total": total,
            "meta": {"request_id": request_name(asked.request)},
        }
    )


def _number(text: str | None, field: str, default: int, least: int, most: int) -> int:
    if text is None:
        return default
    if not WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"{field}: expected a whole number from {least} to {most}")
    return int(text)


def number_name(id: str) -> str:
    """`pn_…`, as the vendor names phone numbers."""
    return "pn_" + uuid_of(id).replace("-", "")


class RateHeaders:
    """`X-RateLimit-…` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                rate: RateState | None = scope["state"].get("rate")
                rate = rate or RateState(NO_LIMIT, NO_LIMIT, 60)
                MutableHeaders(scope=message).update(
                    {
                        "X-RateLimit-Limit": str(rate.limit),
                        "X-RateLimit-Remaining": str(rate.remaining),
                        "X-RateLimit-Reset": str(int(time.time()) + rate.reset),
                    }
                )
            await send(message)

        await self._app(scope, receive, send_with_limits)
