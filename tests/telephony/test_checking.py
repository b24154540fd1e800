"""Trunks looked at over real sockets: there, silent, refusing, wanting passwords."""

import asyncio
import secrets
import socket

import pytest

from strowger.errors import Unavailable
from strowger.model import DEFAULT_WORKSPACE, Trunk, TrunkId
from strowger.ports import TrunkReport
from strowger.sip.endpoint import Endpoint
from strowger.sip.message import Request, Response
from strowger.telephony.checking import AT_ONCE, UdpTrunkChecker
from strowger.telephony.signalling import open_udp_transport
from tests.telephony.peer import PASSWORD, Answer, guarded, peer, says

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def trunk(port: int, **changes: str) -> Trunk:
    fields = {"id": TrunkId("trunk_1"), "workspace_id": DEFAULT_WORKSPACE, "name": "t"}
    return Trunk(**{**fields, "host": HOST, "port": port, **changes})  # type: ignore[arg-type]


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
