"""Accepting calls: what a new call is drawn up from, and everything that is written of it.

Both are for several calls at a time, as `gather` brings them: one statement reads for all of them,
and one transaction writes the calls with their events, deliveries and jobs, and the answers kept
for their Idempotency-Keys. Of each call it writes all or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import asyncpg

from strowger.errors import Conflict
from strowger.lifecycle import CallStatus
from strowger.model import Agent, AgentId, Call, KeptAnswer, WorkspaceId
from strowger.ports import CallGround
from strowger.store import idempotency
from strowger.store.call_rows import EVENT_OF, happening_of, snapshot, values_of
from strowger.store.codec import clean, definition_of, from_json, to_json
from strowger.store.events import Happening, publish_all
from strowger.store.keyring import Keyring
from strowger.store.queue import Kind, NewJob, add_jobs, headers
from strowger.store.schema import calls

# Numbers: the one that is named, by the call or else by its agent, and any two.
GROUND = """
    SELECT a.id, a.workspace_id, a.version, a.created_at, a.updated_at,
        a.definition::text AS definition,
        (SELECT id FROM trunks WHERE workspace_id = asked.workspace AND is_default) AS trunk,
        (SELECT json_object_agg(n.number, n.trunk_id) FROM (
            (SELECT number, trunk_id FROM phone_numbers WHERE workspace_id = asked.workspace
                AND number = coalesce(asked.number, a.definition->>'caller_id'))
            UNION
            (SELECT number, trunk_id FROM phone_numbers WHERE workspace_id = asked.workspace
                LIMIT 2)) n)::text AS numbers
    FROM unnest($1::text[], $2::text[], $3::text[])
        WITH ORDINALITY AS asked(workspace, agent, number, place)
    LEFT JOIN agents a ON a.workspace_id = asked.workspace AND a.id = asked.agent
    ORDER BY asked.place
"""
CALLS = "INSERT INTO calls SELECT * FROM json_populate_recordset(NULL::calls, $1)"
TURNS = "INSERT INTO call_turns SELECT * FROM json_populate_recordset(NULL::call_turns, $1)"
NAMES = {field: "".join(column.name) for field, column in calls.c.items()}
"""Fields of a call, which are keys of its table, and what the columns are called: in plain text,
as SQLAlchemy's takes long to print."""


@dataclass(frozen=True, slots=True)
class GroundAsked:
    """Whose call it is to be, and what it names."""

    workspace: WorkspaceId
    agent: AgentId | None
    number: str | None


async def ground(driver: asyncpg.Connection, asked: Sequence[GroundAsked]) -> list[CallGround]:
    """What there is for each call to be drawn up from."""
    rows = await driver.fetch(
        GROUND,
        [clean(one.workspace) for one in asked],
        [None if one.agent is None else clean(one.agent) for one in asked],
        [None if one.number is None else clean(one.number) for one in asked],
    )
    return [_ground_of(row) for row in rows]


def _ground_of(row: asyncpg.Record) -> CallGround:
    values = dict(row)
    trunk, numbers = values.pop("trunk"), values.pop("numbers")
    definition = values.pop("definition")
    agent = None
    if definition is not None:
        agent = Agent(**values, definition=definition_of(definition))
    found = from_json(numbers or "{}")
    assert isinstance(found, dict)
    return CallGround(agent=agent, default_trunk=trunk, numbers=found)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A call to be written, with the answer to its request where that is to be kept."""

    call: Call
    kept: KeptAnswer | None = None
    headers: str = field(default_factory=headers)
    """Of the call's jobs, see `queue`."""


async def add_calls(
    driver: asyncpg.Connection, accepted: Sequence[Accepted], keyring: Keyring | None
) -> list[Conflict | None]:
    """Write them within the transaction that the driver is in.

    The answer is a Conflict for one whose Idempotency-Key another request has taken: of that
    nothing was written.
    """
    refused = await _keep_answers(driver, accepted, keyring)
    made = [one for one, refusal in zip(accepted, refused, strict=True) if refusal is None]
    if not made:
        return refused
    await driver.execute(CALLS, to_json([_row(one.call) for one in made]))
    if turns := [turn for one in made for turn in _turn_rows(one.call)]:
        await driver.execute(TURNS, to_json(turns))
    if told := [_happening(one) for one in made if one.call.status in EVENT_OF]:
        await publish_all(driver, told)
    await add_jobs(driver, [job for one in made if (job := _job(one)) is not None])
    return refused


async def _keep_answers(
    driver: asyncpg.Connection, accepted: Sequence[Accepted], keyring: Keyring | None
) -> list[Conflict | None]:
    """Of several with the same key the first has it."""
    keyed: dict[tuple[str, str], Accepted] = {
        (one.call.workspace_id, one.kept.key): one
        for one in reversed(accepted)
        if one.kept is not None
    }
    if not keyed:
        return [None] * len(accepted)
    answers = [(one.call.workspace_id, one.kept) for one in keyed.values() if one.kept]
    kept = {id(keyed[place]) for place in await idempotency.keep_all(driver, answers, keyring)}
    return [
        None if one.kept is None or id(one) in kept else idempotency.in_progress()
        for one in accepted
    ]


def _happening(one: Accepted) -> Happening:
    call = one.call
    happening = happening_of(call, EVENT_OF[call.status], snapshot(call), now=call.created_at)
    return replace(happening, first=True, headers=one.headers)


def _row(call: Call) -> dict[str, object]:
    return {NAMES[name]: value for name, value in values_of(call).items()}


def _turn_rows(call: Call) -> list[dict[str, object]]:
    return [
        {"call_id": call.id, "position": position, "turn": turn}
        for position, turn in enumerate(call.transcript)
    ]


def _job(one: Accepted) -> NewJob | None:
    """A call that is not queued yet, or any more, is not dialled."""
    call = one.call
    if call.status is CallStatus.QUEUED:
        return NewJob(Kind.DIAL, call.id, headers=one.headers)
    if call.status is CallStatus.SCHEDULED and call.scheduled_at is not None:
        wait = call.scheduled_at - call.created_at
        return NewJob(Kind.QUEUE, call.id, after=wait, headers=one.headers)
    return None
