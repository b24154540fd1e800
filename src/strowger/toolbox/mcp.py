"""A thin client of the Model Context Protocol over streamable HTTP (version 2025-06-18).

Only what tools need: `initialize`, `tools/list`, `tools/call`. Servers answer each request with
JSON, or with server-sent events of which one is the answer; what else they send is passed over.
See decisions/0013 for why it is not the official package.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from strowger import __version__
from strowger.conversation.events import FoundTool
from strowger.errors import ToolFailed
from strowger.toolbox.asking import Asking, NotThere

VERSION = "2025-06-18"
MOST_PAGES = 10
MOST_TOOLS = 200
LONGEST_SCHEMA = 16_384
"""Characters of JSON; a tool with a longer one is left out."""
LONGEST_DESCRIPTION = 4096
GOODBYE_TIME = 1.0
"""Seconds a server has to forget a session."""

Json = Mapping[str, object]


class McpSession:
    """One call's session with one server. Begins with the first request, and again if forgotten."""

    def __init__(self, asking: Asking, url: str, headers: Mapping[str, str]) -> None:
        self._asking = asking
        self._url = url
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **headers,
        }
        self._begun = False
        self._id: str | None = None
        self._requests = 0
        self._lock = asyncio.Lock()  # two uses at once must not both begin it

    async def tools(self) -> list[FoundTool]:
        found: list[FoundTool] = []
        cursor: object = None
        for _ in range(MOST_PAGES):
            result = await self._ask("tools/list", {} if cursor is None else {"cursor": cursor})
            listed = result.get("tools")
            for tool in listed if isinstance(listed, list) else []:
                if (known := _tool(tool)) is not None:
                    found.append(known)
            cursor = result.get("nextCursor")
            if cursor is None or len(found) >= MOST_TOOLS:
                break
        return found[:MOST_TOOLS]

    async def call(self, name: str, arguments: Json, *, key: str) -> str:
        """What the tool answered. Raises ToolFailed."""
        parameters = {"name": name, "arguments": arguments, "_meta": {"idempotencyKey": key}}
        result = await self._ask("tools/call", parameters)
        text = _text(result)
        if result.get("isError"):
            raise ToolFailed(text)
        return text

    async def close(self) -> None:
        if self._id is None:
            return
        with suppress(ToolFailed, TimeoutError):
            async with asyncio.timeout(GOODBYE_TIME):
                await self._asking.ask("DELETE", self._url, headers=self._session_headers())

    async def _ask(self, method: str, parameters: Json) -> Json:
        async with self._lock:
            if not self._begun:
                await self._begin()
        try:
            return await self._request(method, parameters)
        except NotThere:
            if self._id is None:
                raise
        async with self._lock:  # forgotten: nothing was done yet, so it may be asked anew
            await self._begin()
        return await self._request(method, parameters)

    async def _begin(self) -> None:
        self._begun, self._id = False, None
        client = {"name": "strowger", "version": __version__}
        parameters = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client}
        await self._request("initialize", parameters)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self._asking.ask(
            "POST", self._url, headers=self._session_headers(), content=json.dumps(note).encode()
        )
        self._begun = True

    def _session_headers(self) -> dict[str, str]:
        headers = {**self._headers, "mcp-protocol-version": VERSION}
        return headers if self._id is None else {**headers, "mcp-session-id": self._id}

    async def _request(self, method: str, parameters: Json) -> Json:
        self._requests += 1
        number = self._requests
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        async with self._asking.stream(
            "POST", self._url, headers=self._session_headers(), content=json.dumps(body).encode()
        ) as response:
            if method == "initialize":
                self._id = response.headers.get("mcp-session-id")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/event-stream":
                async for event in _events(self._asking.pieces(response)):
                    message = _parsed(self._asking.blacked_out(event))
                    if message.get("id") == number and "method" not in message:
                        return _result(message)
                raise ToolFailed("the MCP server's answer broke off")
            message = _parsed(await self._asking.read(response))
            if message.get("id") != number:
                raise ToolFailed("the MCP server answered something else")
            return _result(message)


def _result(message: Json) -> Json:
    match message:
        case {"result": dict(result)}:
            return result
        case {"error": {"message": str(problem)}}:
            raise ToolFailed(f"the MCP server refused: {problem[:500]}")
        case _:
            raise ToolFailed("the MCP server answered something that is no result")


def _tool(listed: object) -> FoundTool | None:
    match listed:
        case {"name": str(name), "inputSchema": dict(schema), **others}:
            parameters = json.dumps(schema)
            described = others.get("description")
            description = described if isinstance(described, str) else ""
            if not name or len(parameters) > LONGEST_SCHEMA:
                return None
            return FoundTool(name, description[:LONGEST_DESCRIPTION], parameters)
        case _:
            return None


def _text(result: Json) -> str:
    """The texts of a result, or its structured content."""
    content = result.get("content")
    texts = [
        str(part["text"])
        for part in (content if isinstance(content, list) else [])
        if isinstance(part, dict) and part.get("type") == "text" and "text" in part
    ]
    if not texts and "structuredContent" in result:
        return json.dumps(result["structuredContent"])
    return "\n".join(texts) or "(the tool answered with nothing)"


def _parsed(text: str) -> Json:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ToolFailed("the MCP server answered something that is not JSON") from None
    return value if isinstance(value, dict) else {}


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The `data` of server-sent events (WHATWG HTML section 9.2.6)."""
    buffer, lines = b"", list[bytes]()
    async for piece in pieces:
        *whole, buffer = (buffer + piece).split(b"\n")
        for line in (one.removesuffix(b"\r") for one in whole):
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
            elif not line and lines:
                yield b"\n".join(lines).decode(errors="replace")
                lines = []
