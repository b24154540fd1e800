"""The figures of a process that serves no HTTP otherwise: one page, for Prometheus.

It is for the machine itself or a network of the operator's; there is no key.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from strowger.errors import ConfigurationError
from strowger.observability.figures import CONTENT_TYPE

PATIENCE = 5.0
"""Seconds for whoever connects to say what they want."""
LONGEST_REQUEST = 16_384
"""Bytes."""


@asynccontextmanager
async def serve_figures(host: str, port: int, page: Callable[[], bytes]) -> AsyncIterator[int]:
    """Serve `page` at `/metrics` while entered; the port, where 0 was asked for. Raises
    ConfigurationError where the address cannot be had."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, page))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever it was has gone, or speaks something else
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=LONGEST_REQUEST)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen for metrics on {host}:{port}: {error.strerror}; see --metrics"
        ) from error
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def _answer(head: bytes, page: Callable[[], bytes]) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/metrics":
        return _response(b"404 Not Found", b"the figures are at /metrics\n")
    if method not in {b"GET", b"HEAD"}:
        return _response(b"405 Method Not Allowed", b"GET it\n", b"Allow: GET, HEAD\r\n")
    return _response(b"200 OK", page(), head_only=method == b"HEAD")


def _response(
    status: bytes, body: bytes, headers: bytes = b"", *, head_only: bool = False
) -> bytes:
    kind = CONTENT_TYPE.encode() if status.startswith(b"200") else b"text/plain; charset=utf-8"
    length = str(len(body)).encode()
    return (
        b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + length
        + b"\r\nConnection: close\r\n" + headers + b"\r\n" + (b"" if head_only else body)
    )  # fmt: skip
