"""A persona on a line that the test plays: what reaches it, and what it does."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from strowger.agent import TranscriberSettings
from strowger.calls.listening import Ear
from strowger.media import events as media
from strowger.ports import LineHungUp
from strowger.simulate.persona import Persona, Sound, Step, WaitFor
from strowger.simulate.reports import Happening, Heard, HungUp, Played, Reacted, Said, Trouble
from strowger.simulate.session import CalleeSenses, CalleeSession
from tests.calls.fakes import FakeLine, FakeRecogniser, FakeVoice

HELLO = Step(wait_for=WaitFor.NOTHING, delay=0.0, say="Hello?")
LEAVE = Step(wait_for=WaitFor.NOTHING, delay=0.0, hang_up=True)


class Call:
    """One call in progress."""

    def __init__(self) -> None:
        self.line = FakeLine()
        self.told: list[Happening] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0)

    async def agent_speaks(self) -> None:
        """One word, just now."""
        now = asyncio.get_running_loop().time()
        self.line.position += 8000
        self.line.events.put_nowait(media.SpeechStarted(0, now, 8000))
        self.line.events.put_nowait(media.SpeechStopped(0, now + 0.01, 16000))

    def agent_hangs_up(self) -> None:
        self.line.events.put_nowait(LineHungUp("bye"))


@asynccontextmanager
async def call(
    *script: Step,
    voice: FakeVoice | None = None,
    ear: FakeRecogniser | None = None,
    **others: Any,
) -> Any:
    """Run a session; at the end it must be over, and nothing of it left."""
    persona = Persona(name="test", script=script, **others)
    senses = CalleeSenses(
        None if ear is None else Ear(ear, TranscriberSettings(keywords=("yes",)), "en-US"),
        voice or FakeVoice(),
    )
    running = Call()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        session = CalleeSession(persona, running.line, senses, running.told.append)
        tasks.create_task(session.run())
        yield running
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_what_is_said_is_told_when_it_has_been_heard() -> None:
    async def main() -> None:
        async with call(HELLO, LEAVE) as running:
            await running.until(lambda: "end 1" in running.line.log)
            assert not any(isinstance(what, Said) for what in running.told)
            running.line.played(1)
        assert running.told[1:] == [
            Said("Hello?", complete=True),
            Reacted((), None),
            HungUp("callee", "script"),
        ]

    asyncio.run(main())


def test_words_of_the_agent_are_recognised_and_answered() -> None:
    async def main() -> None:
        ear = FakeRecogniser("oh yes")
        step = Step(hears=("yes",), delay=0.0, say="Good.")
        async with call(step, LEAVE, ear=ear) as running:
            await running.agent_speaks()
            await running.until(lambda: "end 1" in running.line.log)
            running.line.played(1)
        assert running.told[:3] == [Heard("oh yes"), Reacted(("yes",), "yes"), Said("Good.", True)]
        assert ear.phrases[0] == ()

    asyncio.run(main())


def test_a_recogniser_that_fails_is_told_of_and_the_script_goes_on() -> None:
    async def main() -> None:
        ear = FakeRecogniser(problem="deaf")
        async with call(Step(hears=("yes",), delay=0.0, hang_up=True), ear=ear) as running:
            await running.agent_speaks()
        assert running.told == [
            Trouble("deaf"),
            Reacted(("yes",), None),
            HungUp("callee", "script"),
        ]

    asyncio.run(main())


def test_a_voice_that_fails_is_told_of_and_the_script_goes_on() -> None:
    async def main() -> None:
        async with call(HELLO, LEAVE, voice=FakeVoice(problem="hoarse")) as running:
            pass
        assert Trouble("hoarse") in running.told
        assert Said("Hello?", complete=False) in running.told
        assert running.told[-1] == HungUp("callee", "script")

    asyncio.run(main())


def test_the_end_of_the_call_cuts_what_is_being_said() -> None:
    async def main() -> None:
        async with call(HELLO, voice=FakeVoice(endless=True)) as running:
            await running.until(lambda: "begin 1" in running.line.log)
            running.agent_hangs_up()
        assert running.told[1:] == [HungUp("agent", "bye"), Said("Hello?", complete=False)]
        assert "stop" in running.line.log

    asyncio.run(main())


def test_a_polite_persona_stops_when_the_agent_goes_on_talking() -> None:
    async def main() -> None:
        async with call(HELLO, LEAVE, voice=FakeVoice(endless=True), yields_after=0.0) as running:
            await running.until(lambda: "begin 1" in running.line.log)
            now = asyncio.get_running_loop().time()
            running.line.events.put_nowait(media.SpeechStarted(0, now, 8000))
        assert running.told[1] == Said("Hello?", complete=False)
        assert running.told[-1] == HungUp("callee", "script")

    asyncio.run(main())


def test_a_sound_is_played_like_speech() -> None:
    async def main() -> None:
        beep = Step(wait_for=WaitFor.NOTHING, delay=0.0, play=Sound.BEEP)
        async with call(beep, LEAVE) as running:
            await running.until(lambda: "end 1" in running.line.log)
            running.line.played(1)
        assert running.told[1] == Played(Sound.BEEP, complete=True)

    asyncio.run(main())


def test_the_last_words_before_the_agent_hangs_up_are_heard() -> None:
    async def main() -> None:
        ear = FakeRecogniser("goodbye")
        waits = Step(hears=("something else",), wait_for=WaitFor.WORDS, say="Oh.")
        async with call(waits, ear=ear) as running:
            now = asyncio.get_running_loop().time()
            running.line.position += 8000
            running.line.events.put_nowait(media.SpeechStarted(0, now, 8000))
            running.agent_hangs_up()
        assert running.told == [Heard("goodbye"), HungUp("agent", "bye")]

    asyncio.run(main())


def test_patience_ends_a_call_in_which_nothing_happens() -> None:
    async def main() -> None:
        async with call(patience=0.01) as running:
            pass
        assert running.told == [HungUp("callee", "patience")]

    asyncio.run(main())
