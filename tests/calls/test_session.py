"""A live call with a scripted conversation: what reaches the machine, and what it asks for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from strowger.agent import (
    AgentDefinition,
    HttpTool,
    McpTool,
    ModelSettings,
    TranscriberSettings,
    VoiceSettings,
)
from strowger.calls.failures import Failures
from strowger.calls.listening import PREROLL, Ear
from strowger.calls.replying import Mind
from strowger.calls.session import CallSession, Senses
from strowger.calls.speaking import SECONDS_PER_CHARACTER, Voice
from strowger.calls.using import Hands
from strowger.conversation.dialogue import Message, Role, ToolCall
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    Become,
    CancelReply,
    DigitPressed,
    DropTool,
    Effect,
    Event,
    FetchAgent,
    FindTools,
    FoundTool,
    Generate,
    HangUp,
    HungUp,
    Listen,
    PauseJudged,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    SendDigits,
    Speak,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transcribed,
    Transfer,
    TransferAccepted,
    TurnHint,
    TurnHinted,
    UseTool,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.errors import CallRefused, NotFound, ToolFailed, Unavailable
from strowger.lifecycle import EndReason
from strowger.media import events as media
from strowger.ports import LineHungUp, TurnJudge, TurnSign, Word
from tests.calls.fakes import PCM, FakeLine, FakeModel, FakeRecogniser, FakeVoice

Answer = Callable[[Event], list[Effect]]


class ScriptedMachine:
    """Answers each event by a table, and remembers all of them."""

    def __init__(self, answers: list[tuple[Event, list[Effect]]]) -> None:
        self.heard: list[Event] = []
        self._last: type[Event] | None = None
        self._answers = answers

    def ends_on(self, kind: type[Event]) -> None:
        """Hang up on the first event of that kind."""
        self._last = kind

    def receive(self, event: Event, *, now: float) -> list[Effect]:
        self.heard.append(event)
        if self._last is not None and isinstance(event, self._last):
            return HANG_UP
        return next((effects for known, effects in self._answers if known == event), [])

    def handle_timer(self, *, now: float) -> list[Effect]:
        return [HangUp("max_duration")]

    def next_timer(self) -> float | None:
        return None


class Scene:
    """A call whose parts the test can reach."""

    def __init__(
        self,
        answers: dict[Event, list[Effect]] | list[tuple[Event, list[Effect]]],
        *,
        voice: FakeVoice | None = None,
        recogniser: FakeRecogniser | None = None,
        model: FakeModel | None = None,
        fallback: FakeVoice | None = None,
        hands: Hands | None = None,
        judge: TurnJudge | None = None,
        become: Callable[[AgentDefinition], tuple[Voice, Mind | None]] | None = None,
    ) -> None:
        self.line = FakeLine()
        self.machine = ScriptedMachine(
            list(answers.items()) if isinstance(answers, dict) else answers
        )
        self.voice = voice or FakeVoice()
        self.recogniser = recogniser or FakeRecogniser()
        self.session = CallSession(
            self.line,
            self.machine,
            Senses(
                ear=Ear(self.recogniser, TranscriberSettings(), "en-US", judge),
                voice=Voice(self.voice, VoiceSettings(), "en-US", fallback),
                mind=None if model is None else Mind(model, ModelSettings()),
                hands=hands,
            ),
            become,
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


def test_the_recogniser_is_got_ready_for_each_question_before_it_is_answered() -> None:
    async def main() -> None:
        scene = Scene(
            {
                Answered(): [Listen(1, ("yes", "no"))],
                DigitPressed("1"): [Listen(2, ("yes", "no"))],
                DigitPressed("2"): [Listen(3, ("friday",))],
                HungUp(): HANG_UP,
            }
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.hold())
            for digit in ("1", "2"):
                scene.happens(media.DigitReceived(0, 3.2, digit))
                for _ in range(20):
                    await asyncio.sleep(0)
            scene.happens(LineHungUp("bye", 16))
        assert scene.recogniser.warmed_for == [(), ("yes", "no"), ("friday",)]

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


def test_what_a_call_ended_with_is_what_failed_last_and_was_not_mended() -> None:
    failures = Failures()
    assert failures.told() is None
    failures.note(ProviderFailed(ProviderKind.SPEECH_TO_TEXT, "deaf", True, 1))
    failures.note(ProviderFailed(ProviderKind.LANGUAGE_MODEL, "overloaded", True, 1))
    assert failures.told() == "deaf; overloaded"
    failures.note(Transcribed(2, "hello", False))
    failures.note(ProviderFailed(ProviderKind.LANGUAGE_MODEL, "no credit left", False, 2))
    assert failures.told() == "no credit left"


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


def test_a_reply_that_is_called_off_has_the_model_made_ready_for_the_next() -> None:
    async def main() -> None:
        model = FakeModel("Good morning.")
        scene = Scene(
            {
                Answered(): [Generate(3, ()), CancelReply(3), Generate(4, ())],
                ReplyFinished(4): HANG_UP,
            },
            model=model,
        )
        await scene.hold()
        assert model.warmed == 1, "the first one gave way to the second"

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


# ── tools ────────────────────────────────────────────────────────────────────────────────────

BOOK = HttpTool(type="http", name="book", description="Book.", url="https://example.com/")


class FakeToolbox:
    """Answers with the arguments, fails, or never answers."""

    def __init__(self, *, problem: str | None = None, hangs: bool = False) -> None:
        self.used: list[tuple[str, str, str]] = []
        self._problem = problem
        self._hangs = hangs

    async def use(self, tool: HttpTool | McpTool, remote: str, arguments: str, *, key: str) -> str:
        self.used.append((tool.name, arguments, key))
        if self._hangs:
            await asyncio.Event().wait()
        if self._problem is not None:
            raise ToolFailed(self._problem)
        return f"done {arguments}"

    async def find(self, server: McpTool) -> list[FoundTool]:
        if self._problem is not None:
            raise ToolFailed(self._problem)
        return [FoundTool("stock", "How many.", "{}")]


class Notes:
    """What was written down before it was done."""

    def __init__(self, *before: int) -> None:
        self.uses = set(before)

    async def note(self, use: int, name: str, arguments: str) -> bool:
        noted = use not in self.uses
        self.uses.add(use)
        return noted


async def fetch_agent(agent: str) -> AgentDefinition:
    if agent == "agent_1":
        return AgentDefinition(name="Billing", prompt="Count.")
    raise NotFound("no such agent")


class Lines:
    """Of a trunk: how many calls it carries besides the callee's, and whether it is full."""

    def __init__(self, *, full: bool = False) -> None:
        self.log: list[str] = []
        self._full = full

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        if self._full:
            raise Unavailable("the trunk is full")
        self.log.append("taken")
        try:
            yield
        finally:
            self.log.append("given back")


