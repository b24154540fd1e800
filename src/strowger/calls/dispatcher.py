"""Takes dial jobs while there are free lines, and lets each call run in a task of its own.

The queue is at-least-once; that nobody is dialled twice is decided here. A call is dialled only
by the worker that committed its one dial attempt. A job that comes again finds the attempt made
and leaves the call alone: its worker has it, or the reaper will settle it as lost.

With every sign of life a worker compares the calls in its hands with those that the database says
are its own, for the two come apart when a connection breaks: a commit whose answer was lost has
made a call ours that we do not know of, and nobody else may dial; and while we could not be heard
another worker may have settled a call whose callee is still talking to us.
"""

import asyncio
import time
from contextlib import suppress

import structlog

from strowger.calls.runner import CallRunner, Workplace
from strowger.errors import NotFound, StrowgerError
from strowger.lifecycle import TERMINAL, CallStatus, EndReason
from strowger.model import Call, CallId, CallResult

log = structlog.get_logger()

BEAT_EVERY = 2.0
"""Seconds between two signs of life of a worker."""
LOST_AFTER = 10.0
"""Seconds without a sign of life after which a worker's calls are settled.

Only seconds in which it could have given one count: who settles must have been heard itself for
so long. After the database was away, everybody has that time to come back.
"""
GAP = 2.5 * BEAT_EVERY
"""Seconds between two signs of life that are no longer one after the other."""
LOOK_FOR_COMMANDS_EVERY = 1.0
"""Seconds between two looks for what customers want of calls, should the bell not ring."""


