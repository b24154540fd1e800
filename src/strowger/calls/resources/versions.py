"""Changes that lose nothing: of two at the same moment, the second is made to what the first left.

Agents, trunks, phone numbers and webhooks have a version that grows with every change.
"""

from collections.abc import Awaitable, Callable, Container
from contextlib import suppress
from typing import Protocol, TypeVar

from strowger.errors import Conflict, PreconditionFailed

MOST_ATTEMPTS = 10
"""How often a change is tried again that met another."""


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)

Ids = Callable[[str], str]
"""From a prefix such as `call` to a new id such as `call_0192…`."""
Clock = Callable[[], float]
"""Unix seconds."""


async def update(
    read: Callable[[], Awaitable[V]],
    change: Callable[[V], Awaitable[V]],
    write: Callable[[V], Awaitable[V]],
    *,
    expected: Container[int] | None,
) -> V:
    """What `change` makes of the present state; nothing is written where that is the same.

    `write` raises PreconditionFailed where the state is no longer the one that was read: then
    it is read again. So without `expected`, fields that somebody else changes at the same moment
    are not lost. Raises PreconditionFailed where the present version is none of `expected`.
    """
    for _ in range(MOST_ATTEMPTS):
        current = await read()
        if expected is not None and current.version not in expected:
            raise PreconditionFailed(f"it is at version {current.version} by now")
        changed = await change(current)
        if changed == current:
            return current
        with suppress(PreconditionFailed):
            return await write(changed)
    raise Conflict("it is being changed all the time", code="changed_meanwhile")
