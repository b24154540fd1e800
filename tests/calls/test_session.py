"""A live call with a scripted conversation: what reaches the machine, and what it asks for."""

import asyncio
from collections.abc import Callable

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.calls.listening import PREROLL, Ear
from strowger.calls.replying import Mind
from strowger.calls.session import CallSession, Senses
from strowger.calls.speaking import SECONDS_PER_CHARACTER, Voice
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import (
    Answered,
    DigitPressed,
    Effect,
    Event,
    Generate,
    HangUp,
    HungUp,
    Listen,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    Speak,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    Transcribed,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.lifecycle import EndReason
from strowger.media import events as media
from strowger.ports import LineHungUp
from tests.calls.fakes import FakeLine, FakeModel, FakeRecogniser, FakeVoice

Answer = Callable[[Event], list[Effect]]


class ScriptedMachine:
    """Answers each event by a table, and remembers all of them."""

    def __init__(self, answers: dict[Event, list[Effect]]) -> None:
        self.heard: list[Event] = []
        self._answers = answers

    def receive(self, event: Event, *, now: float) -> list[Effect]:
        self.heard.append(event)
        return self._answers.get(event, [])

    def handle_timer(self, *, now: float) -> list[Effect]:
        return [HangUp("max_duration")]

    def next_timer(self) -> float | None:
        return None


class Scene:
    """A call whose parts the test can reach."""

    def __init__(
        self,
        answers: dict[Event, list[Effect]],
        *,
        voice: FakeVoice | None = None,
        recogniser: FakeRecogniser | None = None,
        model: FakeModel | None = None,
        fallback: FakeVoice | None = None,
    ) -> None:
        self.line = FakeLine()
        self.machine = ScriptedMachine(answers)
        self.voice = voice or FakeVoice()
        self.recogniser = recogniser or FakeRecogniser()
        self.session = CallSession(
            self.line,
            self.machine,
            Senses(
                ear=Ear(self.recogniser, TranscriberSettings(), "en-US"),
                voice=Voice(self.voice, VoiceSettings(), "en-US", fallback),
                mind=None if model is None else Mind(model, ModelSettings()),
            ),
        )

    async def hold(self) -> EndReason:
        before = asyncio.all_tasks()
        async with asyncio.timeout(5):
            reason = await self.session.run()
        assert asyncio.all_tasks() <= before, "something of the call is left"
        return reason

    def happens(self, *events: media.Event | LineHungUp) -> None:
        for event in events:
            assert not isinstance(event, media.RecordingChunk | media.LineClosed)
            self.line.events.put_nowait(event)


HANG_UP: list[Effect] = [HangUp("callee_hangup")]


def test_the_far_end_hanging_up_ends_the_call_and_every_task() -> None:
    async def main() -> None:
        scene = Scene({HungUp(): HANG_UP})
        scene.happens(LineHungUp("bye", 16))
        assert await scene.hold() is EndReason.CALLEE_HANGUP
        assert scene.machine.heard == [Answered(), HungUp()]
        assert scene.session.hangup_cause == 16

    asyncio.run(main())


def test_an_utterance_is_spoken_and_reported_from_first_packet_to_last() -> None:
    async def main() -> None:
        end = UtteranceEnded(1, 1.0, 1.0, True)
        scene = Scene(
            {Answered(): [Speak(1, "Hello.")], UtteranceStarted(1, 1.0): [], end: HANG_UP}
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.hold())
            while "end 1" not in scene.line.log:
                await asyncio.sleep(0)
            scene.line.played(1)
        assert scene.voice.said == ["Hello."]
        assert scene.machine.heard == [Answered(), UtteranceStarted(1, 1.0), end]

    asyncio.run(main())


def test_stopping_reports_what_was_heard_and_what_never_began() -> None:
    async def main() -> None:
        begun = UtteranceStarted(1, 1.0)
        cut = UtteranceEnded(1, 0.5, 1.0, False)
        scene = Scene(
            {
                Answered(): [Speak(1, "Hello."), Speak(2, "Second.")],
                begun: [StopSpeaking()],
                cut: HANG_UP,
            },
            voice=FakeVoice(endless=True),
        )
        await scene.hold()
        ended = [event for event in scene.machine.heard if isinstance(event, UtteranceEnded)]
        assert ended[0] == UtteranceEnded(2, 0.0, len("Second.") * SECONDS_PER_CHARACTER, False)
        assert ended[1] == cut
        assert scene.line.log == ["begin 1", "stop"]

    asyncio.run(main())


def test_a_voice_that_fails_is_an_event_and_the_fallback_speaks_instead() -> None:
    async def main() -> None:
        failed = ProviderFailed(ProviderKind.TEXT_TO_SPEECH, "no voice today", True, 1)
        fallback = FakeVoice()
        scene = Scene(
            {
                Answered(): [Speak(1, "Hello.")],
                failed: [Speak(2, "Sorry.", fallback=True)],
                UtteranceStarted(2, 1.0): HANG_UP,
            },
            voice=FakeVoice(problem="no voice today"),
            fallback=fallback,
        )
        await scene.hold()
        assert fallback.said == ["Sorry."]
        assert "begin 1" not in scene.line.log

    asyncio.run(main())


def test_speech_goes_to_the_recogniser_with_preroll_and_comes_back_as_words() -> None:
    async def main() -> None:
        words = Transcribed(7, "yes", True, 0.9)
        scene = Scene({Answered(): [Listen(7, ("yes", "no"))], words: HANG_UP})
        scene.line.position = 20_000
        scene.happens(
            media.SpeechStarted(0, 3.0, 16_000),
            media.SpeechStopped(0, 3.4, 19_200),
        )
        await scene.hold()
        assert scene.machine.heard == [
            Answered(), SpeechStarted(3.0), SpeechStopped(3.4), words,
        ]  # fmt: skip
        assert scene.recogniser.phrases == [("yes", "no")]
        assert scene.recogniser.turns[0].samples == 4_000 + PREROLL

    asyncio.run(main())


def test_a_new_turn_drops_the_words_of_the_one_before() -> None:
    async def main() -> None:
        scene = Scene(
            {
                Answered(): [Listen(1, ())],
                DigitPressed("1"): [Listen(2, ())],
                Transcribed(2, "yes", True, 0.9): HANG_UP,
            }
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.hold())
            scene.happens(media.SpeechStarted(0, 3.0, 4000))
            while len(scene.recogniser.turns) < 1:
                await asyncio.sleep(0)
            scene.happens(media.DigitReceived(0, 3.2, "1"))
            while len(scene.recogniser.turns) < 2:
                await asyncio.sleep(0)
            scene.happens(media.SpeechStopped(0, 3.4, 7000))
        assert [e.turn for e in scene.machine.heard if isinstance(e, Transcribed)] == [2]

    asyncio.run(main())


def test_a_recogniser_that_fails_is_an_event() -> None:
    async def main() -> None:
        failed = ProviderFailed(ProviderKind.SPEECH_TO_TEXT, "deaf", False, 1)
        scene = Scene(
            {Answered(): [Listen(1, ())], failed: HANG_UP},
            recogniser=FakeRecogniser(problem="deaf"),
        )
        scene.happens(media.SpeechStarted(0, 3.0, 4000), media.SpeechStopped(0, 3.4, 7000))
        await scene.hold()

    asyncio.run(main())


def test_a_reply_comes_sentence_by_sentence() -> None:
    async def main() -> None:
        scene = Scene(
            {Answered(): [Generate(3, (Message(Role.USER, "hi"),))], ReplyFinished(3): HANG_UP},
            model=FakeModel("Good mor", "ning. How ", "are you?"),
        )
        await scene.hold()
        assert scene.machine.heard[1:] == [
            ReplySentence(3, "Good morning."),
            ReplySentence(3, "How are you?"),
            ReplyFinished(3),
        ]

    asyncio.run(main())


def test_a_model_that_breaks_off_is_an_event() -> None:
    async def main() -> None:
        failed = ProviderFailed(ProviderKind.LANGUAGE_MODEL, "overloaded", True, 3)
        scene = Scene(
            {Answered(): [Generate(3, ())], failed: HANG_UP},
            model=FakeModel("Good", problem="overloaded"),
        )
        await scene.hold()

    asyncio.run(main())


def test_an_agent_without_a_model_says_so() -> None:
    async def main() -> None:
        missing = "no language model is configured"
        failed = ProviderFailed(ProviderKind.LANGUAGE_MODEL, missing, False, 3)
        scene = Scene({Answered(): [Generate(3, ())], failed: HANG_UP})
        await scene.hold()

    asyncio.run(main())
