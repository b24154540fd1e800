"""`strowger simulate run`: scenarios rehearsed, judged and reported."""

import fnmatch
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from strowger.app.given import provider_settings
from strowger.app.running import run_loop
from strowger.config import Settings
from strowger.errors import ConfigurationError
from strowger.simulate.company import (
    House,
    bookings_of,
    file_name,
    perform_all,
    quieten,
)
from strowger.simulate.judging import Verdict, judge, percentile
from strowger.simulate.junit import junit
from strowger.simulate.over_sip import perform_over_sip
from strowger.simulate.performance import Performance, as_record
from strowger.simulate.scenario import Scenario
from strowger.simulate.scenario_files import load_scenarios

Judged = tuple[Performance, list[Verdict]]

CALLS_AT_ONCE = 4
"""Over real SIP, where nothing else is asked for: two telephones each, all in this process."""
NARROWEST = 130
"""Columns of the table where the output is no terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    paths: tuple[Path, ...]
    only: str | None = None
    """Pattern, with `*`, that the names of the scenarios to run fit."""
    seed: int | None = None
    repeat: int | None = None
    jobs: int | None = None
    junit: Path | None = None
    journals: Path | None = None
    recordings: Path | None = None
    real_sip: bool = False
    as_json: bool = False


def run(settings: Settings, options: RunOptions) -> int:
    """0 where every expectation was met. Raises ConfigurationError."""
    quieten()
    scenarios = _chosen(options)
    if not options.real_sip:
        _refuse_what_needs_real_time(scenarios)
    bookings = bookings_of(scenarios)
    house = House(provider_settings(settings), options.recordings)
    console = Console(highlight=False, stderr=options.as_json)
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    began = time.monotonic()
    judged: dict[int, Judged] = {}

    def note(place: int, performance: Performance) -> None:
        verdicts = judge(bookings[place].scenario, performance)
        judged[place] = performance, verdicts
        _print_progress(console, performance, verdicts, len(judged), len(bookings))

    if options.real_sip:
        at_once = options.jobs or CALLS_AT_ONCE
        run_loop(perform_over_sip(bookings, house, at_once=at_once, on_over=note))
    else:
        processes = options.jobs or os.cpu_count() or 1
        for place, performance in perform_all(bookings, house, processes=processes):
            note(place, performance)
    ordered = [judged[place] for place in range(len(bookings))]
    seconds = time.monotonic() - began
    if options.junit is not None:
        _write(options.junit, junit(ordered))
    if options.journals is not None:
        _keep_journals(options.journals, ordered)
    if options.as_json:
        sys.stdout.write(_as_json(ordered))
    else:
        _print_failures(console, ordered)
        _print_table(console, ordered)
        _print_sum(console, ordered, seconds, real=options.real_sip)
    return 0 if all(_good(verdicts) for _, verdicts in ordered) else 1


def list_scenarios(options: RunOptions) -> int:
    """Print the names of what would be run, one a line."""
    for scenario in _chosen(options):
        repeated = f"  ×{scenario.repeat}" if scenario.repeat > 1 else ""
        sys.stdout.write(f"{scenario.name}{repeated}\n")
    return 0


def _chosen(options: RunOptions) -> list[Scenario]:
    scenarios = load_scenarios(options.paths)
    if options.only is not None:
        pattern = options.only.lower()
        wanted = pattern if "*" in pattern else f"*{pattern}*"
        scenarios = [each for each in scenarios if _fits(each.name, wanted)]
        if not scenarios:
            raise ConfigurationError(f"--only: no scenario fits {options.only!r}")
    if options.seed is not None:
        scenarios = [replace(each, seed=options.seed) for each in scenarios]
    if options.repeat is not None:
        scenarios = [replace(each, repeat=options.repeat) for each in scenarios]
    return scenarios


def _refuse_what_needs_real_time(scenarios: Sequence[Scenario]) -> None:
    held = [each.name for each in scenarios if each.agent.speech_to_speech is not None]
    if held:
        raise ConfigurationError(
            f"{held[0]}: agent.speech_to_speech: a service speaks and listens in real time, which"
            " virtual time does not keep to; run it with --real-sip, where the service is asked"
            " for real, or leave it out with --only"
        )


def _fits(name: str, pattern: str) -> bool:
    """The brackets that a matrix puts into names are no pattern."""
    return fnmatch.fnmatchcase(name.lower(), pattern.replace("[", "[[]"))


# ── what is written ──────────────────────────────────────────────────────────────────────────


def _as_json(judged: Sequence[Judged]) -> str:
    """One object a line: what came of the call, and the verdicts."""
    return "".join(
        json.dumps(
            as_record(performance)
            | {"passed": _good(verdicts), "verdicts": [asdict(each) for each in verdicts]}
        )
        + "\n"
        for performance, verdicts in judged
    )


def _keep_journals(folder: Path, judged: Sequence[Judged]) -> None:
    for performance, _ in judged:
        if performance.journal:
            _write(folder / f"{file_name(performance.name)}.jsonl", performance.journal)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


# ── what is printed ──────────────────────────────────────────────────────────────────────────


def _good(verdicts: Sequence[Verdict]) -> bool:
    return all(verdict.good for verdict in verdicts)


def _mark(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    return ("✓", "green") if _good(verdicts) else ("✗", "red")


def _print_progress(
    console: Console, performance: Performance, verdicts: Sequence[Verdict], done: int, of: int
) -> None:
    line = Text.assemble(_mark(verdicts), f" {done:{len(str(of))}}/{of}  {performance.name}")
    line.append(f"  {performance.duration:.1f} s", style="dim")
    if failed := [verdict.expectation for verdict in verdicts if not verdict.good]:
        line.append(f"  {', '.join(failed)}", style="red")
    console.print(line, soft_wrap=True)


def _print_failures(console: Console, judged: Sequence[Judged]) -> None:
    for performance, verdicts in judged:
        if _good(verdicts):
            continue
        console.print()
        console.print(Text(f"{performance.name} (seed {performance.seed})", style="bold red"))
        for verdict in verdicts:
            if verdict.good:
                continue
            console.print(Text(f"  {verdict.message}", style="red"), soft_wrap=True)
            for words in verdict.around:
                console.print(Text(f"    {words}", style="dim"), soft_wrap=True)


def _print_table(console: Console, judged: Sequence[Judged]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns: tuple[tuple[str, Literal["left", "right"]], ...] = (
        ("", "left"), ("scenario", "left"), ("end", "left"), ("outcome", "left"),
        ("s", "right"), ("turns", "right"), ("cut", "right"), ("p50 ms", "right"),
        ("p95 ms", "right"),
    )  # fmt: skip
    for title, justify in columns:
        table.add_column(title, justify=justify, no_wrap=title not in {"scenario", "outcome"})
    for performance, verdicts in judged:
        late = performance.latencies
        table.add_row(
            Text.assemble(_mark(verdicts)),
            Text(performance.name),
            performance.end_reason,
            Text(performance.outcome or ""),
            f"{performance.duration:.1f}",
            str(len(performance.transcript)),
            str(performance.interruptions),
            f"{1000 * percentile(late, 0.5):.0f}" if late else "",
            f"{1000 * percentile(late, 0.95):.0f}" if late else "",
        )
    console.print()
    console.print(table)


def _print_sum(console: Console, judged: Sequence[Judged], seconds: float, *, real: bool) -> None:
    failed = sum(not _good(verdicts) for _, verdicts in judged)
    talked = sum(performance.duration for performance, _ in judged)
    calls = f"{len(judged)} call{'s' if len(judged) != 1 else ''}"
    pace = "over real SIP" if real else f"{talked / max(seconds, 1e-9):.0f} times as fast as real"
    style = "red" if failed else "green"
    said = f"{failed} failed" if failed else "all as expected"
    console.print()
    console.print(
        Text.assemble(
            (f"{calls}, {said}", style), f": {talked:.0f} s of talk in {seconds:.1f} s, {pace}"
        )
    )
