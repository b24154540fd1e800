"""A live call that a scripted service holds: what reaches the line, the service, the machine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from strowger.agent import AgentDefinition, SpeechToSpeechSettings, VoiceSettings
from strowger.calls.speech_to_speech.session import Means, SpokenSession
from strowger.calls.switching import Switches
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    HangUp,
    HungUp,
    ProviderKind,
    SendDigits,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolRequested,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    Brief,
    CalleeBegan,
    Connect,
    Connected,
    ItemOver,
    ReportHeard,
    Say,
    SayPlainly,
    ServiceFailed,
    ServiceLeft,
    SoundBegan,
    SpokenEffect,
    SpokenEvent,
    ToService,
)
from strowger.errors import ProviderError
from strowger.lifecycle import EndReason
from strowger.media import events as media
from strowger.model import ProviderSwitch
from strowger.ports import DialogueEvent, LineHungUp, Sound, Word
from tests.calls.fakes import PCM, FakeLine, FakeVoice

BRIEF = Brief(
    settings=SpeechToSpeechSettings(provider="openai"),
    instructions="",
    first_message="",
    waits_for_callee=False,
    language="en-US",
)
SECOND = PCM * 8000
HANG_UP: list[SpokenEffect] = [HangUp("agent_hangup")]


@dataclass
class FakeDialogue:
    """Says what it is scripted to, then waits, fails or leaves."""

    script: Sequence[DialogueEvent | ProviderError | None]
    """None for the service to leave."""
    greets = False
    resumes = True
    is_open = True
    heard: bytearray = field(default_factory=bytearray)
    told: list[ToService] = field(default_factory=list)
    closed: bool = False

    async def send(self, pcm: bytes) -> None:
        self.heard += pcm

    async def tell(self, what: ToService) -> None:
        self.told.append(what)

    async def events(self) -> AsyncIterator[DialogueEvent]:
        for event in self.script:
            if event is None:
                return
            if isinstance(event, ProviderError):
                raise event
            yield event
            await asyncio.sleep(0)
        await asyncio.sleep(3600)


class FakeService:
    """One dialogue after the other."""

    greets = False

    def __init__(self, *scripts: Sequence[DialogueEvent | ProviderError | None]) -> None:
        self.dialogues = [FakeDialogue(script) for script in scripts]
        self.briefs: list[Brief] = []

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator[FakeDialogue]:
        dialogue = self.dialogues[len(self.briefs)]
        self.briefs.append(brief)
        try:
            yield dialogue
        finally:
            dialogue.closed = True


class ScriptedMachine:
    """Answers each kind of event by a table, and remembers all of them."""

    def __init__(self, answers: dict[type[SpokenEvent], list[SpokenEffect]]) -> None:
        self.heard: list[SpokenEvent] = []
        self._answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
            Answered: [Connect(1, BRIEF)],
            HungUp: HANG_UP,
            **answers,
        }

    def receive(self, event: SpokenEvent, *, now: float) -> list[SpokenEffect]:
        self.heard.append(event)
        return self._answers.get(type(event), [])

    def handle_timer(self, *, now: float) -> list[SpokenEffect]:
        return HANG_UP

    def next_timer(self) -> float | None:
        return None

    def of(self, *kinds: type[SpokenEvent]) -> list[SpokenEvent]:
        return [event for event in self.heard if isinstance(event, kinds)]


class Scene:
    def __init__(
        self,
        answers: dict[type[SpokenEvent], list[SpokenEffect]],
        *scripts: Sequence[DialogueEvent | ProviderError | None],
        fallback: FakeVoice | None = None,
        switches: Switches | None = None,
    ) -> None:
        self.line = FakeLine()
        self.machine = ScriptedMachine(answers)
        self.service = FakeService(*(scripts or ([],)))
        means = Means(lambda settings: self.service, fallback, "en-US", switches=switches)
        self.session = SpokenSession(self.line, self.machine, means)

    async def hold(self) -> EndReason:
        before = asyncio.all_tasks()
        async with asyncio.timeout(5):
            reason = await self.session.run()
        assert asyncio.all_tasks() <= before, "something of the call is left"
        assert all(each.closed for each in self.service.dialogues[: len(self.service.briefs)])
        return reason

    def happens(self, *events: media.Event | LineHungUp) -> None:
        for event in events:
            assert not isinstance(event, media.RecordingChunk | media.LineClosed)
            self.line.events.put_nowait(event)


def held(scene: Scene) -> Scene:
    asyncio.run(scene.hold())
    return scene


def test_what_happens_on_the_line_reaches_the_conversation() -> None:
    async def main() -> None:
        scene = Scene({})
        scene.happens(
            media.SpeechStarted(0, 1.0, 8000),
            media.SpeechStopped(0, 2.0, 16000),
            media.DigitReceived(0, 2.5, "7"),
            LineHungUp("BYE", 16),
        )
        assert await scene.hold() is EndReason.AGENT_HANGUP
        wanted = [SpeechStarted(1.0), SpeechStopped(2.0), DigitPressed("7"), HungUp()]
        assert scene.machine.of(SpeechStarted, SpeechStopped, DigitPressed, HungUp) == wanted
        assert scene.session.hangup_cause == 16

    asyncio.run(main())


def test_sound_is_played_and_what_was_heard_is_told() -> None:
    words = (Word("one", 0.0, 0.4), Word("two", 0.5, 0.9))
    script: list[DialogueEvent] = [
        Sound("a", SECOND, words),
        Sound("a", SECOND),
        ItemOver("a"),
    ]

    async def main() -> Scene:
        scene = Scene({UtteranceEnded: HANG_UP}, script)
        holding = asyncio.create_task(scene.hold())
        while "end 1" not in scene.line.log:
            await asyncio.sleep(0)
        scene.line.played(1)
        await holding
        return scene

    scene = asyncio.run(main())
    assert scene.machine.of(SoundBegan) == [SoundBegan(1, "1.a")]
    assert scene.machine.of(UtteranceStarted) == [UtteranceStarted(1, 1.0, 0.0)]
    assert scene.machine.of(UtteranceEnded) == [UtteranceEnded(1, 2.0, 2.0, True, 2)]


def test_an_interruption_cuts_the_playout_and_drops_what_still_comes_of_the_item() -> None:
    words = (Word("one", 0.0, 0.4), Word("two", 0.5, 0.9))
    script: list[DialogueEvent] = [
        Sound("a", SECOND, words),
        Sound("b", SECOND),
        CalleeBegan("c"),
        *(Sound("a", SECOND) for _ in range(9)),
    ]
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        CalleeBegan: [StopSpeaking()],
    }

    async def main() -> Scene:
        scene = Scene(answers, script)
        holding = asyncio.create_task(scene.hold())
        while len(scene.machine.of(UtteranceEnded)) < 2:
            await asyncio.sleep(0)
        scene.happens(LineHungUp("BYE"))
        await holding
        return scene

    scene = asyncio.run(main())
    assert "stop" in scene.line.log
    assert UtteranceEnded(1, 0.5, 1.0, False, 1) in scene.machine.of(UtteranceEnded)
    assert len(scene.machine.of(SoundBegan)) == 2


def test_a_stretch_ends_where_no_more_sound_comes_and_what_follows_is_another() -> None:
    async def main() -> Scene:
        scene = Scene({}, [Sound("a", PCM * 80)])
        holding = asyncio.create_task(scene.hold())
        while "end 1" not in scene.line.log:
            await asyncio.sleep(0.01)
        scene.session._player.sound(Sound("1.a", PCM * 80))
        while "begin 2" not in scene.line.log and not holding.done():
            await asyncio.sleep(0.01)
        scene.happens(LineHungUp("BYE"))
        await holding
        return scene

    assert asyncio.run(main()).machine.of(SoundBegan) == [
        SoundBegan(1, "1.a"),
        SoundBegan(2, "1.a"),
    ]


def test_the_service_hears_the_callee_and_is_told_what_it_is_asked() -> None:
    heard: list[SpokenEffect] = [
        Say("Hello."),
        ReportHeard("1.a", 0.5),
        ReportHeard("7.b", 0.5),
        SendDigits("1"),
    ]

    async def main() -> Scene:
        scene = Scene({Connected: heard})
        holding = asyncio.create_task(scene.hold())
        dialogue = scene.service.dialogues[0]
        while len(dialogue.told) < 2:
            await asyncio.sleep(0)
        scene.line.position += 800
        while len(dialogue.heard) < 1600:
            await asyncio.sleep(0.01)
        scene.happens(LineHungUp("BYE"))
        await holding
        return scene

    scene = asyncio.run(main())
    (dialogue,) = scene.service.dialogues
    assert dialogue.told == [Say("Hello."), ReportHeard("a", 0.5)]
    assert bytes(dialogue.heard) == PCM * 800
    assert "digits 1" in scene.line.log


def test_a_connection_that_fails_is_told_and_left_for_the_next() -> None:
    failure = ProviderError("openai broke off", retryable=True)
    again: list[SpokenEffect] = [Connect(2, BRIEF)]
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        ServiceFailed: again,
        AgentWords: HANG_UP,
    }
    scene = held(Scene(answers, [failure], [AgentWords("a", "Hi", True)]))
    assert scene.machine.of(Connected) == [Connected(1, False, True), Connected(2, False, True)]
    assert scene.machine.of(ServiceFailed) == [ServiceFailed(1, "openai broke off", True)]
    assert scene.session.problem == "openai broke off"
    assert scene.machine.of(AgentWords) == [AgentWords("2.a", "Hi", True)]


def test_a_service_that_is_not_configured_fails_like_any_other() -> None:
    def missing(settings: SpeechToSpeechSettings) -> FakeService:
        raise ProviderError("no such service", retryable=False)

    async def main() -> None:
        line, machine = FakeLine(), ScriptedMachine({ServiceFailed: HANG_UP})
        session = SpokenSession(line, machine, Means(missing, None, "en-US"))
        async with asyncio.timeout(5):
            await session.run()
        assert machine.of(ServiceFailed) == [ServiceFailed(1, "no such service", False)]

    asyncio.run(main())


class Hasty(FakeDialogue):
    """Says all that it has to say at once."""

    async def events(self) -> AsyncIterator[DialogueEvent]:
        for event in self.script:
            assert isinstance(event, AgentWords | ToolRequested)
            yield event
        await asyncio.sleep(3600)


def test_what_a_service_wanted_that_was_left_meanwhile_is_not_done() -> None:
    wishes: list[DialogueEvent] = [
        AgentWords("a", "Hi", True),
        ToolRequested(0, "use 1", "book", "{}"),
        AgentWords("b", "Ho", True),
    ]
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        AgentWords: [Connect(2, BRIEF)],
        ToolRequested: HANG_UP,
    }

    async def main() -> Scene:
        scene = Scene(answers, [], [])
        scene.service.dialogues[0] = Hasty(wishes)
        holding = asyncio.create_task(scene.hold())
        while len(scene.machine.of(Connected)) < 2 and not holding.done():
            await asyncio.sleep(0)
        scene.happens(LineHungUp("BYE"))
        await holding
        return scene

    scene = asyncio.run(main())
    assert scene.machine.of(AgentWords, ToolRequested) == [AgentWords("1.a", "Hi", True)]


def test_two_who_speak_at_a_time_are_heard_one_after_the_other() -> None:
    async def main() -> Scene:
        scene = Scene({}, [])
        holding = asyncio.create_task(scene.hold())
        player = scene.session._player
        for _ in range(3):
            player.sound(Sound("plain 1", SECOND))
            player.sound(Sound("1.a", SECOND))
        player.over("plain 1")
        while "begin 2" not in scene.line.log and not holding.done():
            await asyncio.sleep(0)
        player.over("1.a")
        while "end 2" not in scene.line.log and not holding.done():
            await asyncio.sleep(0)
        scene.happens(LineHungUp("BYE"))
        await holding
        return scene

    scene = asyncio.run(main())
    assert scene.machine.of(SoundBegan) == [SoundBegan(1, "plain 1"), SoundBegan(2, "1.a")]
    assert scene.line.log == ["begin 1", "end 1", "begin 2", "end 2"]


def test_a_service_that_leaves_is_told() -> None:
    scene = held(Scene({ServiceLeft: HANG_UP}, [None]))
    assert scene.machine.of(ServiceLeft) == [ServiceLeft(1)]


def test_the_fallback_voice_says_what_the_service_does_not() -> None:
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        Connected: [SayPlainly("plain 1", "Sorry.")],
        ItemOver: HANG_UP,
    }
    voice = FakeVoice()
    scene = held(Scene(answers, fallback=voice))
    assert voice.said == ["Sorry."]
    assert scene.machine.of(SoundBegan, ItemOver) == [
        SoundBegan(1, "plain 1"),
        ItemOver("plain 1"),
    ]


class Polyglot(FakeVoice):
    """Remembers in which language it spoke."""

    language = ""

    def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        self.language = language
        return super().speak(text, settings, language=language)


def test_the_fallback_voice_speaks_the_language_of_the_agent_that_goes_on() -> None:
    colleague = Connect(2, replace(BRIEF, language="de-DE"))
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        AgentWords: [colleague, SayPlainly("plain 1", "Auf Wiederhören.")],
        ItemOver: HANG_UP,
    }
    voice = Polyglot()
    held(Scene(answers, [AgentWords("a", "Hi", True)], [], fallback=voice))
    assert voice.language == "de-DE"


def test_without_a_fallback_voice_or_with_one_that_fails_the_item_is_over_at_once() -> None:
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        Connected: [SayPlainly("plain 1", "Sorry.")],
        ItemOver: HANG_UP,
    }
    for voice in (None, FakeVoice(problem="no sound today")):
        scene = held(Scene(answers, fallback=voice))
        assert scene.machine.of(SoundBegan) == []


def test_a_service_that_goes_on_for_another_is_told_and_a_colleagues_own_is_none() -> None:
    def to(connection: int, provider: str) -> list[SpokenEffect]:
        settings = SpeechToSpeechSettings(provider=provider)
        return [Connect(connection, replace(BRIEF, settings=settings))]

    failure = ProviderError("openai broke off", retryable=True)
    answers: dict[type[SpokenEvent], list[SpokenEffect]] = {
        ServiceFailed: to(2, "second"),
        AgentFetched: to(3, "third"),
        ItemOver: HANG_UP,
    }
    scripts = ([failure], [AgentWords("a", "Hi", True)], [ItemOver("b")])
    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(ProviderKind.SPEECH_TO_SPEECH, "openai")

    async def main() -> None:
        scene = Scene(answers, *scripts, switches=switches)
        holding = asyncio.create_task(scene.hold())
        while not scene.machine.of(AgentWords):
            await asyncio.sleep(0)
        scene.session.tell(AgentFetched(1, AgentDefinition(name="colleague")))
        await holding
        assert len(scene.service.briefs) == 3

    asyncio.run(main())
    kind = ProviderKind.SPEECH_TO_SPEECH
    change = ProviderSwitch(kind=kind, before="openai", after="second", reason="openai broke off")
    assert told == [change]


def test_a_colleagues_first_service_that_is_never_there_is_told_of() -> None:
    """Nothing happens between his coming and the moment at which he is given up."""

    def to(connection: int, provider: str) -> list[SpokenEffect]:
        settings = SpeechToSpeechSettings(provider=provider)
        return [Connect(connection, replace(BRIEF, settings=settings))]

    class Impatient(ScriptedMachine):
        due: float | None = None

        def receive(self, event: SpokenEvent, *, now: float) -> list[SpokenEffect]:
            if isinstance(event, AgentFetched):
                self.due = now + 0.01
            return super().receive(event, now=now)

        def next_timer(self) -> float | None:
            return self.due

        def handle_timer(self, *, now: float) -> list[SpokenEffect]:
            self.due = None
            return to(3, "third")

    class NeverThere(FakeService):
        @asynccontextmanager
        async def converse(self, brief: Brief) -> AsyncIterator[FakeDialogue]:
            async with super().converse(brief) as dialogue:
                if brief.settings.provider == "second":
                    await asyncio.sleep(3600)
                yield dialogue

    told: list[ProviderSwitch] = []
    switches = Switches(told.append)
    switches.begin(ProviderKind.SPEECH_TO_SPEECH, "openai")

    async def main() -> None:
        scene = Scene({}, [], [], [AgentWords("c", "Hi", True)])
        scene.service = NeverThere([], [], [AgentWords("c", "Hi", True)])
        machine = Impatient({AgentFetched: to(2, "second"), AgentWords: HANG_UP})
        scene.machine = machine
        means = Means(lambda settings: scene.service, None, "en-US", switches=switches)
        scene.session = SpokenSession(scene.line, machine, means)
        holding = asyncio.create_task(scene.hold())
        while not machine.of(Connected):
            await asyncio.sleep(0)
        scene.session.tell(AgentFetched(1, AgentDefinition(name="colleague")))
        await holding

    asyncio.run(main())
    assert [(each.before, each.after) for each in told] == [("second", "third")]
    assert told[0].reason == "second did not answer in time"
