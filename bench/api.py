"""The control plane's speed: `make bench-api`.

One API process and the embedded database, with everything as it is in service (fsync on), under
load from this process over loopback, all on the same machine. Then a worker joins, and the time
from POST to the INVITE on the wire is taken with nothing else going on.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from bench.http_load import Connection, Measured, load, repeat, request
from strowger.agent import AgentDefinition
from strowger.app.database import CONFIGURED_TRUNK, database_url
from strowger.app.running import run_loop
from strowger.commands.demo import read_example
from strowger.commands.keys import make_key
from strowger.commands.serve import prepare
from strowger.config import Settings, child_environment, load_settings
from strowger.model import DEFAULT_WORKSPACE, Recording
from strowger.process import encode_settings
from strowger.store import embedded
from strowger.store.codec import to_json
from strowger.store.connect import connect

HOST = "127.0.0.1"
NUMBER = "+14155550100"
PAGE_SIZE = 20
FAR_PAGE = 1000
SEEDED_AT_ONCE = 50_000
INVITES = 40
TARGETS = {
    "POST rate": 700.0, "POST p99": 0.120, "GET rate": 2500.0, "page": 0.020, "INVITE": 0.060,
}  # fmt: skip


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=1_000_000, help="rows to list among")
    arguments.add_argument("--seconds", type=float, default=10.0, help="of load for each measure")
    arguments.add_argument("--connections", type=int, default=32)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="strowger-bench-") as folder, Trunk() as trunk:
        settings = load_settings(
            {
                "host": HOST, "port": _free_port(), "sip": f"{HOST}:{_free_port()}",
                "data": folder, "trunk": f"sip:{HOST}:{trunk.port}", "lines": 4, "rate_limit": 0,
                "log_level": "warning",
            },
            environ={},
            file=None,
        )  # fmt: skip
        prepare(settings)
        try:
            good = run_loop(_measure(settings, trunk, chosen))
        finally:
            embedded.stop(settings.data)
    return 0 if good else 1


async def _measure(settings: Settings, trunk: "Trunk", chosen: argparse.Namespace) -> bool:
    url = await asyncio.to_thread(database_url, settings)
    key = await make_key(url, "bench", ("*",))
    where = (HOST, settings.port)
    results: list[bool] = []
    one, five, _ = os.getloadavg()
    print(f"{os.cpu_count()} cores, load before {one:.1f} (1 min) {five:.1f} (5 min)", flush=True)
    print(f"· seeding {chosen.calls} calls", flush=True)
    await _seed(url, chosen.calls)
    postmaster = int((settings.data / "postgres" / "postmaster.pid").read_text().split()[0])
    async with _process(settings, "api") as api:
        costs = Costs(api, postmaster)
        agent = (await _post(where, "/v1/agents", key, read_example()))["id"]
        results += await _list(where, key)
        recent: deque[str] = deque(maxlen=1000)
        posted = await _accept(where, key, agent, recent, chosen, costs)
        results += [
            _show("POST /v1/calls", posted, rate=TARGETS["POST rate"], p99=TARGETS["POST p99"])
        ]
        print(costs.of(posted))
        read = await _read(where, key, list(recent), chosen, costs)
        results += [_show("GET /v1/calls/{id}", read, rate=TARGETS["GET rate"])]
        print(costs.of(read))
        await _forget_queued(url)
        async with trunk.open(), _process(settings, "worker", "1"):
            await asyncio.sleep(2.0)
            invited = await _invite(where, key, agent, trunk)
        results += [_show("POST to INVITE", invited, p50=TARGETS["INVITE"])]
    return all(results)


# ── what is measured ─────────────────────────────────────────────────────────────────────────


async def _accept(
    where: tuple[str, int],
    key: str,
    agent: str,
    made: deque[str],
    chosen: argparse.Namespace,
    costs: "Costs",
) -> Measured:
    numbers = count()

    def ask() -> bytes:
        to = f"+1415{next(numbers) % 10_000_000:07}"  # hardly ever the same one
        body = {"agent_id": agent, "to": to, "metadata": {"deal": "OPP-42"}}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return request("POST", "/v1/calls", key, body=body, headers=headers)

    def note(answer: bytes) -> None:
        made.append(json.loads(answer)["id"])

    how: dict[str, Any] = {"expected": 201, "connections": chosen.connections, "on_answer": note}
    await load(where, ask, seconds=1.0, **how)
    costs.begin()
    return await load(where, ask, seconds=chosen.seconds, **how)


async def _read(
    where: tuple[str, int],
    key: str,
    ids: list[str],
    chosen: argparse.Namespace,
    costs: "Costs",
) -> Measured:
    waiting = deque(request("GET", f"/v1/calls/{id}", key) for id in ids)

    def ask() -> bytes:
        waiting.rotate(-1)
        return waiting[0]

    how: dict[str, Any] = {"expected": 200, "connections": chosen.connections}
    await load(where, ask, seconds=1.0, **how)
    costs.begin()
    return await load(where, ask, seconds=chosen.seconds, **how)


async def _list(where: tuple[str, int], key: str) -> list[bool]:
    """Page 1, and page 1,000 as whoever pages comes to it."""
    first = request("GET", f"/v1/calls?limit={PAGE_SIZE}", key)
    asked, pages = first, 1
    while pages < FAR_PAGE:
        _, page = await repeat(where, asked, 1)
        if page["next_cursor"] is None:
            break
        asked = request("GET", f"/v1/calls?limit={PAGE_SIZE}&cursor={page['next_cursor']}", key)
        pages += 1
    near, _ = await repeat(where, first, 100)
    far, _ = await repeat(where, asked, 100)
    return [
        _show(f"list, page {number}", measured, p50=TARGETS["page"])
        for number, measured in ((1, near), (pages, far))
    ]


async def _invite(where: tuple[str, int], key: str, agent: str, trunk: "Trunk") -> Measured:
    measured, started = Measured(), time.perf_counter()
    connection = await Connection.open(*where)
    for _ in range(INVITES):
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"agent_id": agent, "to": NUMBER, "record": False}
        before = time.perf_counter()
        status, answer = await connection.ask(
            request("POST", "/v1/calls", key, body=body, headers=headers)
        )
        assert status == 201, answer
        measured.seconds.append(await asyncio.wait_for(trunk.next_invite(), 10) - before)
        await asyncio.sleep(0.3)  # idle again
    measured.elapsed = time.perf_counter() - started
    connection.close()
    return measured


def _show(
    name: str,
    measured: Measured,
    *,
    rate: float | None = None,
    p50: float | None = None,
    p99: float | None = None,
) -> bool:
    """Print one line; True where the targets given are met and nothing was refused."""
    found = {"p50": measured.percentile(50), "p99": measured.percentile(99)}
    parts = [f"{name:<22}"]
    if rate is not None:
        parts.append(f"{measured.rate:7.0f}/s (target {rate:.0f})")
    for percent, target in (("p50", p50), ("p99", p99)):
        aim = "" if target is None else f" (target {1000 * target:.0f})"
        parts.append(f"{percent} {1000 * found[percent]:.1f} ms{aim}")
    good = not measured.wrong and (rate is None or measured.rate >= rate)
    good = good and (p50 is None or found["p50"] <= p50) and (p99 is None or found["p99"] <= p99)
    if measured.wrong:
        parts.append(f"refused: {measured.wrong}")
    print(("✓ " if good else "✗ ") + "  ".join(parts), flush=True)
    return good


# ── the surroundings ─────────────────────────────────────────────────────────────────────────


def _processor_time(pid: int) -> float:
    """Seconds of processor time of a process and all its children that live."""
    found, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if pid in {int(folder.name), int(fields[1])}:
                    found += (int(fields[11]) + int(fields[12])) / ticks
    return found


@asynccontextmanager
async def _process(settings: Settings, *role: str) -> AsyncIterator[int]:
    """A child as the supervisor would start it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "strowger.process", *role,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(),
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(encode_settings(settings) + b"\n")
        async with asyncio.timeout(60):
            assert await process.stdout.readline(), f"{role} did not start"
        yield process.pid
    finally:
        process.stdin.close()
        await process.wait()


