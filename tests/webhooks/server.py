"""A customer's HTTP endpoint on loopback that answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Received:
    request_line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Endpoint:
    """Where it listens, and what has come in so far."""

    port: int = 0
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


def says(answer: bytes) -> Answer:
    async def write(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return write


@asynccontextmanager
async def listening(
    answer: Answer | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[Endpoint]:
    """Without an `answer` it says 200."""
    endpoint = Endpoint()
    answer_with = answer or says(OK)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            request_line, *lines = head.rstrip().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            received = Received(request_line, headers, body)
            endpoint.received.append(received)
            await answer_with(received, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    async with server:
        yield endpoint
