"""What is left after a crash test, and whether every promise was kept."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from strowger.errors import Unavailable
from strowger.lifecycle import TERMINAL
from strowger.store.cluster import Cluster
from strowger.store.connect import connect
from strowger.webhooks.schedule import DELAYS
from tests.crash.house import House, World
from tests.crash.load import SAID, Account

POLL = 0.5  # seconds

UNFINISHED = """
    SELECT (SELECT count(*) FROM calls WHERE status <> ALL($1)) AS calls,
           (SELECT count(*) FROM deliveries WHERE state NOT IN ('delivered', 'given_up'))
               AS deliveries,
           (SELECT count(*) FROM pgqueuer WHERE entrypoint IN ('dial', 'deliver')) AS jobs
"""


SPOKEN = """
    SELECT call_id, sum(regexp_count(turn ->> 'text', $1))::int AS n
    FROM call_turns WHERE turn ->> 'role' = 'agent' GROUP BY call_id
"""
EARLY = """
    SELECT * FROM (
        SELECT delivery_id, number, at - lag(at + duration) OVER line AS pause
        FROM delivery_attempts WINDOW line AS (PARTITION BY delivery_id ORDER BY number)
    ) AS attempts WHERE pause < $1
"""
CLOCK_STEP = 0.5
"""Seconds by which a job may start before the API's clock says so."""
OBEYED = {"api_request", "worker_lost", "worker_stopped"}
"""Why a call is over whose end was accepted; the last two where there was nobody to obey."""


@dataclass(slots=True)
class Evidence:
    calls: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    deliveries: Counter[str] = field(default_factory=Counter)
    """By state, in the database."""
    received: list[dict[str, Any]] = field(default_factory=list)
    """What the customer's endpoint got, in order."""
    rung: Counter[str] = field(default_factory=Counter)
    """How often each number rang."""
    said: dict[str, int] = field(default_factory=dict)
    """How often what a customer wanted said was said, by call."""
    early: list[str] = field(default_factory=list)
    """Attempts of deliveries that came before their time."""
    quiet_after: float | None = None
    """Seconds; None where it never became quiet."""
    unfinished: dict[str, int] = field(default_factory=dict)


async def wait_until_quiet(house: House, within: float) -> tuple[float | None, dict[str, int]]:
    """Seconds until no call, delivery or job was left; what is left where that never came."""
    begun, left = time.monotonic(), {"calls": -1}
    while (passed := time.monotonic() - begun) < within:
        try:
            left = dict((await _fetch(house, UNFINISHED, list(TERMINAL)))[0])
        except Unavailable:
            left = {"calls": -1}  # the database is not back yet
        if not any(left.values()):
            return passed, {}
        await asyncio.sleep(POLL)
    return None, left


async def gather(house: House, world: World, quiet_within: float) -> Evidence:
    quiet, left = await wait_until_quiet(house, quiet_within)
    evidence = Evidence(quiet_after=quiet, unfinished=left)
    evidence.calls = await _fetch(
        house, 'SELECT id, status, end_reason, "to", worker_id, test FROM calls ORDER BY id'
    )
    spoken = await _fetch(house, SPOKEN, SAID.rstrip("."))
    evidence.said = {row["call_id"]: row["n"] for row in spoken}
    evidence.early = [
        f"attempt {row['number']} of {row['delivery_id']} came {row['pause']:.1f} s after the last"
        for row in await _fetch(house, EARLY, DELAYS[0] - CLOCK_STEP)
    ]
    evidence.events = await _fetch(
        house, "SELECT id, call_id, type, sequence FROM events ORDER BY sequence"
    )
    for row in await _fetch(house, "SELECT state, count(*) AS n FROM deliveries GROUP BY state"):
        evidence.deliveries[row["state"]] = row["n"]
    evidence.received = [json.loads(line) for line in world.deliveries.read_text().splitlines()]
    for callee in world.callees.values():
        for report in callee.reports():
            if report["event"] == "rang":
                evidence.rung[report["number"]] += 1
    return evidence


