"""A load generator that costs little: HTTP/1.1 over kept-open connections, one request at a time on
each. It shares the machine with what it measures, so it parses no more than it must."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any


class Connection:
    """One kept-open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at : head.index(b"\r", at)])
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


def request(
    method: str,
    path: str,
    key: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of one request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: strowger", f"Authorization: Bearer {key}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


@dataclass
class Measured:
    """How long the answers took, in seconds, and over which time they came."""

    seconds: list[float] = field(default_factory=list)
    wrong: dict[int, int] = field(default_factory=dict)
    """Statuses that were not expected, and how often."""
    elapsed: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.elapsed

    def percentile(self, percent: float) -> float:
        """By nearest rank: a value that was measured."""
        ranked = sorted(self.seconds)
        return ranked[max(ceil(len(ranked) * percent / 100), 1) - 1]


async def load(
    where: tuple[str, int],
    make: Callable[[], bytes],
    *,
    expected: int,
    connections: int,
    seconds: float,
    on_answer: Callable[[bytes], None] | None = None,
) -> Measured:
    """Ask over `connections` connections for `seconds`, each as fast as it is answered."""
    measured = Measured()
    opened = [await Connection.open(*where) for _ in range(connections)]
    started = time.perf_counter()
    end = started + seconds

    async def ask(connection: Connection) -> None:
        while (before := time.perf_counter()) < end:
            status, body = await connection.ask(make())
            if status == expected:
                measured.seconds.append(time.perf_counter() - before)
                if on_answer is not None:
                    on_answer(body)
            else:
                measured.wrong[status] = measured.wrong.get(status, 0) + 1

    async with asyncio.TaskGroup() as tasks:
        for connection in opened:
            tasks.create_task(ask(connection))
    measured.elapsed = time.perf_counter() - started
    for connection in opened:
        connection.close()
    return measured


async def repeat(where: tuple[str, int], asked: bytes, times: int) -> tuple[Measured, Any]:
    """The same request over one connection, one after the other; the last answer's JSON."""
    measured, body = Measured(), b"null"
    connection = await Connection.open(*where)
    started = time.perf_counter()
    for _ in range(times):
        before = time.perf_counter()
        status, body = await connection.ask(asked)
        assert status == 200, body
        measured.seconds.append(time.perf_counter() - before)
    measured.elapsed = time.perf_counter() - started
    connection.close()
    return measured, json.loads(body)
