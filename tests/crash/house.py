"""The processes of a crash test: a server that is killed in parts, and the world around it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.crash.plan import Kill, Victim
from tests.e2e.server import ENVIRONMENT, HOST, STROWGER, Callee, free_port

PERSONAS = Path(__file__).parent / "personas"
READY_WITHIN = 120.0
STOPS_WITHIN = 60.0
RTP_PORTS = (31000, 31999)


def surroundings() -> dict[str, str]:
    """The environment of every process here: with the code that this test stands beside."""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")])
    return {**ENVIRONMENT, "PYTHONPATH": path}


@dataclass
class House:
    """One `strowger serve` on fixed ports, which can be killed and started again."""

    folder: Path
    workers: int
    lines: int
    environment: Mapping[str, str] = field(default_factory=dict)
    data: Path = field(init=False)
    port: int = field(init=False)
    sip: int = field(init=False)
    key: str = field(init=False, default="")
    test_key: str = field(init=False, default="")
    _process: "subprocess.Popen[str] | None" = None
    _lives: int = 0

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.port = free_port(socket.SOCK_STREAM)
        self.sip = free_port()  # those of further workers follow, and are most likely free

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start a supervisor; what it says goes to a log of its own."""
        self._lives += 1
        with self._log().open("w") as output:
            self._process = subprocess.Popen(
                [
                    *STROWGER, "serve", "--host", HOST, "--port", str(self.port),
                    "--data", str(self.data), "--sip", f"{HOST}:{self.sip}",
                    "--lines", str(self.lines), "--workers", str(self.workers),
                ],
                cwd=self.folder, env=self._environment(), stdout=output, stderr=output, text=True,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        assert self._process is not None
        while "ready; Ctrl-C stops" not in self._log().read_text():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def make_key(self) -> None:
        made = subprocess.run(
            [*STROWGER, "keys", "create", "--name", "crash", "--data", str(self.data)],
            capture_output=True, text=True, check=True, cwd=self.folder, env=self._environment(),
        )  # fmt: skip
        self.key = made.stdout.strip().splitlines()[-1]

    def stop(self) -> int:
        """As an operator does, with SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def kill(self, what: Kill) -> int | None:
        """kill -9 its process; None where it is not there just now. Returns the pid."""
        pid = self._pid_of(what)
        if pid is None:
            return None
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        if what.victim is Victim.SUPERVISOR and self._process is not None:
            self._process.wait()
        return pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """Everything that all its lives wrote to their logs."""
        return "".join(log.read_text() for log in sorted(self.folder.glob("serve-*.log")))

    def signal(self, victim: Victim, number: signal.Signals) -> None:
        pid = self._pid_of(Kill(0.0, victim, 1))
        assert pid is not None, f"no {victim} runs"
        os.kill(pid, number)

    def _pid_of(self, what: Kill) -> int | None:
        match what.victim:
            case Victim.SUPERVISOR:
                return self._process.pid if self._process is not None and self.running() else None
            case Victim.DATABASE:
                return _pid_in(self.data / "postgres" / "postmaster.pid", b"postgres")
            case Victim.API:
                return _pid_in(self.data / "api.lock", b"strowger.process")
            case Victim.WORKER:
                return _pid_in(self.data / f"worker-{what.number}.lock", b"strowger.process")

    def _environment(self) -> dict[str, str]:
        first, last = RTP_PORTS
        return {
            **surroundings(),
            "STROWGER_ALLOW_NETWORKS": f"{HOST}/32",
            "STROWGER_RTP_PORTS": f"{first}-{last}",
            "STROWGER_STOP_TIMEOUT": "8",
            **self.environment,
        }

    def _log(self) -> Path:
        return self.folder / f"serve-{self._lives:03}.log"


@dataclass
class World:
    """Those outside: who is called, and who is told."""

    callees: dict[str, Callee]
    """By persona."""
    webhook_url: str
    deliveries: Path
    """A line of JSON for each delivery that came."""


@contextmanager
def world(folder: Path, seed: int) -> Iterator[World]:
    """Callees and a customer's endpoint, in processes of their own, which nobody kills."""
    folder.mkdir(parents=True, exist_ok=True)
    deliveries = folder / "deliveries.jsonl"
    processes: list[subprocess.Popen[str]] = []
    try:
        receiver = _start(processes, [sys.executable, "-m", "tests.crash.receiver",
                                      str(deliveries), str(seed)])  # fmt: skip
        callees = {}
        for persona in sorted(PERSONAS.glob("*.yaml")):
            port, log = free_port(), folder / f"callee-{persona.stem}.jsonl"
            address = f"{HOST}:{port}"
            command = ["simulate", "callee", "--listen", address, "--persona", str(persona)]
            stream = _start(processes, [*STROWGER, *command, "--log", str(log)])
            assert "answers at" in stream.readline()
            callees[persona.stem] = Callee(port, log)
        url = f"http://{HOST}:{int(receiver.readline())}/events"
        yield World(callees, url, deliveries)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _start(processes: list["subprocess.Popen[str]"], command: list[str]) -> IO[str]:
    """Start it and hand out its output."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=surroundings(),
    )  # fmt: skip
    processes.append(process)
    assert process.stdout is not None
    return process.stdout


def _pid_in(file: Path, command: bytes) -> int | None:
    """The process that a file names, if it lives and is what it should be."""
    try:
        pid = int(file.read_text().split()[0])
        name = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, IndexError, ValueError):
        return None
    return pid if command in name else None
