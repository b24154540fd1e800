"""The Idempotency-Key of a POST: what it did is done once, and answered the same every time.

The whole request is one transaction: what it writes and the answer that is kept are committed
together or not at all, and the client hears nothing before. Only successes are kept: what was
refused has done nothing, and may be tried again.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from strowger.api.auth import authenticate
from strowger.api.services import Services
from strowger.errors import FieldProblem, InvalidRequest
from strowger.model import KeptAnswer, StoredAnswer, WorkspaceId

HEADER = "Idempotency-Key"
FORM = re.compile(r"[\x20-\x7e]{1,255}")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Promise:
    """To keep the answer to this request, for whoever asks again with its key."""

    key: str
    hash: bytes
    """Of the whole request."""

    def kept(self, answer: StoredAnswer, *, now: float) -> KeptAnswer:
        return KeptAnswer(key=self.key, hash=self.hash, answer=answer, at=now)


async def promise_of(request: Request) -> Promise | None:
    promise: Promise | None = getattr(request.state, "promise", None)
    return promise


PromiseOf = Annotated[Promise | None, Depends(promise_of)]
"""For a route that writes but once: it keeps the promise itself, with what it writes, and needs no
transaction around the whole request."""


class IdempotentRoute(APIRoute):
    """A route whose POST heeds the Idempotency-Key."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if self.methods != {"POST"}:
            return handle
        scope = scope_of(self.openapi_extra)
        annotations = get_type_hints(self.endpoint, include_extras=True)
        answer = _trusting if PromiseOf in annotations.values() else _keeping

        async def once(request: Request) -> Response:
            text = presented(request)
            if text is None:
                return await handle(request)
            # Before the transaction: these ask the database over connections of their own.
            key = await authenticate(request, scope)
            promise = await _promised(request, text)
            return await answer(request, key.workspace_id, promise, handle)

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
    return await _keeping(request, workspace, await _promised(request, text), handle)


async def _promised(request: Request, text: str) -> Promise:
    # A dialect's addresses are its own, whether its name or its host leads there.
    within = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    path = request.scope["state"].get("door", "") + within
    asked = (request.method.encode(), path.encode(), await request.body())
    return Promise(text, hashlib.sha256(b"\n".join(asked)).digest())


async def _keeping(
    request: Request, workspace: WorkspaceId, promise: Promise, handle: Handler
) -> Response:
    services: Services = request.app.state.services
    records, now = services.records, services.clock
    async with records.together():
        kept = await records.find_answer(workspace, promise.key, promise.hash, now=now())
        if kept is not None:
            return _replayed(kept)
        response = await handle(request)
        if response.status_code < 300:
            await records.keep_answer(workspace, promise.kept(_stored(response), now=now()))
        return response


async def _trusting(
    request: Request, workspace: WorkspaceId, promise: Promise, handle: Handler
) -> Response:
    """For a route that keeps the promise itself."""
    services: Services = request.app.state.services
    kept = await services.records.kept_answer(
        workspace, promise.key, promise.hash, now=services.clock()
    )
    if kept is not None:
        return _replayed(kept)
    request.state.promise = promise
    return await handle(request)


def given(answer: StoredAnswer) -> Response:
    """An answer as it is given the first time."""
    headers = {} if answer.location is None else {"Location": answer.location}
    media_type = "application/json" if answer.body else None
    return Response(answer.body, answer.status, headers, media_type=media_type)


def _stored(response: Response) -> StoredAnswer:
    return StoredAnswer(
        status=response.status_code,
        location=response.headers.get("location"),
        body=bytes(response.body),
    )


def _replayed(kept: StoredAnswer) -> Response:
    response = given(kept)
    response.headers["Idempotency-Replayed"] = "true"
    return response
