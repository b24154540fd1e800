"""Deliveries of events on their way to customers: `ports.Outbox`.

A delivery is `pending` (it has a job), `waiting` (for an earlier one of the same call to the same
endpoint), `delivered` or `given_up`. Whoever settles one wakes the next in line, under the lock
on the call's row that its events are written under: so none is ever left waiting for nobody.

A job is for one attempt, by its number. Jobs run at least once: one that runs again after its
attempt was recorded finds a number that has passed, and does nothing. Otherwise it would plan a
next attempt besides the one that is planned, and from then on there would be two of each.
"""

from typing import Any

from sqlalchemy import ColumnElement, Row, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.model import NATIVE_FORMAT, WorkspaceId
from strowger.ports import Attempt, Delivery
from strowger.store import webhooks, workspaces
from strowger.store.connect import transaction
from strowger.store.customer_calls import event_of
from strowger.store.queue import Kind, enqueue
from strowger.store.schema import UNSETTLED, calls, deliveries, delivery_attempts, events
from strowger.store.schema import webhooks as webhooks_table

FORMAT = case(
    (webhooks_table.c.id.is_not(None), webhooks_table.c.format),
    (deliveries.c.url == calls.c.webhook_url, func.coalesce(calls.c.dialect, NATIVE_FORMAT)),
    else_=NATIVE_FORMAT,
)
"""How a delivery is written: as its webhook says, or as its call was asked for."""


def job_for(delivery: str, made: int) -> str:
    """The payload of the job for the attempt after so many; of the first, the delivery's id."""
    return f"{delivery}:{made}" if made else delivery


def _attempt_of(job: str) -> tuple[str, int]:
    """The delivery, and how many attempts are to have been made of it."""
    delivery, _, made = job.partition(":")
    return delivery, int(made or 0)


class PostgresOutbox:
    """`ports.Outbox` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due(self, job: str) -> Delivery | None:
        id, made = _attempt_of(job)
        delivery = await self.get_delivery(id)
        return delivery if delivery is not None and delivery.attempts == made else None

    async def get_delivery(self, delivery: str) -> Delivery | None:
        """None for one that is not to be tried. One to a webhook that has been disabled meanwhile
        is given up here."""
        wanted = (
            select(
                deliveries.c.url,
                deliveries.c.attempts,
                deliveries.c.webhook_id,
                webhooks_table.c.enabled,
                webhooks_table.c.url.label("webhook_url"),
                FORMAT.label("format"),
                *(column for column in events.c),
            )
            .join(events, events.c.sequence == deliveries.c.sequence)
            .outerjoin(webhooks_table, webhooks_table.c.id == deliveries.c.webhook_id)
            .outerjoin(calls, calls.c.id == deliveries.c.call_id)
            .where(deliveries.c.id == delivery, deliveries.c.state == "pending")
        )
        async with transaction(self._engine) as connection:
            row = (await connection.execute(wanted)).one_or_none()
            if row is None:
                return None
            if row.webhook_id is not None and not row.enabled:
                await self._give_up(connection, delivery)
                return None
            workspace = WorkspaceId(row.workspace_id)
            if row.webhook_id is None:
                secret, previous = await workspaces.signing_secrets(connection, workspace)
            else:
                secret, previous = await webhooks.signing_secrets(
                    connection, workspace, row.webhook_id
                )
        return Delivery(
            id=delivery,
            url=row.webhook_url or row.url,
            secret=secret,
            previous_secret=previous,
            event=event_of(row),
            attempts=row.attempts,
            format=row.format,
        )

    async def record_attempt(
        self,
        delivery: str,
        attempt: Attempt,
        *,
        number: int,
        delivered: bool,
        retry_at: float | None,
    ) -> None:
        """The attempt of a delivery that is settled already is ignored: its job ran twice."""
        async with transaction(self._engine) as connection:
            row = await _locked(connection, delivery)
            if row is None or row.attempts != number:
                return
            number += 1
            await connection.execute(
                insert(delivery_attempts).values(
                    delivery_id=delivery,
                    number=number,
                    at=attempt.at,
                    status=attempt.status,
                    answer=attempt.answer,
                    duration=attempt.duration,
                )
            )
            ended = attempt.at + attempt.duration
            if row.webhook_id is not None:
                await webhooks.note_outcome(
                    connection, row.workspace_id, row.webhook_id, delivered=delivered, at=ended
                )
            if not delivered and retry_at is not None:
                await _write(connection, delivery, attempts=number, next_attempt_at=retry_at)
                job = job_for(delivery, number)
                await enqueue(connection, Kind.DELIVER, [job], after=retry_at - ended)
                return
            state = "delivered" if delivered else "given_up"
            await _write(
                connection, delivery, attempts=number, state=state, settled_at=ended,
                next_attempt_at=None,
            )  # fmt: skip
            await _wake_next(connection, row)

    async def attempts_of(self, delivery: str) -> tuple[Attempt, ...]:
        """Every try there was, in order."""
        wanted = select(delivery_attempts).where(delivery_attempts.c.delivery_id == delivery)
        async with transaction(self._engine) as connection:
            rows = await connection.execute(wanted.order_by(delivery_attempts.c.number))
            return tuple(
                Attempt(at=row.at, status=row.status, answer=row.answer, duration=row.duration)
                for row in rows
            )

    async def _give_up(self, connection: AsyncConnection, delivery: str) -> None:
        row = await _locked(connection, delivery)
        if row is not None:
            await _write(connection, delivery, state="given_up", next_attempt_at=None)
            await _wake_next(connection, row)


async def _locked(connection: AsyncConnection, delivery: str) -> Row[Any] | None:
    """A pending delivery, its call's row locked first, as everybody who writes events does."""
    call = select(deliveries.c.call_id).where(deliveries.c.id == delivery).scalar_subquery()
    lock = select(calls.c.id).where(calls.c.id == call)
    await connection.execute(lock.with_for_update(key_share=True))
    wanted = select(deliveries).where(deliveries.c.id == delivery, deliveries.c.state == "pending")
    return (await connection.execute(wanted.with_for_update())).one_or_none()


async def _write(connection: AsyncConnection, delivery: str, **values: object) -> None:
    await connection.execute(update(deliveries).where(deliveries.c.id == delivery).values(**values))


async def _wake_next(connection: AsyncConnection, settled: Row[Any]) -> None:
    """The next in line, unless somebody is being served: a retry asked for by hand, say."""
    if settled.call_id is None:
        return
    same_line: ColumnElement[bool] = (deliveries.c.call_id == settled.call_id) & (
        deliveries.c.endpoint == settled.endpoint
    )
    unsettled = (
        select(deliveries.c.id, deliveries.c.state, deliveries.c.attempts)
        .where(same_line, UNSETTLED)
        .order_by(deliveries.c.sequence)
    )
    line = (await connection.execute(unsettled)).all()
    if line and not any(one.state == "pending" for one in line):
        await _write(connection, line[0].id, state="pending")
        await enqueue(connection, Kind.DELIVER, [job_for(line[0].id, line[0].attempts)])
