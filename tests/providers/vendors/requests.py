"""The fakes that speak HTTP, behind one listener."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.providers.openai_server import Asked, Client, read_request
from tests.providers.vendors.behaviour import Behaviour, Fault
from tests.providers.vendors.sockets import KEY


class HttpVendor:
    """A vendor's HTTP service."""

    path = ""
    """What its addresses begin with."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.asked: list[Asked] = []
        self.warmed: list[Asked] = []
        """Requests that only a connection was wanted with."""
        self.connections: list[asyncio.StreamWriter] = []
        """All that something was asked over, in the order they were opened."""
        self.asked_over: list[asyncio.StreamWriter] = []
        """That of each of `asked`."""

    def key_of(self, asked: Asked) -> str | None:
        """The key in the place where the vendor looks for it."""
        raise NotImplementedError

    async def answer(self, client: Client, asked: Asked) -> None:
        raise NotImplementedError

    async def suffer(self, client: Client, fault: Fault | None) -> bool:
        """Whether this went wrong, in a way that is the same for all; before the first word."""
        match fault:
            case Fault.HANG:
                await client.head(200, "text/event-stream")
                await client.gone()
            case Fault.CUT | Fault.CLOSE:
                await client.head(200, "text/event-stream")
                client.cut()
            case Fault.GARBAGE:
                await client.whole(200, "text/html", b"<html>Bad gateway</html>")
            case _:
                return False
        return True

    async def paced(self, text: str) -> AsyncIterator[str]:
        """The pieces of a reply, as fast as they are to come."""
        behaviour = self.behaviour
        await asyncio.sleep(behaviour.first_token)
        for index, word in enumerate(text.split(" ")):
            if index:
                await asyncio.sleep(1 / behaviour.tokens_per_second)
            yield word if not index else f" {word}"


def bearer(asked: Asked) -> str | None:
    return asked.headers.get("authorization", "").removeprefix("Bearer ") or None


@asynccontextmanager
async def answering(
    *vendors: HttpVendor, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve these; the base address, without a path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while (asked := await read_request(reader)) is not None:
                    await answer(Client(reader, writer), asked, writer)
        finally:
            writer.close()

    async def answer(client: Client, asked: Asked, over: asyncio.StreamWriter) -> None:
        vendor = next((one for one in vendors if asked.path.startswith(one.path)), None)
        if vendor is None:
            await client.error(404, "no such service")
            return
        if over not in vendor.connections:
            vendor.connections.append(over)
        if asked.method == "HEAD":
            vendor.warmed.append(asked)
            await client.bare(405)
            return
        vendor.asked.append(asked)
        vendor.asked_over.append(over)
        if vendor.key_of(asked) != KEY:
            await client.error(401, "invalid x-api-key")
            return
        await vendor.answer(client, asked)

    listener = await asyncio.start_server(serve, host, port)
    async with listener:
        yield f"http://{host}:{listener.sockets[0].getsockname()[1]}"
