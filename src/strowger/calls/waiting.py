"""Jobs that let calls go on: those whose time has come, and those for which a line is free."""

import asyncio
import time
from contextlib import suppress

import structlog

from strowger.errors import NotFound, Unavailable
from strowger.model import CallId, WorkspaceId
from strowger.ports import WaitingCalls

log = structlog.get_logger()

TEND_EVERY = 30.0
"""Seconds between two looks for calls that wait though nothing holds them back, which a limit
that was set at the wrong moment can leave behind, and for what is too old to be kept."""
SHORTEST_PAUSE = 0.01
"""Seconds between two calls of one trunk that its pace allows."""


class WaitingRoom:
    """Calls of all workspaces that wait, as far as this process has jobs for them."""

    def __init__(self, store: WaitingCalls) -> None:
        self._store = store
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Leave what would take longer to the process that comes next."""
        self._stopping.set()

    async def queue(self, call_id: str) -> None:
        """The handler of jobs for scheduled calls."""
        try:
            await self._store.queue_scheduled(CallId(call_id), now=time.time())
        except NotFound:
            log.warning("queue.unknown_call", call_id=call_id)

    async def release(self, workspace: str) -> None:
        """The handler of jobs for lines that may be free.

        Where a trunk's pace holds calls back, it goes on until they are gone. Of several jobs for
        one workspace the first does it all, and looks once more for each that came meanwhile.
        """
        if workspace in self._busy:
            self._again.add(workspace)
            return
        self._busy.add(workspace)
        try:
            await self._release(workspace)
        finally:
            self._busy.discard(workspace)

    async def _release(self, workspace: str) -> None:
        while True:
            self._again.discard(workspace)
            due = await self._store.release(WorkspaceId(workspace), now=time.time())
            if due is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(SHORTEST_PAUSE, due - time.time())):
                        await self._stopping.wait()
                    raise Unavailable("this process stops; another goes on with who waits")
            elif workspace not in self._again:
                return

    async def tend(self) -> None:
        """Look after what no job looks after, until cancelled."""
        while True:
            try:
                for workspace in await self._store.workspaces_waiting():
                    await self.release(workspace)
                await self._store.forget(now=time.time())
            except Unavailable as error:
                log.warning("tending.missed", problem=str(error))
            await asyncio.sleep(TEND_EVERY)
