"""Deliveries as customers see them: `ports.Deliveries`. Sending them is the outbox's."""

from collections.abc import Sequence
from math import floor
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, insert, lateral, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.errors import Conflict, NotFound
from strowger.model import DeliveryId, Page, WebhookId, WorkspaceId
from strowger.ports import Attempt, DeliveryReport, DeliveryState, Replayed
from strowger.store import audit
from strowger.store.connect import reading, transaction
from strowger.store.ids import cursor_after, id_of_cursor, new_id
from strowger.store.outbox import job_for
from strowger.store.queue import Kind, enqueue, hasten
from strowger.store.schema import (
    UNSETTLED,
    calls,
    deliveries,
    delivery_attempts,
    events,
    webhooks,
)

AT_ONCE = 1000
"""Most events of one replay: it is one transaction."""
TEST = "webhook.test"


class PostgresDeliveries:
    """`ports.Deliveries` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_deliveries(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        state: DeliveryState | None,
        *,
        limit: int,
        cursor: str | None,
    ) -> Page[DeliveryReport]:
        kind = f"deliveries of {webhook}"
        wanted = _reports(workspace).where(deliveries.c.webhook_id == webhook)
        if state is not None:
            wanted = wanted.where(deliveries.c.state == state)
        if cursor is not None:
            wanted = wanted.where(deliveries.c.id < id_of_cursor(kind, cursor))
        wanted = wanted.order_by(deliveries.c.id.desc()).limit(limit + 1)
        async with transaction(self._engine) as connection:
            await _webhook(connection, workspace, webhook)
            rows = (await connection.execute(wanted)).all()
        shown = rows[:limit]
        following = cursor_after(kind, shown[-1].id) if len(rows) > limit else None
        return Page(
            data=tuple(_report_of(row, _last_of(row)) for row in shown), next_cursor=following
        )

    async def get_delivery_of(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        async with reading(self._engine) as connection:
            return await _report(connection, workspace, delivery)

    async def retry_delivery(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        async with transaction(self._engine) as connection:
            row = (await _report(connection, workspace, delivery)).call_id
            await _lock_calls(connection, [] if row is None else [row])
            mine = deliveries.c.id == delivery
            wanted = select(deliveries.c.state, deliveries.c.attempts).where(mine)
            found = (await connection.execute(wanted.with_for_update())).one()
            job = job_for(delivery, found.attempts)
            match DeliveryState(found.state):
                case DeliveryState.WAITING:
                    raise Conflict(
                        "an earlier event of the same call comes first", code="delivery_waiting"
                    )
                case DeliveryState.PENDING:
                    await hasten(connection, Kind.DELIVER, job)
                case DeliveryState.DELIVERED | DeliveryState.GIVEN_UP:
                    again = update(deliveries).where(mine)
                    await connection.execute(again.values(state="pending", settled_at=None))
                    await enqueue(connection, Kind.DELIVER, [job])
            await audit.note(connection, workspace, "delivery", delivery, "retry")
            return await _report(connection, workspace, delivery)

    async def test_webhook(
        self, workspace: WorkspaceId, webhook: WebhookId, *, now: float
    ) -> DeliveryReport:
        async with transaction(self._engine) as connection:
            hook = await _enabled(connection, workspace, webhook)
            written = (
                insert(events)
                .values(
                    id=new_id("event"),
                    workspace_id=workspace,
                    type=TEST,
                    payload={"webhook_id": webhook},
                    created_at=now,
                )
                .returning(events.c.sequence, events.c.call_id)
            )
            happened = (await connection.execute(written)).all()
            (made,) = await _deliver(connection, hook, happened)
            await audit.note(connection, workspace, "webhook", webhook, "test")
            return await _report(connection, workspace, made)

    async def replay(
        self, workspace: WorkspaceId, webhook: WebhookId, *, since: float, until: float
    ) -> Replayed:
        async with transaction(self._engine) as connection:
            hook = await _enabled(connection, workspace, webhook)
            happened = await _events_between(connection, hook, since, until)
            taken, rest = _divided(happened)
            await _lock_calls(connection, {row.call_id for row in taken if row.call_id})
            made = await _deliver(connection, hook, sorted(taken, key=lambda row: row.sequence))
            if made:
                await audit.note(connection, workspace, "webhook", webhook, "replay")
        return Replayed(deliveries=len(made), next_from=rest)


async def _events_between(
    connection: AsyncConnection, hook: Row[Any], since: float, until: float
) -> Sequence[Row[Any]]:
    """What the webhook wants, by the time it happened; one more than is taken at once."""
    wanted = (
        select(events.c.sequence, events.c.call_id, events.c.created_at)
        .where(
            events.c.workspace_id == hook.workspace_id,
            events.c.created_at >= since,
            events.c.created_at < until,
            events.c.type != TEST,
        )
        .order_by(events.c.created_at, events.c.sequence)
        .limit(AT_ONCE + 1)
    )
    if "*" not in hook.events:
        wanted = wanted.where(events.c.type.in_(hook.events))
    if hook.agent_id is not None:
        conducts = select(calls.c.id).where(calls.c.agent_id == hook.agent_id)
        wanted = wanted.where(events.c.call_id.in_(conducts))
    return list(await connection.execute(wanted))


def _divided(happened: Sequence[Row[Any]]) -> tuple[Sequence[Row[Any]], float | None]:
    """What one replay takes, and where the next is to begin.

    Events of one millisecond stay together: finer times are not told. Only where a single one
    fills a whole replay it is cut, and the next begins right after it.
    """
    if len(happened) <= AT_ONCE:
        return happened, None
    rest = floor(happened[AT_ONCE].created_at * 1000)
    taken = [row for row in happened[:AT_ONCE] if floor(row.created_at * 1000) < rest]
    return (taken, rest / 1000) if taken else (happened[:AT_ONCE], (rest + 1) / 1000)


async def _deliver(
    connection: AsyncConnection, hook: Row[Any], happened: Sequence[Row[Any]]
) -> list[DeliveryId]:
    """New deliveries of events in their order. The calls' rows must be locked."""
    of_calls = {row.call_id for row in happened if row.call_id}
    earlier = select(deliveries.c.call_id).where(
        deliveries.c.call_id.in_(of_calls), deliveries.c.endpoint == hook.id, UNSETTLED
    )
    busy = set((await connection.execute(earlier)).scalars()) if of_calls else set()
    rows = []
    for row in happened:
        rows.append(
            {
                "id": new_id("delivery"),
                "workspace_id": hook.workspace_id,
                "sequence": row.sequence,
                "call_id": row.call_id,
                "webhook_id": hook.id,
                "endpoint": hook.id,
                "url": hook.url,
                "state": "waiting" if row.call_id in busy else "pending",
            }
        )
        if row.call_id is not None:
            busy.add(row.call_id)
    if rows:
        await connection.execute(insert(deliveries), rows)
        ready = [str(row["id"]) for row in rows if row["state"] == "pending"]
        await enqueue(connection, Kind.DELIVER, ready)
    return [DeliveryId(str(row["id"])) for row in rows]


