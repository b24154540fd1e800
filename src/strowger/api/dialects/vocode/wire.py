"""What all of Vocode's endpoints share: errors, ids, pages, `{}` for nothing, and secrets.

Errors are those of the framework that the vendor's service was made with: `{"detail": …}`, and
for fields the list of findings that the specification calls HTTPValidationError.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.body import MalformedBody
from strowger.api.dialects.bodies import InvalidBody, query_of
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import workspace_uuid
from strowger.api.dialects.lists import cut
from strowger.api.dialects.vocode.shapes import ById, Json, PageQuery
from strowger.api.problems import Refusal
from strowger.errors import FieldProblem, InvalidRequest

NAME = "vocode"
MOST_ON_A_PAGE = 500
"""Larger sizes get this; the answer's `size` says so."""
SECRETS: Mapping[str, str] = {
    "api_key": "agents:write",
    "signature_secret": "agents:write",
    "openai_api_key": "trunks:write",
    "twilio_auth_token": "trunks:write",
}
"""The vendor answers with credentials in clear. Here only keys that could replace them get those,
by this scope; others get stars."""

INDEX = re.compile(r"[0-9]{1,9}")
"""A step of a field's path that is a place in a list."""

BY_ID: TypeAdapter[ById] = TypeAdapter(ById)
PAGE: TypeAdapter[PageQuery] = TypeAdapter(PageQuery)

Wire = dict[str, object]


# ── errors ───────────────────────────────────────────────────────────────────────────────────


def refuse(request: Request, refusal: Refusal) -> Response:
    """`{"detail": …}`: a sentence, or for fields the findings."""
    headers = dict(refusal.headers)
    if refusal.status == 401 and not _bears(request):
        return JSONResponse({"detail": "Not authenticated"}, 403, headers)
    match refusal.cause:
        case InvalidBody(details=details, where=where):
            found = [_finding(detail, where) for detail in details]
            return JSONResponse({"detail": found}, 422, headers)
        case MalformedBody() as malformed:
            wrong = {"loc": ["body"], "msg": str(malformed), "type": "json_invalid"}
            return JSONResponse({"detail": [wrong]}, 422, headers)
        case InvalidRequest(problems=problems) if problems and refusal.code != "unknown_agent":
            return JSONResponse({"detail": [_problem(one) for one in problems]}, 422, headers)
        case _:
            status = 404 if refusal.code == "unknown_agent" else refusal.status
            return JSONResponse({"detail": refusal.detail}, status, headers)


def _bears(request: Request) -> bool:
    """Whether a key came at all: where none did, that framework says 403."""
    given = request.headers
    return given.get("authorization", "").lower().startswith("bearer ") or "x-api-key" in given


def _finding(detail: Mapping[str, object], where: str) -> Wire:
    loc = detail["loc"]
    assert isinstance(loc, Sequence)
    wire: Wire = {"loc": [where, *loc], "msg": detail["msg"], "type": detail["type"]}
    return wire


def _problem(problem: FieldProblem) -> Wire:
    steps = [int(step) if INDEX.fullmatch(step) else step for step in problem.field.split(".")]
    return {"loc": ["body", *steps], "msg": problem.message, "type": "value_error"}


def wrong_field(message: str, *loc: str | int, type: str = "value_error") -> InvalidBody:
    """A finding of our own."""
    plain = InvalidRequest(
        message, problems=(FieldProblem(".".join(str(step) for step in loc), message),)
    )
    return InvalidBody(plain, [{"loc": loc, "msg": message, "type": type}])


@contextmanager
def within(*loc: str) -> Iterator[None]:
    """Have what is wrong with a part told by its place in the whole."""
    try:
        yield
    except InvalidBody as invalid:
        found = [{**one, "loc": (*loc, *one["loc"])} for one in invalid.details]
        raise InvalidBody(invalid, found, where=invalid.where) from invalid
    except InvalidRequest as invalid:
        problems = tuple(
            FieldProblem(".".join((*loc, problem.field)), problem.message)
            for problem in invalid.problems
        )
        raise InvalidRequest(str(invalid), code=invalid.code, problems=problems) from invalid


# ── what is asked and answered ───────────────────────────────────────────────────────────────


def given_in(raw: Mapping[str, object]) -> Json:
    """The fields of an update that say something: `{}` leaves what is there."""
    return {name: value for name, value in raw.items() if value != {}}


def id_in(asked: Asked) -> str:
    """`?id=`, a UUID."""
    return query_of(asked, BY_ID).id


def answer(asked: Asked, wire: object) -> Response:
    """The wire object, without secrets for keys that may not see them."""
    scopes = asked.key.scopes
    hidden = frozenset(name for name, scope in SECRETS.items() if not {scope, "*"} & set(scopes))
    return JSONResponse(_masked(wire, hidden) if hidden else wire)


def _masked(value: object, hidden: Container[str]) -> object:
    if isinstance(value, Mapping):
        return {
            name: "*" * 8 if name in hidden and item else _masked(item, hidden)
            for name, item in value.items()
        }
    return [_masked(item, hidden) for item in value] if isinstance(value, list) else value


def owned(asked: Asked, id: str, body: Mapping[str, object]) -> Wire:
    """A thing as it is answered: its id and its owner's, then what it is."""
    return {"id": id, "user_id": workspace_uuid(asked.workspace), **body}


# ── pages ────────────────────────────────────────────────────────────────────────────────────


def page_asked(asked: Asked) -> PageQuery:
    query = query_of(asked, PAGE)
    return PageQuery(
        page=query.page,
        size=min(query.size, MOST_ON_A_PAGE),
        sort_column=query.sort_column or None,
        sort_desc=query.sort_desc,
    )


def page_of(
    query: PageQuery, items: Iterable[Wire], *, total: int, estimated: bool = False
) -> Wire:
    return {
        "items": list(items),
        "page": query.page,
        "size": query.size,
        "has_more": total > query.page * query.size or estimated,
        "total": total,
        "total_is_estimated": estimated,
    }


def page_among(query: PageQuery, everything: Sequence[Wire]) -> Wire:
    """A page of things that are all at hand, newest first where no order is asked for."""
    if query.sort_column is not None:
        everything = sorted(everything, key=_by(query.sort_column), reverse=query.sort_desc)
    found = cut(everything, offset=(query.page - 1) * query.size, limit=query.size)
    return page_of(query, found.items, total=found.total)


def _by(column: str) -> Callable[[Wire], tuple[bool, float, str]]:
    def key(item: Wire) -> tuple[bool, float, str]:
        if column not in item:
            raise unknown_column(column)
        value = item[column]
        number = float(value) if isinstance(value, int | float) else 0.0
        return value is not None, number, str(value)

    return key


def unknown_column(column: str) -> InvalidBody:
    wrong = wrong_field(f"there is nothing to sort by called {column[:80]}", "sort_column")
    wrong.where = "query"
    return wrong
