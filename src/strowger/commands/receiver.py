"""A webhook receiver for the demonstration: verifies every delivery, and keeps what it got."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

LONGEST_BODY = 1 << 20
"""Bytes; a call with a long transcript takes some 100 KB."""
LONGEST_HEAD = 64


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery."""

    type: str
    data: dict[str, Any]
    verified: bool
    """Its signature is that of our secret."""


@dataclass(slots=True)
class Receiver:
    """What has come so far."""

    url: str
    secret: str = ""
    deliveries: list[Received] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, *types: str) -> Received:
        """The first delivery of one of these types, now or later."""
        while True:
            for delivery in self.deliveries:
                if delivery.type in types:
                    return delivery
            self._arrived.clear()
            await self._arrived.wait()

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            Verifier(self.secret).verify(body, headers)
            verified = True
        except WebhookVerificationError:
            verified = False
        try:
            message = json.loads(body)
            received = Received(str(message["type"]), dict(message["data"]), verified)
        except (ValueError, KeyError, TypeError):
            return False
        self.deliveries.append(received)
        self._arrived.set()
        return verified


@asynccontextmanager
async def open_receiver(host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """Listen on a free port for as long as it is open."""
    receiver = Receiver("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                headers, body = await _read_request(reader)
            status = b"204 No Content" if receiver.take(headers, body) else b"400 Bad Request"
        except (TimeoutError, ValueError, asyncio.IncompleteReadError):
            status = b"400 Bad Request"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"http://{host}:{port}/strowger"
    async with server:
        yield receiver


async def _read_request(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    """Headers by lower-case name, and the body. Raises ValueError for what is no such request."""
    await reader.readline()
    headers: dict[str, str] = {}
    for _ in range(LONGEST_HEAD):
        line = (await reader.readline()).decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= LONGEST_BODY:
        raise ValueError(f"a body of {length} bytes")
    return headers, await reader.readexactly(length)
