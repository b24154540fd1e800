"""What all shapes on the wire share: unknown fields refused, numbers checked, times in RFC 3339."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from strowger.calls.numbers import destination_problem, phone_number_problem

RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=False
    )


def _destination(text: str) -> str:
    return _checked(text, destination_problem(text))


def _phone_number(text: str) -> str:
    return _checked(text, phone_number_problem(text))


def _checked(text: str, problem: str | None) -> str:
    if problem is not None:
        raise PydanticCustomError("invalid_phone_number", "{problem}", {"problem": problem})
    return text


def _plus_kept(text: str) -> str:
    """A + in a query that was not percent-encoded arrives as a space."""
    return "+" + text[1:] if text.startswith(" ") else text


def _moment(value: object) -> object:
    """Read here: strictly, pydantic takes no text at all; else also a number of seconds."""
    if isinstance(value, str) and RFC3339.fullmatch(value):
        with suppress(ValueError):
            return datetime.fromisoformat(value.upper())
    raise PydanticCustomError("datetime_type", "expected a time such as 2026-01-31T09:30:00Z")


# The patterns are for the document: what they let through is still judged by the validators.
Destination = Annotated[
    str,
    AfterValidator(_destination),
    Field(
        json_schema_extra={"pattern": r"^(\+[1-9][0-9]{6,14}|sip:.{1,251})$"},
        examples=["+14155550100"],
    ),
]
E164 = Annotated[
    str,
    AfterValidator(_phone_number),
    Field(json_schema_extra={"pattern": r"^\+[1-9][0-9]{6,14}$"}, examples=["+14155550100"]),
]
DestinationInQuery = Annotated[
    str, AfterValidator(_plus_kept), AfterValidator(_destination), Field(max_length=255)
]
Timestamp = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T09:30:00.125Z"])
]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""A time in a request: RFC 3339 with its zone."""
