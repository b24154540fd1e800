"""`strowger serve` and simulated callees as real processes, for tests of whole calls."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.calls.resources import KeyService
from strowger.commands.client import ServerClient
from strowger.model import DEFAULT_WORKSPACE, CallId
from strowger.store import embedded
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import open_engine
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords

HOST = "127.0.0.1"
STROWGER = [sys.executable, "-m", "strowger"]
READY_WITHIN = 90.0
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
"""Programs run as users run them: asyncio's debugging is for the tests themselves."""


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """One running `strowger serve`."""

    process: subprocess.Popen[str]
    url: str
    data: Path
    log: Path
    key: str = ""
    client: ServerClient = field(init=False)

    def worker(self) -> int:
        """The pid of its only worker."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if b"worker" in command and parent == self.process.pid:
                return int(folder.name)
        raise AssertionError("no worker runs")

    def place(self, port: int, agent: dict[str, Any], **fields: Any) -> str:
        """Call through a trunk at `port`; the call's id."""
        trunk = self.client.post(
            "/v1/trunks", {"name": f"port {port}", "host": HOST, "port": port, "is_default": True}
        )
        assert trunk["port"] == port
        body = {"to": "+14155550100", "agent": agent, **fields}
        return str(self.client.post("/v1/calls", body)["id"])

    def wait(self, call_id: str) -> dict[str, Any]:
        """The call, once it is over."""
        for _ in self.client.events(call_id):
            continue
        return self.client.get(f"/v1/calls/{call_id}")


@contextmanager
def serve(folder: Path, **environment: str) -> Iterator[Server]:
    """Start a server on free ports, make a key, and stop it in order."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(socket.SOCK_STREAM), folder / "serve.log"
    data = folder / "data"
    first = 30000
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *STROWGER, "serve", "--host", HOST, "--port", str(port),
                "--data", str(data), "--sip", f"{HOST}:{free_port()}", "--lines", "8",
            ],
            cwd=folder,
            env={
                **ENVIRONMENT,
                "STROWGER_ALLOW_NETWORKS": f"{HOST}/32",
                "STROWGER_RTP_PORTS": f"{first}-{first + 999}",
                "STROWGER_STOP_TIMEOUT": "5",
                "STROWGER_ALLOW_SIP_URIS": "true",
                **environment,
            },
            stdout=output,
            stderr=output,
            text=True,
        )  # fmt: skip
    server = Server(process, f"http://{HOST}:{port}", data, log)
    try:
        _until_ready(server)
        server.key = asyncio.run(_new_key(server))
        with ServerClient(server.url, server.key) as server.client:
            yield server
    finally:
        process.send_signal(signal.SIGINT)
        _ended(process, within=40)


def _ended(process: subprocess.Popen[str], *, within: float) -> None:
    """Wait for it, and in the end no longer: what one test leaves running fails others."""
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_ready(server: Server) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while "ready; Ctrl-C stops" not in server.log.read_text():
        assert server.process.poll() is None, server.log.read_text()
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.1)


@dataclass
class Callee:
    port: int
    log: Path

    def reports(self) -> list[dict[str, Any]]:
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def rung(self) -> int:
        """How often a telephone rang here."""
        return sum(report["event"] == "rang" for report in self.reports())


@contextmanager
def callee(folder: Path, persona: str) -> Iterator[Callee]:
    """A simulated callee in a process of its own."""
    port, log = free_port(), folder / f"callee-{free_port()}.jsonl"
    process = subprocess.Popen(
        [
            *STROWGER, "simulate", "callee",
            "--listen", f"{HOST}:{port}", "--persona", persona, "--log", str(log),
        ],
        cwd=folder, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert "answers at" in process.stdout.readline()
        yield Callee(port, log)
    finally:
        process.terminate()
        _ended(process, within=10)
        process.stdout.close()


def run(*arguments: str, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """The command line, as typed."""
    return subprocess.run(
        [*STROWGER, *arguments],
        capture_output=True, text=True, check=False, cwd=cwd, timeout=timeout, env=ENVIRONMENT,
    )  # fmt: skip


@asynccontextmanager
async def database_of(server: Server) -> AsyncIterator[AsyncEngine]:
    running = await asyncio.to_thread(embedded.start, server.data)
    engine = open_engine(running.url, pool_size=1)
    try:
        yield engine
    finally:
        await engine.dispose()


async def _new_key(server: Server) -> str:
    """A key that may do everything: quicker made here than by `strowger keys create`, which the
    test of the README types."""
    async with database_of(server) as engine:
        keys = KeyService(PostgresRecords(engine), ids=new_id, clock=time.time)
        _, text = await keys.create(DEFAULT_WORKSPACE, "t", scopes=("*",))
        return text


async def journal_of(server: Server, call_id: str) -> bytes:
    """The journal of a call that is over, out of the server's database."""
    async with database_of(server) as engine:
        return await PostgresCallStore(engine).journal(CallId(call_id))
