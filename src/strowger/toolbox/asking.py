"""One request to a server of the customer's: bounded, never repeated, never led elsewhere."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from strowger.errors import ToolFailed

LARGEST = 1 << 18
"""Bytes of an answer."""
CONNECT_WITHIN = 5.0
"""Seconds."""
COMPLAINT_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Asking:
    def __init__(self, client: httpx2.AsyncClient, blacked_out: Callable[[str], str]) -> None:
        """`blacked_out` takes the secrets out of what the server says."""
        self._client = client
        self._blacked_out = blacked_out

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """The whole answer. Raises ToolFailed for anything but a 2xx."""
        async with self.stream(
            method, url, headers=headers, content=content, query=query
        ) as response:
            return Answer(response.status_code, response.headers, await self.read(response))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """An answer whose head has come, 2xx. Raises ToolFailed, NotThere for 404."""
        try:
            request = self._client.build_request(
                method,
                httpx2.URL(url).copy_merge_params(dict(query or {})),
                headers={"user-agent": "strowger", **headers},
                content=content,
                timeout=httpx2.Timeout(None, connect=CONNECT_WITHIN),  # who asks has a deadline
            )
            response = await self._client.send(request, stream=True)
        except httpx2.TimeoutException as error:
            raise ToolFailed("the server did not answer in time") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            problem = self._blacked_out(str(error))[:COMPLAINT_SHOWN]
            raise ToolFailed(f"the server cannot be asked: {problem}") from error
        try:
            if not response.is_success:
                said = (await self.read(response))[:COMPLAINT_SHOWN]
                kind = NotThere if response.status_code == 404 else ToolFailed
                raise kind(f"the server answered {response.status_code}: {said}")
            yield response
        finally:
            await response.aclose()

    async def read(self, response: httpx2.Response) -> str:
        """The body as text. Raises ToolFailed for one that is too large or breaks off."""
        body = bytearray()
        async for piece in self.pieces(response):
            body += piece
        return self._blacked_out(body.decode(errors="replace")).replace("\x00", "")

    async def pieces(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for piece in response.aiter_bytes():
                size += len(piece)
                if size > LARGEST:
                    raise ToolFailed(f"the server answered more than {LARGEST} bytes")
                yield piece
        except httpx2.HTTPError as error:
            raise ToolFailed("the server's answer broke off") from error

    def blacked_out(self, text: str) -> str:
        return self._blacked_out(text)


class NotThere(ToolFailed):
    """404: for MCP, a session that the server has forgotten."""
