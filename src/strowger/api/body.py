"""Reading a JSON body strictly: what two readers could understand differently is refused.

Refused as malformed: other encodings than UTF-8, duplicate names, NaN and infinities, numbers
beyond what a double or 32 digits hold, nesting beyond reason. Refused as fields: NUL characters
and lone surrogates, which PostgreSQL and UTF-8 cannot keep.
"""

import json
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from strowger.api.problems import UnsupportedMediaType
from strowger.api.validation import problems_of
from strowger.errors import FieldProblem, InvalidRequest, RequestError

T = TypeVar("T")

DEEPEST = 32
"""Levels of objects and arrays; a flow takes seven."""
LONGEST_INTEGER = 32
"""Digits."""


class MalformedBody(RequestError):
    """The body is not JSON."""

    code = "malformed_json"


def body_of(adapter: TypeAdapter[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that reads the request's body as what `adapter` describes."""

    async def read(request: Request) -> T:
        check_media_type(request)
        raw = await request.body()
        return parse_body(raw, adapter)

    return read


def check_media_type(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise UnsupportedMediaType("expected a body of Content-Type: application/json")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType("expected JSON in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("expected a body without Content-Encoding")


def parse_body(raw: bytes, adapter: TypeAdapter[T]) -> T:
    """Raises MalformedBody for what is not JSON, InvalidRequest for what is not wanted."""
    given = parse_json(raw)
    check_text(given)
    try:
        return adapter.validate_json(raw, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise problems_of([dict(detail) for detail in details], given) from error


def check_text(given: object) -> None:
    """Raise InvalidRequest for strings that cannot be kept."""
    problems = tuple(_bad_text(given, ""))
    if problems:
        raise InvalidRequest(problems[0].message, problems=problems)


def parse_json(raw: bytes) -> object:
    """Raises MalformedBody."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8") from error
    try:
        given: object = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"the body is not JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise MalformedBody(f"the body is nested deeper than {DEEPEST} levels") from error
    _check_depth(given)
    return given


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedBody(f"the body has the name {json.dumps(twice)} twice in one object")
    return members


def _constant(name: str) -> object:
    raise MalformedBody(f"the body is not JSON: {name} is no number there")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise MalformedBody("the body has a number that is too large")
    return value


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise MalformedBody(f"the body has a number of more than {LONGEST_INTEGER} digits")
    return int(digits)


def _check_depth(given: object) -> None:
    level = [given]
    for _ in range(DEEPEST):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise MalformedBody(f"the body is nested deeper than {DEEPEST} levels")


def _bad_text(given: object, path: str) -> list[FieldProblem]:
    """Strings that cannot be kept. Depth is bounded before this is called."""
    if isinstance(given, str):
        wrong = _text_problem(given)
        return [FieldProblem(path.removesuffix(".") or "body", wrong)] if wrong else []
    found: list[FieldProblem] = []
    if isinstance(given, dict):
        for name, value in given.items():
            wrong = _text_problem(name)
            if wrong:
                found.append(FieldProblem(path.removesuffix(".") or "body", f"a name: {wrong}"))
            else:
                found += _bad_text(value, f"{path}{name}.")
    elif isinstance(given, list):
        for index, value in enumerate(given):
            found += _bad_text(value, f"{path}{index}.")
    return found


def _text_problem(text: str) -> str | None:
    if text.isascii() and "\0" not in text:
        return None
    if "\0" in text:
        return "expected text without the NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "expected text without unpaired surrogates"
    return None
