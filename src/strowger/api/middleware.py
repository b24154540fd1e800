"""What every request passes through: an id, a line in the log, a limit on its body.

Plain ASGI, so that streamed answers stream and nothing is read before it is asked for.
"""

import time
import traceback
from collections.abc import Callable

import structlog
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strowger.api.problems import INTERNAL_ERROR, refusal_of, refuse_of
from strowger.errors import BodyTooLarge
from strowger.observability.figures import ApiFigures

log = structlog.get_logger()
TRACER = trace.get_tracer("strowger")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContext:
    """Gives each request an id and a span, logs and counts its end, and turns a defect into a 500
    without details."""

    def __init__(
        self, app: ASGIApp, *, ids: Callable[[str], str], figures: ApiFigures | None = None
    ) -> None:
        self._app = app
        self._ids = ids
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._ids("request")
        scope.setdefault("state", {})["request_id"] = request_id
        came_from = propagate.extract(scope["headers"], getter=HEADERS)
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            TRACER.start_as_current_span(
                scope["method"], context=came_from, kind=trace.SpanKind.SERVER
            ) as span,
        ):
            await self._serve(scope, receive, send, span)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, span: trace.Span) -> None:
        started, status = time.perf_counter(), 0
        request_id = scope["state"]["request_id"]

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if (rate := scope["state"].get("rate")) is not None:
                    headers.update(rate.headers())
            await send(message)

        asked = {"method": scope["method"], "path": scope["path"]}
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # the last edge: whatever it is, the client gets an answer
            # Formatted here, not by the log's own means: those may print local variables.
            told = "".join(traceback.format_exception(error))
            log.error("request failed", **asked, exception=told)
            if status:
                raise  # too late for another answer: the server cuts the connection
            request = Request(scope)
            await refuse_of(request)(request, INTERNAL_ERROR)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            route = scope["state"].get("door", "") + getattr(scope.get("route"), "path", "(none)")
            if self._figures is not None:
                self._figures.request(_method(scope["method"]), route, status, seconds)
            if span.is_recording():
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.request.method", scope["method"])
                span.set_attribute("http.response.status_code", status)
                span.set_attribute("strowger.request_id", request_id)
        log.info("request", **asked, status=status, seconds=round(seconds, 4))


def _method(name: str) -> str:
    """One of few: clients may invent methods without end, and each would be a figure."""
    return name if name in METHODS else "other"


class _Headers(Getter[list[tuple[bytes, bytes]]]):
    """Reads ASGI's headers for the propagators."""

    def get(self, carrier: list[tuple[bytes, bytes]], key: str) -> list[str] | None:
        wanted = key.lower().encode("latin-1")
        found = [value.decode("latin-1") for name, value in carrier if name == wanted]
        return found or None

    def keys(self, carrier: list[tuple[bytes, bytes]]) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


HEADERS = _Headers()


class BodyLimit:
    """Refuses bodies over the limit, whether they announce their length or not."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > self._limit:
            answer = refuse_of(request)(request, refusal_of(self._too_large()))
            await answer(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._limit:
                    raise self._too_large()
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body is over the limit of {self._limit} bytes")
