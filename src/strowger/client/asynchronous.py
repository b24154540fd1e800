"""The client for programs on asyncio: the same as `blocking`, awaited."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Self, TypeVar, assert_never, cast

import httpx2

from strowger.client.offered import Strowger
from strowger.client.plans import (
    AsyncShell,
    Item,
    Manner,
    NextLine,
    Open,
    Pause,
    Plan,
    Reply,
    Send,
    Series,
    Step,
)
from strowger.client.requests import RetryPolicy, connection

T = TypeVar("T")


class AsyncClient(Strowger[AsyncShell]):
    """One server, one key, and methods to be awaited."""

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
        manner = Manner(url=url, timeout=timeout, retry=retry or RetryPolicy(), jitter=jitter)
        super().__init__(Shell(self._http, manner, sleep))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()


class Shell(AsyncShell):
    def __init__(
        self, http: httpx2.AsyncClient, manner: Manner, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.manner = manner
        self._http = http
        self._sleep = sleep

    async def run(self, plan: Plan[T]) -> T:
        reply: Reply = None
        async with aclosing(_Line()) as line:
            while True:
                try:
                    step = plan.send(reply)
                except StopIteration as done:
                    return cast(T, done.value)
                reply = await self._do(step, line)

    async def each(self, series: Series[T]) -> AsyncIterator[T]:
        reply: Reply = None
        async with aclosing(_Line()) as line:
            while True:
                try:
                    step = series.send(reply)
                except StopIteration:
                    return
                if isinstance(step, Item):
                    yield step.value
                    reply = None
                else:
                    reply = await self._do(step, line)

    async def _do(self, step: Step, line: "_Line") -> Reply:
        try:
            match step:
                case Send(request):
                    return await self._http.request(**request.options(self.manner.timeout))
                case Open(request):
                    built = self._http.build_request(**request.options(self.manner.timeout))
                    return await line.hold(await self._http.send(built, stream=True))
                case NextLine():
                    return await anext(line.lines, None)
                case Pause(seconds):
                    await self._sleep(seconds)
                    return None
                case _:
                    assert_never(step)
        except httpx2.TransportError as error:
            return error


class _Line:
    """The answer that is being read on the line, if there is one."""

    def __init__(self) -> None:
        self._answer: httpx2.Response | None = None
        self.lines: AsyncIterator[str] = _nothing()

    async def hold(self, answer: httpx2.Response) -> httpx2.Response:
        await self.aclose()
        self._answer = answer
        if answer.is_success:
            self.lines = answer.aiter_lines()
        else:
            await answer.aread()
        return answer

    async def aclose(self) -> None:
        if self._answer is not None:
            await self._answer.aclose()


async def _nothing() -> AsyncIterator[str]:
    return
    yield
