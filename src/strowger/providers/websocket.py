"""One websocket to a service: deadlines, and errors that say whose fault.

Every provider over a websocket goes through here and through `pool.py`, so that none of them has
to know how connections fail. Where a service is, the operator says and nobody else: so there is
no egress guard, but neither proxies of the environment nor redirects are followed.
"""

import asyncio
import contextlib
import json
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.protocol import State

from strowger.errors import ConfigurationError, ProviderError
from strowger.providers.complaints import RETRIED_STATUSES, complaint_of, describe, fault_of
from strowger.providers.json_text import parsed

Frame = str | bytes
"""A text message, or a binary one."""
Message = dict[str, object]
"""A message of JSON, as it was read."""
NORMAL_CLOSURE = 1000
FOREVER_CLOSED = frozenset({1003, 1007, 1008, 1009, 4001, 4003, 4004})
"""Close codes that another try does not help against: refused data, policy, key, no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketPolicy:
    """How long connections may take and are kept, in seconds, and how much may come on them."""

    connect: float = 3.0
    close: float = 1.0
    largest: int = 4 << 20
    """Bytes of one message."""
    attempts: int = 2
    """To connect, where trying again may help."""
    pause: float = 0.2
    """Before the second attempt; each further one waits twice as long."""
    idle_for: float = 30.0
    """A connection that nobody uses is kept that long."""
    hot_for: float = 120.0
    """That long after its last use, a spare connection is kept ready."""
    spares: int = 1
    """Connections that are kept ready for the next who wants one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """How a service is reached for one purpose: connections to equal dials are interchangeable."""

    name: str
    """What error messages call the service."""
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    first: tuple[Frame, ...] = field(default=(), repr=False)
    """Sent as soon as the connection stands."""
    keep_alive: Frame | None = None
    """What keeps a silent connection open, sent each `keep_alive_every` seconds."""
    keep_alive_every: float = 4.0
    ping_every: float = 20.0
    """Seconds between two pings, which are all that some services count as a sign of life."""
    farewell: Frame | None = None
    """What ends a connection politely, before it is closed."""
    metered: bool = False
    """The vendor charges for the time a connection is open: one may wait for who has said that he
    will want it, none for the next time."""
    passing: bool = False
    """Made for one question of a conversation: one connection may wait for it, none for the next
    time."""
    secret: str | None = field(default=None, repr=False)
    """What no error message may hold."""

    def error(self, problem: str, *, retryable: bool) -> ProviderError:
        message = f"{self.name} {problem}"
        if self.secret:
            message = message.replace(self.secret, "***")
        return ProviderError(message, retryable=retryable)


class Socket:
    """An open connection."""

    def __init__(self, connection: ClientConnection, dial: Dial, policy: SocketPolicy) -> None:
        self.dial = dial
        self._connection = connection
        self._policy = policy
        self.sent_at = asyncio.get_running_loop().time()
        """When something was sent last, by the loop's clock."""

    @property
    def is_open(self) -> bool:
        return self._connection.state is State.OPEN

    @property
    def closed_in_order(self) -> bool:
        """Whether the other side has closed it because nothing is left to say."""
        return self._connection.close_code == NORMAL_CLOSURE

    async def send(self, *frames: Frame) -> None:
        """Raises ProviderError where the connection is gone, or takes nothing any more."""
        try:
            if not self._connection.transport.get_write_buffer_size():
                for frame in frames:  # nothing waits: the other side takes what it is sent
                    await self._connection.send(frame)
            else:
                async with asyncio.timeout(self._policy.connect):
                    for frame in frames:
                        await self._connection.send(frame)
        except ConnectionClosed as closed:
            raise self._closed(closed) from None
        except TimeoutError:
            self.abort()
            problem = f"takes nothing for {self._policy.connect:g} s"
            raise self.dial.error(problem, retryable=True) from None
        self.sent_at = asyncio.get_running_loop().time()

    async def receive(self) -> Frame:
        """The next message, however long it takes. Raises ProviderError."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise self._closed(closed) from None

    async def answers(self) -> bool:
        """Whether the other side still answers a ping; takes at most the time to connect."""
        try:
            async with asyncio.timeout(self._policy.connect):
                await (await self._connection.ping())
        except (ConnectionClosed, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Say goodbye; never raises and never takes long."""
        with contextlib.suppress(ProviderError):
            if self.is_open and self.dial.farewell is not None:
                await self.send(self.dial.farewell)
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()

    def _closed(self, closed: ConnectionClosed) -> ProviderError:
        if closed.rcvd is None:
            return self.dial.error("broke off", retryable=True)
        code, reason = closed.rcvd.code, " ".join(closed.rcvd.reason.split())
        problem = f"closed the connection ({code}{': ' + reason[:300] if reason else ''})"
        return self.dial.error(problem, retryable=code not in FOREVER_CLOSED)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connector:
    """Opens sockets; what they share is made once."""

    def __init__(self, policy: SocketPolicy | None = None) -> None:
        self.policy = policy or SocketPolicy()
        self._tls: ssl.SSLContext | None = None

    async def open(self, dial: Dial) -> Socket:
        """Connect, again where that may help. Raises ProviderError."""
        pause = self.policy.pause
        for _ in range(self.policy.attempts - 1):
            try:
                return await self._open(dial)
            except ProviderError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        return await self._open(dial)

    async def _open(self, dial: Dial) -> Socket:
        policy = self.policy
        try:
            async with asyncio.timeout(policy.connect):
                connection = await _Connect(
                    dial.url,
                    additional_headers=dict(dial.headers),
                    user_agent_header="strowger",
                    compression=None,  # sound does not shrink, and small JSON hardly
                    open_timeout=None,
                    close_timeout=policy.close,
                    ping_interval=dial.ping_every,
                    max_size=policy.largest,
                    proxy=None,
                    ssl=self._context() if dial.url.startswith("wss:") else None,
                )
        except TimeoutError:
            problem = f"cannot be reached within {policy.connect:g} s"
            raise dial.error(problem, retryable=True) from None
        except InvalidStatus as refusal:
            raise _refusal(dial, refusal) from None
        except (OSError, InvalidHandshake) as error:
            raise dial.error(f"cannot be reached: {describe(error)}", retryable=True) from error
        socket = Socket(connection, dial, policy)
        try:
            if dial.first:
                await socket.send(*dial.first)
        except BaseException:  # also where nobody waits for it any more
            socket.abort()
            raise
        return socket

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx2.create_ssl_context(trust_env=False)
        return self._tls


