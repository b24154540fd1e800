"""The client for programs without an event loop."""

import random
import time
from collections.abc import Callable, Iterator
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


class Client:
    """One server, one key. Every failure is a ClientError; see `failures`."""

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
        self._url = url
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._jitter = jitter
        self.calls = Calls(self)
        self.agents: Collection[shapes.Agent] = Collection(self, "/v1/agents")
        self.trunks: Collection[shapes.Trunk] = Collection(self, "/v1/trunks")
        self.phone_numbers: Collection[shapes.PhoneNumber] = Collection(self, "/v1/phone-numbers")
        self.webhooks: Collection[shapes.Webhook] = Collection(self, "/v1/webhooks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, request: Asked) -> httpx2.Response:
        """Send, and send again where that may help. Raises ClientError."""
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._http.request(**request.options(self._timeout))
            except httpx2.TransportError as error:
                pause = self._retry.pause(tries, jitter=self._jitter())
                if pause is None:
                    raise unreachable(self._url, error) from error
            else:
                pause = pause_after_answer(self._retry, tries, answer, jitter=self._jitter())
                if pause is None:
                    return checked(request, tries, answer)
            self._sleep(pause)

    def get(self, path: str, **query: Any) -> Any:
        """Any address of the API, as JSON."""
        return self.send(asked("GET", path, query=query)).json()

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """Any address of the API; the key is made here unless you give one."""
        request = asked("POST", path, body=body, idempotency_key=idempotency_key)
        return self.send(request).json()


class Collection(Generic[T]):
    """What a workspace owns, of one kind."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path

    def list(self, **filters: Any) -> Iterator[T]:
        """All of them, newest first, fetched page by page."""
        cursor: str | None = None
        while True:
            page = self.page(limit=MOST_AT_ONCE, cursor=cursor, **filters)
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def page(
        self, *, limit: int | None = None, cursor: str | None = None, **filters: Any
    ) -> shapes.Listed[T]:
        page = self._client.get(self._path, limit=limit, cursor=cursor, **filters)
        return cast(shapes.Listed[T], page)

    def get(self, id: str) -> T:
        return cast(T, self._client.get(f"{self._path}/{id}"))

    def create(self, *, idempotency_key: str | None = None, **fields: Any) -> T:
        made = self._client.post(self._path, renamed(fields), idempotency_key=idempotency_key)
        return cast(T, made)

    def update(self, id: str, **changes: Any) -> T:
        """Replace the fields given; the others stay."""
        request = asked("PATCH", f"{self._path}/{id}", body=changes)
        return cast(T, self._client.send(request).json())

    def delete(self, id: str) -> None:
        self._client.send(asked("DELETE", f"{self._path}/{id}"))


class Calls:
    """Place calls, follow them, end them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kept: Collection[shapes.CallSummary] = Collection(client, "/v1/calls")

    def create(
        self, *, idempotency_key: str | None = None, **call: Unpack[shapes.NewCall]
    ) -> shapes.Call:
        """Queue a call. However often the network fails in between, it is placed once."""
        made = self._client.post("/v1/calls", renamed(call), idempotency_key=idempotency_key)
        return cast(shapes.Call, made)

    def list(
        self, *, status: str | None = None, agent_id: str | None = None, to: str | None = None
    ) -> Iterator[shapes.CallSummary]:
        """Newest first, without transcripts, fetched page by page."""
        return self._kept.list(status=status, agent_id=agent_id, to=to)

    def page(
        self, *, limit: int | None = None, cursor: str | None = None, **filters: Any
    ) -> shapes.Listed[shapes.CallSummary]:
        return self._kept.page(limit=limit, cursor=cursor, **filters)

    def get(self, id: str) -> shapes.Call:
        return cast(shapes.Call, self._client.get(f"/v1/calls/{id}"))

    def end(self, id: str) -> shapes.Call:
        """Hang up; a call that still waits is canceled."""
        return cast(shapes.Call, self._client.post(f"/v1/calls/{id}/end"))

    def transcript(self, id: str) -> shapes.Transcript:
        return cast(shapes.Transcript, self._client.get(f"/v1/calls/{id}/transcript"))

    def recording(self, id: str) -> bytes:
        """The WAV file of a call that is over: left the callee, right the agent."""
        return self._client.send(asked("GET", f"/v1/calls/{id}/recording")).content

    def events(self, id: str, *, after: int = 0) -> Iterator[shapes.Event]:
        """What happens on a call, as it happens, until it is over."""
        path, over = f"/v1/calls/{id}/events", False
        while True:
            page = self._client.get(path, after=after, wait=LONGEST_WAIT, limit=MOST_AT_ONCE)
            yield from page["data"]
            after = int(page["next_cursor"])
            if not page["data"]:
                if over:
                    return
                # Looked at before the next page: what ended the call is then on that page.
                over = self.get(id)["status"] in shapes.TERMINAL

    def wait(self, id: str, *, timeout: float | None = None) -> shapes.Call:
        """The call, once it is over. Raises WaitedTooLong after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        after = 0
        while (call := self.get(id))["status"] not in shapes.TERMINAL:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitedTooLong(f"{id} is {call['status']} after {timeout:g} s")
            wait = min(left, LONGEST_WAIT)
            page = self._client.get(f"/v1/calls/{id}/events", after=after, wait=wait)
            after = int(page["next_cursor"])
        return call
