"""The asyncio half of SIP: one socket and one timer for one endpoint, no protocol decisions."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from strowger.errors import ConfigurationError
from strowger.sip.events import Address, Event


class SipEndpoint(Protocol):
    """What the transport needs of the pure `sip.endpoint.Endpoint`."""

    def receive_datagram(self, data: bytes, source: Address, *, now: float) -> None: ...
    def handle_timer(self, *, now: float) -> None: ...
    def next_timer(self) -> float | None: ...
    def datagrams_to_send(self) -> list[tuple[bytes, Address]]: ...
    def events_received(self) -> list[Event]: ...


class UdpTransport(asyncio.DatagramProtocol):
    """Feeds one endpoint from one socket, and arms the one timer it asks for."""

    def __init__(self, endpoint: SipEndpoint, on_event: Callable[[Event], None]) -> None:
        self._endpoint = endpoint
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._endpoint.receive_datagram(data, addr[:2], now=self._loop.time())
        self.flush()

    def error_received(self, exc: Exception) -> None:
        """An ICMP error: the transaction's own timer decides what an unreachable peer means."""

    def flush(self) -> None:
        """Send what is pending, deliver what happened, re-arm the timer.

        Call it after every call into the endpoint.
        """
        if self._transport is None or self._transport.is_closing():
            return
        for data, address in self._endpoint.datagrams_to_send():
            self._transport.sendto(data, address)
        for event in self._endpoint.events_received():
            self._on_event(event)
        for data, address in self._endpoint.datagrams_to_send():  # what the handlers asked for
            self._transport.sendto(data, address)
        if self._timer is not None:
            self._timer.cancel()
        at = self._endpoint.next_timer()
        self._timer = None if at is None else self._loop.call_at(at, self._fire)

    def close(self) -> None:
        """Let go of the socket and the timer; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()

    def _fire(self) -> None:
        self._timer = None
        # A timer may fire a clock step early; the endpoint compares with the time it asked for.
        self._endpoint.handle_timer(now=max(self._loop.time(), self._endpoint.next_timer() or 0.0))
        self.flush()


async def open_udp_transport(
    endpoint: SipEndpoint, local: Address, on_event: Callable[[Event], None]
) -> UdpTransport:
    """Bind `local` and connect it with the endpoint.

    Raises ConfigurationError where the address is taken, not ours or not allowed.
    """
    loop = asyncio.get_running_loop()
    _, transport = await loop.create_datagram_endpoint(
        lambda: UdpTransport(endpoint, on_event), sock=_bound(local)
    )
    return transport


def _bound(local: Address) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind(local)
    except OSError as error:
        bound.close()
        host, port = local
        raise ConfigurationError(
            f"cannot listen for SIP on {host}:{port}: {error.strerror}; choose another"
            " address with --sip HOST:PORT"
        ) from error
    return bound
