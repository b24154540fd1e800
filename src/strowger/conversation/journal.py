"""Everything a conversation heard, and when: enough to hold it again, to the last bit.

JSON lines. The first names the format and keeps the agent's definition and the call's variables;
each further line is one event or one timer with the `now` it was handled at. What the
conversation decided is not kept: `replay` decides it again.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import get_args

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation.conversation import Conversation
from strowger.conversation.events import Effect, Event
from strowger.conversation.records import BadRecord, record_from
from strowger.errors import DamagedJournal, InvalidRequest

VERSION = 1
TIMER = "timer"
_EVENTS: Mapping[str, type[Event]] = {event.__name__: event for event in get_args(Event)}


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The conversation was told that its timer is due."""


Entry = tuple[float, Event | TimerFired]
"""`now`, and what was handled then."""


class Journal:
    """What one conversation was told, in order. Record each thing before it is handled."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        self.definition = definition
        self.variables = dict(variables)
        self.entries: list[Entry] = []

    def record(self, now: float, event: Event) -> None:
        self.entries.append((now, event))

    def record_timer(self, now: float) -> None:
        self.entries.append((now, TimerFired()))

    def to_lines(self) -> bytes:
        header = {
            "journal": VERSION,
            "entries": len(self.entries),
            "definition": asdict(self.definition),
            "variables": self.variables,
        }
        lines = [header, *(_written(now, event) for now, event in self.entries)]
        return b"".join(_dumps(line) + b"\n" for line in lines)


def parse_journal(data: bytes) -> Journal:
    """Read a journal. Raises DamagedJournal where it is not, in full, what `to_lines` wrote."""
    if not data.endswith(b"\n"):
        raise DamagedJournal("the journal is empty or breaks off in the middle of a line")
    lines = [_loads(line, number) for number, line in enumerate(data[:-1].split(b"\n"), start=1)]
    header = lines[0]
    if header.get("journal") != VERSION:
        raise DamagedJournal(f"line 1: expected a journal of version {VERSION}")
    if header.get("entries") != len(lines) - 1:
        raise DamagedJournal(
            f"expected {header.get('entries')} entries, got {len(lines) - 1}: lines are missing"
        )
    try:
        definition = record_from(AgentDefinition, header.get("definition"))
        variables = record_from(dict[str, Scalar], header.get("variables"))
    except BadRecord as problem:
        raise DamagedJournal(f"line 1: {problem}") from problem
    journal = Journal(definition, variables)
    for number, line in enumerate(lines[1:], start=2):
        journal.entries.append(_read(line, number))
    times = [now for now, _ in journal.entries]
    if times != sorted(times):
        raise DamagedJournal("the entries are not in the order of their times")
    return journal


def replay(journal: Journal) -> list[tuple[float, Effect]]:
    """Hold the conversation again: what it decides, and when."""
    try:
        conversation = Conversation(journal.definition, journal.variables)
    except InvalidRequest as problem:
        raise DamagedJournal(f"the journal's agent cannot be run: {problem}") from problem
    decided: list[tuple[float, Effect]] = []
    for now, event in journal.entries:
        if isinstance(event, TimerFired):
            effects = conversation.handle_timer(now=now)
        else:
            effects = conversation.receive(event, now=now)
        decided += [(now, effect) for effect in effects]
    return decided


def _written(now: float, event: Event | TimerFired) -> dict[str, object]:
    if isinstance(event, TimerFired):
        return {"now": now, "type": TIMER}
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"now": now, "type": type(event).__name__, **values}


def _read(line: Mapping[str, object], number: int) -> Entry:
    values = dict(line)
    now, kind = values.pop("now", None), values.pop("type", None)
    if isinstance(now, bool) or not isinstance(now, int | float) or not math.isfinite(now):
        raise DamagedJournal(f"line {number}: expected the time of the event, got {now!r}")
    if kind == TIMER and not values:
        return float(now), TimerFired()
    event = _EVENTS.get(kind) if isinstance(kind, str) else None
    if event is None:
        raise DamagedJournal(f"line {number}: there is no event {kind!r}")
    try:
        return float(now), record_from(event, values)
    except BadRecord as problem:
        raise DamagedJournal(f"line {number}: {problem}") from problem


def _dumps(line: object) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode()


def _loads(line: bytes, number: int) -> Mapping[str, object]:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise DamagedJournal(f"line {number}: not JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise DamagedJournal(f"line {number}: expected an object")
    return value
