"""Errors on the wire: RFC 9457 `application/problem+json`, whatever went wrong."""

import re
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.validation import problems_of
from strowger.errors import (
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


def problem(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    errors: tuple[FieldProblem, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    content = {
        "type": f"urn:strowger:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": error.field, "message": error.message} for error in errors],
        "request_id": request_id(request),
    }
    return JSONResponse(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def answer_errors(app: FastAPI) -> None:
    """Have every exception that a route can raise answered as a problem."""
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(HTTPException, _http_exception)


def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {}
    match error:
        case Unauthenticated():
            headers["WWW-Authenticate"] = 'Bearer realm="strowger"'
        case TooManyRequests(retry_after=seconds):
            headers["Retry-After"] = str(max(1, round(seconds)))
        case RangeNotSatisfiable(size=size):
            headers["Content-Range"] = f"bytes */{size}"
        case _:
            pass
    return problem(
        request,
        error.status,
        code=error.code,
        detail=str(error),
        errors=error.problems if isinstance(error, InvalidRequest) else (),
        headers=headers,
    )


def _unavailable(request: Request, error: Exception) -> Response:
    # What exactly is lost is for the operator: it may name hosts and files.
    structlog.get_logger().error("unavailable", request_id=request_id(request), reason=str(error))
    return problem(
        request,
        503,
        code="unavailable",
        detail="Strowger cannot serve this now; try again in a moment",
        headers={"Retry-After": RETRY_AFTER},
    )


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
    return problem(request, status, code=code, detail=detail, headers=headers)


def _methods(request: Request) -> set[str]:
    for template, operations in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), request.url.path):
            return {method.upper() for method in operations}
    return {"GET"}  # the document itself


def internal_error(request: Request) -> Response:
    """The answer to a defect: what it was is in the log under the request's id, not here."""
    return problem(
        request,
        500,
        code="internal_error",
        detail="something went wrong here; the log has the details under the request id",
    )
