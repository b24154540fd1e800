"""What all of the vendor's answers share: the envelope, two shapes of errors, ids, pages.

The vendor is a gateway before gRPC services. Its requests come in snake_case or camelCase, and its
errors in the gateway's shape or in one of its own; which, the status decides (see `refuse`).
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.dialects.bodies import object_of, validated
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import number_rule
from strowger.api.problems import Refusal
from strowger.errors import FieldProblem, InvalidRequest

Wire = dict[str, Any]

NAME = "ravan"
NUMBERS = number_rule(r"^\+[1-9]\d{6,14}$")
"""The page says E.164 and no more."""
LARGEST_PAGE = 100
DEFAULT_PAGE = 20
LARGEST_OFFSET = 1_000_000

STATUSES: Mapping[str, int] = {"unknown_agent": 404, "recording_not_available": 404}
"""Strowger's codes that are answered with another status than its own."""
MOVED: Mapping[int, int] = {422: 400}
"""Strowger's statuses, likewise: the vendor's 422 is for appointments."""
GRPC: Mapping[int, int] = {400: 3, 401: 16, 404: 5}
"""The statuses answered in the gateway's shape, and gRPC's code for each."""
OWN: Mapping[int, tuple[str, str | None]] = {
    403: ("FORBIDDEN", "You do not have permission to perform this action"),
    404: ("NOT_FOUND", None),
    405: ("METHOD_NOT_ALLOWED", None),
    409: ("CONFLICT", None),
    413: ("PAYLOAD_TOO_LARGE", None),
    429: ("RATE_LIMITED", None),
    500: ("INTERNAL_ERROR", "Something went wrong on our end"),
    501: ("NOT_IMPLEMENTED", None),
    503: ("SERVICE_UNAVAILABLE", "Service temporarily unavailable"),
}
"""The statuses answered in the vendor's own shape: the code and, where its pages print one, the
message; the reason is told beside it."""
NO_KEY = "API key is missing or invalid"


class Fields(BaseModel):
    """A body of which any field may be missing."""

    model_config = ConfigDict(frozen=True)

    def told(self) -> Wire:
        """What was given; null is as good as nothing."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None}


F = TypeVar("F", bound=Fields)
T = TypeVar("T")


def answer(message: str, data: object = None, *, meta: Wire | None = None) -> Response:
    """The envelope of everything but create-call and phone-history."""
    body: Wire = {"success": True, "message": message, "data": data}
    return JSONResponse(body if meta is None else {**body, "meta": meta})


def refuse(request: Request, refusal: Refusal) -> Response:
    """400 and 401 in the gateway's shape, others in the vendor's own, a 404 in both at once: its
    pages show the one, and the gateway writes the other."""
    status = STATUSES.get(refusal.code, MOVED.get(refusal.status, refusal.status))
    detail = NO_KEY if status == 401 else refusal.detail
    body: Wire = {}
    if status in GRPC:
        body |= {"code": GRPC[status], "message": detail, "details": []}
    if status not in (400, 401):
        code, message = OWN.get(status, (refusal.code.upper(), None))
        body |= {
            "success": False,
            "message": message or detail,
            "error": {"code": code, "message": detail},
        }
    return JSONResponse(body, status, dict(refusal.headers))


async def given_in(asked: Asked, adapter: TypeAdapter[F]) -> Wire:
    """What the body gives, its names in either case. Raises MalformedBody or InvalidBody."""
    return validated(snaked(await object_of(asked)), adapter).told()


def snaked(given: Mapping[str, T]) -> dict[str, T]:
    """`promptDynamicVariables` is `prompt_dynamic_variables`; what they hold stays as it is."""
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(): given[name] for name in given}


def require(given: Wire, *names: str) -> None:
    """Raise InvalidRequest, naming all of these that are missing or empty."""
    missing = tuple(FieldProblem(name, "is required") for name in names if not given.get(name))
    if missing:
        told = "; ".join(f"{problem.field}: {problem.message}" for problem in missing)
        raise InvalidRequest(told, problems=missing)


def id_in(prefix: str, text: str) -> str:
    """Strowger's id of a UUID, or of an id of Strowger's.

    Raises InvalidRequest in the words of the vendor's pages for what is neither.
    """
    if text.startswith(f"{prefix}_"):
        return text
    try:
        return f"{prefix}_{uuid.UUID(text).hex}"
    except ValueError as error:
        wrong = "invalid UUID format" if len(text) == 36 else f"invalid UUID length: {len(text)}"
        raise InvalidRequest(f'invalid uuid "{text[:80]}": {wrong}') from error


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of a list is wanted."""

    limit: int
    offset: int

    @property
    def page(self) -> int:
        return self.offset // self.limit + 1


def query_in(asked: Asked) -> dict[str, str]:
    """The query's parameters, their names in either case; empty ones are as good as none."""
    return {name: text for name, text in snaked(asked.request.query_params).items() if text}


def place_of(query: Mapping[str, str], *, default: int = DEFAULT_PAGE) -> Place:
    """From `limit` and `offset`, or `page` and `page_size`. Raises InvalidRequest."""
    size = "limit" if "limit" in query else "page_size"
    limit = whole(query, size, default, most=max(LARGEST_PAGE, default))
    if "offset" in query:
        return Place(limit, whole(query, "offset", 0, least=0, most=LARGEST_OFFSET))
    return Place(limit, (whole(query, "page", 1, most=LARGEST_OFFSET) - 1) * limit)


def whole(query: Mapping[str, str], field: str, default: int, *, least: int = 1, most: int) -> int:
    """A whole number from a query; one that is too large is the largest."""
    text = query.get(field)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or int(text[:12]) < least:
        raise InvalidRequest(f"{field}: expected a whole number from {least}, got {text[:40]}")
    return min(int(text[:12]), most)


def flag(query: Mapping[str, str], field: str) -> bool | None:
    """`true` or `false`; None for neither."""
    return {"true": True, "1": True, "false": False, "0": False}.get(query.get(field, "").lower())


def meta_of(place: Place, total: int) -> Wire:
    return {"total": total, "limit": place.limit, "offset": place.offset}


def either_case(thing: Wire, names: Sequence[str]) -> Wire:
    """The thing with these fields in camelCase too, where the vendor's page has it both ways."""
    return {**thing, **{_camel(name): thing[name] for name in names}}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), name)
