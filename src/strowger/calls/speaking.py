"""The agent's mouth: says one utterance after another on a line, and knows what was heard."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from strowger.agent import VoiceSettings
from strowger.conversation.events import (
    Event,
    ProviderFailed,
    ProviderKind,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.errors import ProviderError
from strowger.media import events as media
from strowger.ports import LINE_RATE, Line, TextToSpeech, pcm_of

SECONDS_PER_CHARACTER = 0.065
"""How long a voice takes for a character, for texts whose speech was not finished."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How the agent sounds, and what speaks when that fails."""

    speech: TextToSpeech
    settings: VoiceSettings
    language: str
    fallback: TextToSpeech | None


@dataclass(slots=True)
class _Utterance:
    number: int
    text: str
    use_fallback: bool
    samples: int = 0
    begun: bool = False
    whole: bool = field(default=False)
    """The voice has spoken all of the text."""

    def duration(self) -> float:
        spoken = self.samples / LINE_RATE
        return spoken if self.whole else max(spoken, SECONDS_PER_CHARACTER * len(self.text))


class Speaker:
    """Speaks in order. Every utterance is answered by exactly one UtteranceEnded or failure."""

    def __init__(self, line: Line, voice: Voice, report: Callable[[Event], None]) -> None:
        self._line = line
        self._voice = voice
        self._report = report
        self._waiting: list[_Utterance] = []
        self._wake = asyncio.Event()
        self._playing: dict[int, _Utterance] = {}
        self._task: asyncio.Task[None] | None = None
        self._current: _Utterance | None = None

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
                self._current = self._task = None

    def speak(self, utterance: int, text: str, *, use_fallback: bool) -> None:
        """Say this after all that was asked for before."""
        self._waiting.append(_Utterance(utterance, text, use_fallback))
        self._wake.set()

    def change(self, voice: Voice) -> None:
        """From the next utterance on speak with this one."""
        self._voice = voice

    def stop(self) -> None:
        """Silence the line now. What was never begun is reported at once, the rest by the line."""
        unspoken, self._waiting = self._waiting, []
        if self._task is not None and self._current is not None:
            self._task.cancel()
            if not self._current.begun:
                unspoken.insert(0, self._current)
        self._line.stop_playing()
        for utterance in unspoken:
            self._report(UtteranceEnded(utterance.number, 0.0, utterance.duration(), False))

    def playout_started(self, event: media.PlayoutStarted) -> None:
        self._report(UtteranceStarted(event.utterance, event.at))

    def playout_ended(self, event: media.PlayoutEnded) -> None:
        utterance = self._playing.pop(event.utterance, None)
        if utterance is None:
            return
        heard = event.samples / LINE_RATE
        complete = event.complete and utterance.whole
        duration = heard if complete else max(heard, utterance.duration())
        self._report(UtteranceEnded(event.utterance, heard, duration, complete))

    async def _say(self, utterance: _Utterance) -> None:
        voice, settings = self._voice.speech, self._voice.settings
        if utterance.use_fallback and self._voice.fallback is not None:
            voice, settings = self._voice.fallback, VoiceSettings()
        try:
            speech = voice.speak(utterance.text, settings, language=self._voice.language)
            async with aclosing(pcm_of(speech)) as pieces:
                async for pcm in pieces:
                    if not utterance.begun:
                        utterance.begun = True
                        self._playing[utterance.number] = utterance
                        self._line.begin_utterance(utterance.number)
                    utterance.samples += len(pcm) // 2
                    await self._line.write(pcm)
        except ProviderError as error:
            self._fail(utterance, str(error), retryable=error.retryable)
        else:
            utterance.whole = True
            if not utterance.begun:
                self._fail(utterance, "the voice spoke no sound", retryable=True)
        if utterance.begun:
            self._line.end_utterance(utterance.number)

    def _fail(self, utterance: _Utterance, message: str, *, retryable: bool) -> None:
        kind = ProviderKind.TEXT_TO_SPEECH
        self._report(ProviderFailed(kind, message, retryable, utterance.number))
