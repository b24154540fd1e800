"""How the root runs a coroutine, and what it tells those who started it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from strowger.errors import ConfigurationError, Unavailable, leaves

T = TypeVar("T")

Ready = Callable[[str], None]
"""Told of what can be used from now on."""
UntilStopped = Callable[[], Awaitable[None]]
"""Returns when the process is to end."""


def run_loop(main: Coroutine[None, None, T]) -> T:
    """Run to the end on uvloop. What the operator is to read is raised plainly, never in a group.

    Raises ConfigurationError or Unavailable.
    """
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except* (ConfigurationError, Unavailable) as errors:
        raise next(leaves(errors)) from None
    raise AssertionError("either it returned or it raised")
