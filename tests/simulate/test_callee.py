"""A simulated callee on its own SIP address, called by a real telephone."""

import asyncio
import json
import math
from array import array
from contextlib import suppress
from pathlib import Path

import pytest

from strowger.agent import VoiceSettings
from strowger.errors import CallRefused, ConfigurationError, RefusalCause
from strowger.media import events as media
from strowger.ports import LineHungUp, pcm_of
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.simulate.callee import CalleeSettings, run_callee
from strowger.simulate.persona import Impairments, Persona, Rule, Sound, Step, WaitFor
from strowger.simulate.reports import (
    Answered,
    DigitHeard,
    GivenUp,
    Heard,
    HungUp,
    Played,
    Pressed,
    Rang,
    Reacted,
    Refused,
    Said,
)
from strowger.telephony.line import SipLine
from strowger.telephony.silero import SileroModel
from tests.simulate.telephones import (
    HOST,
    NUMBER,
    FakeProviders,
    Simulation,
    free_port,
    persona,
    simulation,
    until,
)

HELLO = Step(wait_for=WaitFor.NOTHING, delay=0.0, say="Hello?")
LEAVE = Step(wait_for=WaitFor.NOTHING, delay=0.0, hang_up=True)
TONE = array("h", (int(8000 * math.sin(n / 3)) for n in range(8000))).tobytes()
SETTINGS = CalleeSettings(listen=(HOST, 5070))


def rang(simulated: Simulation) -> list[Rang]:
    return [what for what in simulated.happenings if isinstance(what, Rang)]


@pytest.mark.parametrize("status", [486, 503, 603])
def test_a_refusal_reaches_the_caller_with_its_status(status: int) -> None:
    async def main() -> None:
        async with simulation(persona(status=status)) as simulated:
            with pytest.raises(CallRefused) as refused:
                async with simulated.dial():
                    raise AssertionError("nobody answers")
            assert refused.value.status == status
            assert simulated.happenings[1:] == [Refused(status)]
            (ringing,) = rang(simulated)
            assert (ringing.number, ringing.caller) == (NUMBER, "+14155550199")

    asyncio.run(main())


def test_a_telephone_in_an_empty_room_rings_until_the_caller_gives_up() -> None:
    async def main() -> None:
        async with simulation(persona(after=None)) as simulated:
            with pytest.raises(CallRefused) as refused:
                async with simulated.dial(ring_timeout=0.2):
                    raise AssertionError("nobody answers")
            assert refused.value.cause is RefusalCause.RING_TIMEOUT
            await simulated.told(GivenUp)

    asyncio.run(main())


def test_the_callee_speaks_hangs_up_and_tells_of_it() -> None:
    async def main() -> None:
        async with simulation(persona(HELLO, LEAVE)) as simulated:
            async with simulated.dial() as line:
                await until(line, LineHungUp)
            await simulated.told(HungUp)
            assert simulated.happenings[1:] == [
                Answered(),
                Reacted((), None),
                Said("Hello?", complete=True),
                Reacted((), None),
                HungUp("callee", "script"),
            ]
            assert len({report.call for report in simulated.reports}) == 1

    asyncio.run(main())


def test_the_caller_may_hang_up_first() -> None:
    async def main() -> None:
        async with simulation(persona()) as simulated:
            async with simulated.dial():
                await simulated.told(Answered)
            await simulated.told(HungUp)
            ended = simulated.happenings[-1]
            assert isinstance(ended, HungUp)
            assert ended.by == "agent"

    asyncio.run(main())


def test_a_callee_that_is_stopped_says_goodbye_to_everybody() -> None:
    async def main() -> None:
        async with simulation(persona()) as simulated, simulated.dial() as line:
            await simulated.told(Answered)
            simulated.stop()
            await until(line, LineHungUp)
            assert simulated.happenings[-1] == HungUp("callee", "stopped")

    asyncio.run(main())


def test_a_callee_that_is_stopped_while_it_rings_refuses() -> None:
    async def main() -> None:
        async with simulation(persona(after=None)) as simulated, asyncio.TaskGroup() as tasks:

            async def stop() -> None:
                await simulated.told(Rang)
                simulated.stop()

            tasks.create_task(stop())
            with pytest.raises(CallRefused) as refused:
                async with simulated.dial():
                    raise AssertionError("nobody answers")
            assert refused.value.status == 480

    asyncio.run(main())


def test_a_callee_takes_several_calls_at_once_and_no_more_than_it_has_lines() -> None:
    async def main() -> None:
        settings = CalleeSettings(listen=(HOST, 0), lines=2)
        async with simulation(persona(), settings=settings) as simulated:
            async with simulated.dial(), simulated.dial():
                with pytest.raises(CallRefused) as refused:
                    async with simulated.dial():
                        raise AssertionError("nobody answers")
                assert refused.value.status == 503
            while True:  # until a line is closed
                with suppress(CallRefused):
                    async with simulated.dial():
                        return

    asyncio.run(main())


