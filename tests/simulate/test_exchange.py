"""Test calls over real SIP on loopback: the number decides who answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from strowger.calls.simulated import ANYBODY, SIMULATED_CALLEES
from strowger.errors import CallRefused, RefusalCause
from strowger.model import CallId
from strowger.ports import Line, LineHungUp, SimulatedDial
from strowger.simulate.exchange import HOST, LoopbackTelephone, open_exchange
from strowger.simulate.library import load_persona
from strowger.telephony.line import SipLine
from tests.simulate.telephones import FakeProviders


def request(to: str, *, ring_timeout: float = 5.0) -> SimulatedDial:
    return SimulatedDial(
        call_id=CallId("call_1"),
        to=to,
        caller_id="+14155550199",
        ring_timeout=ring_timeout,
        recording=None,
    )


@asynccontextmanager
async def exchange(providers: FakeProviders | None = None) -> AsyncIterator[LoopbackTelephone]:
    async with (
        asyncio.timeout(30),
        open_exchange(providers or FakeProviders(), None, lines=4) as telephone,
    ):
        yield telephone


async def until_hung_up(line: Line) -> LineHungUp:
    while not isinstance(event := await line.next_event(), LineHungUp):
        continue
    return event


def test_every_number_has_a_persona_that_is_there() -> None:
    for name in (ANYBODY, *SIMULATED_CALLEES.values()):
        assert load_persona(name).name == name


@pytest.mark.parametrize(
    ("number", "status"),
    [("+15005550002", 486), ("+15005550006", 603), ("+15005550007", 503)],
)
def test_some_numbers_refuse(number: str, status: int) -> None:
    async def main() -> None:
        async with exchange() as telephone:
            with pytest.raises(CallRefused) as refused:
                async with telephone.dial(request(number), lambda status: None):
                    raise AssertionError("nobody answers")
            assert refused.value.status == status

    asyncio.run(main())


def test_one_rings_in_an_empty_room() -> None:
    async def main() -> None:
        rang: list[int] = []
        async with exchange() as telephone:
            with pytest.raises(CallRefused) as refused:
                async with telephone.dial(request("+15005550003", ring_timeout=0.2), rang.append):
                    raise AssertionError("nobody answers")
        assert refused.value.cause is RefusalCause.RING_TIMEOUT
        assert rang == [180]

    asyncio.run(main())


@pytest.mark.parametrize("to", ["+15005550001", "+14155550100", "sip:somebody@far.example.com"])
def test_everybody_else_takes_the_call_on_this_machine(to: str) -> None:
    async def main() -> None:
        async with exchange() as telephone, telephone.dial(request(to), lambda _: None) as line:
            assert isinstance(line, SipLine)
            await until_sound_comes(line)

    asyncio.run(main())


async def until_sound_comes(line: Line) -> None:
    """RTP is on its way: the callee's silence, or its voice."""
    while line.captured(0)[1] < 1600:
        await asyncio.sleep(0.01)


def test_several_are_called_at_once_and_those_that_end_free_their_lines() -> None:
    async def main() -> None:
        async with exchange() as telephone:
            for _ in range(2):
                async with asyncio.TaskGroup() as calls:
                    for number in (1, 5, 8, 9):
                        calls.create_task(talk(telephone, f"+1500555000{number}"))

    async def talk(telephone: LoopbackTelephone, number: str) -> None:
        async with telephone.dial(request(number, ring_timeout=10), lambda _: None) as line:
            await until_sound_comes(line)

    asyncio.run(main())


def test_a_persona_whose_voice_is_missing_refuses_its_call_alone() -> None:
    class Voiceless(FakeProviders):
        def text_to_speech(self, name: str):  # type: ignore[no-untyped-def]
            return super().text_to_speech("gone")

    async def main() -> None:
        async with exchange(Voiceless()) as telephone:
            for _ in range(2):
                with pytest.raises(CallRefused) as refused:
                    async with telephone.dial(request("+15005550001"), lambda _: None):
                        raise AssertionError("nobody answers")
                assert refused.value.status == 500

    asyncio.run(main())


def test_nothing_of_it_listens_beyond_loopback() -> None:
    assert HOST == "127.0.0.1"

    async def main() -> None:
        async with exchange() as telephone:
            bound = telephone._telephone._settings.listen  # the address it can send from at all
            assert bound[0] == HOST
            assert telephone._trunk.host == HOST

    asyncio.run(main())
