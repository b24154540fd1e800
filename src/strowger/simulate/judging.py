"""Holds what came of a rehearsed call against what was expected of it. Pure.

Every expectation becomes one verdict; one that is not met shows the part of the call it is about.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import ceil

from strowger.model import Turn
from strowger.simulate.performance import Performance
from strowger.simulate.player import words
from strowger.simulate.scenario import Bounds, Expectations, LatencyLimits, Scenario

AROUND = 2
"""Turns before and after the one that a verdict is about."""
LAST = 6
"""Turns that are shown where it is about the whole call."""


@dataclass(frozen=True, slots=True)
class Verdict:
    expectation: str
    """The name of the field under `expect`."""
    good: bool
    message: str
    """What was expected, and what came where that is something else."""
    around: tuple[str, ...] = ()
    """Lines of the transcript that explain it; of verdicts that are not good."""


def judge(scenario: Scenario, performance: Performance) -> list[Verdict]:
    """A verdict for each expectation of the scenario, in the order they are documented."""
    return list(_verdicts(scenario.expect, performance))


def transcript_lines(turns: Sequence[Turn]) -> tuple[str, ...]:
    """The turns for people to read."""
    lines = []
    for turn in turns:
        cut = " —" if turn.interrupted else ""
        total = None if turn.latency is None else turn.latency.total
        late = "" if total is None else f"   {1000 * total:.0f} ms"
        words_said = turn.text or "(no words understood)"
        if turn.tool is not None:
            failed = "" if turn.tool.ok else " failed"
            words_said = f"{turn.tool.name}({turn.tool.arguments}){failed}: {turn.text}"
        lines.append(f"{turn.started_at:7.2f} s  {turn.role:6}  {words_said}{cut}{late}")
    return tuple(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


# ── the expectations ─────────────────────────────────────────────────────────────────────────


def _verdicts(expect: Expectations, came: Performance) -> Iterator[Verdict]:
    for name in ("status", "end_reason"):
        wanted, got = getattr(expect, name), getattr(came, name)
        if wanted is not None:
            yield _equal(name, wanted, got, came)
    if expect.outcome is not None:
        got = came.outcome or ""
        good = re.fullmatch(expect.outcome, got) is not None
        yield _verdict("outcome", good, f"{expect.outcome!r}", repr(came.outcome), came)
    for name, value in expect.variables.items():
        got = came.variables.get(name)
        yield _equal(f"variables.{name}", value, got, came)
    for role, must, never in (
        ("agent", expect.agent_says, expect.agent_never_says),
        ("callee", expect.callee_says, expect.callee_never_says),
    ):
        for phrase in must:
            yield _says(role, phrase, came)
        for phrase in never:
            yield _never_says(role, phrase, came)
    for phrase in expect.callee_hears:
        good = _contains(" ".join(came.heard), phrase)
        heard = " / ".join(came.heard) or "nothing"
        yield _verdict("callee_hears", good, f"“{phrase}”", heard, came)
    if expect.tools is not None:
        yield _equal("tools", list(expect.tools), came.tools, came)
    yield from _counts(expect, came)
    if expect.latency is not None:
        yield from _latency(expect.latency, came)
    if expect.longest_silence is not None:
        began, seconds = came.longest_silence
        good = seconds <= expect.longest_silence
        said = f"at most {expect.longest_silence:g} s of silence"
        yield Verdict(
            "longest_silence",
            good,
            said if good else f"{said}, got {seconds:.2f} s from {began:.2f} s on",
            () if good else _around(came, began),
        )


def _counts(expect: Expectations, came: Performance) -> Iterator[Verdict]:
    cut = next((turn.started_at for turn in came.transcript if turn.interrupted), None)
    if expect.interruptions is not None:
        got = came.interruptions
        yield _bounded("interruptions", expect.interruptions, got, came, about=cut)
    if expect.turns is not None:
        yield _bounded("turns", expect.turns, len(came.transcript), came)
    if expect.duration is not None:
        yield _bounded("duration", expect.duration, round(came.duration, 3), came)


def _latency(limits: LatencyLimits, came: Performance) -> Iterator[Verdict]:
    measured = {
        "p50": (limits.p50, 0.5),
        "p95": (limits.p95, 0.95),
        "longest": (limits.longest, 1.0),
    }
    for name, (limit, share) in measured.items():
        if limit is None:
            continue
        field = f"latency.{name}"
        if not came.latencies:
            lines = transcript_lines(came.transcript[-LAST:])
            yield Verdict(field, False, "an answer to measure, and there was none", lines)
            continue
        got = percentile(came.latencies, share)
        slow = next(
            turn.started_at
            for turn in came.transcript
            if turn.latency is not None and turn.latency.total == got
        )
        good = got <= limit
        message = f"{name} at most {limit:g} s" + ("" if good else f", got {got:.3f} s")
        yield Verdict(field, good, message, () if good else _around(came, slow))


def _says(role: str, phrase: str, came: Performance) -> Verdict:
    said = " ".join(turn.text for turn in came.transcript if turn.role == role)
    good = _contains(said, phrase)
    lines = transcript_lines(came.transcript)
    return Verdict(
        f"{role}_says",
        good,
        f"the {role} says “{phrase}”" + ("" if good else ", and it was not heard"),
        () if good else lines or ("(nothing was said)",),
    )


def _never_says(role: str, phrase: str, came: Performance) -> Verdict:
    bad = next(
        (turn for turn in came.transcript if turn.role == role and _contains(turn.text, phrase)),
        None,
    )
    return Verdict(
        f"{role}_never_says",
        bad is None,
        f"the {role} never says “{phrase}”" + ("" if bad is None else ", and it was heard"),
        () if bad is None else _around(came, bad.started_at),
    )


def _bounded(
    name: str, wanted: int | Bounds, got: float, came: Performance, *, about: float | None = None
) -> Verdict:
    bounds = wanted if isinstance(wanted, Bounds) else Bounds(at_least=wanted, at_most=wanted)
    low, high = bounds.at_least, bounds.at_most
    good = (low is None or got >= low) and (high is None or got <= high)
    said = f"{wanted}" if isinstance(wanted, int) else _range(bounds)
    around = transcript_lines(came.transcript[-LAST:]) if about is None else _around(came, about)
    return Verdict(
        name,
        good,
        f"{name}: {said}" + ("" if good else f", got {got:g}"),
        () if good else around,
    )


def _range(bounds: Bounds) -> str:
    parts = []
    for each in fields(bounds):
        limit = getattr(bounds, each.name)
        if limit is not None:
            parts.append(f"{each.name.replace('_', ' ')} {limit:g}")
    return " and ".join(parts)


def _equal(name: str, wanted: object, got: object, came: Performance) -> Verdict:
    return _verdict(name, wanted == got, repr(wanted), repr(got), came)


def _verdict(name: str, good: bool, wanted: str, got: str, came: Performance) -> Verdict:
    lines = transcript_lines(came.transcript[-LAST:])
    if came.error is not None:
        lines = (*lines, f"           error: {came.error}")
    message = f"{name}: {wanted}" + ("" if good else f", got {got}")
    return Verdict(name, good, message, () if good else lines)


def _contains(text: str, phrase: str) -> bool:
    return f" {' '.join(words(phrase))} " in f" {' '.join(words(text))} "


def _around(came: Performance, at: float) -> tuple[str, ...]:
    """The turns before and after that moment."""
    before = [turn for turn in came.transcript if turn.started_at <= at][-AROUND - 1 :]
    after = [turn for turn in came.transcript if turn.started_at > at][:AROUND]
    return transcript_lines([*before, *after])
