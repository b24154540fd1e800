"""The applications of the dialects, and the door that leads to them by path or by host name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from strowger.api.auth import authenticate
from strowger.api.dialects.endpoints import Asked, Backing, Dialect, Endpoint
from strowger.api.dialects.links import RECORDING
from strowger.api.idempotency import answered_once, presented
from strowger.api.middleware import BodyLimit
from strowger.api.problems import Refusal, answer_refusals
from strowger.ports import WebhookFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialects:
    """The dialects that a server speaks."""

    backing: Backing
    spoken: Sequence[Dialect]
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host names that lead to a dialect, by its name, whatever the path."""

    def formats(self) -> dict[str, WebhookFormat]:
        """What writes webhooks in the dialects' ways, by dialect."""
        return {dialect.name: dialect.webhook_format(self.backing) for dialect in self.spoken}


class Door:
    """Leads a request to its dialect: by the first part of its path, or by its host name."""

    def __init__(
        self, app: ASGIApp, *, dialects: Dialects, state: State, largest_body: int
    ) -> None:
        self._app = app
        self._hosts = dialects.hosts
        self._rooms = {
            dialect.name: _Room(dialect, dialects.backing, state, largest_body)
            for dialect in dialects.spoken
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        room = self._room(scope) if scope["type"] == "http" else None
        await (self._app if room is None else room)(scope, receive, send)

    def _room(self, scope: Scope) -> "_Room | None":
        # `OPTIONS *` has a path without a slash.
        named = self._rooms.get(scope["path"].removeprefix("/").partition("/")[0])
        if named is not None:
            scope["root_path"] = scope.get("root_path", "") + f"/{named.name}"
            return named
        if not self._hosts:
            return None
        host = Request(scope).headers.get("host", "").rpartition(":")
        name = self._hosts.get((host[0] or host[2]).lower())
        return None if name is None else self._rooms.get(name)


class _Bare(Starlette):
    """Without the outermost of Starlette's layers, which would answer a defect in its own words:
    `RequestContext` has it answered in the dialect's."""

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)


class _Room:
    """One dialect's application."""

    def __init__(self, dialect: Dialect, backing: Backing, state: State, largest_body: int) -> None:
        self.name = dialect.name
        self._refuse = dialect.refuse
        app = _Bare(routes=routes_of(dialect, backing))
        app.router.redirect_slashes = False
        app.state = state
        answer_refusals(app)
        app.add_exception_handler(HTTPException, self._no_such_address)
        limited = BodyLimit(app, limit=largest_body)
        self._app: ASGIApp = limited if dialect.wrap is None else dialect.wrap(limited)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["refuse"] = self._refuse
        scope["state"]["door"] = f"/{self.name}"
        await self._app(scope, receive, send)

    def _no_such_address(self, request: Request, error: Exception) -> Response:
        """What the router says: no such path, no such method."""
        assert isinstance(error, HTTPException)
        status = error.status_code
        refusal = Refusal(
            status=status,
            code="method_not_allowed" if status == 405 else "no_such_address",
            detail=HTTPStatus(status).phrase,
            headers=dict(error.headers or {}),
        )
        return self._refuse(request, refusal)


def routes_of(dialect: Dialect, backing: Backing) -> list[Route]:
    """The routes of a dialect in the order of its table."""
    return [
        Route(path, _Served(endpoint, backing), methods=[endpoint.method])
        for endpoint in (*dialect.endpoints, RECORDING)
        for path in (endpoint.path, *endpoint.also)
    ]


class _Served:
    """An endpoint as an application: who asks, whether once, then its handler."""

    def __init__(self, endpoint: Endpoint, backing: Backing) -> None:
        self._endpoint = endpoint
        self._backing = backing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        scope = self._endpoint.scope
        key = None if scope is None else await authenticate(request, scope)
        asked = Asked(request=request, backing=self._backing, _key=key)
        text = presented(request) if self._endpoint.idempotent else None
        if text is None or key is None:
            return await self._endpoint.handle(asked)

        async def handle(_: Request) -> Response:
            return await self._endpoint.handle(asked)

        return await answered_once(request, key.workspace_id, text, handle)
