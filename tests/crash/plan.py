"""What a crash test does to the processes and when: all of it follows from its seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

QUIET_START = 1.0
"""Seconds of load before the first kill."""


class Victim(StrEnum):
    API = "api"
    WORKER = "worker"
    SUPERVISOR = "supervisor"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Kill:
    at: float
    """Seconds after the load began."""
    victim: Victim
    number: int
    """Which worker; 1 for the others."""


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    seconds: float
    """How long calls are placed."""
    calls_per_second: float
    workers: int
    kills: tuple[Kill, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """One call that the client wants."""

    at: float
    number: str
    """Dialled by no other call."""
    callee: str
    """Name of the persona that answers."""
    test: bool
    """Asked for with a test key: then it is no persona of ours that answers."""
    ended_after: float | None
    """Seconds after its acceptance when its end is asked for; None for a call that ends by itself.
    Some of these are dialled then, some ring, and on some the agent talks."""
    asked_again: bool
    """Sent once more after it was accepted, as a client does that lost the answer."""


def plan(seed: int, *, seconds: float, kills: int, calls_per_second: float, workers: int) -> Plan:
    """Every kind of victim at least once where there are kills enough."""
    chance = random.Random(seed)
    victims = list(Victim)
    chance.shuffle(victims)
    chosen = (victims + [chance.choice(victims) for _ in range(kills)])[:kills]
    chance.shuffle(chosen)
    times = sorted(chance.uniform(QUIET_START, seconds) for _ in range(kills))
    planned = tuple(
        Kill(round(at, 2), victim, chance.randint(1, workers) if victim is Victim.WORKER else 1)
        for at, victim in zip(times, chosen, strict=True)
    )
    return Plan(seed, seconds, calls_per_second, workers, planned)


def wishes(plan: Plan) -> Iterator[Wish]:
    """The calls to place, in order of time."""
    chance = random.Random(f"wishes {plan.seed}")
    at, count = 0.0, 0
    while (at := at + chance.expovariate(plan.calls_per_second)) < plan.seconds:
        callee = chance.choices(["hello", "engaged", "empty-room", "patient"], [6, 2, 1, 3])[0]
        count += 1
        number, asked_again = f"+1415{2000000 + count}", chance.random() < 0.2
        ended_after = chance.uniform(0.0, 6.0) if callee == "patient" else None
        test = callee == "hello" and chance.random() < 0.4
        yield Wish(at, number, callee, test, ended_after, asked_again)
