"""One HTTP service that providers ask: deadlines, one retry, and errors that say whose fault.

Every provider over HTTP goes through here, so that none of them has to know how HTTP fails. Replies
come in hundreds of pieces a second: the client is aiohttp, whose parser is not in Python.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING

import httpx2

from strowger.errors import ProviderError
from strowger.patience import Patience
from strowger.providers.complaints import (
    RETRIED_STATUSES,
    complaint_of,
    describe,
    fault_of,
    seconds_of,
)
from strowger.providers.http_service import (
    Form,
    HttpPolicy,
    HttpService,
    checked_url,
    headers_for,
)

if TYPE_CHECKING:
    import aiohttp  # at run time only where a service is asked: it takes memory

LARGEST_COMPLAINT = 65536
KEPT_FOR = 60.0
"""Seconds that a connection nobody uses is kept."""
FRESH_FOR = 15.0
"""Seconds that a service is trusted to keep one."""
SPARES = 2
"""Connections that stand ready: a reply that is called off takes its own with it."""
END_WITHIN = 0.5
"""Seconds for an answer of which nothing more is wanted to end, so that its connection is kept."""


class HttpAnswer:
    """A successful answer whose first bytes have come."""

    def __init__(
        self, response: "aiohttp.ClientResponse", first: bytes, connection: "HttpConnection"
    ) -> None:
        self.content_type = response.headers.get("content-type", "")
        self.media_type = self.content_type.partition(";")[0].strip().lower()
        self._response = response
        self._first = first
        self._connection = connection
        self.settled = False
        """Set by who has read all that is of use: its end may come by itself."""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises ProviderError."""
        policy, patience = self._connection.policy, Patience()
        size = 0
        piece = self._first
        try:
            while piece:
                size += len(piece)
                if size > policy.largest:
                    raise self.error(f"answered more than {policy.largest} bytes")
                yield piece
                piece = await self._connection.next_piece(self._response, patience, policy.between)
        finally:
            patience.close()

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def read_json(self) -> object:
        if self.media_type != "application/json":
            raise self.error(f"answered {self.media_type or 'no type'} instead of JSON")
        body = await self.read()
        try:
            parsed: object = json.loads(body)
        except (ValueError, RecursionError):
            raise self.error("answered something that is not JSON") from None
        return parsed

    def error(self, problem: str, *, retryable: bool = False) -> ProviderError:
        return self._connection.error(problem, retryable=retryable)


