"""Errors on the wire: RFC 9457 `application/problem+json`, whatever went wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.validation import problems_of
from strowger.errors import (
    BodyTooLarge,
    FieldProblem,
    InvalidRequest,
    RequestError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
CODES = {404: "not_found", 405: "method_not_allowed"}
RETRY_AFTER = "2"
"""Seconds a client is asked to wait while Strowger cannot serve."""


class UnsupportedMediaType(RequestError):
    """The body is not JSON in UTF-8, or does not say so."""

    status = 415
    code = "unsupported_media_type"


class RangeNotSatisfiable(RequestError):
    """The bytes asked for lie beyond the end of the recording; `size` is where it ends."""

    status = 416
    code = "range_not_satisfiable"

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message)
        self.size = size


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not served, before it is put into anybody's words on the wire."""

    status: int
    code: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    cause: RequestError | None = None
    """What was raised, where something was: a dialect may have more to tell of it."""


Refuse = Callable[[Request, Refusal], Response]
"""How a refusal is answered: as a problem, or in a dialect's own way."""

INTERNAL_ERROR = Refusal(
    status=500,
    code="internal_error",
    detail="something went wrong here; the log has the details under the request id",
)
"""The answer to a defect: what it was is in the log under the request's id, not here."""


def problem(request: Request, refusal: Refusal) -> Response:
    content = {
        "type": f"urn:strowger:error:{refusal.code}",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "errors": [{"field": error.field, "message": error.message} for error in refusal.errors],
        "request_id": request_id(request),
    }
    return JSONResponse(content, refusal.status, dict(refusal.headers), media_type=MEDIA_TYPE)


def request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def refuse_of(request: Request) -> Refuse:
    """How this request's refusals are answered."""
    refuse: Refuse = request.scope.get("state", {}).get("refuse", problem)
    return refuse


def answer_errors(app: Starlette) -> None:
    """Have every exception that a route can raise answered, each in its request's way."""
    answer_refusals(app)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(HTTPException, _http_exception)


def answer_refusals(app: Starlette) -> None:
    """The same for what use cases raise alone."""
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(Unavailable, _unavailable)


def refusal_of(error: RequestError) -> Refusal:
    headers = {}
    match error:
        case Unauthenticated():
            headers["WWW-Authenticate"] = 'Bearer realm="strowger"'
        case TooManyRequests(retry_after=seconds):
            headers["Retry-After"] = str(max(1, round(seconds)))
        case RangeNotSatisfiable(size=size):
            headers["Content-Range"] = f"bytes */{size}"
        case BodyTooLarge():
            # The rest of the body is not read, so the connection cannot serve another request.
            headers["Connection"] = "close"
        case _:
            pass
    return Refusal(
        status=error.status,
        code=error.code,
        detail=str(error),
        errors=error.problems if isinstance(error, InvalidRequest) else (),
        headers=headers,
        cause=error,
    )


def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return refuse_of(request)(request, refusal_of(error))


def _unavailable(request: Request, error: Exception) -> Response:
    # What exactly is lost is for the operator: it may name hosts and files.
    structlog.get_logger().error("unavailable", request_id=request_id(request), reason=str(error))
    refusal = Refusal(
        status=503,
        code="unavailable",
        detail="Strowger cannot serve this now; try again in a moment",
        headers={"Retry-After": RETRY_AFTER},
    )
    return refuse_of(request)(request, refusal)


def _invalid_parameters(request: Request, error: Exception) -> Response:
    """FastAPI's verdict on path and query parameters; bodies are read in `body.py`."""
    assert isinstance(error, RequestValidationError)
    details = [{**detail, "loc": detail["loc"][1:]} for detail in error.errors()]
    found = problems_of(details, dict(request.query_params))
    return _request_error(request, found)


def _http_exception(request: Request, error: Exception) -> Response:
    """What the router says: no such path, no such method."""
    assert isinstance(error, HTTPException)
    status, headers = error.status_code, dict(error.headers or {})
    detail = str(error.detail)
    if status == 404:
        detail = "there is no such address; /openapi.json lists them all"
    elif status == 405:
        # The router names the methods of the first route that matched; a path has several.
        headers["Allow"] = ", ".join(sorted(_methods(request)))
        detail = f"{request.method} is not possible here; {headers['Allow']} is"
    code = CODES.get(status, "bad_request")
    refusal = Refusal(status=status, code=code, detail=detail, headers=headers)
    return refuse_of(request)(request, refusal)


def _methods(request: Request) -> set[str]:
    for template, operations in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), request.url.path):
            return {method.upper() for method in operations}
    return {"GET"}  # the document itself