def _refusal(dial: Dial, refusal: InvalidStatus) -> ProviderError:
    response = refusal.response
    _, said = complaint_of(bytes(response.body or b""))
    problem = f"{fault_of(response.status_code)} ({response.status_code}"
    problem += f": {said})" if said else ")"
    return dial.error(problem, retryable=response.status_code in RETRIED_STATUSES)


def socket_url(base_url: str, path: str, query: list[tuple[str, str]], *, name: str) -> str:
    """The address below an http(s) or ws(s) base. Raises ConfigurationError for another."""
    parts = urlsplit(base_url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ConfigurationError(
            f"base_url of {name}: expected http(s):// or ws(s)://host/…, got {base_url!r}"
        )
    address = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/{path.lstrip('/')}"
    return f"{address}?{urlencode(query)}" if query else address


def keyless(name: str) -> ProviderError:
    """What is wrong with a provider that was given no key, and what is to be set."""
    setting = f"{name.partition('-')[0]}_api_key"
    return ProviderError(
        f"{name} is not configured: it has no API key; set {setting} or STROWGER_{setting.upper()}",
        retryable=False,
    )


def checked_key(key: str | None, *, name: str) -> str:
    """A key that may go into a header. Raises ProviderError where there is none."""
    if key is None:
        raise keyless(name)
    if not re.fullmatch(r"[!-~]+", key):
        raise ConfigurationError(f"the API key of {name} has a character no key has")
    return key


class Garbage(ValueError):
    """A message that no service of this kind sends; says what came."""


class VendorFailed(Exception):
    """The service says that it cannot go on."""

    def __init__(self, problem: str, *, retryable: bool) -> None:
        super().__init__(problem)
        self.retryable = retryable


def read_json(frame: Frame) -> Message:
    """A message that has to be an object of JSON. Raises Garbage."""
    if isinstance(frame, bytes):
        raise Garbage("sent bytes where JSON was expected")
    try:
        message = parsed(frame)
    except (ValueError, RecursionError):
        raise Garbage("sent a message that is not JSON") from None
    if not isinstance(message, dict):
        raise Garbage("sent JSON that is no object")
    return message


def in_words(value: object) -> str:
    """What a vendor says is wrong, as its error shows it: words, or a code."""
    return str(value)[:300] if isinstance(value, str | int | float) else "no reason given"


def as_json(value: object) -> str:
    """What was read of a message, as JSON. Raises Garbage."""
    try:
        return json.dumps(value)
    except RecursionError:  # it is read some levels deeper than it is written
        raise Garbage("sent JSON that is nested too deep") from None


def to_json(**fields: object) -> str:
    """A message of JSON; escaped as ASCII, so that text that is not valid Unicode cannot fail."""
    return json.dumps(fields, separators=(",", ":"))
