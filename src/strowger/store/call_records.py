"""Calls as the customers who own them see them: the part of `ports.Records` that is asked most.

Each method is one transaction. What many ask at the same moment is asked of the database at once.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.model import (
    AgentId,
    Call,
    CallCommand,
    CallId,
    Event,
    KeptAnswer,
    LineFigures,
    Page,
    StoredAnswer,
    WorkspaceId,
)
from strowger.ports import CallFilter, CallGround
from strowger.store import accepting, customer_calls, feed, idempotency, quick
from strowger.store.connect import quick_reading, quick_transaction, reading, together, transaction
from strowger.store.gather import Gathered
from strowger.store.idempotency import Keyed


class PostgresCallRecords:
    """What `PostgresRecords` knows of calls."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._keyring = idempotency.keyring_of(engine)
        self._get_call = Gathered(self._get_calls)
        self._call_ground = Gathered(self._call_grounds)
        self._kept_answer = Gathered(self._kept_answers)
        self._add_call = Gathered(self._add_calls)

    async def call_ground(
        self, workspace: WorkspaceId, agent: AgentId | None, number: str | None
    ) -> CallGround:
        return await self._call_ground(accepting.GroundAsked(workspace, agent, number))

    async def add_call(self, call: Call, kept: KeptAnswer | None = None) -> None:
        await self._add_call(accepting.Accepted(call, kept))

    async def get_call_of(self, workspace: WorkspaceId, call: CallId) -> Call:
        return await self._get_call((workspace, call))

    async def list_calls(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        async with reading(self._engine) as connection:
            return await customer_calls.page(
                connection, workspace, which, limit=limit, cursor=cursor
            )

    def together(self) -> AbstractAsyncContextManager[None]:
        return together(self._engine)

    async def find_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        async with transaction(self._engine) as connection:
            return await idempotency.find(connection, Keyed(workspace, key, hash, now))

    async def kept_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        return await self._kept_answer(Keyed(workspace, key, hash, now))

    async def keep_answer(self, workspace: WorkspaceId, kept: KeptAnswer) -> None:
        async with transaction(self._engine) as connection:
            await idempotency.keep(connection, workspace, kept)

    async def cancel_call(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        async with transaction(self._engine) as connection:
            return await customer_calls.cancel(connection, workspace, call, now=now)

    async def command_call(
        self, workspace: WorkspaceId, command: CallCommand, *, now: float
    ) -> Call:
        async with transaction(self._engine) as connection:
            return await customer_calls.command(connection, workspace, command, now=now)

    async def figures_of(self, workspace: WorkspaceId, call: CallId) -> LineFigures | None:
        async with reading(self._engine) as connection:
            return await customer_calls.figures_of(connection, workspace, call)

    async def events_since(
        self, workspace: WorkspaceId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        return await feed.events_since(self._engine, workspace, after=after, limit=limit)

    async def last_sequence(self, workspace: WorkspaceId) -> int:
        async with reading(self._engine) as connection:
            return await feed.last_sequence(connection, workspace)

    async def request_end(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        async with transaction(self._engine) as connection:
            return await customer_calls.request_end(connection, workspace, call, now=now)

    async def events_of(
        self, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        async with transaction(self._engine) as connection:
            return await customer_calls.events_of(
                connection, workspace, call, after=after, limit=limit
            )

    # ── for several at a time ────────────────────────────────────────────────────────────────

    async def _get_calls(self, asked: Sequence[quick.CallAsked]) -> Sequence[Call | Exception]:
        async with quick_reading(self._engine) as driver:
            return await quick.get_calls(driver, asked)

    async def _call_grounds(self, asked: Sequence[accepting.GroundAsked]) -> Sequence[CallGround]:
        async with quick_reading(self._engine) as driver:
            return await accepting.ground(driver, asked)

    async def _kept_answers(
        self, asked: Sequence[Keyed]
    ) -> Sequence[StoredAnswer | Exception | None]:
        async with quick_reading(self._engine) as driver:
            return await idempotency.find_all(driver, asked, self._keyring)

    async def _add_calls(
        self, accepted: Sequence[accepting.Accepted]
    ) -> Sequence[Exception | None]:
        async with quick_transaction(self._engine) as driver:
            return await accepting.add_calls(driver, accepted, self._keyring)
