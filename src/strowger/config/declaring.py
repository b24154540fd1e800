"""How a setting is declared: its default, how it is read, and what the reference page says."""

from collections.abc import Callable
from dataclasses import field
from typing import TypeVar

T = TypeVar("T")


def setting(
    default: T, read: Callable[[object], T], help: str, *, form: str, secret: bool = False
) -> T:
    """A field of Settings. `form` shows what a value looks like; a secret is never printed."""
    metadata = {"read": read, "help": help, "form": form, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)
