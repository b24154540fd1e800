"""Providers that go on with the next when one fails, in the middle of a turn."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from strowger.agent import (
    Fallback,
    ModelSettings,
    TranscriberSettings,
    VoiceFallback,
    VoiceSettings,
)
from strowger.conversation.dialogue import Message, OfferedTool, Role
from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import (
    LINE_RATE,
    LanguageModel,
    Recognised,
    Recognition,
    ReplyEnd,
    ReplyPart,
    ReplyText,
    SpeechToText,
    TextToSpeech,
    Word,
)
from strowger.providers.candidates import (
    AVOIDED_FOR,
    REMEMBERED_FOR,
    Candidate,
    Health,
    candidates,
)
from strowger.providers.fallback_ears import FallbackEars
from strowger.providers.fallback_model import FallbackModel
from strowger.providers.fallback_voice import FallbackVoice, Spoken

BROKEN = ProviderError("it broke", retryable=True)
SECOND = bytes(2 * LINE_RATE)


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test

    asyncio.run(bounded())


@dataclass
class Watcher:
    """A ProviderObserver that remembers."""

    answered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def provider_answered(self, kind: ProviderKind, name: str, seconds: float) -> None:
        self.answered.append(name)

    def provider_failed(self, kind: ProviderKind, name: str) -> None:
        self.failed.append(name)


@dataclass
class Witness:
    """A ProviderWatch that remembers."""

    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def provider_used(self, kind: ProviderKind, name: str, problems: Mapping[str, str]) -> None:
        self.seen.append((name, dict(problems)))


def test_a_call_that_begins_with_a_fallback_hears_what_another_found_wrong() -> None:
    shared, witness = Health(ProviderKind.LANGUAGE_MODEL), Witness()
    one, two = Candidate("a", None), Candidate("b", None)
    shared.failed(one, BROKEN, now=0.0, next=two)
    mine = shared.watched(witness)
    assert mine.ordered([one, two], now=1.0) == [two, one]
    mine.answered(two, 0.1)
    mine.answered(one, 0.1)
    shared.answered(two, 0.1)  # another call's
    assert witness.seen == [("b", {"a": "it broke"}), ("a", {})]


def test_a_call_hears_of_its_own_models_alone_and_by_the_names_it_has_for_them() -> None:
    settings = ModelSettings(
        provider="a",
        model="large",
        fallbacks=(Fallback(provider="a", model="small"), Fallback(provider="b")),
    )
    shared, witness = Health(ProviderKind.LANGUAGE_MODEL), Witness()
    mine = shared.watched(witness)
    large, small, other = mine.ordered(candidates("a", settings), now=0.0)
    shared.failed(large, BROKEN, now=0.0, next=small)
    for model, problem in (("small", "it is full"), ("secret", "a has no model secret")):
        theirs = Candidate("a", ModelSettings(provider="a", model=model))
        shared.failed(theirs, ProviderError(problem, retryable=True), now=0.0, next=None)
    mine.answered(other, 0.1)
    assert witness.seen == [("b", {"a": "it broke", "a (small)": "it is full"})]


def test_another_model_of_the_same_provider_is_another_one() -> None:
    async def test() -> None:
        class Service(Mind):
            """Has the one model only."""

            async def reply(
                self,
                dialogue: Sequence[Message],
                settings: ModelSettings,
                *,
                tools: Sequence[OfferedTool] = (),
            ) -> AsyncIterator[ReplyPart]:
                asked.append(settings.model)
                if settings.model != "small":
                    raise BROKEN
                yield ReplyText("Hello.")
                yield ReplyEnd()

        asked: list[str | None] = []
        witness = Witness()
        health = Health(ProviderKind.LANGUAGE_MODEL).watched(witness)
        settings = ModelSettings(
            provider="a", model="large", fallbacks=(Fallback(provider="a", model="small"),)
        )
        model = FallbackModel("a", {"a": Service(())}.__getitem__, health)
        for _ in range(2):
            assert await reply(model, settings) == [ReplyText("Hello."), ReplyEnd()]
        assert asked == ["large", "small", "small"], "the second reply is spared the first try"
        assert witness.seen == [("a (small)", {"a": "it broke"})] * 2

    run(test())


# ── recognisers ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Ears:
    """Answers each flush with how many seconds it has heard; fails where it is told to."""

    name: str
    metered: bool = False
    on_begin: ProviderError | None = None
    on_send: ProviderError | None = None
    on_result: ProviderError | None = None
    hangs: bool = False
    begun: int = 0
    warmed: int = 0
    models: list[str | None] = field(default_factory=list)

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        self.warmed += 1

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[Recognition]:
        self.begun += 1
        self.models.append(settings.model)
        if self.on_begin is not None:
            raise self.on_begin
        yield _Turn(self)


class _Turn:
    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._heard = 0
        self._results: asyncio.Queue[Recognised] = asyncio.Queue()

    async def send(self, pcm: bytes) -> None:
        if self._ears.on_send is not None:
            raise self._ears.on_send
        self._heard += len(pcm)

    async def flush(self) -> None:
        if not self._ears.hangs:
            text = f"{self._ears.name} {self._heard / len(SECOND):g} s"
            self._results.put_nowait(Recognised(text, final=True))

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            result = await self._results.get()
            if self._ears.on_result is not None:
                raise self._ears.on_result
            yield result


def falling_ears(
    *ears: Ears, watcher: Watcher | None = None, tries: int = 1
) -> tuple[FallbackEars, TranscriberSettings]:
    known: Mapping[str, SpeechToText] = {each.name: each for each in ears}
    health = Health(ProviderKind.SPEECH_TO_TEXT, watcher)
    settings = TranscriberSettings(
        provider=ears[0].name,
        fallbacks=tuple(Fallback(provider=each.name, model=each.name) for each in ears[1:]),
        fallback_after=0.3,
    )
    return FallbackEars(ears[0].name, known.__getitem__, health, tries=tries), settings


async def hear(ears: FallbackEars, settings: TranscriberSettings) -> str:
    """The final words of a turn of two seconds, sent while results are read."""
    async with ears.recognise(settings, language="en-US", phrases=()) as turn:

        async def read() -> str:
            async for result in turn.results():
                if result.final:
                    return result.text
            raise AssertionError

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            for _ in range(2):
                await turn.send(SECOND)
                await asyncio.sleep(0)
            await turn.flush()
        return reading.result()


@pytest.mark.parametrize(
    "broken",
    [
        Ears("a", on_begin=BROKEN),
        Ears("a", on_send=BROKEN),
        Ears("a", on_result=BROKEN),
        Ears("a", hangs=True),
        Ears("a", on_begin=ProviderError("no key", retryable=False)),
    ],
)
def test_who_takes_over_hears_the_turn_from_its_beginning(broken: Ears) -> None:
    async def test() -> None:
        watcher = Watcher()
        ears, settings = falling_ears(broken, Ears("b"), watcher=watcher)
        try:
            assert await hear(ears, settings) == "b 2 s"
        except* ProviderError:
            raise AssertionError("it was to go on") from None
        assert (watcher.failed, watcher.answered) == (["a"], ["b"])

    run(test())


def test_who_costs_while_it_waits_is_not_warmed_in_place_of_who_does_not() -> None:
    async def test() -> None:
        free, costly = Ears("a", on_begin=BROKEN), Ears("b", metered=True)
        ears, settings = falling_ears(free, costly)
        async with ears.recognise(settings, language="en-US", phrases=()):
            pass
        assert not ears.metered
        await ears.warm(settings, language="en-US")
        assert costly.warmed == 0, "somebody's telephone may still ring"
        async with ears.recognise(settings, language="en-US", phrases=()):
            assert (free.begun, costly.begun) == (1, 2)

    run(test())


def test_what_could_not_be_sent_to_one_is_not_the_failure_of_the_next() -> None:
    """A connection breaks under who reads and who sends, and one of them is told later."""
    breaks, told = asyncio.Event(), asyncio.Event()

    class Breaking(_Turn):
        async def send(self, pcm: bytes) -> None:
            await told.wait()
            raise BROKEN

        async def results(self) -> AsyncIterator[Recognised]:
            await breaks.wait()
            if breaks.is_set():
                raise BROKEN
            yield Recognised("", final=True)

    class Line(Ears):
        @asynccontextmanager
        async def recognise(
            self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
        ) -> AsyncIterator[Recognition]:
            yield Breaking(self)

    async def test() -> None:
        watcher = Watcher()
        second = Ears("b")
        ears, settings = falling_ears(Line("a"), second, watcher=watcher)
        async with ears.recognise(settings, language="en-US", phrases=()) as turn:

            async def first() -> str:
                async for result in turn.results():
                    return result.text
                raise AssertionError

            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(turn.send(SECOND))
                reading = tasks.create_task(first())
                await asyncio.sleep(0)
                breaks.set()
                while not second.begun:
                    await asyncio.sleep(0)
                for _ in range(5):  # until it has heard what was sent before
                    await asyncio.sleep(0)
                told.set()
                await sending
                await turn.flush()
            assert reading.result() == "b 1 s"
        assert watcher.failed == ["a"]

    run(test())


def test_the_next_turn_begins_with_who_went_on() -> None:
    async def test() -> None:
        first = Ears("a", on_begin=BROKEN)
        ears, settings = falling_ears(first, Ears("b"))
        for _ in range(3):
            assert await hear(ears, settings) == "b 2 s"
        assert first.begun == 1

    run(test())


def test_where_all_fail_the_last_error_is_raised() -> None:
    async def test() -> None:
        last = ProviderError("so did this", retryable=False)
        ears, settings = falling_ears(Ears("a", on_begin=BROKEN), Ears("b", on_begin=last))
        with pytest.raises(ProviderError, match="so did this"):
            await hear(ears, settings)

    run(test())


def test_a_fallback_has_its_own_model_and_the_first_its_own() -> None:
    async def test() -> None:
        one, two = Ears("a", hangs=True), Ears("b")
        ears, settings = falling_ears(one, two)
        await hear(ears, settings)
        assert (one.models, two.models) == ([None], ["b"])

    run(test())


def test_without_fallbacks_what_streams_is_tried_once_more() -> None:
    async def test() -> None:
        once = Ears("a")
        once.on_result = BROKEN
        ears, settings = falling_ears(once, tries=2)

        async def mend() -> None:
            while once.begun < 1:
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            once.on_result = None

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(mend())
            with pytest.raises(ExceptionGroup):
                await hear(ears, settings)
        assert once.begun == 2
        assert await hear(ears, settings) == "a 2 s"

    run(test())


def test_no_deadline_holds_where_nobody_else_could_be_asked() -> None:
    async def test() -> None:
        ears, settings = falling_ears(Ears("a", hangs=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await hear(ears, settings)

    run(test())


# ── voices ───────────────────────────────────────────────────────────────────────────────────


@dataclass
class Voice:
    """Says a second of sound for each word; breaks off after so many."""

    name: str
    breaks_after: int | None = None
    hangs_after: int | None = None
    timed: bool = True
    said: list[str] = field(default_factory=list)

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        self.said.append(text)
        for index, word in enumerate(text.split()):
            if index == self.breaks_after:
                raise BROKEN
            if index == self.hangs_after:
                await asyncio.Event().wait()
            if self.timed:
                yield Word(word, float(index), index + 0.9)
            yield SECOND


def falling_voice(*voices: Voice) -> tuple[FallbackVoice, VoiceSettings]:
    known: Mapping[str, TextToSpeech] = {each.name: each for each in voices}
    settings = VoiceSettings(
        provider=voices[0].name,
        fallbacks=tuple(VoiceFallback(provider=each.name) for each in voices[1:]),
        fallback_after=0.2,
    )
    health = Health(ProviderKind.TEXT_TO_SPEECH)
    return FallbackVoice(voices[0].name, known.__getitem__, health), settings


async def say(voice: FallbackVoice, settings: VoiceSettings, text: str) -> tuple[float, list[Word]]:
    seconds, words = 0.0, []
    async for piece in voice.speak(text, settings, language="en"):
        if isinstance(piece, bytes):
            seconds += len(piece) / len(SECOND)
        else:
            words.append(piece)
    return seconds, words


@pytest.mark.parametrize("first", [Voice("a", breaks_after=2), Voice("a", hangs_after=2)])
def test_another_voice_says_what_was_not_said_and_times_go_on(first: Voice) -> None:
    async def test() -> None:
        second = Voice("b")
        voice, settings = falling_voice(first, second)
        seconds, words = await say(voice, settings, "one two three four")
        assert second.said == ["three four"]
        assert seconds == 4
        assert [(word.text, word.start) for word in words] == [
            ("one", 0.0), ("two", 1.0), ("three", 2.0), ("four", 3.0),
        ]  # fmt: skip

    run(test())


def test_a_voice_that_says_nothing_at_all_is_replaced_whole() -> None:
    async def test() -> None:
        voice, settings = falling_voice(Voice("a", breaks_after=0), second := Voice("b"))
        await say(voice, settings, "one two")
        assert second.said == ["one two"]

    run(test())


def test_without_word_times_the_sound_tells_how_far_it_was_said() -> None:
    spoken = Spoken("I would like to confirm your appointment for Tuesday")
    spoken.take(bytes(2 * round(LINE_RATE * 0.065 * len("I would like to conf"))))
    spoken.end_part()
    # Rather a word twice than one left out.
    assert spoken.rest() == "confirm your appointment for Tuesday"


def test_a_word_that_is_over_with_the_last_sound_is_not_said_again() -> None:
    for pieces in range(1, 100):
        spoken = Spoken("Good morning there")
        spoken.take(Word("Good", 0.0, pieces * 160 / LINE_RATE))
        spoken.take(Word("morning", pieces * 160 / LINE_RATE, 9.0))
        for _ in range(pieces):
            spoken.take(bytes(320))
        spoken.end_part()
        assert spoken.rest() == "morning there"


def test_a_text_that_was_all_said_is_not_said_again() -> None:
    async def test() -> None:
        class LastMinute(Voice):
            async def speak(
                self, text: str, settings: VoiceSettings, *, language: str
            ) -> AsyncIterator[bytes | Word]:
                async for piece in super().speak(text, settings, language=language):
                    yield piece
                raise BROKEN

        voice, settings = falling_voice(LastMinute("a"), second := Voice("b"))
        assert (await say(voice, settings, "one two"))[0] == 2
        assert second.said == []

    run(test())


# ── models ───────────────────────────────────────────────────────────────────────────────────


@dataclass
class Mind:
    pieces: tuple[str, ...]
    then: ProviderError | None = None
    hangs: bool = False
    asked: int = 0

    async def warm(self, settings: ModelSettings) -> None:
        """It always is."""

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        self.asked += 1
        for piece in self.pieces:
            yield ReplyText(piece)
        if self.hangs:
            await asyncio.Event().wait()
        if self.then is not None:
            raise self.then
        yield ReplyEnd()


def falling_model(first: Mind, second: Mind) -> tuple[FallbackModel, ModelSettings]:
    known: Mapping[str, LanguageModel] = {"a": first, "b": second}
    settings = ModelSettings(provider="a", fallbacks=(Fallback(provider="b"),), fallback_after=0.2)
    return FallbackModel("a", known.__getitem__, Health(ProviderKind.LANGUAGE_MODEL)), settings


async def reply(model: FallbackModel, settings: ModelSettings) -> list[ReplyPart]:
    return [part async for part in model.reply([Message(Role.USER, "Hello?")], settings)]


@pytest.mark.parametrize("broken", [Mind((), BROKEN), Mind((), hangs=True)])
def test_another_model_is_asked_where_the_first_has_said_nothing(broken: Mind) -> None:
    async def test() -> None:
        model, settings = falling_model(broken, Mind(("Good ", "morning.")))
        for _ in range(2):
            parts = await reply(model, settings)
            assert parts == [ReplyText("Good "), ReplyText("morning."), ReplyEnd()]
        assert broken.asked == 1

    run(test())


def test_a_reply_that_breaks_off_after_a_word_is_a_failure() -> None:
    async def test() -> None:
        model, settings = falling_model(Mind(("Good ",), BROKEN), Mind(("Hello.",)))
        parts = []
        with pytest.raises(ProviderError, match="it broke"):
            async for part in model.reply([], settings):
                parts.append(part)
        assert parts == [ReplyText("Good ")]

    run(test())


def test_who_failed_is_asked_first_again_after_a_while() -> None:
    health = Health(ProviderKind.LANGUAGE_MODEL)
    both = [Candidate("a", 1), Candidate("b", 2)]
    health.failed(both[0], BROKEN, now=100.0, next=both[1])
    assert [each.name for each in health.ordered(both, now=100.0)] == ["b", "a"]
    assert [each.name for each in health.ordered(both, now=100.1 + AVOIDED_FOR)] == ["a", "b"]


def test_what_failed_long_ago_is_forgotten() -> None:
    health, witness = Health(ProviderKind.TEXT_TO_SPEECH), Witness()
    mine, old, new = health.watched(witness), Candidate("a", None), Candidate("b", None)
    mine.ordered([old, new], now=0.0)
    health.failed(old, BROKEN, now=0.0, next=None)
    health.failed(new, BROKEN, now=1.0 + REMEMBERED_FOR, next=None)
    mine.answered(Candidate("c", None), 0.1)
    assert witness.seen == [("c", {"b": "it broke"})]
