"""Two telephones on loopback that really call each other."""

import asyncio
import math
import os
import socket
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from strowger.errors import CallRefused, ConfigurationError, RefusalCause
from strowger.media import events as media
from strowger.model import DEFAULT_WORKSPACE, CallId, Trunk, TrunkId
from strowger.ports import DialRequest, LineHungUp
from strowger.telephony.incoming import IncomingCall
from strowger.telephony.line import SipLine
from strowger.telephony.telephone import SipTelephone, TelephoneSettings, open_telephone

HOST = "127.0.0.1"
TONE = array(
    "h", (int(8000 * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(4000))
).tobytes()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def open_files() -> set[str]:
    """The numbers of this process's open files."""
    return set(os.listdir("/proc/self/fd"))


def settings(port: int, first_rtp: int, *, lines: int = 2) -> TelephoneSettings:
    rtp_ports = (first_rtp, first_rtp + 98)
    return TelephoneSettings(listen=(HOST, port), rtp_ports=rtp_ports, lines=lines)


def request(port: int, *, ring_timeout: float = 30.0, recording: Path | None = None) -> DialRequest:
    trunk = Trunk(
        id=TrunkId("trunk_1"), workspace_id=DEFAULT_WORKSPACE, name="t", host=HOST, port=port
    )
    return DialRequest(
        call_id=CallId("call_1"),
        to="+14155550100",
        caller_id="+14155550199",
        trunk=trunk,
        ring_timeout=ring_timeout,
        recording=recording,
    )


class Pair:
    """Who calls, who is called, and the calls that have come in."""

    def __init__(
        self,
        caller: SipTelephone,
        called: SipTelephone,
        port: int,
        incoming: asyncio.Queue[IncomingCall],
    ) -> None:
        self.caller = caller
        self.called = called
        self.port = port
        self.incoming = incoming
        self.ringing: list[int] = []

    def dial(
        self, *, ring_timeout: float = 30.0, recording: Path | None = None
    ) -> AbstractAsyncContextManager[SipLine]:
        wanted = request(self.port, ring_timeout=ring_timeout, recording=recording)
        return self.caller.dial(wanted, self.ringing.append)


@asynccontextmanager
async def pair(*, called_lines: int = 2) -> AsyncIterator[Pair]:
    incoming: asyncio.Queue[IncomingCall] = asyncio.Queue()
    port = free_port()
    async with (
        asyncio.timeout(60),
        open_telephone(
            settings(port, 22000, lines=called_lines), None, incoming.put_nowait
        ) as called,
        open_telephone(settings(free_port(), 22100), None) as caller,
    ):
        yield Pair(caller, called, port, incoming)


async def until(line: SipLine, kind: type[object]) -> object:
    while not isinstance(event := await line.next_event(), kind):
        continue
    return event


def loud(pcm: bytes) -> int:
    """How many samples are not silence."""
    return sum(abs(sample) > 500 for sample in array("h", pcm))


async def sound(line: SipLine, utterance: int) -> media.PlayoutEnded | LineHungUp:
    """Make some, and say what came of it."""
    line.begin_utterance(utterance)
    await line.write(TONE)
    line.end_utterance(utterance)
    while True:
        match await line.next_event():
            case media.PlayoutEnded() | LineHungUp() as ended:
                return ended


def test_a_call_carries_sound_both_ways_and_is_recorded(tmp_path: Path) -> None:
    recording = tmp_path / "call.wav"

    async def main() -> None:
        async with pair() as call:
            lines: list[SipLine] = []

            def both_have_heard() -> bool:
                return len(lines) == 2 and all(loud(line.captured(0)[0]) > 3000 for line in lines)

            async def answer() -> None:
                ringing = await call.incoming.get()
                assert (ringing.to, ringing.from_) == ("+14155550100", "+14155550199")
                ringing.ring()
                async with ringing.answer() as line:
                    lines.append(line)
                    utterances = count(1)
                    while not isinstance(await sound(line, next(utterances)), LineHungUp):
                        continue

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(answer())
                async with call.dial(recording=recording) as line:
                    assert call.ringing == [180]
                    lines.append(line)
                    utterance = 6
                    while not both_have_heard():  # a busy machine leaves moments of it out
                        utterance += 1
                        ended = await sound(line, utterance)
                        assert isinstance(ended, media.PlayoutEnded)
                        assert (ended.utterance, ended.samples) == (utterance, len(TONE) // 2)
                        assert ended.complete

    asyncio.run(main())
    with wave.open(str(recording)) as file:
        stereo = array("h", file.readframes(file.getnframes()))
    for channel in (stereo[0::2], stereo[1::2]):
        assert 7000 < max(channel) < 9000
        assert loud(channel.tobytes()) > 3000


def test_a_busy_callee_refuses_with_its_status() -> None:
    async def main() -> None:
        async with pair() as call, asyncio.TaskGroup() as tasks:

            async def refuse() -> None:
                (await call.incoming.get()).reject(486)

            tasks.create_task(refuse())
            with pytest.raises(CallRefused) as refused:
                async with call.dial():
                    raise AssertionError("it is busy")
            assert (refused.value.status, refused.value.cause) == (486, RefusalCause.FAR_END)
            assert call.called.sessions == 0

    asyncio.run(main())


def test_a_callee_that_does_not_answer_is_given_up_and_hears_of_it() -> None:
    async def main() -> None:
        async with pair() as call, asyncio.TaskGroup() as tasks:

            async def ring() -> None:
                ringing = await call.incoming.get()
                ringing.ring()
                await ringing.given_up()
                assert call.called.sessions == 0

            tasks.create_task(ring())
            with pytest.raises(CallRefused) as refused:
                async with call.dial(ring_timeout=1.0):
                    raise AssertionError("nobody answers")
            assert refused.value.cause is RefusalCause.RING_TIMEOUT

    asyncio.run(main())


def test_giving_up_a_call_that_rings_cancels_it() -> None:
    async def main() -> None:
        async with pair() as call, asyncio.TaskGroup() as tasks:

            async def dial() -> None:
                async with call.dial():
                    raise AssertionError("nobody answers")

            dialling = tasks.create_task(dial())
            ringing = await call.incoming.get()
            ringing.ring()
            while not call.ringing:
                await asyncio.sleep(0.01)
            dialling.cancel()
            await ringing.given_up()

    asyncio.run(main())


def test_the_callee_hanging_up_is_heard_on_the_line() -> None:
    async def main() -> None:
        async with pair() as call, asyncio.TaskGroup() as tasks:

            async def answer_and_hang_up() -> None:
                async with (await call.incoming.get()).answer():
                    pass

            tasks.create_task(answer_and_hang_up())
            async with call.dial() as line:
                assert isinstance(await until(line, LineHungUp), LineHungUp)

    asyncio.run(main())


def test_a_telephone_that_takes_no_calls_says_so() -> None:
    async def main() -> None:
        port = free_port()
        async with (
            open_telephone(settings(port, 22200), None),
            open_telephone(settings(free_port(), 22300), None) as caller,
        ):
            with pytest.raises(CallRefused) as refused:
                async with caller.dial(request(port), lambda status: None):
                    raise AssertionError("it takes no calls")
            assert refused.value.status == 480

    asyncio.run(main())


def test_an_address_that_is_taken_is_said_in_one_line_and_nothing_stays_open() -> None:
    async def main() -> None:
        port = free_port()
        async with open_telephone(settings(port, 22400), None):
            before = open_files()
            with pytest.raises(ConfigurationError, match="--sip") as refused:
                async with open_telephone(settings(port, 22500), None):
                    raise AssertionError("it is taken")
            assert open_files() == before, refused

    asyncio.run(main())


def test_a_telephone_that_may_not_finish_its_goodbye_lets_go_of_everything() -> None:
    async def main() -> None:
        port, before = free_port(), open_files()

        async def call_nobody() -> None:
            silent = free_port()
            async with (
                open_telephone(settings(port, 22400), None) as telephone,
                telephone.dial(request(silent), lambda status: None),
            ):
                raise AssertionError("nobody is there")

        calling = asyncio.create_task(call_nobody())
        await asyncio.sleep(0.1)
        for _ in range(2):  # the call, and then the goodbye
            calling.cancel()
            await asyncio.sleep(0.1)
        await asyncio.wait([calling])
        assert open_files() == before

    asyncio.run(main())


def test_a_trunk_nobody_can_find_is_unreachable() -> None:
    async def main() -> None:
        async with open_telephone(settings(free_port(), 22600), None) as caller:
            nowhere = request(5060)
            trunk = Trunk(
                id=TrunkId("t"), workspace_id=DEFAULT_WORKSPACE, name="t", host="no.invalid"
            )
            nowhere = DialRequest(
                call_id=nowhere.call_id,
                to=nowhere.to,
                caller_id=None,
                trunk=trunk,
                ring_timeout=1,
                recording=None,
            )
            with pytest.raises(CallRefused) as refused:
                async with caller.dial(nowhere, lambda status: None):
                    raise AssertionError("there is nobody")
            assert refused.value.cause is RefusalCause.UNREACHABLE

    asyncio.run(main())


def test_a_line_whose_closing_was_cut_short_serves_the_next_call_at_once() -> None:
    async def main() -> None:
        async with pair(called_lines=8) as call, asyncio.TaskGroup() as tasks:

            async def answer() -> None:
                while True:
                    ringing = await call.incoming.get()
                    tasks.create_task(hold(ringing))

            async def hold(ringing: IncomingCall) -> None:
                async with ringing.answer() as line:
                    await until(line, LineHungUp)

            async def talk(answered: asyncio.Event) -> None:
                async with call.dial() as line:
                    answered.set()
                    await line.next_event()

            answering = tasks.create_task(answer())
            async with call.dial():  # the other of two lines is taken all the time
                for _ in range(3):
                    answered = asyncio.Event()
                    talking = tasks.create_task(talk(answered))
                    await answered.wait()
                    talking.cancel()
                    await asyncio.sleep(0)  # it closes now
                    talking.cancel()
                    await asyncio.wait([talking])
            answering.cancel()

    asyncio.run(main())
