"""`strowger replay`: a finished call's journal, held again by the conversation of today."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from strowger.app.database import database
from strowger.config import Settings
from strowger.conversation.journal import Journal, parse_journal
from strowger.conversation.replaying import (
    Change,
    Difference,
    Replay,
    describe_decision,
    replay_and_compare,
)
from strowger.errors import ConfigurationError, DamagedJournal, NotFound
from strowger.model import CallId
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import open_engine

_MARKS = {
    Change.MISSING: ("-", "red", "was decided then, not now"),
    Change.NEW: ("+", "green", "is decided now, was not then"),
    Change.MOVED: ("~", "yellow", "is decided at another moment"),
}
MOST_SHOWN = 50
"""Differences that are printed; what follows a first one mostly follows from it."""


def replay(settings: Settings, call: str, save: Path | None, *, as_json: bool) -> int:
    """0 for the same decisions, 1 for others. Raises ConfigurationError where it cannot be."""
    written = read_journal(settings, call)
    if save is not None:
        save.write_bytes(written)
    try:
        journal = parse_journal(written)
        found = replay_and_compare(journal)
    except DamagedJournal as problem:
        raise ConfigurationError(f"{call} cannot be replayed: {problem}") from problem
    if as_json:
        sys.stdout.write(json.dumps(as_record(found)) + "\n")
    else:
        _print(call, journal, found)
    return 1 if found.differences else 0


def read_journal(settings: Settings, call: str) -> bytes:
    """From a file of that name, else from the database. Raises ConfigurationError."""
    path = Path(call)
    if path.is_file():
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"cannot read {call}: {error.strerror}") from error
    if not call.startswith("call_"):
        raise ConfigurationError(f"{call!r} is neither a file nor the id of a call (call_…)")
    with database(settings) as url:
        return asyncio.run(_kept(url, CallId(call)))


async def _kept(url: str, call: CallId) -> bytes:
    engine = open_engine(url, pool_size=1)
    try:
        store = PostgresCallStore(engine)
        await store.get_call(call)
        return await store.journal(call)
    except NotFound as error:
        raise ConfigurationError(
            f"{call}: {error}; there is one once a call that was answered is over"
        ) from None
    finally:
        await engine.dispose()


def as_record(found: Replay) -> dict[str, object]:
    """The outcome as `--json` has it."""
    return {
        "same": not found.differences,
        "events": found.events,
        "seconds": round(found.seconds, 6),
        "decisions": {"then": len(found.recorded), "now": len(found.now)},
        "differences": [
            asdict(each) | {"text": describe_decision(each.decision)} for each in found.differences
        ],
    }


def _print(call: str, journal: Journal, found: Replay) -> None:
    console = Console(highlight=False)
    console.print(
        f"{call} · {journal.definition.name} · {found.seconds:.1f} s, {found.events} events,"
        f" {len(found.recorded)} decisions",
        soft_wrap=True,
    )
    if not found.differences:
        console.print(Text.assemble(("✓", "green"), " the same decisions at the same times"))
        return
    shown: tuple[str, ...] = ()
    for difference in found.differences[:MOST_SHOWN]:
        _print_difference(console, difference, shown)
        shown = difference.around
    if (more := len(found.differences) - MOST_SHOWN) > 0:
        console.print(f"… and {more} more; --json has all")
    console.print(Text.assemble(("✗", "red"), f" {len(found.differences)} of the decisions differ"))


def _print_difference(console: Console, difference: Difference, shown: tuple[str, ...]) -> None:
    """What differs, under the words around it where these are others than those shown last."""
    if difference.around != shown:
        console.print()
        for words in difference.around:
            console.print(Text(f"    {words}", style="dim"), soft_wrap=True)
    mark, style, meaning = _MARKS[difference.change]
    if difference.change is Change.MOVED:
        meaning = f"{abs(difference.later):.3f} s {'later' if difference.later > 0 else 'earlier'}"
    line = Text(f"  {mark} {difference.at:7.3f} s  ", style=style)
    line.append(describe_decision(difference.decision))
    line.append(f"  ({meaning})", style="dim")
    console.print(line, soft_wrap=True)
