"""The egress guard: addresses that customers give must not lead into the operator's network.

A name is resolved once, every address it has is checked, and the connection goes to one of the
addresses that were checked: nothing can change in between. Host header and TLS name stay those
of the URL. Proxies from the environment and redirects are not followed.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore2
import httpx2

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, for connecting to a port. Raises OSError."""

GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4: all that IANA gives out
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
CONNECT_TIMEOUT = 5.0  # seconds
TOTAL_TIMEOUT = 15.0  # seconds

SocketOptions = Iterable[
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
]


class ForbiddenAddress(httpcore2.ConnectError):
    """The URL leads where customers have no business."""


def allowed(address: Address, networks: Sequence[Network] = ()) -> bool:
    """Whether customers may reach `address`: public, or in one of the operator's `networks`."""
    if any(address in network for network in networks):
        return True
    match address:
        case IPv4Address():
            return address.is_global and not address.is_multicast and not address.is_reserved
        case IPv6Address():
            inner = _inside(address)
            if inner is not None:
                return allowed(inner, networks)
            return address in GLOBAL_UNICAST and address.is_global and address.teredo is None


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at: mapped, 6to4 or NAT64."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolve(host: str, port: int) -> list[str]:
    """By the system's resolver, which also knows 127.1, 0x7f.1 and 2130706433."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class EgressGuard(httpcore2.AsyncNetworkBackend):
    """Connects to allowed addresses only."""

    def __init__(self, networks: Sequence[Network] = (), *, resolve: Resolve = resolve) -> None:
        self._networks = tuple(networks)
        self._resolve = resolve
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if not 0 < port < 65536:
            raise httpcore2.ConnectError(f"there is no port {port}")
        addresses = await self._addresses(host, port)
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"{host} has no address")

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            found = [ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} cannot be resolved: {error}") from error
        for address in found:
            if not allowed(address, self._networks):
                raise ForbiddenAddress(f"{host} leads to {address}, which is not allowed")
        return found

    async def connect_unix_socket(
        self, path: str, *_: Any, **__: Any
    ) -> httpcore2.AsyncNetworkStream:
        raise ForbiddenAddress(f"{path} is a unix socket")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def guarded_client(
    networks: Sequence[Network] = (),
    *,
    resolve: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
) -> httpx2.AsyncClient:
    """An HTTP client whose every connection passes the guard."""
    transport = httpx2.AsyncHTTPTransport(trust_env=False)
    # httpx2 takes no network backend of its own; a test holds it to this attribute.
    transport._pool = httpcore2.AsyncConnectionPool(
        ssl_context=tls or httpx2.create_ssl_context(trust_env=False),
        max_connections=None,
        max_keepalive_connections=20,
        keepalive_expiry=5.0,
        network_backend=EgressGuard(networks, resolve=resolve),
    )
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(TOTAL_TIMEOUT, connect=CONNECT_TIMEOUT),
        follow_redirects=False,
        trust_env=False,
    )
