"""What all shapes share."""

from typing import Generic, TypedDict, TypeVar

T = TypeVar("T")

Scalar = str | int | float | bool | None


class Complete(TypedDict, Generic[T]):
    """A short list, as a whole."""

    data: list[T]


class Listed(TypedDict, Generic[T]):
    """One page of a list, newest first."""

    data: list[T]
    has_more: bool
    next_cursor: str | None
