"""Reading what vendors' clients send: any content type, unknown fields ignored.

What is wrong is told as pydantic found it (`InvalidBody.details`), for dialects whose errors are
shaped so, and in plain words for the others.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from strowger.api.body import LONGEST_INTEGER, MalformedBody, check_text, parse_json
from strowger.api.dialects.endpoints import Asked
from strowger.api.validation import problems_of
from strowger.errors import FieldProblem, InvalidRequest

T = TypeVar("T")

LARGEST = 10**LONGEST_INTEGER


class InvalidBody(InvalidRequest):
    """A body or query whose fields are not what the vendor documents."""

    def __init__(
        self, plain: InvalidRequest, details: Sequence[Mapping[str, Any]], *, where: str = "body"
    ) -> None:
        super().__init__(str(plain), code=plain.code, problems=plain.problems)
        self.details = details
        """pydantic's findings: `loc`, `msg`, `type`, `input`."""
        self.where = where
        """`body` or `query`: what the findings' `loc` lies in."""


async def body_of(asked: Asked, adapter: TypeAdapter[T]) -> T:
    """The body as `adapter` describes it. Raises MalformedBody or InvalidBody."""
    return validated(await json_of(asked), adapter)


async def json_of(asked: Asked) -> object:
    """The body as plain JSON; an empty one is an empty object. Raises MalformedBody."""
    raw = await asked.request.body()
    given = parse_json(raw) if raw.strip() else {}
    check_text(given)
    return given


async def object_of(asked: Asked) -> dict[str, object]:
    """The same for a body that must be an object."""
    given = await json_of(asked)
    if not isinstance(given, dict):
        raise MalformedBody("the body is not a JSON object")
    return given


def query_of(asked: Asked, adapter: TypeAdapter[T]) -> T:
    """The query parameters as `adapter` describes them. Raises InvalidBody."""
    return validated(dict(asked.request.query_params), adapter, where="query")


def validated(given: object, adapter: TypeAdapter[T], *, where: str = "body") -> T:
    """What `adapter` makes of it. Raises InvalidBody, also for numbers that vendors' clients may
    write as text and no JSON holds."""
    try:
        found = adapter.validate_python(given)
    except ValidationError as error:
        details = [dict(detail) for detail in error.errors(include_url=False)]
        raise InvalidBody(problems_of(details, given), details, where=where) from error
    if unbounded := list(_unbounded(found, ())):
        raise InvalidBody(problems_of(unbounded, given), unbounded, where=where)
    return found


def _unbounded(value: object, loc: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    """Findings, as pydantic's are, for infinities and numbers beyond all measure."""
    match value:
        case bool():
            return
        case float() if not math.isfinite(value):
            yield {"loc": loc, "msg": "Input should be a finite number", "type": "finite_number"}
        case int() if abs(value) >= LARGEST:
            yield {
                "loc": loc,
                "msg": "Input should be a smaller number",
                "type": "int_parsing_size",
            }
        case Mapping():
            for name, item in value.items():
                yield from _unbounded(item, (*loc, name))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _unbounded(item, (*loc, index))
        case BaseModel():
            yield from _unbounded(dict(value), loc)
        case _ if is_dataclass(value):
            for field in fields(value):
                yield from _unbounded(getattr(value, field.name), (*loc, field.name))
        case _:
            return


@contextmanager
def wire_names(names: Mapping[str, str]) -> Iterator[None]:
    """Have problems of fields told by the vendor's names: `{"to": "to_number"}`.

    A dotted path can be named whole, or by its head alone.
    """
    try:
        yield
    except InvalidRequest as error:
        problems = tuple(
            FieldProblem(_renamed(problem.field, names), problem.message)
            for problem in error.problems
        )
        shown = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise InvalidRequest(shown or str(error), code=error.code, problems=problems) from error


def _renamed(field: str, names: Mapping[str, str]) -> str:
    if field in names:
        return names[field]
    head, dot, rest = field.partition(".")
    return f"{names.get(head, head)}{dot}{rest}"
