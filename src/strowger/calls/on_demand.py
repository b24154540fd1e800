"""A simulated telephone that is opened when somebody first dials with it.

Most workers never have a test call; they shall not pay for the telephones, the clocks and the
callees of one. It is opened in the task that runs `run`, so that nothing of it hangs on the task of
the call that happened to come first, and stays open for as long as that runs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from strowger.errors import StrowgerError, Unavailable
from strowger.ports import Line, SimulatedDial, SimulatedTelephone

log = structlog.get_logger()

Open = Callable[[], AbstractAsyncContextManager[SimulatedTelephone]]


class TelephoneOnDemand:
    """`ports.SimulatedTelephone` over one that is opened when it is needed."""

    def __init__(self, open: Open) -> None:
        """What `open` raises of ours is raised to whoever dials; the next one has it tried anew."""
        self._open = open
        self._telephone: SimulatedTelephone | None = None
        self._problem = ""
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()
        """The telephone is open, or could not be opened."""

    async def run(self) -> None:
        """Open it when it is wanted, and close it when cancelled, after the last call."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._keep_open()
            except StrowgerError as error:
                self._problem = str(error)
                log.warning("simulated_telephone.not_opened", problem=self._problem)
            except Exception:  # the edge of test calls: a defect here must not end live ones
                self._problem = "simulated callees broke; the log has more"
                log.exception("simulated_telephone.broken")
            self._settled.set()

    async def _keep_open(self) -> None:
        async with self._open() as telephone:
            self._telephone = telephone
            self._settled.set()
            try:
                await asyncio.Event().wait()  # until cancelled
            finally:
                self._telephone = None

    @asynccontextmanager
    async def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[Line]:
        if self._telephone is None:
            self._settled.clear()
            self._wanted.set()
            await self._settled.wait()
        if (telephone := self._telephone) is None:
            raise Unavailable(self._problem)
        async with telephone.dial(request, on_ringing) as line:
            yield line