async def _post(where: tuple[str, int], path: str, key: str, body: Any) -> dict[str, Any]:
    connection = await Connection.open(*where)
    status, answer = await connection.ask(request("POST", path, key, body=body))
    connection.close()
    assert status == 201, answer
    made: dict[str, Any] = json.loads(answer)
    return made


# Calls of last year, over and done with. The newest ids come last, as they do in service.
SEED = """
    INSERT INTO calls (
        id, workspace_id, agent_id, agent_version, agent, "to", trunk_id, direction, channel,
        status, end_reason, variables, metadata, record, max_duration, ring_timeout, created_at,
        queued_at, ended_at, answered_by, extracted, recording
    )
    SELECT 'call_' || lpad(to_hex(n), 32, '0'), $3, 'agent_' || lpad(to_hex(n % 50), 32, '0'), 1,
        $4, '+1415555' || lpad((n % 10000)::text, 4, '0'), $5, 'outbound', 'phone', 'completed',
        'callee_hangup', '{}', '{"deal": "OPP-42"}', true, 1800, 45, 1.7e9 + n, 1.7e9 + n,
        1.7e9 + n + 60, 'human', '{}', $6
    FROM generate_series($1::int, $2::int) n
"""


async def _seed(url: str, rows: int) -> None:
    """The database makes the rows itself; what the load that follows needs is flushed to disk."""
    agent, recording = to_json(AgentDefinition(**_named())), to_json(Recording())
    started = time.perf_counter()
    connection = await connect(url)
    try:
        await connection.execute("SET synchronous_commit = off")  # of this connection only
        for first in range(0, rows, SEEDED_AT_ONCE):
            last = min(first + SEEDED_AT_ONCE, rows) - 1
            which = (DEFAULT_WORKSPACE, agent, CONFIGURED_TRUNK, recording)
            await connection.execute(SEED, first, last, *which, timeout=600)
        await connection.execute("VACUUM ANALYZE calls", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()
    print(f"  in {time.perf_counter() - started:.0f} s", flush=True)


def _named() -> dict[str, Any]:
    return {"name": "Reminder", "prompt": "Remind them of their appointment."}


async def _forget_queued(url: str) -> None:
    """Nobody is to be rung for the calls that measured how fast they are accepted."""
    connection = await connect(url)
    try:
        await connection.execute("DELETE FROM pgqueuer")
        await connection.execute("UPDATE calls SET status = 'canceled' WHERE status = 'queued'")
    finally:
        await connection.close()


class Costs:
    """Processor time for each answer: what stays the same when others work on the machine too."""

    def __init__(self, api: int, postmaster: int) -> None:
        self._api = api
        self._postmaster = postmaster
        self._before = self._spent()

    def begin(self) -> None:
        self._before = self._spent()

    def of(self, measured: Measured) -> str:
        answers = len(measured.seconds)
        api, database, client = (
            1000 * (after - before) / answers
            for before, after in zip(self._before, self._spent(), strict=True)
        )
        return (
            f"    processor time for each: API {api:.2f} ms, database {database:.2f} ms, this "
            f"client {client:.2f} ms; load {os.getloadavg()[0]:.1f}"
        )

    def _spent(self) -> tuple[float, float, float]:
        return _processor_time(self._api), _processor_time(self._postmaster), time.process_time()


class Trunk(asyncio.DatagramProtocol):
    """A carrier that is always busy, and knows when each INVITE came."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        self._transport: asyncio.DatagramTransport | None = None
        self._seen: set[str] = set()
        self._arrivals: asyncio.Queue[float] = asyncio.Queue()

    def __enter__(self) -> "Trunk":
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer what comes."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._socket)
        self._transport = transport
        yield
        transport.close()

    async def next_invite(self) -> float:
        """When the next INVITE of a new call came; it is answered 486."""
        return await self._arrivals.get()

    def datagram_received(self, data: bytes, sender: tuple[str | Any, int]) -> None:
        at = time.perf_counter()
        text = data.decode()
        call = re.search(r"^Call-ID: *(\S+)", text, re.M | re.I)
        if not text.startswith("INVITE ") or call is None or call[1] in self._seen:
            return
        self._seen.add(call[1])
        assert self._transport is not None
        self._transport.sendto(_busy(text).encode(), sender)
        self._arrivals.put_nowait(at)


def _busy(invite: str) -> str:
    wanted = ("via", "from", "to", "call-id", "cseq")
    lines = ["SIP/2.0 486 Busy Here"]
    for line in invite.partition("\r\n\r\n")[0].split("\r\n")[1:]:
        name = line.partition(":")[0].strip().lower()
        if name in wanted:
            lines.append(line + (";tag=busy" if name == "to" else ""))
    return "\r\n".join([*lines, "Content-Length: 0", "", ""])


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
