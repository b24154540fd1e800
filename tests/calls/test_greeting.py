"""First words that are spoken for while the telephone rings."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from strowger.agent import AgentDefinition, VoiceSettings
from strowger.calls.greeting import Greeting
from strowger.calls.speaking import Voice
from strowger.conversation.conversation import first_sentence
from strowger.errors import ProviderError
from strowger.ports import LINE_RATE, Word
from strowger.simulate.virtual_time import run_in_virtual_time

HELLO = "Hello there."
SECOND = bytes(2 * LINE_RATE)


class SlowVoice:
    """A second of sound, half a second after it is asked; `lasts` of them; fails where told to."""

    def __init__(self, *, lasts: int = 2, fails_at: int | None = None) -> None:
        self.asked: list[str] = []
        self.given = 0
        self.left = False
        self._lasts = lasts
        self._fails_at = fails_at

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        self.asked.append(text)
        try:
            for number in range(self._lasts):
                await asyncio.sleep(0.5)
                if number == self._fails_at:
                    self._fails_at = None
                    raise ProviderError("gone", retryable=True)
                self.given += 1
                yield SECOND
        finally:
            self.left = True


def voice_with(speech: SlowVoice) -> Voice:
    return Voice(speech, VoiceSettings(), "en-US", None)


async def say(greeting: Greeting, text: str = HELLO) -> list[float]:
    """Seconds from the question until each piece of sound is there."""
    loop = asyncio.get_running_loop()
    asked, came = loop.time(), list[float]()
    speech = greeting.voice.speech.speak(text, VoiceSettings(), language="en-US")
    async for _ in speech:
        came.append(loop.time() - asked)
    return came


async def answered_after(speech: SlowVoice, seconds: float, *, rings: bool = True) -> list[float]:
    greeting = Greeting(voice_with(speech), HELLO)
    async with asyncio.TaskGroup() as tasks:
        preparing = tasks.create_task(greeting.prepare())
        if rings:
            greeting.ring()
        await asyncio.sleep(seconds)
        came = await say(greeting)
        preparing.cancel()
    return came


def test_who_answers_after_a_while_hears_the_first_words_at_once() -> None:
    voice = SlowVoice()
    assert run_in_virtual_time(answered_after(voice, 5.0)) == [0.0, 0.0]
    assert voice.asked == [HELLO], "once"


def test_who_answers_sooner_hears_them_as_soon_as_they_are_spoken() -> None:
    assert run_in_virtual_time(answered_after(SlowVoice(), 0.75)) == [0.0, 0.25]


def test_where_it_never_rang_nothing_was_prepared() -> None:
    voice = SlowVoice()
    assert run_in_virtual_time(answered_after(voice, 5.0, rings=False)) == [0.5, 1.0]
    assert voice.asked == [HELLO]


def test_words_that_could_not_be_prepared_are_asked_for_again() -> None:
    voice = SlowVoice(fails_at=0)
    assert run_in_virtual_time(answered_after(voice, 5.0)) == [0.5, 1.0]
    assert voice.asked == [HELLO, HELLO]


def test_a_voice_that_breaks_off_after_the_first_words_has_failed() -> None:
    with pytest.raises(ExceptionGroup) as failed:
        run_in_virtual_time(answered_after(SlowVoice(fails_at=1), 5.0))
    assert isinstance(failed.value.exceptions[0], ProviderError)


def test_other_words_and_the_same_ones_later_are_spoken_as_ever() -> None:
    async def main() -> None:
        voice = SlowVoice()
        greeting = Greeting(voice_with(voice), HELLO)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(greeting.prepare())
            greeting.ring()
            await asyncio.sleep(3.0)
            assert await say(greeting, "Something else.") == [0.5, 1.0]
            assert await say(greeting) == [0.0, 0.0]
            assert await say(greeting) == [0.5, 1.0]

    run_in_virtual_time(main())


def test_no_more_is_prepared_than_twenty_seconds_and_nobody_answering_drops_it() -> None:
    async def main() -> SlowVoice:
        voice = SlowVoice(lasts=1000)
        greeting = Greeting(voice_with(voice), HELLO)
        async with asyncio.TaskGroup() as tasks:
            preparing = tasks.create_task(greeting.prepare())
            greeting.ring()
            await asyncio.sleep(100.0)
            preparing.cancel()
        return voice

    voice = run_in_virtual_time(main())
    assert 20 <= voice.given <= 22
    assert voice.left


def test_who_interrupts_them_lets_the_voice_go() -> None:
    async def main() -> SlowVoice:
        voice = SlowVoice(lasts=1000)
        greeting = Greeting(voice_with(voice), HELLO)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(greeting.prepare())
            greeting.ring()
            speech = greeting.voice.speech.speak(HELLO, VoiceSettings(), language="en-US")
            await anext(speech)
            await speech.aclose()  # type: ignore[attr-defined]
        return voice

    assert run_in_virtual_time(main()).left


def test_the_first_sentence_is_known_where_no_model_has_to_be_asked_for_it() -> None:
    agent = AgentDefinition(name="a", prompt="Be brief.", first_message="Hi {{name}}. How are you?")
    assert first_sentence(agent, {"name": "Ann"}) == "Hi Ann."
    assert first_sentence(replace(agent, first_message=""), {}) is None
