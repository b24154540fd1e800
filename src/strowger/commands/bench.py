"""`strowger bench`: what this machine can do, measured by the far end of real calls.

This process is the far end: it answers, speaks, and times what comes by the kernel's stamps. What
is measured runs in a process of its own, `bench_subject`.
"""

import asyncio
import json
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from strowger.app.running import run_loop
from strowger.commands.bench_report import (
    LatencyResult,
    LinesResult,
    describe_latency,
    describe_lines,
    latency_result,
    load_average,
    machine,
)
from strowger.commands.bench_subject import LatencyReport, LinesReport, Task
from strowger.config import Settings, child_environment
from strowger.errors import StrowgerError, Unavailable
from strowger.media.g711 import Samples
from strowger.ports import LINE_RATE
from strowger.precedence import take_precedence
from strowger.simulate.load import Load, open_load
from strowger.simulate.load_measures import punctuality
from strowger.simulate.load_scripts import Caller, Exchange, Talker
from strowger.simulate.load_speech import clip, noise, speech

HOST = "127.0.0.1"
RTP_PORTS = (12000, 19998)
UTTERANCE = 3 * LINE_RATE
"""Samples that each line plays again and again in `lines`."""
STARTING_SECONDS = 60.0
TURN_SECONDS = 12.0
"""Longest that an exchange takes in `latency`, an answer that never comes included."""


def lines(lines: int, seconds: float) -> int:
    """Print what so many lines cost, and how punctual they are."""
    return _show(f"{lines} lines", lambda: describe_lines(run_loop(measure_lines(lines, seconds))))


def latency(calls: int, turns: int) -> int:
    """Print how soon the agent answers."""
    return _show(
        f"{calls} calls of {turns} turns",
        lambda: describe_latency(run_loop(measure_latency(calls, turns))),
    )


async def measure_lines(lines: int, seconds: float) -> LinesResult:
    """Raises StrowgerError where there is no speech, no port, or the subject fails."""
    spoken = await speech()
    clips, hiss = [clip(each) for each in spoken], noise()

    def script(number: int, hang_up: Callable[[], None]) -> Talker:
        return Talker(clips, hiss, seed=number)

    async with open_load((HOST, _free_port()), script) as load:
        with _folder(np.resize(np.concatenate(spoken), UTTERANCE)) as folder:
            report = LinesReport(**await _subject(_task("lines", lines, seconds, load, folder)))
    wall = report.end - report.begin
    streams = [(call.stream.arrivals, call.stream.timestamps) for call in load.calls]
    return LinesResult(
        lines=lines,
        seconds=wall,
        cpu=report.cpu / wall,
        memory=report.memory_after,
        memory_per_line=(report.memory_after - report.memory_before) / lines,
        wire=punctuality(streams, report.begin, report.end),
        skipped=report.skipped,
        turns_heard=report.turns_heard,
        recorded=report.recorded,
        load_cpu=load.thread.cpu / load.thread.seconds,
        own=load.thread.lateness(report.begin, report.end),
    )


async def measure_latency(calls: int, turns: int) -> LatencyResult:
    """Raises StrowgerError as `measure_lines` does."""
    spoken = await speech()
    clips, hiss = [clip(each) for each in spoken], noise()
    exchanges: list[list[Exchange]] = []

    def script(number: int, hang_up: Callable[[], None]) -> Caller:
        caller = Caller(clips, hiss, turns=turns, seed=number, on_finished=hang_up)
        exchanges.append(caller.exchanges)
        return caller

    longest = STARTING_SECONDS + TURN_SECONDS * (turns + 1)
    async with open_load((HOST, _free_port()), script) as load:
        with _folder(spoken[0]) as folder:
            report = LatencyReport(**await _subject(_task("latency", calls, longest, load, folder)))
    return latency_result(
        [each for call in exchanges for each in call],
        report.totals,
        calls=calls,
        endpointing_delay=report.endpointing_delay,
        skipped=report.skipped,
        own=load.thread.lateness(0.0, float("inf")),
    )


def _show(what: str, measure: Callable[[], str]) -> int:
    """Print one measurement; 1 where it could not be made."""
    take_precedence(Settings().worker_niceness)  # as a worker; nor must the load be late
    _print(f"{what} on {machine()}; load average {load_average()}")
    try:
        _print(measure())
    except StrowgerError as error:
        sys.stderr.write(f"strowger: {error}\n")
        return 1
    _print(f"load average     {load_average()} at the end")
    return 0


def _task(role: str, calls: int, seconds: float, load: Load, folder: Path) -> Task:
    return Task(
        role=role,
        calls=calls,
        seconds=seconds,
        listen=(HOST, _free_port()),
        far_end=load.listen,
        rtp_ports=RTP_PORTS,
        folder=str(folder),
    )


async def _subject(task: Task) -> dict[str, Any]:
    """Run the process under test to its end; what it reports. Raises Unavailable."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "strowger.commands.bench_subject",
        stdin=PIPE, stdout=PIPE, env=child_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(STARTING_SECONDS + task.seconds):
            told, _ = await process.communicate(json.dumps(asdict(task)).encode() + b"\n")
    except TimeoutError as error:
        raise Unavailable("the process under test did not come to an end") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Unavailable(f"the process under test ended with status {process.returncode}")
    report = json.loads(told)
    assert isinstance(report, dict)
    return report


@contextmanager
def _folder(spoken: Samples) -> Iterator[Path]:
    """Where the process under test finds what to say, and leaves its recordings, for a while."""
    with tempfile.TemporaryDirectory(prefix="strowger-bench-") as name:
        folder = Path(name)
        (folder / "speech").write_bytes(spoken.astype("<i2").tobytes())
        yield folder


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
