"""Plain JSON values back into the frozen records they were written from."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Annotated, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class BadRecord(Exception):
    """A value that does not fit its place; told by its dotted path."""


def record_from(kind: type[T], value: object, *, path: str = "") -> T:
    """The value as the given type: no unknown fields, no missing ones, no wrong types."""
    made: T = _make(kind, value, path)  # type: ignore[assignment]
    return made


def _make(kind: object, value: object, path: str) -> object:
    if kind is object:
        return value  # JSON of the customer's own
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value, path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind, value, path)
    if origin is Annotated:
        return _make(inner[0], value, path)
    if origin in (Union, types.UnionType):
        return _union(inner, value, path)
    if origin is Literal:
        if value not in inner:
            raise BadRecord(f"{path}: expected one of {inner}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise BadRecord(f"{path}: expected a list")
        return tuple(_make(inner[0], item, _below(path, str(n))) for n, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise BadRecord(f"{path}: expected an object")
        return {name: _make(inner[1], item, _below(path, name)) for name, item in value.items()}
    return _plain(kind, value, path)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _plain(kind: object, value: object, path: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        name = kind.__name__ if isinstance(kind, type) else str(kind)
        raise BadRecord(f"{path}: expected {name}, got {value!r}")
    return value


def _enum(kind: type[Enum], value: object, path: str) -> Enum:
    try:
        return kind(value)
    except ValueError as problem:
        raise BadRecord(f"{path}: {problem}") from problem


def _union(kinds: tuple[object, ...], value: object, path: str) -> object:
    """The member whose type the value has, or whose `type` it names."""
    if value is None and types.NoneType in kinds:
        return None
    for kind in kinds:
        if type(value) is kind:
            return value
    records = [kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)]
    if records and isinstance(value, dict):
        return _dataclass(_named(records, value, path), value, path)
    for kind in kinds:
        if kind is not types.NoneType and kind not in records:
            try:
                return _make(kind, value, path)
            except BadRecord:
                continue
    raise BadRecord(f"{path}: unexpected value {value!r}")


def _named(records: list[type], value: Mapping[str, object], path: str) -> type:
    """The record of several that the value's `type` names."""
    for record in records:
        tags = get_args(get_type_hints(record).get("type"))
        if len(records) == 1 or value.get("type") in tags:
            return record
    raise BadRecord(f"{path}: there is no {value.get('type')!r} here")


def _dataclass(kind: type, value: object, path: str) -> object:
    if not isinstance(value, dict):
        raise BadRecord(f"{path or kind.__name__}: expected an object")
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in fields(kind)}
    for name in value:
        if name not in known:
            raise BadRecord(f"{_below(path, name)}: unknown field")
    made: dict[str, object] = {}
    for name, field in known.items():
        if name in value:
            made[name] = _make(hints[name], value[name], _below(path, name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise BadRecord(f"{_below(path, name)}: missing")
    return kind(**made)
