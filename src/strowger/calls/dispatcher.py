"""Takes dial jobs while there are free lines, and lets each call run in a task of its own.

The queue is at-least-once; that nobody is dialled twice is decided here. A call is dialled only
by the worker that committed its one dial attempt. A job that comes again finds the attempt made
and leaves the call alone: its worker has it, or the reaper will settle it as lost.
"""

import asyncio
import time

import structlog

from strowger.calls.runner import CallRunner, Workplace
from strowger.errors import NotFound, Unavailable
from strowger.lifecycle import TERMINAL, EndReason
from strowger.model import CallId

log = structlog.get_logger()

BEAT_EVERY = 2.0
"""Seconds between two signs of life of a worker."""
LOST_AFTER = 10.0
"""Seconds without a sign of life after which a worker's calls are settled."""
LOOK_FOR_ENDS_EVERY = 0.5
"""Seconds between two looks for calls that customers want ended."""


class Dispatcher:
    """The calls of one worker."""

    def __init__(self, workplace: Workplace, *, lines: int) -> None:
        self._at = workplace
        self._lines = lines
        self._calls: dict[CallId, CallRunner] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def free_lines(self) -> int:
        """How many more calls this worker may take now."""
        return 0 if self._draining else self._lines - len(self._calls)

    async def introduce(self) -> None:
        """Give the first sign of life: before it, whatever we took would count as lost."""
        at = self._at
        await at.store.beat(at.worker, lines=self._lines, busy=0, now=time.time())

    async def run(self) -> None:
        """Hold calls, give signs of life and settle the calls of the dead, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._beat(), name="heartbeat")
            tasks.create_task(self._end_on_request(), name="end requests")

    async def dial(self, call_id: str) -> None:
        """The handler of dial jobs. Returns once the call has a task, or needs none."""
        at, now = self._at, time.time()
        try:
            call = await at.store.get_call(CallId(call_id))
        except NotFound:
            log.warning("dial.unknown_call", call_id=call_id)
            return
        if call.status in TERMINAL:
            return
        if not await at.store.claim_dial_attempt(call.id, at.worker, now=now):
            log.info("dial.already_attempted", call_id=call_id)
            return
        assert self._tasks is not None, "dial jobs come only while the dispatcher runs"
        runner = CallRunner(call, at)
        self._calls[call.id] = runner
        self._idle.clear()
        self._tasks.create_task(self._hold(call.id, runner), name=f"call:{call.id}")

    async def drain(self, deadline: float) -> None:
        """Take no new calls; let those that run end, and end them after `deadline` seconds."""
        self._draining = True
        try:
            async with asyncio.timeout(deadline):
                await self._idle.wait()
        except TimeoutError:
            log.warning("worker.ends_calls", calls=len(self._calls))
            for runner in list(self._calls.values()):
                runner.end(EndReason.WORKER_STOPPED)
            await self._idle.wait()

    async def _hold(self, call_id: CallId, runner: CallRunner) -> None:
        try:
            await runner.run()
        finally:
            del self._calls[call_id]
            if not self._calls:
                self._idle.set()

    async def _beat(self) -> None:
        while True:
            at, now = self._at, time.time()
            try:
                await at.store.beat(at.worker, lines=self._lines, busy=len(self._calls), now=now)
                for lost in await at.store.settle_lost_calls(now=now, silent_for=LOST_AFTER):
                    log.warning("call.settled", call_id=lost, reason=EndReason.WORKER_LOST)
            except Unavailable as error:
                log.warning("heartbeat.missed", problem=str(error))
            await asyncio.sleep(BEAT_EVERY)

    async def _end_on_request(self) -> None:
        while True:
            try:
                for call_id in await self._at.store.end_requested(self._at.worker):
                    if (runner := self._calls.get(call_id)) is not None:
                        runner.end(EndReason.API_REQUEST)
            except Unavailable as error:
                log.warning("end_requests.missed", problem=str(error))
            await asyncio.sleep(LOOK_FOR_ENDS_EVERY)
