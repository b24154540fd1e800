"""A SIP peer on loopback that answers what it is told to, and may want a password."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from strowger.sip.digest import Challenge, Credentials, digest_response
from strowger.sip.headers import parse_parameters
from strowger.sip.layer import response_to
from strowger.sip.message import Request, Response, parse

HOST = "127.0.0.1"
PASSWORD = "correct horse"
Answer = Callable[[Request], Response | None]


class Peer(asyncio.DatagramProtocol):
    """Answers each request as told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.heard: list[Request] = []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse(data)
        assert isinstance(request, Request)
        self.heard.append(request)
        response = self._answer(request)
        if response is not None:
            self._transport.sendto(response.serialise(), addr)


@asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[tuple[int, Peer]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Peer(answer), local_addr=(HOST, 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1], protocol
    finally:
        transport.close()


def says(status: int, *headers: tuple[str, str], sdp: bytes = b"") -> Answer:
    def answer(request: Request) -> Response:
        response = response_to(request, status, to_tag="peer", reason=None)
        for name, value in headers:
            response.headers.add(name, value)
        if sdp:
            response.headers.add("content-type", "application/sdp")
            response.body = sdp
        return response

    return answer


def guarded(request: Request) -> Response:
    """Lets in who knows the password (RFC 8760)."""
    challenge = 'Digest realm="peer", nonce="abc", algorithm=SHA-256, qop="auth"'
    given = request.headers.get("authorization")
    if given is None:
        return says(401, ("www-authenticate", challenge))(request)  # type: ignore[return-value]
    found = {
        name: (value or "").strip('"')
        for name, value in parse_parameters(
            ";" + given.removeprefix("Digest ").replace(", ", ";")
        ).items()
    }
    parsed = Challenge.parse(challenge)
    assert parsed is not None
    expected = digest_response(
        parsed,
        Credentials(username="me", password=PASSWORD),
        method="OPTIONS",
        uri=request.uri,
        cnonce=found["cnonce"],
        count=1,
        body=b"",
    )
    if found["response"] == expected:
        return says(200)(request)  # type: ignore[return-value]
    return says(401, ("www-authenticate", challenge))(request)  # type: ignore[return-value]