async def _lock_calls(connection: AsyncConnection, of: Sequence[str] | set[str]) -> None:
    """As everybody who writes events does; in one order, so that nobody waits in a circle."""
    if of:
        lock = select(calls.c.id).where(calls.c.id.in_(of)).order_by(calls.c.id)
        await connection.execute(lock.with_for_update(key_share=True))


async def _webhook(
    connection: AsyncConnection, workspace: WorkspaceId, webhook: WebhookId
) -> Row[Any]:
    wanted: Select[Any] = select(
        webhooks.c.id,
        webhooks.c.workspace_id,
        webhooks.c.url,
        webhooks.c.events,
        webhooks.c.agent_id,
        webhooks.c.enabled,
    )
    mine = (webhooks.c.workspace_id == workspace) & (webhooks.c.id == webhook)
    row: Row[Any] | None = (await connection.execute(wanted.where(mine))).one_or_none()
    if row is None:
        raise NotFound("no such webhook")
    return row


async def _enabled(
    connection: AsyncConnection, workspace: WorkspaceId, webhook: WebhookId
) -> Row[Any]:
    row = await _webhook(connection, workspace, webhook)
    if not row.enabled:
        raise Conflict("the webhook is disabled: enable it first", code="webhook_disabled")
    return row


# ── reading ──────────────────────────────────────────────────────────────────────────────────

_LAST = lateral(
    select(*(column.label(f"last_{column.name}") for column in delivery_attempts.c))
    .where(delivery_attempts.c.delivery_id == deliveries.c.id)
    .order_by(delivery_attempts.c.number.desc())
    .limit(1)
)


def _reports(workspace: WorkspaceId) -> Select[Any]:
    told: list[ColumnElement[Any]] = [
        events.c.id.label("event_id"),
        events.c.type.label("event_type"),
        events.c.created_at.label("happened_at"),
    ]
    # Only a delivery that was put off has a time; one whose job is due is tried as soon as may be.
    return (
        select(*deliveries.c, *told, *_LAST.c)
        .join(events, events.c.sequence == deliveries.c.sequence)
        .outerjoin(_LAST, true())
        .where(deliveries.c.workspace_id == workspace)
    )


async def _report(
    connection: AsyncConnection, workspace: WorkspaceId, delivery: DeliveryId
) -> DeliveryReport:
    """With every attempt. Raises NotFound."""
    wanted = _reports(workspace).where(deliveries.c.id == delivery)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("no such delivery")
    every = select(delivery_attempts).where(delivery_attempts.c.delivery_id == delivery)
    tried = await connection.execute(every.order_by(delivery_attempts.c.number))
    return _report_of(
        row,
        tuple(
            Attempt(at=one.at, status=one.status, answer=one.answer, duration=one.duration)
            for one in tried
        ),
    )


def _last_of(row: Row[Any]) -> tuple[Attempt, ...]:
    if row.last_number is None:
        return ()
    return (
        Attempt(
            at=row.last_at,
            status=row.last_status,
            answer=row.last_answer,
            duration=row.last_duration,
        ),
    )


def _report_of(row: Row[Any], tried: tuple[Attempt, ...]) -> DeliveryReport:
    return DeliveryReport(
        id=DeliveryId(row.id),
        workspace_id=row.workspace_id,
        webhook_id=row.webhook_id,
        url=row.url,
        event_id=row.event_id,
        event_type=row.event_type,
        call_id=row.call_id,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == "pending" else None,
        settled_at=row.settled_at,
        happened_at=row.happened_at,
        tried=tried,
    )
