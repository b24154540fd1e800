"""Calls to SIP programs of other makers: real processes, real packets, on loopback."""

import asyncio
import math
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from strowger.errors import CallRefused, RefusalCause
from strowger.model import DEFAULT_WORKSPACE, CallId, Trunk, TrunkId
from strowger.ports import DialRequest, LineHungUp
from strowger.telephony.line import SipLine
from strowger.telephony.telephone import SipTelephone, TelephoneSettings, open_telephone
from tests.e2e.peers import COMPLIANCE, HOST, baresip, free_port, needs_baresip, needs_sipp, sipp

pytestmark = pytest.mark.peers
SCENARIOS = COMPLIANCE / "sipp"
TONE = array(
    "h", (int(8000 * math.sin(2 * math.pi * 1000 * n / 8000)) for n in range(16000))
).tobytes()


@asynccontextmanager
async def telephone() -> AsyncIterator[SipTelephone]:
    settings = TelephoneSettings(listen=(HOST, free_port()), rtp_ports=(24000, 24098), lines=4)
    async with asyncio.timeout(40), open_telephone(settings, None) as opened:
        yield opened


def request(port: int, *, password: str | None = None, ring_timeout: float = 10) -> DialRequest:
    trunk = Trunk(
        id=TrunkId("trunk_1"),
        workspace_id=DEFAULT_WORKSPACE,
        name="peer",
        host=HOST,
        port=port,
        username=None if password is None else "alice",
        password=password,
    )
    return DialRequest(
        call_id=CallId("call_1"),
        to="+14155550100",
        caller_id="+14155550199",
        trunk=trunk,
        ring_timeout=ring_timeout,
        recording=None,
    )


async def speak(line: SipLine) -> None:
    line.begin_utterance(1)
    await line.write(TONE)
    line.end_utterance(1)


async def loud(line: SipLine, samples: int) -> array:  # type: ignore[type-arg]
    """Wait until so much that is not silence has come in."""
    while True:
        pcm = array("h", line.captured(0)[0])
        if sum(abs(sample) > 500 for sample in pcm) >= samples:
            return pcm
        await asyncio.sleep(0.05)


def frequency(pcm: array) -> float:  # type: ignore[type-arg]
    """Hz of a tone, by its zero crossings over the last second."""
    last = pcm[-4000:]
    crossings = sum((a < 0) != (b < 0) for a, b in pairwise(last))
    return float(crossings / 2 * 8000 / len(last))


@needs_sipp
def test_sipp_is_called_talks_back_and_is_hung_up_on(tmp_path: Path) -> None:
    async def main() -> int:
        async with telephone() as ours, sipp(tmp_path, "-sn", "uas", "-rtp_echo") as (port, peer):
            async with ours.dial(request(port), lambda status: None) as line:
                await speak(line)
                pcm = await loud(line, 6000)
            assert frequency(pcm) == pytest.approx(1000, abs=40)
            return await peer.wait()

    assert asyncio.run(main()) == 0


@needs_sipp
def test_ten_calls_to_sipp_at_once_all_end_in_order(tmp_path: Path) -> None:
    async def main() -> int:
        settings = TelephoneSettings(listen=(HOST, free_port()), rtp_ports=(24100, 24198), lines=10)
        async with (
            asyncio.timeout(40),
            open_telephone(settings, None) as ours,
            sipp(tmp_path, "-sn", "uas", calls=10) as (port, peer),
        ):

            async def one() -> None:
                async with ours.dial(request(port), lambda status: None):
                    await asyncio.sleep(0.2)

            async with asyncio.TaskGroup() as tasks:
                for _ in range(10):
                    tasks.create_task(one())
            return await peer.wait()

    assert asyncio.run(main()) == 0


@needs_sipp
def test_a_trunk_that_asks_for_a_password_gets_it(tmp_path: Path) -> None:
    async def main() -> int:
        scenario = str(SCENARIOS / "asks_password.xml")
        async with telephone() as ours, sipp(tmp_path, "-sf", scenario) as (port, peer):
            async with ours.dial(request(port, password="secret"), lambda status: None):
                pass
            return await peer.wait()

    assert asyncio.run(main()) == 0


@needs_sipp
def test_a_wrong_password_is_refused_and_said(tmp_path: Path) -> None:
    async def main() -> CallRefused:
        scenario = str(SCENARIOS / "asks_password.xml")
        async with telephone() as ours, sipp(tmp_path, "-sf", scenario) as (port, _):
            with pytest.raises(CallRefused) as refused:
                async with ours.dial(request(port, password="wrong"), lambda status: None):
                    raise AssertionError("the password was wrong")
            return refused.value

    assert asyncio.run(main()).status == 403


@needs_sipp
def test_without_a_password_the_trunk_is_not_tried_twice(tmp_path: Path) -> None:
    async def main() -> CallRefused:
        scenario = str(SCENARIOS / "asks_password.xml")
        async with telephone() as ours, sipp(tmp_path, "-sf", scenario) as (port, _):
            with pytest.raises(CallRefused) as refused:
                async with ours.dial(request(port), lambda status: None):
                    raise AssertionError("a password was wanted")
            return refused.value

    refusal = asyncio.run(main())
    assert (refusal.status, refusal.cause) == (401, RefusalCause.UNAUTHORIZED)


@needs_sipp
def test_a_callee_that_holds_the_call_and_hangs_up_is_followed(tmp_path: Path) -> None:
    async def main() -> tuple[LineHungUp, int]:
        scenario = str(SCENARIOS / "hangs_up.xml")
        rang: list[int] = []
        async with telephone() as ours, sipp(tmp_path, "-sf", scenario) as (port, peer):
            async with ours.dial(request(port), rang.append) as line:
                while not isinstance(event := await line.next_event(), LineHungUp):
                    continue
            assert rang == [183]
            return event, await peer.wait()

    event, status = asyncio.run(main())
    assert event.hangup_cause == 16
    assert status == 0


@needs_sipp
def test_a_callee_is_put_through_by_a_peer_that_takes_refer(tmp_path: Path) -> None:
    async def main() -> tuple[list[str], int]:
        scenario, news = str(SCENARIOS / "puts_through.xml"), list[str]()
        async with telephone() as ours, sipp(tmp_path, "-sf", scenario) as (port, peer):
            async with ours.dial(request(port), lambda status: None) as line:
                await line.transfer("+14155550111", lambda: news.append("accepted"))
                news.append("put through")
            return news, await peer.wait()

    assert asyncio.run(main()) == (["accepted", "put through"], 0)


@needs_baresip
def test_baresip_answers_is_heard_and_hears(tmp_path: Path) -> None:
    async def main() -> float:
        async with telephone() as ours, baresip(tmp_path) as port:
            async with ours.dial(request(port), lambda status: None) as line:
                await speak(line)
                pcm = await loud(line, 8000)
                await asyncio.sleep(1.0)  # for baresip to hear us as well
            await asyncio.sleep(0.5)  # for baresip to close its file
            return frequency(pcm)

    assert asyncio.run(main()) == pytest.approx(440, abs=20)
    (dump,) = tmp_path.glob("dump-*-dec.wav")  # what baresip decoded
    written = dump.read_bytes()
    pcm = array("h", written[44 : 44 + (len(written) - 44) // 2 * 2])
    assert sum(abs(sample) > 500 for sample in pcm) > 4000