def hands(toolbox: FakeToolbox, notes: Notes | None = None, lines: Lines | None = None) -> Hands:
    return Hands(
        toolbox=toolbox,
        call_id="call_1",
        note=(notes or Notes()).note,
        fetch_agent=fetch_agent,
        second_line=(lines or Lines()).one,
    )


def test_a_tool_is_noted_used_with_a_key_of_its_own_and_answered() -> None:
    async def main() -> None:
        toolbox, notes = FakeToolbox(), Notes()
        scene = Scene(
            {
                Answered(): [UseTool(1, BOOK, "", "{}")],
                ToolFinished(1, True, "done {}"): HANG_UP,
            },
            hands=hands(toolbox, notes),
        )
        await scene.hold()
        assert toolbox.used == [("book", "{}", "call_1-1")]
        assert notes.uses == {1}

    asyncio.run(main())


def test_a_use_that_was_noted_before_is_never_made_again() -> None:
    async def main() -> None:
        toolbox = FakeToolbox()
        scene = Scene({Answered(): [UseTool(1, BOOK, "", "{}")]}, hands=hands(toolbox, Notes(1)))
        scene.machine.ends_on(ToolFinished)
        await scene.hold()
        assert toolbox.used == []
        (finished,) = (e for e in scene.machine.heard if isinstance(e, ToolFinished))
        assert not finished.ok and "asked for before" in finished.result

    asyncio.run(main())


