"""Whole conversations with streaming providers: `make bench-turns`.

For each number of calls, three processes on this machine: a worker's calls with everything
switched on (`turn_subject`), the providers with fixed delays over real sockets (`turn_providers`),
and this one, which answers over real SIP and RTP, takes its turns, speaks over the agent now and
then, and times what it hears by the kernel's stamps.
"""

import argparse
import asyncio
import json
import resource
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.turn_callee import Callee
from bench.turn_subject import Report, Task
from strowger.app.running import run_loop
from strowger.commands.bench_report import load_average, machine
from strowger.config import Settings, child_environment
from strowger.errors import Unavailable
from strowger.precedence import take_precedence
from strowger.simulate.load import open_load
from strowger.simulate.load_measures import Figures
from strowger.simulate.load_speech import Clip, clip, noise, speech

HOST = "127.0.0.1"
CALLS = (1, 25, 50, 100, 200)
STARTING = 60.0
"""Seconds beyond the measurement after which the process under test has failed."""
FEW, FEWER_LONGER = 5, 4
"""So many times longer is measured with fewer calls: percentiles need answers."""
CPU_AIM, MEMORY_AIM, YIELD_AIM, P95_AIM = 0.5, 1.0, 0.200, 1.10
"""% of a core per call at 50 calls; MB per call; seconds; p95 at 200 calls over that at 1."""
HEADING = (
    f"{'':<16}{'calls':>6}{'% core/call':>13}{'p50 ms':>8}{'p95 ms':>8}{'barge-in p95':>14}"
    f"{'MB/call':>9}{'answers':>9}{'transcribed':>12}{'missing':>9}"
    "  load average, ms the load was late (p99), % core of the providers"
)


@dataclass(frozen=True, slots=True)
class Result:
    """What so many calls took."""

    who: str
    calls: int
    cpu: float
    """% of one core per call."""
    response: Figures
    barge_in: Figures
    memory: float
    """MB per call."""
    transcribed: int | None
    """Turns of the callees' in the agents' transcripts, to be held against the answers; None where
    that was not looked at."""
    missing: int
    """Answers that did not come, and calls that ended."""
    circumstances: str

    def line(self) -> str:
        p50, p95, stop = (
            1000 * each for each in (self.response.p50, self.response.p95, self.barge_in.p95)
        )
        stopped = f"{stop:.0f} ({self.barge_in.count})"
        transcribed = "-" if self.transcribed is None else str(self.transcribed)
        return (
            f"{self.who:<16}{self.calls:>6}{self.cpu:>13.2f}{p50:>8.0f}{p95:>8.0f}{stopped:>14}"
            f"{self.memory:>9.2f}{self.response.count:>9}{transcribed:>12}{self.missing:>9}"
            f"  {self.circumstances}"
        )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, nargs="+", default=CALLS)
    arguments.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    arguments.add_argument("--turn-model", help="path of a Smart Turn v3 ONNX file to listen too")
    chosen = arguments.parse_args()
    open_many_files()
    take_precedence(Settings().worker_niceness)  # as a worker; nor must the load be late
    print(f"{machine()}; load average {load_average()}\n{HEADING}", flush=True)
    results = run_loop(measure(chosen.calls, chosen.seconds, chosen.turn_model))
    print(f"\n{judged(results)}\nload average {load_average()} at the end")
    return 0


async def measure(
    calls: Sequence[int], seconds: float, turn_model: str | None = None
) -> list[Result]:
    """One row after the other, printed as it is had. Raises StrowgerError."""
    spoken = await speech()
    clips, results = [clip(each) for each in spoken], []
    with tempfile.TemporaryDirectory(prefix="strowger-bench-") as name:
        folder = Path(name)
        (folder / "speech").write_bytes(spoken[0].astype("<i2").tobytes())
        for number in calls:
            async with open_providers(folder) as providers:
                lasts = seconds * FEWER_LONGER if number < FEW else seconds
                result = await measured(number, lasts, clips, folder, providers, turn_model)
            print(result.line(), flush=True)
            results.append(result)
            clear(folder)
    return results


