"""Whether a JSON value is what a schema asks for: the part of JSON Schema that tools use.

Known are `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`,
`minItems`, `maxItems`, `minLength`, `maxLength`, `minimum`, `maximum`, `anyOf`, `oneOf` and
`allOf`; everything else (`description`, `format` …) is for the model to read and checks nothing.
"""

from collections.abc import Iterator, Mapping

DEEPEST = 20
"""Levels of a value, and of a schema, that are looked at."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def mismatches(value: object, schema: object, *, path: str = "", depth: int = 0) -> Iterator[str]:
    """What is wrong with a value, each in a sentence with its dotted path."""
    if depth > DEEPEST:
        yield f"{path or 'the arguments'}: nested too deeply"
        return
    if not isinstance(schema, Mapping):
        return
    place = path or "the arguments"
    kinds = _strings(schema.get("type"))
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{place}: expected {' or '.join(kinds)}"
        return
    choices = schema.get("enum")
    if isinstance(choices, list | tuple) and value not in choices:
        yield f"{place}: expected one of {list(choices)!r}"
    if "const" in schema and value != schema["const"]:
        yield f"{place}: expected {schema['const']!r}"
    yield from _bounds(value, schema, place)
    if isinstance(value, dict):
        yield from _object(value, schema, path, depth)
    if isinstance(value, list):
        for index, item in enumerate(value):
            below = _below(path, str(index))
            yield from mismatches(item, schema.get("items"), path=below, depth=depth + 1)
    yield from _combined(value, schema, path, depth)


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, ()))


def _bounds(value: object, schema: Mapping[str, object], place: str) -> Iterator[str]:
    counts = isinstance(value, int | float) and not isinstance(value, bool)
    number = value if counts and isinstance(value, int | float) else None
    measures: tuple[tuple[str, str, float | None], ...] = (
        ("minimum", "maximum", number),
        ("minLength", "maxLength", len(value) if isinstance(value, str) else None),
        ("minItems", "maxItems", len(value) if isinstance(value, list) else None),
    )
    for least, most, measure in measures:
        if measure is None:
            continue
        low, high = schema.get(least), schema.get(most)
        if isinstance(low, int | float) and measure < low:
            yield f"{place}: {least} is {low:g}, got {measure:g}"
        if isinstance(high, int | float) and measure > high:
            yield f"{place}: {most} is {high:g}, got {measure:g}"


def _object(
    value: Mapping[str, object], schema: Mapping[str, object], path: str, depth: int
) -> Iterator[str]:
    known = schema.get("properties")
    properties = known if isinstance(known, Mapping) else {}
    for name in _strings(schema.get("required")):
        if name not in value:
            yield f"{_below(path, name)}: missing"
    others = schema.get("additionalProperties")
    for name, item in value.items():
        below = _below(path, name)
        if name in properties:
            yield from mismatches(item, properties[name], path=below, depth=depth + 1)
        elif others is False:
            yield f"{below}: there is no such argument"
        else:
            yield from mismatches(item, others, path=below, depth=depth + 1)


def _combined(value: object, schema: Mapping[str, object], path: str, depth: int) -> Iterator[str]:
    for part in _list(schema.get("allOf")):
        yield from mismatches(value, part, path=path, depth=depth + 1)
    for word in ("anyOf", "oneOf"):
        parts = _list(schema.get(word))
        fits = (not any(mismatches(value, part, path=path, depth=depth + 1)) for part in parts)
        if parts and not any(fits):
            yield f"{path or 'the arguments'}: fits none of what `{word}` allows"


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in _list(value) if isinstance(item, str)]


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