class Hearing:
    """For how long signs of life have been heard one after the other. Pure: times are given."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0

    def at(self, now: float) -> None:
        """A sign of life has been committed."""
        if self._first is None or now - self._last > GAP:
            self._first = now
        self._last = now

    def unbroken(self, now: float) -> float:
        """Seconds since the first sign of life that was followed by others in time."""
        return 0.0 if self._first is None else now - self._first


class Dispatcher:
    """The calls of one worker."""

    def __init__(self, workplace: Workplace, *, lines: int) -> None:
        self._at = workplace
        self._lines = lines
        self._calls: dict[CallId, CallRunner] = {}
        self._in_hand: set[CallId] = set()
        """Calls that a task of ours is busy with: dialling them or about to, or holding them."""
        self._broken: set[CallId] = set()
        """Calls whose task broke: rung, whatever the database has of it, and not over there."""
        self._heard = Hearing()
        self._tasks: asyncio.TaskGroup | None = None
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def free_lines(self) -> int:
        """How many more calls this worker may take now."""
        return 0 if self._draining else self._lines - len(self._calls)

    def busy_lines(self) -> int:
        """How many calls this worker conducts."""
        return len(self._calls)

    async def introduce(self) -> None:
        """Give the first sign of life: before it, whatever we took would count as lost."""
        at = self._at
        await at.store.beat(at.worker, lines=self._lines, busy=0)
        self._heard.at(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Hold calls, give signs of life and settle the calls of the dead, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._beat(), name="heartbeat")
            tasks.create_task(self._obey(), name="commands")

    async def dial(self, call_id: str) -> None:
        """The handler of dial jobs. Returns once the call has a task, or needs none.

        Taken in hand before the first look at it: whatever the database says of the call after
        that, no other task of this process changes.
        """
        id = CallId(call_id)
        if id in self._in_hand:
            return
        self._in_hand.add(id)
        try:
            if (call := await self._won(id)) is not None:
                self._begin(call)
        finally:
            if id not in self._calls:
                self._in_hand.discard(id)

    async def _won(self, call_id: CallId) -> Call | None:
        """The call, where it is ours to dial."""
        at = self._at
        try:
            call = await at.store.get_call(call_id)
        except NotFound:
            log.warning("dial.unknown_call", call_id=call_id)
            return None
        if call.status in TERMINAL or call_id in self._broken:
            return None
        if call.worker_id == at.worker and call.status is CallStatus.QUEUED:
            # We made the attempt, its answer never came, and so nobody has been rung.
            log.warning("dial.attempt_found", call_id=call_id)
            return call
        if not await at.store.claim_dial_attempt(call.id, at.worker, now=time.time()):
            log.info("dial.not_ours", call_id=call_id)  # attempted before, or has to wait
            return None
        return call

    def _begin(self, call: Call) -> None:
        assert self._tasks is not None, "dial jobs come only while the dispatcher runs"
        runner = CallRunner(call, self._at)
        self._calls[call.id] = runner
        self._idle.clear()
        self._tasks.create_task(self._hold(call.id, runner), name=f"call:{call.id}")

    def take_no_more(self) -> None:
        """From now on no line is free; calls whose jobs are in hand already still begin."""
        self._draining = True

    async def drain(self, deadline: float) -> None:
        """Take no new calls; let those that run end, and end them after `deadline` seconds."""
        self.take_no_more()
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
        except Exception:  # the edge of the call: its defect must not end the others
            # In the database it goes on: `_compare` finds it there and ends it.
            self._broken.add(call_id)
            log.exception("call.abandoned", call_id=call_id)
        finally:
            del self._calls[call_id]
            self._in_hand.discard(call_id)
            if not self._calls:
                self._idle.set()

    async def _beat(self) -> None:
        at, loop = self._at, asyncio.get_running_loop()
        while True:
            try:
                await at.store.beat(at.worker, lines=self._lines, busy=len(self._calls))
                self._heard.at(loop.time())
                await self._compare()
                if self._heard.unbroken(loop.time()) >= LOST_AFTER:
                    now = time.time()
                    for lost in await at.store.settle_lost_calls(now=now, silent_for=LOST_AFTER):
                        log.warning("call.settled", call_id=lost, reason=EndReason.WORKER_LOST)
            except StrowgerError as error:  # calls outlive whatever the database says for now
                log.warning("heartbeat.missed", problem=str(error))
            await asyncio.sleep(BEAT_EVERY)

    async def _compare(self) -> None:
        """Make the calls in our hands and those that the database says are ours the same."""
        before = list(self._calls)
        ours = await self._at.store.held(self._at.worker)
        for call_id in before:
            if call_id not in ours and (runner := self._calls.get(call_id)) is not None:
                log.warning("call.settled_by_another", call_id=call_id)
                runner.end(EndReason.WORKER_LOST)
        for call_id in ours:
            if call_id not in self._in_hand:
                await self._recover(call_id)

    async def _recover(self, call_id: CallId) -> None:
        """Dial a call that turns out to be ours, or end one whose task broke."""
        await self.dial(call_id)
        if call_id in self._in_hand:
            return
        self._in_hand.add(call_id)
        try:
            call = await self._at.store.get_call(call_id)
            if call.status in TERMINAL:
                return
            log.error("call.recovered", call_id=call_id, status=call.status)
            error = "an internal error; the log has more"
            result = CallResult(
                status=CallStatus.FAILED,
                end_reason=EndReason.INTERNAL_ERROR,
                ended_at=time.time(),
                error=error,
            )
            await self._at.store.finish(call_id, result)
            self._broken.discard(call_id)
        finally:
            self._in_hand.discard(call_id)

    async def _obey(self) -> None:
        """Do what customers want of our calls.

        Only for calls that have a task: a command for one that is just being claimed is left
        for the next look.
        """
        with self._at.bell.heard(self._at.worker) as rung:
            while True:
                rung.clear()
                if self._calls:
                    await self._obey_waiting()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_FOR_COMMANDS_EVERY):
                        await rung.wait()

    async def _obey_waiting(self) -> None:
        """Perform, then say so: where the answer to either gets lost, the command comes again,
        and its call's runner knows whether it has been performed."""
        store = self._at.store
        try:
            wanted = await store.waiting_commands(list(self._calls))
            for command in wanted:
                if (runner := self._calls.get(command.call_id)) is not None:
                    runner.obey(command)
            if wanted:
                await store.obeyed([command.id for command in wanted])
        except StrowgerError as error:  # looked at again in a moment
            log.warning("commands.missed", problem=str(error))
