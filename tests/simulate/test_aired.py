"""What a service says in a rehearsal, as a callee hears it who knows what is in the air."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from strowger.conversation.speech_to_speech.events import AgentWords, Brief, ItemOver
from strowger.ports import DialogueEvent, Sound, SpeechToSpeech
from strowger.simulate.aired import AiredServices
from strowger.simulate.performers import Air
from tests.calls.test_spoken_session import BRIEF, FakeDialogue

PCM = b"\x00\x10" * 800


class Services:
    """One service, which says this."""

    greets = False

    def __init__(self, script: Sequence[DialogueEvent]) -> None:
        self._script = script

    def speech_to_speech(self, name: str) -> SpeechToSpeech:
        return self

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator[FakeDialogue]:
        yield FakeDialogue(self._script)


def in_the_air(*script: DialogueEvent) -> list[tuple[str, int]]:
    """Texts, and the samples of each, once all of the script was told."""
    air = Air()

    async def main() -> None:
        service = AiredServices(Services(script), air).speech_to_speech("openai")
        async with service.converse(BRIEF) as dialogue:
            told = 0
            async for event in dialogue.events():
                assert event == script[told]
                told += 1
                if told == len(script):
                    return

    asyncio.run(main())
    return [(sound.text, len(sound.samples)) for sound in air.sounds()]


SOUND = Sound("a", PCM)
SAMPLES = 800
WHOLE, PART = AgentWords("a", "Hello there.", True), AgentWords("a", "Hello ", False)


@pytest.mark.parametrize(
    "script",
    [
        (PART, SOUND, AgentWords("a", "there.", False), ItemOver("a")),
        (SOUND, WHOLE, ItemOver("a")),
        (WHOLE, SOUND),
        (SOUND, WHOLE),
    ],
    ids=["as it comes", "words at the end", "no end, words first", "no end, words last"],
)
def test_what_is_said_is_heard_whether_or_not_its_end_is_told(
    script: tuple[DialogueEvent, ...],
) -> None:
    assert in_the_air(*script) == [("Hello there.", SAMPLES)]


def test_sound_that_follows_the_words_of_an_item_belongs_to_it() -> None:
    assert in_the_air(SOUND, WHOLE, SOUND, ItemOver("a")) == [("Hello there.", 2 * SAMPLES)]


def test_words_without_a_sound_and_sound_without_words_are_not_heard() -> None:
    assert in_the_air(WHOLE, ItemOver("a"), Sound("b", PCM), ItemOver("b")) == []
