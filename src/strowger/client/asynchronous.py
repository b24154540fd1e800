"""The client for programs on asyncio: the same as `blocking`, awaited."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Self, TypeVar, Unpack, cast

import httpx2

from strowger.client import shapes
from strowger.client.failures import WaitedTooLong
from strowger.client.requests import (
    LONGEST_WAIT,
    MOST_AT_ONCE,
    Asked,
    RetryPolicy,
    asked,
    checked,
    connection,
    pause_after_answer,
    renamed,
    unreachable,
)

T = TypeVar("T")


class AsyncClient:
    """One server, one key. Every failure is a ClientError; see `failures`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 10.0,
        retry: RetryPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`timeout` in seconds for each try. The rest is for tests and special networks."""
        self._http = httpx2.AsyncClient(**connection(url, key), transport=transport)
        self._url = url
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._jitter = jitter
        self.calls = AsyncCalls(self)
        self.agents: AsyncCollection[shapes.Agent] = AsyncCollection(self, "/v1/agents")
        self.trunks: AsyncCollection[shapes.Trunk] = AsyncCollection(self, "/v1/trunks")
        self.phone_numbers: AsyncCollection[shapes.PhoneNumber] = AsyncCollection(
            self, "/v1/phone-numbers"
        )
        self.webhooks: AsyncCollection[shapes.Webhook] = AsyncCollection(self, "/v1/webhooks")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, request: Asked) -> httpx2.Response:
        """Send, and send again where that may help. Raises ClientError."""
        tries = 0
        while True:
            tries += 1
            try:
                answer = await self._http.request(**request.options(self._timeout))
            except httpx2.TransportError as error:
                pause = self._retry.pause(tries, jitter=self._jitter())
                if pause is None:
                    raise unreachable(self._url, error) from error
            else:
                pause = pause_after_answer(self._retry, tries, answer, jitter=self._jitter())
                if pause is None:
                    return checked(request, tries, answer)
            await self._sleep(pause)

    async def get(self, path: str, **query: Any) -> Any:
        """Any address of the API, as JSON."""
        return (await self.send(asked("GET", path, query=query))).json()

    async def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """Any address of the API; the key is made here unless you give one."""
        request = asked("POST", path, body=body, idempotency_key=idempotency_key)
        return (await self.send(request)).json()


class AsyncCollection(Generic[T]):
    """What a workspace owns, of one kind."""

    def __init__(self, client: AsyncClient, path: str) -> None:
        self._client = client
        self._path = path

    async def list(self, **filters: Any) -> AsyncIterator[T]:
        """All of them, newest first, fetched page by page."""
        cursor: str | None = None
        while True:
            page = await self.page(limit=MOST_AT_ONCE, cursor=cursor, **filters)
            for item in page["data"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def page(
        self, *, limit: int | None = None, cursor: str | None = None, **filters: Any
    ) -> shapes.Listed[T]:
        page = await self._client.get(self._path, limit=limit, cursor=cursor, **filters)
        return cast(shapes.Listed[T], page)

    async def get(self, id: str) -> T:
        return cast(T, await self._client.get(f"{self._path}/{id}"))

    async def create(self, *, idempotency_key: str | None = None, **fields: Any) -> T:
        made = await self._client.post(self._path, renamed(fields), idempotency_key=idempotency_key)
        return cast(T, made)

    async def update(self, id: str, **changes: Any) -> T:
        """Replace the fields given; the others stay."""
        request = asked("PATCH", f"{self._path}/{id}", body=changes)
        return cast(T, (await self._client.send(request)).json())

    async def delete(self, id: str) -> None:
        await self._client.send(asked("DELETE", f"{self._path}/{id}"))


class AsyncCalls:
    """Place calls, follow them, end them."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._kept: AsyncCollection[shapes.CallSummary] = AsyncCollection(client, "/v1/calls")

    async def create(
        self, *, idempotency_key: str | None = None, **call: Unpack[shapes.NewCall]
    ) -> shapes.Call:
        """Queue a call. However often the network fails in between, it is placed once."""
        made = await self._client.post("/v1/calls", renamed(call), idempotency_key=idempotency_key)
        return cast(shapes.Call, made)

    def list(
        self, *, status: str | None = None, agent_id: str | None = None, to: str | None = None
    ) -> AsyncIterator[shapes.CallSummary]:
        """Newest first, without transcripts, fetched page by page."""
        return self._kept.list(status=status, agent_id=agent_id, to=to)

    async def page(
        self, *, limit: int | None = None, cursor: str | None = None, **filters: Any
    ) -> shapes.Listed[shapes.CallSummary]:
        return await self._kept.page(limit=limit, cursor=cursor, **filters)

    async def get(self, id: str) -> shapes.Call:
        return cast(shapes.Call, await self._client.get(f"/v1/calls/{id}"))

    async def end(self, id: str) -> shapes.Call:
        """Hang up; a call that still waits is canceled."""
        return cast(shapes.Call, await self._client.post(f"/v1/calls/{id}/end"))

    async def transcript(self, id: str) -> shapes.Transcript:
        return cast(shapes.Transcript, await self._client.get(f"/v1/calls/{id}/transcript"))

    async def recording(self, id: str) -> bytes:
        """The WAV file of a call that is over: left the callee, right the agent."""
        return (await self._client.send(asked("GET", f"/v1/calls/{id}/recording"))).content

    async def events(self, id: str, *, after: int = 0) -> AsyncIterator[shapes.Event]:
        """What happens on a call, as it happens, until it is over."""
        path, over = f"/v1/calls/{id}/events", False
        while True:
            page = await self._client.get(path, after=after, wait=LONGEST_WAIT, limit=MOST_AT_ONCE)
            for item in page["data"]:
                yield item
            after = int(page["next_cursor"])
            if not page["data"]:
                if over:
                    return
                # Looked at before the next page: what ended the call is then on that page.
                over = (await self.get(id))["status"] in shapes.TERMINAL

    async def wait(self, id: str, *, timeout: float | None = None) -> shapes.Call:
        """The call, once it is over. Raises WaitedTooLong after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        after = 0
        while (call := await self.get(id))["status"] not in shapes.TERMINAL:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitedTooLong(f"{id} is {call['status']} after {timeout:g} s")
            wait = min(left, LONGEST_WAIT)
            page = await self._client.get(f"/v1/calls/{id}/events", after=after, wait=wait)
            after = int(page["next_cursor"])
        return call
