"""What all answers share: lists, problems, and the server's own state."""

from typing import Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from strowger.api.shapes import Strict

T = TypeVar("T")


class ListOf(Strict, Generic[T]):
    """One page of a list, newest first."""

    model_config = ConfigDict(defer_build=True)

    data: tuple[T, ...]
    """The items of this page."""
    has_more: bool
    """Whether another page follows."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null where there is none."""


class Health(Strict):
    """The server's state."""

    status: Literal["ok"]
    """`ok`; anything else is answered as a problem."""


class Readiness(Strict):
    """What a server that can serve finds around it."""

    status: Literal["ok"]
    """`ok`; anything else is answered as a problem."""
    database: Literal["ok"]
    """It answers."""
    tables: str | None
    """The version of the database's tables."""
    workers: int | None
    """Workers that gave a sign of life in the last ten seconds; with none, calls wait."""


class FieldError(Strict):
    """What is wrong with one field."""

    field: str
    """Dotted path of the field, such as `variables.name`."""
    message: str
    """What was expected."""


class Problem(Strict):
    """Why a request was refused or failed (RFC 9457)."""

    type: str
    """A URI for this kind of problem."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened this time, for people to read."""
    code: str = Field(examples=["invalid_phone_number"])
    """What happened, for programs to read."""
    errors: tuple[FieldError, ...]
    """Every field that is wrong; empty where no field is."""
    request_id: str
    """The request, as in the `X-Request-Id` header and in the server's log."""