async def _fetch(house: House, statement: str, *values: object) -> list[dict[str, Any]]:
    # Not by `embedded.start`: that the database comes back is the server's to see to.
    connection = await connect(Cluster(house.data / "postgres").url())
    try:
        return [dict(row) for row in await connection.fetch(statement, *values)]
    finally:
        await connection.close()


def broken_promises(evidence: Evidence, account: Account) -> list[str]:
    """Every one of them in a sentence; none is what we want to see."""
    return [
        *account.mistakes,
        *_of_calls(evidence, account),
        *_of_wishes(evidence, account),
        *_of_ringing(evidence, account),
        *_of_events(evidence),
        *_of_order(evidence),
    ]


def _of_calls(evidence: Evidence, account: Account) -> list[str]:
    broken = [] if account.accepted else ["nothing was accepted, so nothing was tested"]
    by_number: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in evidence.calls:
        by_number[call["to"]].append(call)
        if call["status"] not in TERMINAL:
            broken.append(f"{call['id']} to {call['to']} never ended: {call['status']}")
    for number in account.numbers:
        found = [call["id"] for call in by_number[number]]
        accepted = account.accepted.get(number)
        if len(found) > 1:
            broken.append(f"{number} was asked for once and has calls {found}")
        if accepted is not None and accepted.id not in found:
            broken.append(f"{accepted.id} to {number} was accepted and is lost")
    if evidence.quiet_after is None:
        broken.append(f"it never became quiet: {evidence.unfinished} are left")
    return broken


def _of_wishes(evidence: Evidence, account: Account) -> list[str]:
    """What customers wanted of live calls."""
    reasons = {call["id"]: call["end_reason"] for call in evidence.calls}
    disobeyed = [
        f"{id} was to be ended, and ended by {reasons.get(id)}"
        for id in sorted(account.ended)
        if reasons.get(id) not in OBEYED
    ]
    twice = [f"{id} was told the same {n} times" for id, n in evidence.said.items() if n > 1]
    return disobeyed + twice


def _of_ringing(evidence: Evidence, account: Account) -> list[str]:
    called = {call["to"] for call in evidence.calls}
    twice = [f"{number} rang {n} times" for number, n in evidence.rung.items() if n > 1]
    strange = [
        f"{number} rang and nobody asked" for number in evidence.rung if number not in called
    ]
    escaped = [
        f"{number} rang, though its call was for a simulated callee"
        for number in evidence.rung
        if number in account.tests
    ]
    return twice + strange + escaped


def _of_events(evidence: Evidence) -> list[str]:
    broken = list(evidence.early)
    taken = {one["event"] for one in evidence.received if one["status"] == 200}
    types: dict[str, list[str]] = defaultdict(list)
    for event in evidence.events:
        types[event["call_id"] or ""].append(event["type"])
        if event["id"] not in taken:
            broken.append(f"{event['type']} {event['id']} of {event['call_id']} never arrived")
    for call in evidence.calls:
        had = Counter(types[call["id"]])
        ends = had["call.completed"] + had["call.failed"]
        once = ("call.queued", "call.initiated", "call.answered")
        if had["call.queued"] != 1 or ends != 1 or any(had[type] > 1 for type in once):
            broken.append(f"{call['id']} has the events {types[call['id']]}")
    return broken


def _of_order(evidence: Evidence) -> list[str]:
    """The first time each event of a call came, and the first time it was taken."""
    sequence = {event["id"]: event["sequence"] for event in evidence.events}
    broken = [
        f"{one['event']} arrived and is not in the database"
        for one in evidence.received
        if one["event"] not in sequence
    ]
    for accepted in (True, False):
        last: dict[str, int] = defaultdict(int)
        seen: set[str] = set()
        for one in evidence.received:
            event = one["event"]
            if event in seen or event not in sequence or (accepted and one["status"] != 200):
                continue
            seen.add(event)
            if sequence[event] < last[one["call"]]:
                broken.append(f"{one['type']} {event} of {one['call']} came after a later one")
            last[one["call"]] = max(last[one["call"]], sequence[event])
    return broken
