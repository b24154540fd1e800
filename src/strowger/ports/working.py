"""The store as a worker sees it: calls in progress, analyses, calls that wait, the bell."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from strowger.agent import (
    AgentDefinition,
)
from strowger.lifecycle import CallStatus
from strowger.model import (
    AgentId,
    Call,
    CallAnalysis,
    CallCommand,
    CallId,
    CallResult,
    KeyId,
    ProviderSwitch,
    Trunk,
    Turn,
    WorkerId,
    WorkspaceId,
)


class CallStore(Protocol):
    """Calls in progress. Each method is one transaction; status and event go together."""

    async def get_call(self, call_id: CallId) -> Call:
        """Raises NotFound."""

    async def get_trunk_of(self, call: Call) -> Trunk:
        """Raises NotFound for one that has been deleted, and for a test call, which has none."""

    async def get_agent_of(self, call: Call, agent: AgentId) -> AgentDefinition:
        """As it is now. Raises NotFound where the call's workspace has no such agent."""

    async def note_tool_use(
        self, call_id: CallId, use: int, name: str, arguments: str, *, now: float
    ) -> bool:
        """Commit that a tool is about to be used; False where that was noted before."""

    async def take_line_to_consult(self, call_id: CallId, worker: WorkerId, *, now: float) -> float:
        """Commit that somebody else is called from a call, by its trunk; seconds to wait before
        that may be done. Raises Unavailable where limits leave no line, or no moment soon, and
        Conflict where the call is over. The line is given back with the call's own at the
        latest."""

    async def give_consulted_line_back(self, call_id: CallId) -> None:
        """That is over. Harmless where it never was."""

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        """Commit the one dial attempt a call has; False where it was made before."""

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        """Move a call on, with its event. Raises Conflict where its status does not allow it."""

    async def add_turn(self, call_id: CallId, turn: Turn, *, now: float) -> None: ...

    async def add_provider_switch(
        self, call_id: CallId, switch: ProviderSwitch, *, now: float
    ) -> None:
        """Tell of it by an event. Raises NotFound."""

    async def finish(self, call_id: CallId, result: CallResult) -> None:
        """Write the terminal status, everything the call left, and its events, once."""

    async def beat(self, worker: WorkerId, *, lines: int, busy: int) -> None:
        """This worker lives."""

    async def settle_lost_calls(self, *, now: float, silent_for: float) -> list[CallId]:
        """End the calls of workers that have not beaten for that long: failed, worker_lost.

        The silence is measured by the database's clock, as the workers' own may differ; `now` is
        when the calls ended, in the clock that writes all times of calls.
        """

    async def held(self, worker: WorkerId) -> frozenset[CallId]:
        """Calls of this worker that are not over."""

    async def waiting_commands(self, calls: Sequence[CallId]) -> list[CallCommand]:
        """What customers want of these calls, in order. Handed out until `obeyed`: an answer that
        gets lost loses no command, so who performs them has to remember which it has done."""

    async def obeyed(self, ids: Sequence[int]) -> None:
        """The commands with these ids need not be handed out any more."""


class Analyses(Protocol):
    """What is made of calls that are over. Each method is one transaction."""

    async def due(self, job: str) -> Call | None:
        """The call that a job is to analyse, with its transcript. None for one that is gone or
        has been analysed, and for a try that has been made."""

    async def write(
        self,
        call_id: CallId,
        analysis: CallAnalysis,
        summary: str | None,
        *,
        retry_at: float | None,
        now: float,
    ) -> None:
        """What came of a try, whose number is `analysis.attempts`; where that has been written
        before, nothing happens. One that is `pending` still has its next try planned at
        `retry_at`; else the event `call.analyzed` goes with it."""


class WaitingCalls(Protocol):
    """Calls that are not to be dialled yet. Each method is one transaction."""

    async def queue_scheduled(self, call_id: CallId, *, now: float) -> None:
        """Queue a scheduled call whose time has come, with its event and job. Raises NotFound."""

    async def release(self, workspace: WorkspaceId, *, now: float) -> float | None:
        """Let those be dialled that waited longest for a line, as far as there are lines.

        The answer is when to look again, where only a trunk's pace holds somebody back.
        """

    async def workspaces_waiting(self) -> list[WorkspaceId]:
        """Where any call waits for a line."""

    async def forget(self, *, now: float) -> None:
        """Drop what is kept for a time only: idempotency keys, commands nobody took."""


class Bell(Protocol):
    """Rings when something was committed, so that nobody has to look all the time.

    Only ever a reason to look sooner: it may not ring, so who waits looks by the clock as well.
    """

    def heard(self, topic: str | None) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something happens to `topic`, such as the id of a call
        or a worker; None for anything. The listener clears it before looking."""


class SilentBell:
    """A bell that never rings."""

    @contextmanager
    def heard(self, topic: str | None) -> Iterator[asyncio.Event]:
        yield asyncio.Event()


class RateStore(Protocol):
    """Requests counted per key, for all processes together."""

    async def count(self, key: KeyId, requests: int, *, window: float) -> int:
        """Count so many requests in the window that begins then; all of it so far."""
