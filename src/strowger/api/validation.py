"""From pydantic's findings to the problems of a request: plain words, dotted paths, all at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from strowger.errors import FieldProblem, InvalidRequest

UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}
WORDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "an array",
    "list_type": "an array",
    "dict_type": "an object",
    "mapping_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "dataclass_exact_type": "an object",
}


def problems_of(details: Iterable[Mapping[str, Any]], given: object) -> InvalidRequest:
    """The error to raise for what pydantic found in `given`."""
    found: dict[str, list[str]] = {}
    codes = set()
    for detail in details:
        field = path_in(given, detail["loc"], missing=detail["type"] == "missing")
        words = found.setdefault(field, [])
        message = _message(detail)
        if message not in words:
            words.append(message)
        codes.add(_code(detail))
    problems = tuple(FieldProblem(field, _join(words)) for field, words in found.items())
    shown = "; ".join(f"{problem.field}: {problem.message}" for problem in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return InvalidRequest(
        shown + more, code=codes.pop() if len(codes) == 1 else None, problems=problems
    )


def _code(detail: Mapping[str, Any]) -> str:
    if detail["type"] in UNKNOWN:
        return "unknown_field"
    return "invalid_phone_number" if detail["type"] == "invalid_phone_number" else "invalid_request"


def _message(detail: Mapping[str, Any]) -> str:
    kind, message = detail["type"], detail["msg"]
    if kind in UNKNOWN:
        return "there is no such field"
    if kind == "missing":
        return "is required"
    if kind in WORDS:
        return f"expected {WORDS[kind]}"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return (
            f"expected type to be one of {detail['ctx']['expected_tags']}"
            if ("expected_tags" in detail.get("ctx", {}))
            else "expected an object with a type"
        )
    if kind == "literal_error":
        return f"expected {detail['ctx']['expected']}"
    return str(message)


def _join(words: Sequence[str]) -> str:
    """The members of a union each complain; together they are one wish."""
    if len(words) > 1 and all(word.startswith("expected ") for word in words):
        return "expected " + ", or ".join(word.removeprefix("expected ") for word in words)
    return "; ".join(words)


def path_in(given: object, loc: Sequence[str | int], *, missing: bool) -> str:
    """The dotted path of a location, without the names of types that pydantic weaves in."""
    path: list[str] = []
    for index, step in enumerate(loc):
        inside = (isinstance(given, dict) and step in given) or (
            isinstance(given, list) and isinstance(step, int) and 0 <= step < len(given)
        )
        if inside:
            given = given[step]  # type: ignore[index]
        elif not (missing and index == len(loc) - 1):
            continue
        path.append(str(step))
    return ".".join(path) or "body"