def test_a_tool_that_fails_is_an_event_and_one_that_hangs_ends_with_the_call() -> None:
    async def main() -> None:
        failed = ToolFinished(1, False, "out of tables")
        scene = Scene(
            {Answered(): [UseTool(1, BOOK, "", "{}")], failed: HANG_UP},
            hands=hands(FakeToolbox(problem="out of tables")),
        )
        await scene.hold()
        hanging = Scene(
            {Answered(): [UseTool(1, BOOK, "", "{}")], HungUp(): HANG_UP},
            hands=hands(FakeToolbox(hangs=True)),
        )
        hanging.happens(LineHungUp("bye", 16))
        await hanging.hold()

    asyncio.run(main())


def test_a_tool_that_nobody_waits_for_any_more_is_stopped() -> None:
    async def main() -> None:
        scene = Scene(
            {
                Answered(): [UseTool(1, BOOK, "", "{}")],
                DigitPressed("1"): [DropTool(1)],
                DigitPressed("2"): HANG_UP,
            },
            hands=hands(FakeToolbox(hangs=True)),
        )
        scene.happens(media.DigitReceived(0, 3.2, "1"), media.DigitReceived(0, 3.3, "2"))
        await scene.hold()
        assert not [e for e in scene.machine.heard if isinstance(e, ToolFinished)]

    asyncio.run(main())


def test_tools_of_a_server_are_found_or_none_where_it_fails() -> None:
    async def main(toolbox: FakeToolbox) -> ToolsFound:
        server = McpTool(type="mcp", name="shop", url="https://example.com/")
        scene = Scene({Answered(): [FindTools(server)]}, hands=hands(toolbox))
        scene.machine.ends_on(ToolsFound)
        await scene.hold()
        (found,) = (e for e in scene.machine.heard if isinstance(e, ToolsFound))
        return found

    assert [tool.name for tool in asyncio.run(main(FakeToolbox())).tools] == ["stock"]
    assert asyncio.run(main(FakeToolbox(problem="down"))).tools == ()


def test_the_callee_is_put_through_or_not() -> None:
    async def main(problem: str | None) -> list[Event]:
        scene = Scene({Answered(): [Transfer(1, "+14155550111")]})
        scene.line.transfer_problem = problem
        scene.machine.ends_on(ToolFinished)
        await scene.hold()
        assert scene.line.log == ["transfer +14155550111"]
        return scene.machine.heard[1:]

    assert asyncio.run(main(None)) == [
        TransferAccepted(1), ToolFinished(1, True, "put through"),
    ]  # fmt: skip
    assert asyncio.run(main("busy")) == [ToolFinished(1, False, "busy")]


def consults(
    *answering: media.Event | LineHungUp,
    busy: CallRefused | None = None,
    problem: str | None = None,
    lines: Lines | None = None,
) -> tuple[list[Event], list[str], list[str]]:
    """What the conversation hears, what its line and the other one do, in an attended transfer."""

    async def main() -> tuple[list[Event], list[str], list[str]]:
        transfer = Transfer(1, "+14155550111", "Ann Bee asks about her bill.")
        scene = Scene({Answered(): [transfer]}, hands=hands(FakeToolbox(), lines=lines))
        other = scene.line.consulted = FakeLine()
        for event in answering:
            assert not isinstance(event, media.RecordingChunk | media.LineClosed)
            other.events.put_nowait(event)
        scene.line.consult_refusal, scene.line.transfer_problem = busy, problem
        scene.machine.ends_on(ToolFinished)
        await scene.hold()
        assert scene.voice.said == (["Ann Bee asks about her bill."] if other.log else [])
        return scene.machine.heard[1:], scene.line.log, other.log

    return asyncio.run(main())


