"""A server on loopback that speaks as OpenAI's does, or fails as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    def json(self) -> dict[str, object]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


class Client:
    """The answering side of one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def head(self, status: int, content_type: str, **headers: str) -> None:
        """Begin an answer of unknown length."""
        lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {content_type}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["transfer-encoding: chunked", "", ""]
        self._writer.write("\r\n".join(lines).encode())
        await self._writer.drain()

    async def piece(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    async def event(self, data: object) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        await self.piece(f"data: {text}\n\n".encode())

    async def delta(self, text: str, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
        about = {"id": "chatcmpl-1", "created": 1, "model": "m"}
        await self.event({"object": "chat.completion.chunk", **about, "choices": [choice]})

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def whole(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        await self.head(status, content_type, **headers)
        if body:
            await self.piece(body)
        await self.end()

    async def error(self, status: int, message: str, code: str = "x", **headers: str) -> None:
        body = json.dumps({"error": {"message": message, "type": "e", "code": code}}).encode()
        await self.whole(status, "application/json", body, **headers)

    async def bare(self, status: int) -> None:
        """An answer without a body, as HEAD has it."""
        self._writer.write(f"HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n".encode())
        await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the other side has closed the connection."""
        while await self._reader.read(1024):
            pass

    def cut(self) -> None:
        """Close the connection where no end was announced."""
        self._writer.close()


Script = Callable[[Client, Asked], Awaitable[None]]


@dataclass
class OpenAIServer:
    """Answers each request with the next script, the last one again and again."""

    scripts: list[Script]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    connections: int = 0
    closed_by_client: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (asked := await read_request(reader)) is not None:
                self.asked.append(asked)
                script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
                await script(Client(reader, writer), asked)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed_by_client.set()
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = head[0].split()
    return Asked(path, headers, body, method)


@asynccontextmanager
async def openai_server(*scripts: Script) -> AsyncIterator[OpenAIServer]:
    server = OpenAIServer(list(scripts))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    async with listener:
        yield server
