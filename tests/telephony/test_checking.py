"""Trunks looked at over real sockets: there, silent, refusing, wanting passwords."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from strowger.errors import Unavailable
from strowger.model import DEFAULT_WORKSPACE, Trunk, TrunkId
from strowger.ports import TrunkReport
from strowger.sip.digest import Challenge, Credentials, digest_response
from strowger.sip.endpoint import Endpoint
from strowger.sip.headers import parse_parameters
from strowger.sip.layer import response_to
from strowger.sip.message import Request, Response, parse
from strowger.telephony.checking import AT_ONCE, UdpTrunkChecker
from strowger.telephony.signalling import open_udp_transport

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
PASSWORD = "correct horse"
Answer = Callable[[Request], Response | None]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def trunk(port: int, **changes: str) -> Trunk:
    fields = {"id": TrunkId("trunk_1"), "workspace_id": DEFAULT_WORKSPACE, "name": "t"}
    return Trunk(**{**fields, "host": HOST, "port": port, **changes})  # type: ignore[arg-type]


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


def described(*formats: str) -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    numbers = " ".join(str(96 + index) for index in range(len(formats)))
    lines.append(f"m=audio 4000 RTP/AVP {numbers}")
    lines += [f"a=rtpmap:{96 + index} {name}" for index, name in enumerate(formats)]
    return "\r\n".join([*lines, ""]).encode()


async def check(port: int, *, patience: float = 5.0, **changes: str) -> TrunkReport:
    return await UdpTrunkChecker(HOST, patience=patience).check(trunk(port, **changes))


async def test_a_trunk_of_our_own_kind_is_in_order() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    end = Endpoint(local=(HOST, port), new_token=lambda: secrets.token_hex(8))
    transport = await open_udp_transport(end, (HOST, port), lambda event: None)
    report = await check(port)
    transport.close()
    assert report.problem is None
    assert (report.address, report.sip_status) == (HOST, 200)
    assert "INVITE" in report.methods
    assert report.round_trip is not None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (says(200), None),
        (says(200, ("allow", "INVITE, ACK"), sdp=described("PCMU/8000", "opus/48000/2")), None),
        (says(200, ("allow", "OPTIONS, REGISTER")), "no_calls"),
        (says(200, sdp=described("G729/8000", "telephone-event/8000")), "no_common_codec"),
        (says(200, sdp=b"nonsense"), None),
        (says(404), None),
        (says(405), None),
        (says(403), "refused"),
        (says(603), "refused"),
        (says(401), "authentication_needed"),
        (says(407), "authentication_needed"),
        (says(500), "trouble"),
        (says(503), "trouble"),
        (says(501), None),
    ],
)
async def test_what_a_trunk_answers_is_judged(answer: Answer, problem: str | None) -> None:
    async with peer(answer) as (port, _):
        report = await check(port)
    assert report.problem == problem, report.detail
    assert str(report.sip_status) in report.detail


async def test_its_codecs_are_told_where_it_tells_them() -> None:
    sdp = described("PCMA/8000", "G722/8000", "telephone-event/8000")
    async with peer(says(200, sdp=sdp)) as (port, _):
        report = await check(port)
    assert report.codecs == ("PCMA", "G722")


async def test_a_silent_trunk_is_said_to_be_silent() -> None:
    async with peer(lambda request: None) as (port, heard):
        report = await check(port, patience=0.3)
    assert report.problem == "no_answer"
    assert f"{HOST}:{port}" in report.detail
    assert heard.heard[0].method == "OPTIONS"


async def test_a_lost_question_is_asked_again() -> None:
    answers = iter([None, says(200)])

    def second_time(request: Request) -> Response | None:
        answer = next(answers)
        return None if answer is None else answer(request)

    async with peer(second_time) as (port, heard):
        report = await check(port)
    assert report.problem is None
    assert len(heard.heard) == 2


async def test_a_name_that_leads_nowhere_is_said_to() -> None:
    report = await check(5060, host="no.such.host.invalid")
    assert report.problem == "no_address"
    assert "no.such.host.invalid" in report.detail


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


async def test_name_and_password_are_used_and_judged() -> None:
    async with peer(guarded) as (port, heard):
        assert (await check(port)).problem == "authentication_needed"
        good = await check(port, username="me", password=PASSWORD)
        assert good.problem is None, good.detail
        wrong = await check(port, username="me", password="else")
    assert wrong.problem == "authentication_failed"
    assert PASSWORD not in good.detail + wrong.detail
    assert [int((one.headers.get("cseq") or "").split()[0]) for one in heard.heard] == [
        1,
        1,
        2,
        1,
        2,
    ]


async def test_only_so_many_are_looked_at_at_once() -> None:
    checker = UdpTrunkChecker(HOST, patience=0.3)
    async with peer(lambda request: None) as (port, _):
        async with asyncio.TaskGroup() as tasks:
            checks = [tasks.create_task(checker.check(trunk(port))) for _ in range(AT_ONCE)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await checker.check(trunk(port))
        assert {done.result().problem for done in checks} == {"no_answer"}
        assert (await checker.check(trunk(port))).problem == "no_answer"
