"""One HTTP service that providers ask: deadlines, one retry, and errors that say whose fault.

Every provider over HTTP goes through here, so that none of them has to know how HTTP fails.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType

import httpx2

from strowger.errors import ConfigurationError, ProviderError

RETRIED_STATUSES = {429, 500, 502, 503, 504}
LARGEST_COMPLAINT = 65536
COMPLAINT_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    """How long a service may take, in seconds, and how much it may say."""

    connect: float = 3.0
    first_byte: float = 8.0
    """From the request to the first byte of the answer's body."""
    between: float = 5.0
    """From one piece of the answer to the next."""
    retry_after: float = 2.0
    """The longest wait before the one retry that a service may ask for."""
    pause: float = 0.2
    """Before the retry where the service does not ask for any."""
    largest: int = 16 << 20
    """Bytes of an answer."""
    connections: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpService:
    """Where a service is and how it is asked."""

    name: str
    """What error messages call it."""
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    key_header: str | None = None
    """The header that takes the key as it is; none for `Authorization: Bearer`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request."""
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A request body in parts; the file is called `file`."""

    fields: Mapping[str, str]
    file: bytes
    file_name: str
    file_type: str


class HttpAnswer:
    """A successful answer whose first bytes have come."""

    def __init__(
        self, response: httpx2.Response, body: "_Body", first: bytes, connection: "HttpConnection"
    ) -> None:
        content_type = response.headers.get("content-type", "")
        self.media_type = content_type.partition(";")[0].strip().lower()
        self.content_type = content_type
        self._body = body
        self._first = first
        self._connection = connection

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises ProviderError."""
        policy = self._connection.policy
        size = 0
        piece = self._first
        while piece:
            size += len(piece)
            if size > policy.largest:
                raise self.error(f"answered more than {policy.largest} bytes")
            yield piece
            piece = await self._connection.next_piece(self._body, policy.between)

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


_Body = AsyncIterator[bytes]


