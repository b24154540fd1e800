"""The fakes that speak websocket, behind one listener."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.providers.vendors.behaviour import Behaviour, Fault

KEY = "vendor-key-0123456789"
"""What all fakes let in."""
Frame = str | bytes


@dataclass
class Visit:
    """One connection, as the fake saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    received: list[Frame] = field(default_factory=list)

    def messages(self, kind: str) -> list[dict[str, object]]:
        """The JSON messages of a type."""
        parsed = [json.loads(frame) for frame in self.received if isinstance(frame, str) and frame]
        return [message for message in parsed if message.get("type") == kind]


class Vendor:
    """A vendor's websocket service."""

    path = ""
    """What its addresses begin with."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.visits: list[Visit] = []

    def key_of(self, request: Request) -> str | None:
        """The key in the place where the vendor looks for it."""
        raise NotImplementedError

    def answer(self, request: Request) -> str | None:
        """The JSON that is asked for by plain HTTP; None where it is not, or not let in."""
        return None

    async def serve(self, client: "Client") -> None:
        raise NotImplementedError


class Client:
    """The other side of one connection."""

    def __init__(self, connection: ServerConnection, visit: Visit, tasks: asyncio.TaskGroup):
        self._connection = connection
        self._tasks = tasks
        self.visit = visit

    async def frames(self) -> AsyncIterator[Frame]:
        async for frame in self._connection:
            self.visit.received.append(frame)
            yield frame

    async def next_frame(self) -> Frame | None:
        """None once the other side has closed."""
        try:
            frame = await self._connection.recv()
        except ConnectionClosed:
            return None
        self.visit.received.append(frame)
        return frame

    async def send(self, **fields: object) -> None:
        await self._connection.send(json.dumps(fields))

    async def send_raw(self, frame: Frame) -> None:
        await self._connection.send(frame)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def beside(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Do something while messages still come."""

        async def guarded() -> None:
            with suppress(ConnectionClosed):
                await work()

        return self._tasks.create_task(guarded())

    async def suffer(self, fault: Fault | None) -> bool:
        """Whether this went wrong, in a way that is the same for all."""
        match fault:
            case Fault.HANG:
                await self._connection.wait_closed()
            case Fault.CLOSE:
                await self._connection.close(1011, "internal error")
            case Fault.CUT:
                self._connection.transport.abort()
            case Fault.GARBAGE:
                await self._connection.send("<html>Bad gateway</html>")
            case _:
                return False
        return True


@asynccontextmanager
async def serving(*vendors: Vendor, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve these; the base address, without a path."""

    def find(path: str) -> Vendor | None:
        return next((each for each in vendors if path.startswith(each.path)), None)

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        vendor = find(urlsplit(request.path).path)
        if vendor is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such service\n")
        if vendor.key_of(request) != KEY:
            body = json.dumps({"error": {"message": "Invalid credentials"}})
            return connection.respond(HTTPStatus.UNAUTHORIZED, body)
        if (answer := vendor.answer(request)) is not None:
            return connection.respond(HTTPStatus.OK, answer)
        return None

    async def handle(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        parts = urlsplit(request.path)
        vendor = find(parts.path)
        assert vendor is not None
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        visit = Visit(parts.path, dict(parse_qsl(parts.query)), headers)
        vendor.visits.append(visit)
        try:
            async with asyncio.TaskGroup() as tasks:
                await vendor.serve(Client(connection, visit, tasks))
                for task in tasks._tasks:
                    task.cancel()
        except* ConnectionClosed:
            pass

    quiet = logging.getLogger("vendors")
    quiet.setLevel(logging.CRITICAL)
    server: Server = await serve(
        handle,
        host,
        port,
        process_request=admit,
        compression=None,
        logger=quiet,
        max_size=8 << 20,
        close_timeout=0.1,
    )
    try:
        yield f"http://{host}:{next(iter(server.sockets)).getsockname()[1]}"
    finally:
        server.close(close_connections=True)
        await server.wait_closed()


def bearer(request: Request, prefix: str = "Bearer ") -> str | None:
    value = request.headers.get("Authorization", "")
    return value.removeprefix(prefix) if value.startswith(prefix) else None