def test_the_log_has_a_line_for_every_number_that_was_rung(tmp_path: Path) -> None:
    log = tmp_path / "callee.jsonl"
    log.write_text('{"event": "rang", "call": "of another day"}\n')

    async def main() -> None:
        settings = CalleeSettings(listen=(HOST, 0), log=log)
        async with simulation(persona(status=486), settings=settings) as simulated:
            for _ in range(2):
                with pytest.raises(CallRefused):
                    async with simulated.dial():
                        raise AssertionError("nobody answers")

    asyncio.run(main())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["rang", "rang", "refused", "rang", "refused"]
    calls = [line for line in lines[1:] if line["event"] == "rang"]
    assert [call["number"] for call in calls] == [NUMBER, NUMBER]
    assert calls[0]["call"] != calls[1]["call"]
    assert calls[0]["at"] <= calls[1]["at"]


def test_keys_that_the_callee_presses_arrive() -> None:
    async def main() -> None:
        press = Step(wait_for=WaitFor.NOTHING, delay=0.0, press="1#")
        async with simulation(persona(press)) as simulated, simulated.dial() as line:
            first = await until(line, media.DigitReceived)
            second = await until(line, media.DigitReceived)
            assert isinstance(first, media.DigitReceived)
            assert isinstance(second, media.DigitReceived)
            assert first.digit + second.digit == "1#"
            await simulated.told(Pressed)

    asyncio.run(main())


def test_a_menu_hears_the_keys_of_the_caller() -> None:
    async def main() -> None:
        menu = persona(rules=(Rule(digits="2", delay=0.0, play=Sound.BEEP),))
        async with simulation(menu) as simulated, simulated.dial() as line:
            line.send_digits("2")
            await simulated.told(Played)
            assert DigitHeard("2") in simulated.happenings
            assert Reacted(("2",), "2") in simulated.happenings

    asyncio.run(main())


def test_an_echo_plays_back_what_it_hears() -> None:
    async def main() -> None:
        async with simulation(persona(echo=True)) as simulated, simulated.dial() as line:
            line.begin_utterance(1)
            await line.write(TONE)
            line.end_utterance(1)
            position, loud = 0, 0
            while loud < 4000:
                pcm, position = line.captured(position)
                loud += sum(abs(sample) > 1000 for sample in array("h", pcm))
                await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.parametrize(("loss", "some"), [(0.0, True), (1.0, False)])
def test_a_persona_on_a_bad_network_is_hard_to_hear(loss: float, some: bool) -> None:
    async def main() -> None:
        beep = Step(wait_for=WaitFor.NOTHING, delay=0.0, play=Sound.BEEP)
        who = persona(beep, LEAVE, impairments=Impairments(loss=loss, delay_ms=5))
        async with simulation(who) as simulated:
            async with simulated.dial() as line:
                await until(line, LineHungUp)
            assert line.figures is not None
            assert (line.figures.packets_received > 0) is some

    asyncio.run(main())


def start(who: Persona, settings: CalleeSettings) -> None:
    asyncio.run(
        run_callee(
            who, settings, providers=FakeProviders(), model=None, on_report=lambda report: None
        )
    )


def test_what_the_operator_has_to_change_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no voice is called sirius"):
        start(persona(voice=VoiceSettings(provider="sirius")), SETTINGS)
    with pytest.raises(ConfigurationError, match="cannot write the log"):
        start(persona(), CalleeSettings(listen=(HOST, free_port()), log=tmp_path / "no" / "log"))
    with pytest.raises(ConfigurationError, match="cannot listen for SIP"):
        start(persona(), CalleeSettings(listen=("192.0.2.1", 5070)))


def test_spoken_words_are_recognised_and_answered_over_the_line() -> None:
    async def main() -> None:
        step = Step(hears=("you have an appointment",), delay=0.3, say="Yes, I can.")
        async with ConfiguredProviders(ProviderSettings()) as providers:
            async with simulation(
                persona(step, LEAVE), providers=providers, model=SileroModel()
            ) as simulated:
                async with simulated.dial() as line:
                    voice = providers.text_to_speech("local")
                    line.begin_utterance(1)
                    text = "You have an appointment on Tuesday at 3 pm. Can you come?"
                    speech = voice.speak(text, VoiceSettings(), language="en-US")
                    async for pcm in pcm_of(speech):
                        await line.write(pcm)
                    line.end_utterance(1)
                    await heard_somebody(line)
                    await until(line, LineHungUp)
                await simulated.told(HungUp)
            said = [what for what in simulated.happenings if not isinstance(what, Heard)]
            assert said[1:] == [
                Answered(),
                Reacted(("you have an appointment",), "you have an appointment"),
                Said("Yes, I can.", complete=True),
                Reacted((), None),
                HungUp("callee", "script"),
            ]
            assert Heard("you have an appointment") in simulated.happenings

    async def heard_somebody(line: SipLine) -> None:
        await until(line, media.SpeechStarted)

    asyncio.run(main())