HELLO = media.SpeechStopped(0, 3.0, 100)
TOLD = media.PlayoutEnded(0, 4.0, 1, 8000, True)


def test_who_is_to_take_over_is_called_and_told_before_the_callee_is_put_through() -> None:
    lines = Lines()
    heard, ours, theirs = consults(HELLO, TOLD, lines=lines)
    assert heard == [TransferAccepted(1), ToolFinished(1, True, "put through")]
    assert ours == [
        "consult +14155550111", "transfer whom was consulted", "consultation over",
    ]  # fmt: skip
    assert theirs == ["begin 1", "end 1"]
    assert lines.log == ["taken", "given back"]


def test_nobody_is_called_where_the_trunk_is_full() -> None:
    heard, ours, theirs = consults(lines=Lines(full=True))
    assert heard == [ToolFinished(1, False, "the trunk is full")]
    assert (ours, theirs) == ([], [])


def test_the_callee_stays_where_nobody_takes_him_over() -> None:
    lines = Lines()
    heard, ours, theirs = consults(busy=CallRefused(486, "Busy Here"), lines=lines)
    assert lines.log == ["taken", "given back"]
    assert heard == [ToolFinished(1, False, "who was called did not answer: 486 Busy Here")]
    assert (ours, theirs) == (["consult +14155550111"], [])
    heard, ours, _ = consults(HELLO, LineHungUp("bye"))
    assert heard == [ToolFinished(1, False, "who was called has hung up")]
    assert ours == ["consult +14155550111", "consultation over"]
    cut_off = media.PlayoutEnded(0, 4.0, 1, 4000, False)
    heard, ours, _ = consults(HELLO, cut_off, LineHungUp("bye"))
    assert heard == [ToolFinished(1, False, "who was called has hung up")]
    assert ours == ["consult +14155550111", "consultation over"]
    heard, ours, _ = consults(HELLO, media.MediaLost(0, 3.5, 0.0), TOLD)
    assert heard == [ToolFinished(1, False, "the sound of who was called is lost")]
    assert ours == ["consult +14155550111", "consultation over"]
    heard, ours, _ = consults(HELLO, TOLD, problem="not put through: 603 Decline")
    assert heard == [ToolFinished(1, False, "not put through: 603 Decline")]
    assert ours[-1] == "consultation over"


def test_an_agent_that_takes_over_speaks_with_its_own_voice_and_thinks_for_itself() -> None:
    async def main() -> None:
        other, model = FakeVoice(), FakeModel("Good evening.")
        billing = AgentDefinition(name="Billing", prompt="Count.")

        def become(agent: AgentDefinition) -> tuple[Voice, Mind | None]:
            assert agent == billing
            return Voice(other, VoiceSettings(), "en-US", None), Mind(model, ModelSettings())

        scene = Scene(
            [
                (Answered(), [FetchAgent(1, "agent_1")]),
                (
                    AgentFetched(1, billing),
                    [Become(billing), Generate(1, ()), Speak(1, "Hi.")],
                ),
                (UtteranceStarted(1, 1.0), HANG_UP),
            ],
            hands=hands(FakeToolbox()),
            become=become,
        )
        await scene.hold()
        assert other.said == ["Hi."] and scene.voice.said == []
        assert model.asked == [()]

    asyncio.run(main())


def test_an_agent_that_is_not_there_is_an_answer_too() -> None:
    async def main() -> None:
        missing = ToolFinished(1, False, "no such agent")
        scene = Scene(
            {Answered(): [FetchAgent(1, "agent_2")], missing: HANG_UP},
            hands=hands(FakeToolbox()),
        )
        await scene.hold()

    asyncio.run(main())


def test_keys_are_pressed_on_the_line() -> None:
    async def main() -> None:
        scene = Scene({Answered(): [SendDigits("12#"), *HANG_UP]})
        await scene.hold()
        assert scene.line.log == ["digits 12#"]

    asyncio.run(main())


