"""The agent's mouth: says one utterance after another on a line, and knows what was heard."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field

from strowger.agent import VoiceSettings
from strowger.conversation.events import (
    Event,
    ProviderFailed,
    ProviderKind,
    Speak,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.word_times import words_heard
from strowger.errors import ProviderError
from strowger.media import events as media
from strowger.patience import Patience
from strowger.ports import LINE_RATE, Line, TextToSpeech, Word

BYTES_PER_SECOND = 2 * LINE_RATE
SECONDS_PER_CHARACTER = 0.065
"""How long a voice takes for a character, for texts whose speech was not finished."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How the agent sounds, and what speaks when that fails."""

    speech: TextToSpeech
    settings: VoiceSettings
    language: str
    fallback: TextToSpeech | None
    patience: float = 5.0
    """Seconds of silence that are borne in the midst of a sentence."""


@dataclass(slots=True)
class _Utterance:
    number: int
    text: str
    use_fallback: bool
    after: int = 0
    skip: float = 0.0
    sound: bytearray = field(default_factory=bytearray)
    words: list[tuple[str, int]] = field(default_factory=list)
    """With the sample at which each is over: seconds do not stay exact when one is cut off."""
    begun: bool = False
    whole: bool = False
    """The voice has spoken all of the text."""

    def duration(self) -> float:
        spoken = len(self.sound) / BYTES_PER_SECOND
        return spoken if self.whole else max(spoken, SECONDS_PER_CHARACTER * len(self.text))

    def words_heard(self, samples: int) -> int | None:
        return words_heard(self.text, self.words, samples, all_told=self.whole)


class Speaker:
    """Speaks in order. Every utterance is answered by exactly one UtteranceEnded or failure."""

    def __init__(self, line: Line, voice: Voice, report: Callable[[Event], None]) -> None:
        self._line = line
        self._voice = voice
        self._report = report
        self._waiting: list[_Utterance] = []
        self._wake = asyncio.Event()
        self._playing: dict[int, _Utterance] = {}
        self._cut: dict[int, _Utterance] = {}
        """Those that were silenced last, with all of their sound: they may be gone on with."""
        self._task: asyncio.Task[None] | None = None
        self._current: _Utterance | None = None
        self._sounds_until = 0.0
        """When all that was written has left, by the loop's clock."""
        self._loop = asyncio.get_running_loop()
        self._patience = Patience()

    async def run(self) -> None:
        """Speak what is asked for until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                while not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                self._current = utterance = self._waiting.pop(0)
                name = f"utterance {utterance.number}"
                self._task = tasks.create_task(self._say(utterance), name=name)
                await asyncio.wait([self._task])
                self._patience.close()
                self._current = self._task = None

    def speak(self, asked: Speak) -> None:
        """Say this after all that was asked for before."""
        utterance = _Utterance(asked.utterance, asked.text, asked.fallback, asked.after, asked.skip)
        self._waiting.append(utterance)
        self._wake.set()

    def change(self, voice: Voice) -> None:
        """From the next utterance on speak with this one."""
        self._voice = voice
        self._cut = {}

    def stop(self) -> None:
        """Silence the line now. What was never begun is reported at once, the rest by the line."""
        unspoken, self._waiting = self._waiting, []
        if self._task is not None and self._current is not None:
            self._task.cancel()
            if not self._current.begun:
                unspoken.insert(0, self._current)
            self._current = None  # it may be stopped once more before its task is over
        self._cut = {}
        self._sounds_until = 0.0
        self._line.stop_playing()
        for utterance in unspoken:
            self._report(UtteranceEnded(utterance.number, 0.0, utterance.duration(), False))

    def playout_started(self, event: media.PlayoutStarted) -> None:
        self._report(UtteranceStarted(event.utterance, event.at, event.waited))

    def playout_ended(self, event: media.PlayoutEnded) -> None:
        utterance = self._playing.pop(event.utterance, None)
        if utterance is None:
            return
        heard = event.samples / LINE_RATE
        complete = event.complete and utterance.whole
        duration = heard if complete else max(heard, utterance.duration())
        words = None if complete else utterance.words_heard(event.samples)
        if not complete and utterance.whole:
            self._cut[utterance.number] = utterance
        self._report(UtteranceEnded(event.utterance, heard, duration, complete, words))

    async def _say(self, utterance: _Utterance) -> None:
        try:
            if (before := self._cut.pop(utterance.after, None)) is not None:
                await self._go_on(utterance, before)
            else:
                await self._have_spoken(utterance)
        except ProviderError as error:
            self._fail(utterance, str(error), retryable=error.retryable)
        else:
            utterance.whole = True
            if not utterance.begun:
                self._fail(utterance, "the voice spoke no sound", retryable=True)
        if utterance.begun:
            self._line.end_utterance(utterance.number)

    async def _have_spoken(self, utterance: _Utterance) -> None:
        voice, settings = self._voice.speech, self._voice.settings
        if utterance.use_fallback and self._voice.fallback is not None:
            voice, settings = self._voice.fallback, VoiceSettings()
        speech = voice.speak(utterance.text, settings, language=self._voice.language)
        try:
            while (piece := await self._next(utterance, speech)) is not None:
                if isinstance(piece, bytes):
                    await self._play(utterance, piece)
                else:
                    utterance.words.append((piece.text, round(piece.end * LINE_RATE)))
        finally:
            if isinstance(speech, AsyncGenerator):
                await speech.aclose()

    async def _next(
        self, utterance: _Utterance, speech: AsyncIterator[bytes | Word]
    ) -> bytes | Word | None:
        """None at the end. Raises ProviderError, too where a sentence breaks off in silence.

        One that does not begin is the conversation's to give up.
        """
        due = None
        if utterance.begun:
            now = self._loop.time()
            due = max(now, self._sounds_until) + self._voice.patience
        try:
            with self._patience.until(due):
                return await anext(speech, None)
        except TimeoutError:
            problem = f"the voice was silent for {self._voice.patience:g} s within a sentence"
            raise ProviderError(problem, retryable=True) from None

    async def _go_on(self, utterance: _Utterance, before: _Utterance) -> None:
        """Play the rest of a sound that was cut off."""
        skipped = round(utterance.skip * LINE_RATE)
        utterance.words = [(word, end - skipped) for word, end in before.words if end > skipped]
        utterance.whole = True
        await self._play(utterance, bytes(before.sound[2 * skipped :]))

    async def _play(self, utterance: _Utterance, pcm: bytes) -> None:
        if not pcm:
            return
        if not utterance.begun:
            utterance.begun = True
            self._playing[utterance.number] = utterance
            self._line.begin_utterance(utterance.number)
        utterance.sound += pcm
        now = self._loop.time()
        self._sounds_until = max(now, self._sounds_until) + len(pcm) / BYTES_PER_SECOND
        await self._line.write(pcm)

    def _fail(self, utterance: _Utterance, message: str, *, retryable: bool) -> None:
        kind = ProviderKind.TEXT_TO_SPEECH
        self._report(ProviderFailed(kind, message, retryable, utterance.number))
