"""What the benchmarks found out, and how they say it."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strowger.simulate.load_measures import ON_TIME, VOICED_BELOW_PEAK, Figures, Punctuality
from strowger.simulate.load_scripts import Exchange

OWN_LATENESS = 0.003
"""Seconds that 99 in 100 of the load's own packets keep to on a machine that is not overloaded."""
LINES_CPU, LINES_ON_TIME, LINE_MEMORY = 0.40, 0.99, 1e6
"""Aims for 200 lines: share of one core, share of punctual packets, bytes of memory a line."""
LATENCY_P50, LATENCY_P99 = 0.060, 0.120
"""Aims in seconds over the endpointing delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesResult:
    lines: int
    seconds: float
    cpu: float
    """Share of one core."""
    memory: int
    """Bytes resident at the end."""
    memory_per_line: float
    wire: Punctuality
    skipped: int
    turns_heard: int
    recorded: float
    """Seconds, all lines together."""
    load_cpu: float
    own: Figures
    """Lateness of the load's own packets, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyResult:
    calls: int
    unanswered: int
    premature: int
    endpointing_delay: float
    wire: Figures
    """Seconds over the endpointing delay, at the far end's wire."""
    internal: Figures
    """The same by `Turn.latency.total`."""
    skipped: int
    own: Figures


def latency_result(
    exchanges: Sequence[Exchange],
    totals: Sequence[float],
    *,
    calls: int,
    endpointing_delay: float,
    skipped: int,
    own: Figures,
) -> LatencyResult:
    answers = [each.latency for each in exchanges if each.latency is not None]
    timed = [
        each.latency - endpointing_delay
        for each in exchanges
        if each.latency is not None and not each.premature
    ]
    return LatencyResult(
        calls=calls,
        unanswered=len(exchanges) - len(answers),
        premature=sum(each.premature for each in exchanges),
        endpointing_delay=endpointing_delay,
        wire=Figures.of(timed),
        internal=Figures.of([total - endpointing_delay for total in totals]),
        skipped=skipped,
        own=own,
    )


def describe_lines(result: LinesResult) -> str:
    wire, cpu = result.wire, 100 * result.cpu
    late = wire.late
    return "\n".join(
        [
            f"lines            {result.lines}, voice detection on, all recorded, "
            f"{result.seconds:.1f} s",
            f"processor        {cpu:.1f} % of one core {_aim(result.cpu <= LINES_CPU, '40 %')}",
            f"memory           {result.memory / 1e6:.0f} MB resident, "
            f"{result.memory_per_line / 1e6:.2f} MB a line "
            f"{_aim(result.memory_per_line <= LINE_MEMORY, '1 MB')}",
            f"punctual         {100 * wire.on_time:.2f} % of {wire.expected} packets within "
            f"{1000 * ON_TIME:g} ms {_aim(wire.on_time >= LINES_ON_TIME, '99 %')}",
            f"late by          p50 {_ms(late.p50)}, p99 {_ms(late.p99)}, max {_ms(late.max)} ms",
            f"missing          {wire.missing} packets; {result.skipped} ticks skipped",
            f"heard            {result.turns_heard} beginnings of speech; "
            f"{result.recorded:.0f} s recorded",
            f"the load itself  {100 * result.load_cpu:.1f} % of one core; {_own(result.own)}",
        ]
    )


def describe_latency(result: LatencyResult) -> str:
    wire, internal = result.wire, result.internal
    return "\n".join(
        [
            f"answers          {wire.count} timed, {result.unanswered} missing, "
            f"{result.premature} before the caller had finished",
            f"at the wire      p50 {_ms(wire.p50)}, p95 {_ms(wire.p95)}, p99 {_ms(wire.p99)}, "
            f"max {_ms(wire.max)} ms over the endpointing delay of "
            f"{1000 * result.endpointing_delay:.0f} ms",
            f"                 p50 {_aim(wire.p50 <= LATENCY_P50, '60 ms')}, "
            f"p99 {_aim(wire.p99 <= LATENCY_P99, '120 ms')}",
            f"by itself        p50 {_ms(internal.p50)}, p95 {_ms(internal.p95)}, "
            f"p99 {_ms(internal.p99)}, max {_ms(internal.max)} ms, {internal.count} answers",
            f"voiced           is a frame within {VOICED_BELOW_PEAK:g} dB of its utterance's "
            "loudest",
            f"the load itself  {_own(result.own)}; {result.skipped} ticks skipped",
        ]
    )


def machine() -> str:
    """The processor's name, how many of it there are, and how this process is served by them."""
    name = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    return f"{os.cpu_count()} x {name}, Python {platform.python_version()}, niceness {niceness}"


def load_average() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def _aim(met: bool, aim: str) -> str:
    return f"({'meets' if met else 'MISSES'} {aim})"


def _own(own: Figures) -> str:
    late = f"its own packets late by p50 {_ms(own.p50)}, p99 {_ms(own.p99)}, max {_ms(own.max)} ms"
    if own.p99 > OWN_LATENESS:
        return f"{late}: THIS MACHINE WAS TOO BUSY for the figures above to count"
    return late


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
