"""A load generator that costs little: HTTP/1.1 over kept-open connections, one request at a time on
each. It shares the machine with what it measures, so it parses no more than it must."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, cast

LENGTH = re.compile(rb"(?i)\ncontent-length: *([0-9]+)")


class Connection(asyncio.Protocol):
    """One kept-open connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, host, port)
        return connection

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        assert self._transport is not None and self._answer is None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and length is not None and len(body) == int(length[1]):
            answer, self._answer, self._received = self._answer, None, b""
            assert answer is not None, "an answer to nothing"
            answer.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None:
            self._answer.set_exception(error or ConnectionResetError("closed without an answer"))


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
