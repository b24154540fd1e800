"""How late the event loop is: the first thing to look at when calls stutter."""

import asyncio
from collections.abc import Callable

import structlog

log = structlog.get_logger()

LOOK_EVERY = 0.25
"""Seconds between two looks."""
TELL_FROM = 0.25
"""Seconds of delay that are worth a line in the log: a dozen packets of every call."""


async def watch_loop(
    note: Callable[[float], None],
    *,
    every: float = LOOK_EVERY,
    tell_from: float = TELL_FROM,
) -> None:
    """Tell `note` by how many seconds each of our naps was too long, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        lag = max(0.0, loop.time() - due)
        note(lag)
        if lag >= tell_from:
            log.warning("loop.late", seconds=round(lag, 3))