def test_a_model_that_asks_for_a_tool_is_told_to_the_conversation_after_its_words() -> None:
    async def main() -> None:
        call = ToolCall("c1", "book", "{}")
        scene = Scene(
            {Answered(): [Generate(3, ())], ReplyFinished(3): HANG_UP},
            model=FakeModel("Let me ", "look", call),
        )
        await scene.hold()
        assert scene.machine.heard[1:] == [
            ReplySentence(3, "Let me look"),
            ToolRequested(3, "c1", "book", "{}"),
            ReplyFinished(3),
        ]

    asyncio.run(main())


# ── turn-taking ──────────────────────────────────────────────────────────────────────────────


class TimedVoice(FakeVoice):
    """Two words of half a second each."""

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        self.said.append(text)
        yield Word("Hello", 0.0, 0.5)
        yield PCM * 4000
        yield Word("there", 0.5, 1.0)
        yield PCM * 4000


def test_where_the_voice_tells_its_words_they_are_counted_at_the_cut() -> None:
    async def main() -> None:
        cut = UtteranceEnded(1, 0.5, 1.0, False, 1)
        scene = Scene(
            {
                Answered(): [Speak(1, "Hello there.")],
                DigitPressed("1"): [StopSpeaking()],
                cut: HANG_UP,
            },
            voice=TimedVoice(),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.hold())
            while "end 1" not in scene.line.log:
                await asyncio.sleep(0)
            scene.happens(media.DigitReceived(0, 3.2, "1"))
        assert cut in scene.machine.heard

    asyncio.run(main())


def test_the_sound_that_was_cut_off_goes_on_without_being_spoken_again() -> None:
    async def main() -> None:
        scene = Scene(
            {
                Answered(): [Speak(1, "Hello there.")],
                DigitPressed("1"): [StopSpeaking()],
                UtteranceEnded(1, 0.5, 1.0, False, 1): [Speak(2, "there.", after=1, skip=0.5)],
            },
            voice=TimedVoice(),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.hold())
            while "end 1" not in scene.line.log:
                await asyncio.sleep(0)
            scene.happens(media.DigitReceived(0, 3.2, "1"))
            while "end 2" not in scene.line.log:
                await asyncio.sleep(0)
            scene.machine.ends_on(UtteranceEnded)
            scene.line.played(2)
        assert scene.machine.heard[-1] == UtteranceEnded(2, 0.5, 0.5, True)
        assert scene.voice.said == ["Hello there."]

    asyncio.run(main())


def test_the_rest_is_spoken_where_its_sound_is_not_at_hand() -> None:
    async def main() -> None:
        scene = Scene({Answered(): [Speak(2, "there.", after=1, skip=0.5)]})
        scene.machine.ends_on(UtteranceStarted)
        await scene.hold()
        assert scene.voice.said == ["there."]

    asyncio.run(main())


def test_what_a_recogniser_says_of_the_turns_end_reaches_the_conversation() -> None:
    async def main() -> None:
        hinted = TurnHinted(7, TurnHint.OVER)
        scene = Scene(
            {Answered(): [Listen(7, ())], hinted: HANG_UP},
            recogniser=FakeRecogniser(sign=TurnSign.OVER),
        )
        scene.happens(media.SpeechStarted(0, 3.0, 4000), media.SpeechStopped(0, 3.4, 7000))
        await scene.hold()

    asyncio.run(main())


class FakeJudge:
    """Says that every turn is over, and how much it has listened to."""

    def __init__(self) -> None:
        self.samples: list[int] = []

    async def judge(self, pcm: bytes) -> float | None:
        self.samples.append(len(pcm) // 2)
        return 0.9


def test_the_turn_model_listens_once_to_every_pause() -> None:
    async def main() -> None:
        judge = FakeJudge()
        judged = PauseJudged(3.4, 0.9)
        scene = Scene({Answered(): [Listen(7, ())], judged: HANG_UP}, judge=judge)
        scene.line.position = 100_000
        scene.happens(media.SpeechStarted(0, 3.0, 96_000), media.SpeechStopped(0, 3.4, 99_000))
        await scene.hold()
        assert judge.samples == [64_000]

    asyncio.run(main())
