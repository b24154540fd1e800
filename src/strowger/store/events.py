"""Events: written with the change they tell of, and sent on their way to whoever listens.

Order. `sequence` comes from a counter that does not wait for commits, so across calls a reader
may see 12 before 11. Within a call it cannot: whoever writes an event of a call holds the lock on
the call's row from before the counter is read until the commit. A reader who has seen number n of
a call will never find a smaller one of that call later. The same lock orders the deliveries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.model import AgentId, CallId, WorkspaceId
from strowger.store.codec import clean, to_json
from strowger.store.connect import driver_of
from strowger.store.ids import new_id
from strowger.store.queue import Kind, NewJob, add_jobs, headers
from strowger.store.schema import UNSETTLED

CHANNEL = "strowger_events"
"""Told the id of the call, or nothing, whenever an event is committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event that is about to be written."""

    workspace: WorkspaceId
    type: str
    payload: Mapping[str, object]
    at: float
    call: CallId | None = None
    agent: AgentId | None = None
    """Who conducts the call: some webhooks want one agent's calls only."""
    urls: Sequence[str] = ()
    """Where to send it besides the workspace's webhooks."""
    first: bool = False
    """Of its call: none came before that may still be on its way."""
    headers: str = field(default_factory=headers)
    """Of the jobs that deliver it, see `queue`."""


# Writes events, tells who listens, and finds the webhooks that want them, in one round trip.
PUBLISH = f"""
    WITH told AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::json[],
            $7::float8[]) AS told(id, workspace_id, call_id, agent_id, type, payload, created_at)
    ), written AS (
        INSERT INTO events (id, workspace_id, call_id, type, payload, created_at)
        SELECT id, workspace_id, call_id, type, payload, created_at FROM told
        RETURNING id, sequence
    )
    SELECT told.id, written.sequence, webhooks.id AS webhook, webhooks.url,
        pg_notify('{CHANNEL}', coalesce(told.call_id, ''))
    FROM written JOIN told USING (id)
    LEFT JOIN webhooks ON webhooks.workspace_id = told.workspace_id AND webhooks.enabled
        AND (webhooks.agent_id IS NULL OR webhooks.agent_id = told.agent_id)
        AND webhooks.events && ARRAY['*', told.type]
    ORDER BY written.sequence
"""  # noqa: S608 - our own name
# Endpoints to which something of a call is still on its way.
BUSY = f"""
    SELECT call_id, endpoint FROM deliveries WHERE call_id = ANY($1::text[]) AND {UNSETTLED.text}
"""  # noqa: S608 - our own condition
DELIVER = """
    INSERT INTO deliveries
        (id, workspace_id, sequence, call_id, webhook_id, endpoint, url, state)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[])
"""


async def publish(connection: AsyncConnection, happening: Happening) -> None:
    """Write the event, its deliveries and their jobs. The call's row must be locked, and the
    transaction have run a statement."""
    await publish_all(await driver_of(connection), [happening])


async def publish_all(driver: asyncpg.Connection, happenings: Sequence[Happening]) -> None:
    """The same for several, of different calls, in this order.

    A delivery waits while an earlier one of the same call to the same endpoint is not settled;
    `outbox` wakes it.
    """
    assert driver.is_in_transaction()
    ids = [new_id("event") for _ in happenings]
    found = await driver.fetch(
        PUBLISH,
        ids,
        [happening.workspace for happening in happenings],
        [happening.call for happening in happenings],
        [happening.agent for happening in happenings],
        [happening.type for happening in happenings],
        [to_json(happening.payload) for happening in happenings],
        [happening.at for happening in happenings],
    )
    told = dict(zip(ids, happenings, strict=True))
    sequences = {row["id"]: row["sequence"] for row in found}
    addresses = [
        *((row["id"], row["webhook"], row["url"]) for row in found if row["webhook"] is not None),
        *(
            (id, None, url)
            for id, happening in told.items()
            for url in dict.fromkeys(happening.urls)
        ),
    ]
    if not addresses:
        return
    calls = [told[id].call for id, _, _ in addresses if not told[id].first]
    busy = {tuple(row) for row in await driver.fetch(BUSY, calls)} if any(calls) else set()
    deliveries = [
        _Delivery(
            happening := told[id],
            sequences[id],
            webhook,
            url,
            waits=(happening.call, webhook or url) in busy,
        )
        for id, webhook, url in addresses
    ]
    await driver.execute(DELIVER, *zip(*(delivery.row() for delivery in deliveries), strict=True))
    await add_jobs(
        driver,
        [
            NewJob(Kind.DELIVER, delivery.id, headers=delivery.happening.headers)
            for delivery in deliveries
            if not delivery.waits
        ],
    )


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One event on its way to one address."""

    happening: Happening
    sequence: int
    webhook: str | None
    url: str
    waits: bool
    id: str = field(default_factory=lambda: new_id("delivery"))

    def row(self) -> tuple[object, ...]:
        happening = self.happening
        return (
            self.id,
            happening.workspace,
            self.sequence,
            happening.call,
            self.webhook,
            clean(self.webhook or self.url),
            clean(self.url),
            "waiting" if self.waits else "pending",
        )
