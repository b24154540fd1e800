"""The client for programs without an event loop."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Self, TypeVar, assert_never, cast

import httpx2

from strowger.client.offered import Strowger
from strowger.client.plans import (
    BlockingShell,
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


class Client(Strowger[BlockingShell]):
    """One server, one key, and methods that answer when they are done."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 10.0,
        retry: RetryPolicy | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`timeout` in seconds for each try. The rest is for tests and special networks."""
        self._http = httpx2.Client(**connection(url, key), transport=transport)
        manner = Manner(url=url, timeout=timeout, retry=retry or RetryPolicy(), jitter=jitter)
        super().__init__(Shell(self._http, manner, sleep))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()


class Shell(BlockingShell):
    def __init__(self, http: httpx2.Client, manner: Manner, sleep: Callable[[float], None]) -> None:
        self.manner = manner
        self._http = http
        self._sleep = sleep

    def run(self, plan: Plan[T]) -> T:
        reply: Reply = None
        with closing(_Line()) as line:
            while True:
                try:
                    step = plan.send(reply)
                except StopIteration as done:
                    return cast(T, done.value)
                reply = self._do(step, line)

    def each(self, series: Series[T]) -> Iterator[T]:
        reply: Reply = None
        with closing(_Line()) as line:
            while True:
                try:
                    step = series.send(reply)
                except StopIteration:
                    return
                if isinstance(step, Item):
                    yield step.value
                    reply = None
                else:
                    reply = self._do(step, line)

    def _do(self, step: Step, line: "_Line") -> Reply:
        try:
            match step:
                case Send(request):
                    return self._http.request(**request.options(self.manner.timeout))
                case Open(request):
                    built = self._http.build_request(**request.options(self.manner.timeout))
                    return line.hold(self._http.send(built, stream=True))
                case NextLine():
                    return next(line.lines, None)
                case Pause(seconds):
                    return self._sleep(seconds)
                case _:
                    assert_never(step)
        except httpx2.TransportError as error:
            return error


class _Line:
    """The answer that is being read on the line, if there is one."""

    def __init__(self) -> None:
        self._answer: httpx2.Response | None = None
        self.lines: Iterator[str] = iter(())

    def hold(self, answer: httpx2.Response) -> httpx2.Response:
        self.close()
        self._answer = answer
        if answer.is_success:
            self.lines = answer.iter_lines()
        else:
            answer.read()
        return answer

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
