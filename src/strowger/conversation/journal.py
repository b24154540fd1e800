"""Everything a conversation heard, and when: enough to hold it again, to the last bit.

JSON lines. The first names the format and keeps the agent's definition and the call's variables;
each further line is one event or one timer with the `now` it was handled at, and what the
conversation decided then. Decisions are kept to be compared (`conversation/replaying.py`), never
to be carried out again: a long value in them, such as a whole dialogue, is kept as its digest.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TypeGuard

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation.decided import Decision, decision_of
from strowger.conversation.either import (
    AnyEffect,
    AnyEvent,
    conversation_of,
    events_of,
    tell,
)
from strowger.conversation.records import BadRecord, record_from
from strowger.errors import DamagedJournal

VERSION = 2
"""2 keeps the decisions, and which timers were late; a journal of 1 has nothing to compare."""
TIMER = "timer"
OVERDUE, DECIDED = "overdue", "decided"
"""Names of what a line has beside the fields of its event."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The conversation was told that its timer is due."""


Entry = tuple[float, AnyEvent | TimerFired]
"""`now`, and what was handled then."""


class Journal:
    """What one conversation was told, in order, and what it decided.

    Record each thing before it is handled, and what came of it after.
    """

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        self.definition = definition
        self.variables = dict(variables)
        self.entries: list[Entry] = []
        self.overdue: dict[int, float] = {}
        """By entry, the timer that had been due before it and had not fired yet."""
        self.decisions: dict[int, list[Decision]] = {}
        """By entry; entries that nothing came of are left out."""

    def record(self, now: float, event: AnyEvent, *, due: float | None = None) -> None:
        """`due` is the timer that the conversation waited for."""
        self._record(now, event, due)

    def record_timer(self, now: float, *, due: float | None = None) -> None:
        self._record(now, TimerFired(), due)

    def record_decisions(self, effects: Sequence[AnyEffect]) -> None:
        """What came of the entry recorded last."""
        if effects:
            decided = self.decisions.setdefault(len(self.entries) - 1, [])
            decided += [decision_of(effect) for effect in effects]

    def to_lines(self) -> bytes:
        header = {
            "journal": VERSION,
            "entries": len(self.entries),
            "definition": asdict(self.definition),
            "variables": self.variables,
        }
        lines = [header, *(self._line(number) for number in range(len(self.entries)))]
        return b"".join(_dumps(line) + b"\n" for line in lines)

    def _record(self, now: float, event: AnyEvent | TimerFired, due: float | None) -> None:
        if due is not None and due < now:
            self.overdue[len(self.entries)] = due
        self.entries.append((now, event))

    def _line(self, number: int) -> dict[str, object]:
        line = _written(*self.entries[number])
        if number in self.overdue:
            line[OVERDUE] = self.overdue[number]
        if number in self.decisions:
            line[DECIDED] = self.decisions[number]
        return line


def parse_journal(data: bytes) -> Journal:
    """Read a journal. Raises DamagedJournal where it is not, in full, what `to_lines` wrote."""
    if not data.endswith(b"\n"):
        raise DamagedJournal("the journal is empty or breaks off in the middle of a line")
    lines = [_loads(line, number) for number, line in enumerate(data[:-1].split(b"\n"), start=1)]
    header = lines[0]
    if (version := header.get("journal")) != VERSION:
        raise DamagedJournal(_other_version(version))
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
    events = events_of(definition)
    for number, line in enumerate(lines[1:], start=2):
        _read_into(journal, line, events, number)
    times = [now for now, _ in journal.entries]
    if times != sorted(times):
        raise DamagedJournal("the entries are not in the order of their times")
    return journal


def replay(journal: Journal) -> list[tuple[float, AnyEffect]]:
    """Hold the conversation again: what it decides, and when."""
    conversation = conversation_of(journal.definition, journal.variables)
    decided: list[tuple[float, AnyEffect]] = []
    for now, event in journal.entries:
        effects: Sequence[AnyEffect]
        if isinstance(event, TimerFired):
            effects = conversation.handle_timer(now=now)
        else:
            effects = tell(conversation, event, now=now)
        decided += [(now, effect) for effect in effects]
    return decided


def _written(now: float, event: AnyEvent | TimerFired) -> dict[str, object]:
    if isinstance(event, TimerFired):
        return {"now": now, "type": TIMER}
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"now": now, "type": type(event).__name__, **values}


def _other_version(version: object) -> str:
    if isinstance(version, int) and not isinstance(version, bool):
        return (
            f"line 1: this is a journal of version {version}, and this Strowger reads version"
            f" {VERSION}; replay it with the Strowger that wrote it"
        )
    return f"line 1: expected a journal of version {VERSION}; this is none"


def _read_into(
    journal: Journal,
    line: Mapping[str, object],
    events: Mapping[str, type[AnyEvent]],
    number: int,
) -> None:
    values = dict(line)
    overdue, decided = values.pop(OVERDUE, None), values.pop(DECIDED, [])
    if overdue is not None and not _is_time(overdue):
        raise DamagedJournal(f"line {number}: expected the time of a timer, got {overdue!r}")
    if not isinstance(decided, list) or not all(_is_decision(each) for each in decided):
        raise DamagedJournal(f"line {number}: expected a list of decisions, got {decided!r}")
    place = len(journal.entries)
    journal.entries.append(_read(values, events, number))
    if overdue is not None:
        journal.overdue[place] = float(overdue)
    if decided:
        journal.decisions[place] = decided


def _is_decision(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _is_time(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _read(values: dict[str, object], events: Mapping[str, type[AnyEvent]], number: int) -> Entry:
    now, kind = values.pop("now", None), values.pop("type", None)
    if not _is_time(now):
        raise DamagedJournal(f"line {number}: expected the time of the event, got {now!r}")
    if kind == TIMER and not values:
        return float(now), TimerFired()
    event = events.get(kind) if isinstance(kind, str) else None
    if event is None:
        raise DamagedJournal(f"line {number}: there is no event {kind!r}")
    try:
        return float(now), record_from(event, values)
    except BadRecord as problem:
        raise DamagedJournal(f"line {number}: {problem}") from problem


def _dumps(line: object) -> bytes:
    return json.dumps(line, separators=(",", ":"), default=_record).encode()


def _record(value: object) -> dict[str, object]:
    """An event within which there are records."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a journal cannot keep {value!r}")


def _loads(line: bytes, number: int) -> Mapping[str, object]:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise DamagedJournal(f"line {number}: not JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise DamagedJournal(f"line {number}: expected an object")
    return value
