"""Records as columns hold them: JSON for what has a shape of its own, clean text for the rest."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError
from pydantic_core import from_json as parse_json
from pydantic_core import to_json as print_json
from sqlalchemy import Dialect, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from strowger.agent import AgentDefinition

T = TypeVar("T")


@cache
def adapter_of(record: Any) -> TypeAdapter[Any]:
    """How a record is read and written: made once, and not before somebody needs it, as that of an
    agent takes a quarter of a second."""
    return TypeAdapter(record)


def be_quick() -> None:
    """Make now what would otherwise be made while a customer or a callee waits."""
    adapter_of(AgentDefinition)


def clean(text: str) -> str:
    """Text that PostgreSQL can keep: no NUL, no half of a surrogate pair.

    Callees, carriers and language models send what they like; a call must not fail to be
    written down for it.
    """
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def to_json(value: object) -> str:
    """JSON that PostgreSQL can keep; what is not a number becomes null."""
    try:
        text = print_json(value, inf_nan_mode="null").decode()
    except PydanticSerializationError:  # half of a surrogate pair
        return print_json(_cleaned(value)).decode()
    if "\\u0000" in text:
        text = print_json(_cleaned(value)).decode()
    return text


def from_json(text: str) -> object:
    try:
        value: object = parse_json(text)
    except ValueError:  # numbers beyond what the quick parser takes
        value = json.loads(text)
    return value


def _cleaned(value: object) -> object:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {clean(str(key)): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
        case float() if not math.isfinite(value):
            return None
        case _ if is_dataclass(value):
            return {item.name: _cleaned(getattr(value, item.name)) for item in fields(value)}
        case _:
            return value


@lru_cache(maxsize=64)
def definition_of(text: str) -> AgentDefinition:
    """Read an agent's definition from JSON. Few agents have most of the calls: what was read lately
    is handed out again, which nobody can tell from another as neither can be changed."""
    definition: AgentDefinition = adapter_of(AgentDefinition).validate_json(text)
    return definition


class CleanText(TypeDecorator[str]):
    """Text, cleaned on its way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


class Id(CleanText):
    """An id: ordered by byte, so that a list is a walk along an index in any locale."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(collation="C")


class Json(TypeDecorator[T], Generic[T]):
    """A record, kept as JSONB and read back as the dataclass it was."""

    impl = JSONB
    cache_ok = True

    def __init__(self, record: Any) -> None:
        """`record` is the type to keep, abstract ones such as Mapping included."""
        super().__init__(none_as_null=True)
        self.record = record

    def process_bind_param(self, value: T | None, dialect: Dialect) -> object:
        return None if value is None else adapter_of(self.record).dump_python(value, mode="json")

    def process_result_value(self, value: object, dialect: Dialect) -> T | None:
        if value is None:
            return None
        record: T = adapter_of(self.record).validate_python(value)
        return record