class HttpConnection:
    """Connections to one service. Use as a context manager, or call `close`."""

    def __init__(self, service: HttpService, policy: HttpPolicy) -> None:
        self.policy = policy
        self._name = service.name
        self._key = service.api_key
        self._client = client_for(service, policy)

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
        await self._client.aclose()

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, object] | Form) -> AsyncIterator[HttpAnswer]:
        """Ask, once more where that may help; leaving early closes the stream.

        Raises ProviderError.
        """
        answer, response = await self._ask_twice(path, body)
        try:
            yield answer
        finally:
            await response.aclose()

    async def next_piece(self, body: _Body, deadline: float) -> bytes:
        """The next bytes that are any; empty at the end."""
        try:
            async with asyncio.timeout(deadline):
                async for piece in body:
                    if piece:
                        return piece
            return b""
        except TimeoutError:
            raise self.error(f"sent nothing for {deadline:g} s", retryable=True) from None
        except httpx2.TransportError as error:
            raise self.error(f"broke off: {describe(error)}", retryable=True) from error
        except httpx2.StreamError as error:
            raise self.error(f"cannot be read: {describe(error)}", retryable=False) from error

    def error(self, problem: str, *, retryable: bool) -> ProviderError:
        """What went wrong, without the key whatever the service said."""
        message = f"{self._name} {problem}"
        if self._key:
            message = message.replace(self._key, "***")
        return ProviderError(message, retryable=retryable)

    async def _ask_twice(
        self, path: str, body: Mapping[str, object] | Form
    ) -> tuple[HttpAnswer, httpx2.Response]:
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
    ) -> tuple[HttpAnswer, httpx2.Response]:
        """One attempt, until the first byte of the body. Raises _AskAgain or ProviderError."""
        request = self._request(path, body)
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.policy.first_byte) as deadline:
                    response = await self._client.send(request, stream=True)
                    stack.push_async_callback(response.aclose)
            except TimeoutError:
                problem = f"did not answer within {self.policy.first_byte:g} s"
                raise self.error(problem, retryable=True) from None
            except httpx2.TimeoutException as error:
                raise self.error(f"cannot be reached: {describe(error)}", retryable=True) from error
            except httpx2.TransportError as error:
                unreached = self.error(f"cannot be reached: {describe(error)}", retryable=True)
                raise _AskAgain(unreached, self.policy.pause) from error
            if not response.is_success:
                raise await self._refusal(response)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise self.error("answered compressed, unasked", retryable=False)
            ends = deadline.when()
            assert ends is not None
            left = max(0.0, ends - asyncio.get_running_loop().time())
            pieces = response.aiter_raw()
            try:
                first = await self.next_piece(pieces, left)
            except ProviderError as error:
                if isinstance(error.__cause__, httpx2.TransportError):
                    raise _AskAgain(error, self.policy.pause) from error
                raise
            stack.pop_all()
            return HttpAnswer(response, pieces, first, self), response

    def _request(self, path: str, body: Mapping[str, object] | Form) -> httpx2.Request:
        if isinstance(body, Form):
            file = (body.file_name, body.file, body.file_type)
            fields = {
                name: value.encode(errors="replace").decode() for name, value in body.fields.items()
            }
            return self._client.build_request("POST", path, data=fields, files={"file": file})
        # Escaped as ASCII: text that is not valid Unicode cannot fail here.
        content = json.dumps(dict(body)).encode()
        headers = {"content-type": "application/json"}
        return self._client.build_request("POST", path, content=content, headers=headers)

    async def _refusal(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        code, said = complaint_of(await self._beginning(response))
        problem = f"{fault_of(status)} ({status}{': ' + said if said else ''})"
        retryable = status in RETRIED_STATUSES and code != "insufficient_quota"
        error = self.error(problem, retryable=retryable)
        if not retryable:
            return error
        return _AskAgain(error, seconds_of(response.headers.get("retry-after"), self.policy.pause))

    async def _beginning(self, response: httpx2.Response) -> bytes:
        """As much of an error's body as is of use; an error while reading it changes nothing."""
        body, pieces = b"", response.aiter_raw()
        with contextlib.suppress(ProviderError):
            while len(body) < LARGEST_COMPLAINT:
                piece = await self.next_piece(pieces, self.policy.between)
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


def client_for(service: HttpService, policy: HttpPolicy) -> httpx2.AsyncClient:
    """Raises ConfigurationError for a key or an address that cannot be right."""
    headers = {"accept-encoding": "identity", "user-agent": "strowger", **dict(service.headers)}
    if service.api_key:
        if not re.fullmatch(r"[!-~]+", service.api_key):
            raise ConfigurationError(f"the API key of {service.name} has a character no key has")
        if service.key_header is not None:
            headers[service.key_header] = service.api_key
        else:
            headers["authorization"] = f"Bearer {service.api_key}"
    try:
        url = httpx2.URL(service.base_url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"base_url of {service.name}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(
            f"base_url of {service.name}: expected http(s)://host/…, got {service.base_url!r}"
        )
    return httpx2.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=httpx2.Timeout(None, connect=policy.connect),
        limits=httpx2.Limits(max_connections=policy.connections, keepalive_expiry=60.0),
        trust_env=False,
        proxy=service.proxy,
    )


def fault_of(status: int) -> str:
    match status:
        case 401 | 403:
            return "refused the API key"
        case 404:
            return "does not have the model or address that was asked for"
        case 429:
            return "asks for fewer requests, or has no credit left"
        case _ if status >= 500:
            return "failed on its side"
        case _ if status >= 400:
            return "refused the request"
        case _:
            return "answered with an unexpected status"


def complaint_of(body: bytes) -> tuple[str | None, str]:
    """The code and the message of an error in OpenAI's form, or the text as it came."""
    text = " ".join(body.decode(errors="replace").split())
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None, text[:COMPLAINT_SHOWN]
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, dict):
        code = error.get("code")
        return code if isinstance(code, str) else None, str(error.get("message"))[:COMPLAINT_SHOWN]
    return None, (error if isinstance(error, str) else text)[:COMPLAINT_SHOWN]


def seconds_of(retry_after: str | None, default: float) -> float:
    """Retry-After in seconds (RFC 9110 section 10.2.3); one that is a date is too long to wait."""
    if retry_after is None:
        return default
    return float(retry_after) if re.fullmatch(r"\d{1,6}", retry_after) else float("inf")


def describe(error: Exception) -> str:
    return str(error) or type(error).__name__
