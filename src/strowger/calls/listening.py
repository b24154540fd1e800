"""The agent's ears: sends each turn of the callee's to a recogniser while somebody speaks."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from strowger.agent import TranscriberSettings
from strowger.conversation.events import (
    Event,
    PauseJudged,
    ProviderFailed,
    ProviderKind,
    Transcribed,
    TurnHint,
    TurnHinted,
)
from strowger.errors import ProviderError, leaves
from strowger.ports import LINE_RATE, Line, Recognition, SpeechToText, TurnJudge

PREROLL = int(0.3 * LINE_RATE)
"""Samples before the detected start of speech: soft consonants come before the voice."""
JUDGED = 8 * LINE_RATE
"""Samples before a pause that the turn model listens to."""
SEND_EVERY = 0.1
"""Seconds of speech that go to the recogniser at a time."""


@dataclass(frozen=True, slots=True)
class Ear:
    """What listens, and how it is asked to."""

    recogniser: SpeechToText
    settings: TranscriberSettings
    language: str
    judge: TurnJudge | None = None
    """Listens to each pause, once, for whether the turn is over."""


@dataclass(slots=True)
class _Turn:
    number: int
    phrases: tuple[str, ...]
    position: int = 0
    speaking: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Listener:
    """One recognition at a time: that of the turn asked for last."""

    def __init__(self, line: Line, ear: Ear, report: Callable[[Event], None]) -> None:
        self._line = line
        self._ear = ear
        self._report = report
        self._turn: _Turn | None = None
        self._started = asyncio.Event()
        self._expecting = asyncio.Event()
        self._paused = asyncio.Event()
        self._pauses: list[float] = []
        self._task: asyncio.Task[None] | None = None
        self._speech_at: int | None = None
        """Where the speech that goes on now began; None in silence."""

    async def run(self) -> None:
        """Recognise turns as they come, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            ear = self._ear
            tasks.create_task(self._keep_warm(), name="warm recogniser")
            if ear.judge is not None:
                tasks.create_task(self._judge(ear.judge), name="turn model")
            while True:
                await self._started.wait()
                self._started.clear()
                turn = self._turn
                if turn is not None:
                    name = f"turn {turn.number}"
                    self._task = tasks.create_task(self._recognise(turn), name=name)

    def listen(self, turn: int, phrases: tuple[str, ...]) -> None:
        """From here on the callee's words belong to this turn; the one before is dropped."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._turn = _Turn(turn, phrases)
        self._expecting.set()
        self._started.clear()
        if self._speech_at is not None:
            self._begin(self._turn, self._speech_at)

    def speech_started(self, position: int) -> None:
        self._speech_at = position
        if self._turn is None:
            return
        idle = self._task is None or self._task.done()
        if idle and not self._started.is_set():
            self._begin(self._turn, position)
        self._turn.position = max(self._turn.position, position - PREROLL)
        self._turn.speaking = True
        self._turn.changed.set()

    def speech_stopped(self, at: float = 0.0) -> None:
        """The last voiced sound was at `at`."""
        self._speech_at = None
        if self._ear.judge is not None:
            self._pauses.append(at)
            self._paused.set()
        if self._turn is not None:
            self._turn.speaking = False
            self._turn.changed.set()

    def _begin(self, turn: _Turn, position: int) -> None:
        turn.position = max(0, position - PREROLL)
        turn.speaking = True
        self._started.set()

    async def _keep_warm(self) -> None:
        """Have the recogniser ready, also for each question before it is heard."""
        ear, ready = self._ear, tuple[str, ...]()
        await ear.recogniser.warm(ear.settings, language=ear.language)
        while True:
            await self._expecting.wait()
            self._expecting.clear()
            phrases = () if self._turn is None else self._turn.phrases
            if phrases and phrases != ready:
                ready = phrases
                await ear.recogniser.warm(ear.settings, language=ear.language, phrases=phrases)

    async def _recognise(self, turn: _Turn) -> None:
        ear = self._ear
        try:
            async with ear.recogniser.recognise(
                ear.settings, language=ear.language, phrases=turn.phrases
            ) as recognition:
                await self._converse(turn, recognition)
        except* ProviderError as errors:  # plain, or in the group of `_converse`
            failure = next(leaves(errors))
            kind = ProviderKind.SPEECH_TO_TEXT
            self._report(ProviderFailed(kind, str(failure), failure.retryable, turn.number))

    async def _converse(self, turn: _Turn, recognition: Recognition) -> None:
        async with asyncio.TaskGroup() as tasks:
            results = tasks.create_task(self._read(turn, recognition), name="results")
            await self._send(turn, recognition)
            results.cancel()

    async def _send(self, turn: _Turn, recognition: Recognition) -> None:
        """Send while there is speech; ask for a result at every pause. Ends by cancellation."""
        loop = asyncio.get_running_loop()
        while True:
            turn.changed.clear()
            pcm, turn.position = self._line.captured(turn.position)
            if pcm:
                await recognition.send(pcm)
            if turn.speaking:
                more = loop.call_later(SEND_EVERY, turn.changed.set)
                try:
                    await turn.changed.wait()
                finally:
                    more.cancel()
            else:
                await recognition.flush()
                await turn.changed.wait()

    async def _judge(self, judge: TurnJudge) -> None:
        """Have the turn model listen to pauses; of several that wait, only to the last."""
        while True:
            await self._paused.wait()
            self._paused.clear()
            at = self._pauses[-1]
            self._pauses.clear()
            _, now = self._line.captured(sys.maxsize)
            pcm, _ = self._line.captured(max(0, now - JUDGED))
            over = await judge.judge(pcm)
            if over is not None:
                self._report(PauseJudged(at, over))

    async def _read(self, turn: _Turn, recognition: Recognition) -> None:
        async for result in recognition.results():
            words = Transcribed(turn.number, result.text, result.final, result.confidence)
            self._report(words)
            if result.sign is not None:
                self._report(TurnHinted(turn.number, TurnHint(result.sign.value)))
