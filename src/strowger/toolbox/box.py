"""The tools of one call, on servers of the customer's: HTTP requests and MCP servers.

Every connection passes the egress guard, which the client brings along. Each use is tried once;
what may have been done is not done again. Secrets are looked up at each use, go to the server
alone, and are blacked out of whatever it answers.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx2

from strowger.agent import HttpTool, McpTool
from strowger.conversation.events import FoundTool
from strowger.conversation.places import places_in, texts_within
from strowger.errors import ToolFailed
from strowger.ports import Secrets, Toolbox, ToolContext
from strowger.toolbox.asking import Asking
from strowger.toolbox.filling import Filling
from strowger.toolbox.mcp import McpSession

ACCEPTED = "application/json, text/*;q=0.9"


class GuardedToolboxes:
    """`ports.Toolboxes` over one guarded HTTP client."""

    def __init__(self, client: httpx2.AsyncClient, secrets: Secrets) -> None:
        self._client = client
        self._secrets = secrets

    @asynccontextmanager
    async def opened(self, context: ToolContext) -> AsyncIterator[Toolbox]:
        box = CallToolbox(self._client, self._secrets, context)
        try:
            yield box
        finally:
            await box.close()


class CallToolbox:
    """`ports.Toolbox`."""

    def __init__(self, client: httpx2.AsyncClient, secrets: Secrets, context: ToolContext) -> None:
        self._client = client
        self._secrets = secrets
        self._context = context
        self._sessions: dict[str, McpSession] = {}

    async def use(self, tool: HttpTool | McpTool, remote: str, arguments: str, *, key: str) -> str:
        given = json.loads(arguments or "{}")
        try:
            async with asyncio.timeout(tool.deadline):
                if isinstance(tool, HttpTool):
                    return await self._request(tool, given, key)
                session = await self._session(tool)
                return await session.call(remote, given, key=key)
        except TimeoutError:
            raise ToolFailed(
                f"no answer within {tool.deadline:g} s; whether it was done is not known"
            ) from None

    async def find(self, server: McpTool) -> Sequence[FoundTool]:
        return await (await self._session(server)).tools()

    async def close(self) -> None:
        """Let MCP servers forget this call, where they answer soon."""
        for session in self._sessions.values():
            await session.close()

    async def _request(self, tool: HttpTool, arguments: Mapping[str, object], key: str) -> str:
        texts = (tool.url, *tool.headers.values(), *tool.query.values(), *texts_within(tool.body))
        signing = () if tool.signature is None else (tool.signature.secret,)
        filling = await self._filling(texts, arguments, *signing)
        content = None
        headers = {"accept": ACCEPTED, **filling.headers(tool.headers), "idempotency-key": key}
        if tool.method in ("POST", "PUT", "PATCH"):
            body = arguments if tool.body is None else filling.value(tool.body)
            content = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
            if tool.signature is not None:
                key_of = filling.secret(tool.signature.secret)
                headers[tool.signature.header.lower()] = signature_of(content, key_of)
        asking = Asking(self._client, filling.blacked_out)
        answer = await asking.ask(
            tool.method,
            filling.url(tool.url),
            headers=headers,
            content=content,
            query=filling.query(tool.query),
        )
        return answer.text or "(the server answered with nothing)"

    async def _session(self, server: McpTool) -> McpSession:
        session = self._sessions.get(server.name)
        if session is None:
            texts = (server.url, *server.headers.values())
            filling = await self._filling(texts, {})
            session = McpSession(
                Asking(self._client, filling.blacked_out),
                filling.url(server.url),
                filling.headers(server.headers),
            )
            self._sessions[server.name] = session
        return session

    async def _filling(
        self, texts: Iterable[str], arguments: Mapping[str, object], *secrets: str
    ) -> Filling:
        """Looks up the secrets that the texts name, and `secrets` besides. Raises ToolFailed where
        one is missing."""
        wanted = {name for text in texts for kind, name in places_in(text) if kind == "secrets"}
        wanted |= set(secrets)
        found = (
            await self._secrets.secrets(self._context.workspace_id, sorted(wanted))
            if wanted
            else {}
        )
        missing = sorted(wanted - set(found))
        if missing:
            raise ToolFailed(f"this tool is not set up: there is no secret {', '.join(missing)}")
        return Filling(arguments, self._context.variables, found)


def signature_of(body: bytes, key: str) -> str:
    """HMAC-SHA256 (RFC 2104) in base64, by a key in base64. Raises ToolFailed."""
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        raise ToolFailed(
            "this tool is not set up: the key of its signature is not base64"
        ) from None
    return base64.b64encode(hmac.digest(raw, body, hashlib.sha256)).decode()
