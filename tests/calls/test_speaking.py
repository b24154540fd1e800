"""The agent's mouth, in virtual time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from strowger.agent import VoiceSettings
from strowger.calls.speaking import Speaker, Voice
from strowger.conversation.events import Event, ProviderFailed, Speak, UtteranceEnded
from strowger.ports import LINE_RATE, Word
from strowger.simulate.virtual_time import run_in_virtual_time
from tests.calls.virtual_line import VirtualLine


class PausingVoice:
    """A second of sound, so many seconds of nothing, another second of sound."""

    def __init__(self, pause: float) -> None:
        self.left = False
        self._pause = pause

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        try:
            yield bytes(2 * LINE_RATE)
            await asyncio.sleep(self._pause)
            yield bytes(2 * LINE_RATE)
        finally:
            self.left = True


async def said(voice: PausingVoice) -> list[tuple[float, Event]]:
    """What comes of one sentence within ten seconds, and when."""
    loop = asyncio.get_running_loop()
    line, events, began = VirtualLine(), list[tuple[float, Event]](), loop.time()

    def note(event: Event) -> None:
        events.append((round(loop.time() - began, 3), event))

    speaker = Speaker(line, Voice(voice, VoiceSettings(), "en-US", None, patience=2.0), note)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(speaker.run())
        telling = tasks.create_task(tell_ends(line, speaker))
        speaker.speak(Speak(1, "hello there"))
        await asyncio.sleep(10.0)
        running.cancel()
        telling.cancel()
    return events


async def tell_ends(line: VirtualLine, speaker: Speaker) -> None:
    while True:
        event = await line.next_event()
        if hasattr(event, "complete"):
            speaker.playout_ended(event)  # type: ignore[arg-type]


@pytest.mark.parametrize("pause", [0.5, 1.0, 2.9])
def test_a_voice_may_pause_as_long_as_the_callee_hears_something_and_a_little_longer(
    pause: float,
) -> None:
    (event,) = run_in_virtual_time(said(PausingVoice(pause)))
    assert event == (1.0 + max(1.0, pause), UtteranceEnded(1, 2.0, 2.0, True))


def test_a_voice_that_falls_silent_within_a_sentence_has_failed_and_is_left() -> None:
    voice = PausingVoice(60.0)
    failed, ended = run_in_virtual_time(said(voice))
    assert failed[0] == 3.0, "a second was heard, and then two of silence"
    assert isinstance(failed[1], ProviderFailed) and failed[1].retryable
    assert isinstance(ended[1], UtteranceEnded) and not ended[1].complete
    assert voice.left


class TellingVoice:
    """A second of sound, and when each of two words is over."""

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        yield Word("hello", 0.0, 0.8)
        yield Word("there", 0.8, 1.0)
        yield bytes(2 * LINE_RATE)


def test_a_word_that_is_over_just_where_resumed_speech_is_cut_was_heard() -> None:
    async def main() -> list[UtteranceEnded]:
        line, events = VirtualLine(), list[Event]()
        speaker = Speaker(
            line, Voice(TellingVoice(), VoiceSettings(), "en-US", None), events.append
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(speaker.run())
            telling = tasks.create_task(tell_ends(line, speaker))
            speaker.speak(Speak(1, "hello there"))
            await asyncio.sleep(0.1)
            speaker.stop()
            await asyncio.sleep(1.0)
            speaker.speak(Speak(2, "hello there", after=1, skip=0.1))
            await asyncio.sleep(0.7)
            speaker.stop()
            await asyncio.sleep(1.0)
            running.cancel()
            telling.cancel()
        return [event for event in events if isinstance(event, UtteranceEnded)]

    first, resumed = run_in_virtual_time(main())
    assert (first.heard, first.words) == (0.1, 0)
    assert (resumed.heard, resumed.words) == (0.7, 1)


def test_what_is_stopped_twice_before_it_is_heard_ends_once() -> None:
    async def main() -> list[Event]:
        events = list[Event]()
        voice = Voice(EndlessVoice(), VoiceSettings(), "en-US", None)
        speaker = Speaker(VirtualLine(), voice, events.append)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(speaker.run())
            speaker.speak(Speak(1, "hello there"))
            await asyncio.sleep(0.1)
            speaker.stop()
            speaker.speak(Speak(2, "hello"))
            speaker.stop()
            await asyncio.sleep(0.1)
            running.cancel()
        return events

    events = run_in_virtual_time(main())
    assert [event.utterance for event in events if isinstance(event, UtteranceEnded)] == [1, 2]


class EndlessVoice:
    """Thinks about what to say."""

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        await asyncio.sleep(60.0)
        yield bytes(2)
