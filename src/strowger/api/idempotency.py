"""The Idempotency-Key of a POST: what it did is done once, and answered the same every time.

The whole request is one transaction: what it writes and the answer that is kept are committed
together or not at all, and the client hears nothing before. Only successes are kept: what was
refused has done nothing, and may be tried again.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from strowger.api.auth import authenticate
from strowger.api.services import Services
from strowger.errors import FieldProblem, InvalidRequest
from strowger.model import StoredAnswer, WorkspaceId

HEADER = "Idempotency-Key"
FORM = re.compile(r"[\x20-\x7e]{1,255}")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose POST heeds the Idempotency-Key."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if self.methods != {"POST"}:
            return handle
        scope = scope_of(self.openapi_extra)

        async def once(request: Request) -> Response:
            text = presented(request)
            if text is None:
                return await handle(request)
            # Before the transaction: these ask the database over connections of their own.
            key = await authenticate(request, scope)
            return await answered_once(request, key.workspace_id, text, handle)

        return once


def scope_of(openapi_extra: dict[str, Any] | None) -> str:
    """The scope that a route's document names."""
    assert openapi_extra is not None, "describe the route with `operation`"
    scope = openapi_extra["security"][0]["bearer"][0]
    assert isinstance(scope, str)
    return scope


def presented(request: Request) -> str | None:
    """The request's Idempotency-Key; None without one. Raises InvalidRequest."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    if len(request.headers.getlist(HEADER)) > 1:
        problem = "expected one, got several"
    elif not FORM.fullmatch(text):
        problem = "expected 1 to 255 printable ASCII characters"
    else:
        return text
    raise InvalidRequest(
        f"{HEADER}: {problem}",
        code="invalid_idempotency_key",
        problems=(FieldProblem(HEADER, problem),),
    )


async def answered_once(
    request: Request, workspace: WorkspaceId, text: str, handle: Handler
) -> Response:
    """Have `handle` answer within one transaction, or answer as before."""
    services: Services = request.app.state.services
    records, clock = services.records, services.clock
    asked = (request.method.encode(), request.url.path.encode(), await request.body())
    hash = hashlib.sha256(b"\n".join(asked)).digest()
    async with records.together():
        kept = await records.find_answer(workspace, text, hash, now=clock())
        if kept is not None:
            return _replayed(kept)
        response = await handle(request)
        if response.status_code < 300:
            await records.keep_answer(workspace, text, hash, _stored(response), now=clock())
        return response


def _stored(response: Response) -> StoredAnswer:
    return StoredAnswer(
        status=response.status_code,
        location=response.headers.get("location"),
        body=bytes(response.body),
    )


def _replayed(kept: StoredAnswer) -> Response:
    headers = {"Idempotency-Replayed": "true"}
    if kept.location is not None:
        headers["Location"] = kept.location
    media_type = "application/json" if kept.body else None
    return Response(kept.body, kept.status, headers, media_type=media_type)