async def measured(
    calls: int,
    seconds: float,
    clips: Sequence[Clip],
    folder: Path,
    providers: "Providers",
    turn_model: str | None,
) -> Result:
    """Raises StrowgerError where there is no port, or the process under test fails."""
    hiss, callees = noise(), list[Callee]()

    def script(number: int, hang_up: Callable[[], None]) -> Callee:
        callees.append(Callee(clips, hiss, number=number))
        return callees[-1]

    async with open_load((HOST, free_port()), script) as load:
        task = Task(
            calls=calls,
            seconds=seconds,
            sockets=providers.sockets,
            chat=providers.chat,
            sip=free_port(),
            far_end=load.listen[1],
            folder=str(folder),
            turn_model=turn_model,
        )
        report = await subject(task)
        own = load.thread.lateness(report.begin, report.end)
    heard = [each.heard for each in callees[1:]]

    def within(moments: list[tuple[float, float]]) -> list[float]:
        return [lasted for at, lasted in moments if report.begin <= at < report.end]

    wall = report.end - report.begin
    lost = sum(report.begin <= at < report.end for each in heard for at in each.missing)
    return Result(
        who="strowger",
        calls=calls,
        cpu=100 * report.cpu / wall / calls,
        response=Figures.of([x for each in heard for x in within(each.responses)]),
        barge_in=Figures.of([x for each in heard for x in within(each.yields)]),
        memory=(report.memory_after - report.memory_before) / 1e6 / calls,
        transcribed=report.transcribed,
        missing=lost + sum(report.ended.values()),
        circumstances=f"{load_average().split()[0]}, {1000 * own.p99:.1f}, {providers.busy():.0f}",
    )


async def subject(task: Task) -> Report:
    """Run the process under test to its end. Raises Unavailable."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.turn_subject",
        stdin=PIPE, stdout=PIPE, env=child_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(STARTING + task.seconds):
            told, _ = await process.communicate(json.dumps(asdict(task)).encode() + b"\n")
    except TimeoutError as error:
        raise Unavailable("the process under test did not come to an end") from error
    finally:
        await end(process)
    lines = told.decode().splitlines()
    if process.returncode or not lines:
        raise Unavailable(f"the process under test ended with status {process.returncode}")
    for line in lines[:-1]:
        sys.stderr.write(f"{line}\n")  # its log: nothing is to be in it
    return Report(**json.loads(lines[-1]))


@dataclass(frozen=True, slots=True)
class Providers:
    """The process that plays all providers."""

    sockets: int
    chat: int
    process: Process
    began: float

    def busy(self) -> float:
        """% of one core that it has taken so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return ticks / max(0.1, asyncio.get_running_loop().time() - self.began)


@asynccontextmanager
async def open_providers(folder: Path) -> AsyncIterator[Providers]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.turn_providers", str(folder),
        stdout=PIPE, env=child_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(STARTING):
            sockets, chat = map(int, (await process.stdout.readline()).split())
        yield Providers(sockets, chat, process, asyncio.get_running_loop().time())
    finally:
        await end(process)


async def end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def clear(folder: Path) -> None:
    """Away with the recordings of the last row."""
    for recording in folder.glob("*.wav"):
        recording.unlink()


def judged(results: Sequence[Result]) -> str:
    """Which aims were met, of those that these rows say anything about."""
    rows = {each.calls: each for each in results}
    said = []
    if (fifty := rows.get(50)) is not None:
        said.append((fifty.cpu <= CPU_AIM, f"{CPU_AIM} % of a core per call at 50 calls"))
    if (one := rows.get(1)) is not None and (most := rows.get(200)) is not None:
        slower = most.response.p95 / one.response.p95 if one.response.count else float("inf")
        said.append((slower <= P95_AIM, f"p95 at 200 within 10 % of that at 1 ({slower:.2f})"))
    for row in results:
        if row.calls > 1:
            said.append((row.memory <= MEMORY_AIM, f"{MEMORY_AIM} MB per call at {row.calls}"))
        met = 0 < row.barge_in.p95 <= YIELD_AIM
        said.append((met, f"barge-in heard within 200 ms, p95, at {row.calls}"))
    return "\n".join(f"{'meets ' if met else 'MISSES'} {aim}" for met, aim in said)


def open_many_files() -> None:
    """A call takes some six, in this process and in those that it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
