"""Writes down what happens on one call, in order, without making the call wait.

The database may be away for a while: the call goes on, and everything is written when it is
back. What the database refuses (the call was settled by somebody else) is logged and left.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from strowger.errors import Conflict, NotFound, Unavailable

log = structlog.get_logger()

RETRY_EVERY = 1.0
"""Seconds between two tries while the database is away."""
WAITING_LIMIT = 4096
"""Notes a call may have waiting: hours of talk without a database."""

Note = Callable[[], Awaitable[object]]


class Chronicle:
    """A queue of writes for one call."""

    def __init__(self) -> None:
        self._notes: asyncio.Queue[Note] = asyncio.Queue(maxsize=WAITING_LIMIT)

    def write(self, note: Note) -> None:
        """Have `note` done after all that came before."""
        if self._notes.full():
            log.error("chronicle.full", waiting=WAITING_LIMIT)
            return
        self._notes.put_nowait(note)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            note = await self._notes.get()
            await self._insist(note)
            self._notes.task_done()

    async def written(self) -> None:
        """Wait until everything is in the database."""
        await self._notes.join()

    async def _insist(self, note: Note) -> None:
        while True:
            try:
                await note()
            except Unavailable as error:
                log.warning("chronicle.waiting", problem=str(error))
                await asyncio.sleep(RETRY_EVERY)
            except (Conflict, NotFound) as error:
                log.warning("chronicle.refused", problem=str(error))
                return
            else:
                return