class HttpConnection:
    """Connections to one service. Use as a context manager, or call `close`."""

    def __init__(self, service: HttpService, policy: HttpPolicy) -> None:
        """Raises ConfigurationError for a key or an address that cannot be right."""
        self.policy = policy
        self._name = service.name
        self._key = service.api_key
        self._base_url = checked_url(service)
        self._headers = headers_for(service)
        self._proxy = service.proxy
        self._client: aiohttp.ClientSession | None = None
        self._ending: dict[aiohttp.ClientResponse, asyncio.TimerHandle] = {}
        self._ready = 0
        """Connections that were left or opened for the next questions, as far as is known here."""
        self._ready_at = float("-inf")
        """When one was last."""

    async def __aenter__(self) -> "HttpConnection":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for response in list(self._ending):
            self._cut_off(response)
        if self._client is not None:
            await self._client.close()

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, object] | Form) -> AsyncIterator[HttpAnswer]:
        """Ask, once more where that may help; leaving early closes the stream.

        Raises ProviderError.
        """
        answer, response = await self._ask_twice(path, body)
        try:
            yield answer
        finally:
            self._leave(answer, response)

    async def warm(self) -> None:
        """Have connections stand ready. What goes wrong here is not told."""
        now = asyncio.get_running_loop().time()
        if now - self._ready_at >= FRESH_FOR:
            self._ready = 0
        if self._ready >= SPARES:
            return
        self._ready, self._ready_at = SPARES, now  # nobody else need do it meanwhile
        try:
            async with asyncio.TaskGroup() as tasks:
                # As many at once as there shall be: those that are there already are used, too.
                name = f"warm {self._name}"
                touched = [tasks.create_task(self._touch(), name=name) for _ in range(SPARES)]
            self._ready = sum(each.result() for each in touched)
        except BaseException:  # given up: who warms next finds out what there is
            self._ready = 0
            raise

    async def _touch(self) -> bool:
        """Whether there is a connection now that was not needed."""
        import aiohttp

        try:
            async with asyncio.timeout(self.policy.connect):
                # Whatever is answered, and be it an error: it comes over a connection that is kept.
                response = await self._opened().head(
                    f"{self._base_url}/models", allow_redirects=False, proxy=self._proxy
                )
        except (aiohttp.ClientError, TimeoutError):
            return False
        response.release()
        return True

    def _leave(self, answer: HttpAnswer, response: "aiohttp.ClientResponse") -> None:
        """With a connection that the next can have, where the answer has ended or soon will."""
        loop, ended = asyncio.get_running_loop(), response.content.at_eof()
        if ended or answer.settled:
            self._ready, self._ready_at = self._ready + 1, loop.time()
        if ended or not answer.settled:
            response.release()
        else:  # it releases itself at its end
            self._ending[response] = loop.call_later(END_WITHIN, self._cut_off, response)

    def _cut_off(self, response: "aiohttp.ClientResponse") -> None:
        self._ending.pop(response).cancel()
        response.close()

    async def next_piece(
        self, response: "aiohttp.ClientResponse", patience: Patience, deadline: float
    ) -> bytes:
        """The next bytes that are any; empty at the end."""
        try:
            with patience.within(deadline):
                return await response.content.readany()
        except TimeoutError:
            raise self.error(f"sent nothing for {deadline:g} s", retryable=True) from None
        except _breakages() as error:
            raise self.error(f"broke off: {describe(error)}", retryable=True) from error

    def error(self, problem: str, *, retryable: bool) -> ProviderError:
        """What went wrong, without the key whatever the service said."""
        message = f"{self._name} {problem}"
        if self._key:
            message = message.replace(self._key, "***")
        return ProviderError(message, retryable=retryable)

    async def _ask_twice(
        self, path: str, body: Mapping[str, object] | Form
    ) -> "tuple[HttpAnswer, aiohttp.ClientResponse]":
        try:
            return await self._ask(path, body)
        except _AskAgain as again:
            if again.after > self.policy.retry_after:
                raise again.error from None
            await asyncio.sleep(again.after)
        try:
            return await self._ask(path, body)
        except _AskAgain as again:
            raise again.error from None

    async def _ask(
        self, path: str, body: Mapping[str, object] | Form
    ) -> "tuple[HttpAnswer, aiohttp.ClientResponse]":
        """One attempt, until the first byte of the body. Raises _AskAgain or ProviderError."""
        import aiohttp

        patience = Patience()
        self._ready = max(0, self._ready - 1)
        until = asyncio.get_running_loop().time() + self.policy.first_byte
        try:
            with patience.until(until):
                response = await self._send(path, body)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ServerTimeoutError):  # of the connection
                raise self.error(f"cannot be reached: {describe(error)}", retryable=True) from error
            problem = f"did not answer within {self.policy.first_byte:g} s"
            raise self.error(problem, retryable=True) from None
        except aiohttp.ClientResponseError as error:
            problem = f"does not speak HTTP: {' '.join(error.message.split())}"
            raise self.error(problem, retryable=True) from error
        except aiohttp.ClientError as error:
            unreached = self.error(f"cannot be reached: {describe(error)}", retryable=True)
            raise _AskAgain(unreached, self.policy.pause) from error
        finally:
            patience.close()
        try:
            if not 200 <= response.status < 300:
                raise await self._refusal(response, patience)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise self.error("answered compressed, unasked", retryable=False)
            left = max(0.0, until - asyncio.get_running_loop().time())
            first = await self.next_piece(response, patience, left)
        except ProviderError as error:
            response.close()
            if isinstance(error.__cause__, aiohttp.ClientError):
                raise _AskAgain(error, self.policy.pause) from error
            raise
        except BaseException:  # cancelled, or to be asked again: nobody reads the rest
            response.close()
            raise
        finally:
            patience.close()
        return HttpAnswer(response, first, self), response

    async def _send(self, path: str, body: Mapping[str, object] | Form) -> "aiohttp.ClientResponse":
        import aiohttp

        url = f"{self._base_url}/{path.lstrip('/')}"
        data: bytes | aiohttp.FormData
        headers = {}
        if isinstance(body, Form):
            data = aiohttp.FormData()
            for name, value in body.fields:
                data.add_field(name, value.encode(errors="replace").decode())
            data.add_field("file", body.file, filename=body.file_name, content_type=body.file_type)
        else:
            # Escaped as ASCII: text that is not valid Unicode cannot fail here.
            data = json.dumps(dict(body)).encode()
            headers["content-type"] = "application/json"
        return await self._opened().post(
            url, data=data, headers=headers, allow_redirects=False, proxy=self._proxy
        )

    def _opened(self) -> "aiohttp.ClientSession":
        if self._client is None:
            import aiohttp

            secure = self._base_url.startswith("https:")
            tls: ssl.SSLContext | bool = (
                httpx2.create_ssl_context(trust_env=False) if secure else True
            )
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.policy.connections, keepalive_timeout=KEPT_FOR, ssl=tls
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.policy.connect),
                auto_decompress=False,
            )
        return self._client

    async def _refusal(self, response: "aiohttp.ClientResponse", patience: Patience) -> Exception:
        status = response.status
        code, said = complaint_of(await self._beginning(response, patience))
        problem = f"{fault_of(status)} ({status}{': ' + said if said else ''})"
        retryable = status in RETRIED_STATUSES and code != "insufficient_quota"
        error = self.error(problem, retryable=retryable)
        if not retryable:
            return error
        return _AskAgain(error, seconds_of(response.headers.get("retry-after"), self.policy.pause))

    async def _beginning(self, response: "aiohttp.ClientResponse", patience: Patience) -> bytes:
        """As much of an error's body as is of use; an error while reading it changes nothing."""
        body = b""
        with contextlib.suppress(ProviderError):
            while len(body) < LARGEST_COMPLAINT:
                piece = await self.next_piece(response, patience, self.policy.between)
                if not piece:
                    break
                body += piece
        return body[:LARGEST_COMPLAINT]


class _AskAgain(Exception):
    """A failure that one more attempt may mend."""

    def __init__(self, error: ProviderError, after: float) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


def _breakages() -> tuple[type[Exception], ...]:
    """With what aiohttp says that an answer broke off; looked up only where something has."""
    import aiohttp

    return aiohttp.ClientConnectionError, aiohttp.ClientPayloadError
