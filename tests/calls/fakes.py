"""Honest fakes of a line and of the providers, for tests of a live call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool, ToolCall
from strowger.errors import CallRefused, ProviderError, TransferRefused
from strowger.media import events as media
from strowger.model import LineFigures, Recording
from strowger.ports import (
    Line,
    LineEvent,
    Recognised,
    Recognition,
    ReplyEnd,
    ReplyPart,
    ReplyText,
    TurnSign,
    Word,
)

PCM = b"\x01\x00"


class FakeLine:
    """Plays what is written at once when told to, and lets the test say what happens."""

    def __init__(self, clock: Callable[[], float] = lambda: 1.0) -> None:
        self.events: asyncio.Queue[LineEvent] = asyncio.Queue()
        self._clock = clock
        self.position = 8000
        self.log: list[str] = []
        self.transfer_problem: str | None = None
        self.consult_refusal: CallRefused | None = None
        self.consulted: FakeLine | None = None
        """Who answers a consultation."""
        self._begun: dict[int, int] = {}
        self._playing = 0

    async def next_event(self) -> LineEvent:
        return await self.events.get()

    def captured(self, position: int) -> tuple[bytes, int]:
        return PCM * max(0, self.position - position), self.position

    def begin_utterance(self, utterance: int) -> None:
        self._begun[utterance] = 0
        self._playing = utterance
        self.log.append(f"begin {utterance}")
        self.events.put_nowait(media.PlayoutStarted(0, self._clock(), utterance))

    async def write(self, pcm: bytes) -> None:
        self._begun[self._playing] += len(pcm) // 2

    def end_utterance(self, utterance: int) -> None:
        self.log.append(f"end {utterance}")

    def played(self, utterance: int) -> None:
        """All of an utterance has left."""
        samples = self._begun.pop(utterance)
        self.events.put_nowait(media.PlayoutEnded(0, self._clock(), utterance, samples, True))

    def stop_playing(self) -> None:
        self.log.append("stop")
        for utterance, samples in self._begun.items():
            self.events.put_nowait(
                media.PlayoutEnded(0, self._clock(), utterance, samples // 2, False)
            )
        self._begun = {}

    async def transfer(self, to: str, on_accepted: Callable[[], None]) -> None:
        self.log.append(f"transfer {to}")
        if self.transfer_problem is not None:
            raise TransferRefused(self.transfer_problem)
        on_accepted()

    @asynccontextmanager
    async def consult(self, to: str, *, ring_timeout: float) -> AsyncIterator["FakeLine"]:
        self.log.append(f"consult {to}")
        if self.consult_refusal is not None:
            raise self.consult_refusal
        self.consulted = self.consulted or FakeLine(self._clock)
        try:
            yield self.consulted
        finally:
            self.log.append("consultation over")

    async def transfer_to(self, other: Line, on_accepted: Callable[[], None]) -> None:
        assert other is self.consulted
        await self.transfer("whom was consulted", on_accepted)

    def send_digits(self, digits: str) -> None:
        self.log.append(f"digits {digits}")

    def measured(self) -> LineFigures | None:
        return None

    def recorded(self) -> Recording:
        return Recording()


class FakeVoice:
    """Speaks one second at once, or fails."""

    def __init__(self, *, problem: str | None = None, endless: bool = False) -> None:
        self.said: list[str] = []
        self._problem = problem
        self._endless = endless

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        self.said.append(text)
        if self._problem is not None:
            raise ProviderError(self._problem, retryable=True)
        yield PCM * 8000
        while self._endless:
            await asyncio.sleep(3600)


class FakeRecognition:
    def __init__(self, text: str, problem: str | None, sign: TurnSign | None = None) -> None:
        self.samples = 0
        self._sign = sign
        self._text = text
        self._problem = problem
        self._results: asyncio.Queue[Recognised] = asyncio.Queue()

    async def send(self, pcm: bytes) -> None:
        self.samples += len(pcm) // 2

    async def flush(self) -> None:
        if self._problem is not None:
            raise ProviderError(self._problem, retryable=False)
        self._results.put_nowait(Recognised(self._text, True, 0.9, sign=self._sign))

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            yield await self._results.get()


class FakeRecogniser:
    """Hears the same words in every turn."""

    metered = False

    def __init__(
        self, text: str = "yes", *, problem: str | None = None, sign: TurnSign | None = None
    ) -> None:
        self._sign = sign
        self.turns: list[FakeRecognition] = []
        self.phrases: list[tuple[str, ...]] = []
        self.warmed_for: list[tuple[str, ...]] = []
        self._text = text
        self._problem = problem

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        self.warmed_for.append(tuple(phrases))

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[Recognition]:
        recognition = FakeRecognition(self._text, self._problem, self._sign)
        self.turns.append(recognition)
        self.phrases.append(tuple(phrases))
        yield recognition


class FakeModel:
    """Answers with the given pieces; then fails, where it has a problem."""

    def __init__(self, *pieces: str | ToolCall, problem: str | None = None) -> None:
        self._pieces = pieces
        self._problem = problem
        self.warmed = 0
        self.asked: list[Sequence[Message]] = []
        self.offered: list[Sequence[OfferedTool]] = []

    async def warm(self, settings: ModelSettings) -> None:
        self.warmed += 1

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        self.asked.append(dialogue)
        self.offered.append(tools)
        for piece in self._pieces:
            yield ReplyText(piece) if isinstance(piece, str) else piece
        if self._problem is not None:
            raise ProviderError(self._problem, retryable=True)
        yield ReplyEnd()
