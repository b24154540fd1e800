"""One answered call of a simulated callee: carries events to the player and out what it does.

When `run` returns, nothing of the call is left running. The report of each thing that was said
comes when it has been said, because only then is it known whether it was said to the end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import assert_never

from strowger.calls.deciding import INBOX_LIMIT, Deciding
from strowger.calls.listening import Ear, Listener
from strowger.conversation import events as conversation
from strowger.errors import ProviderError
from strowger.media import events as media
from strowger.ports import LINE_RATE, Line, LineEvent, LineHungUp, TextToSpeech, pcm_of
from strowger.simulate import player as play
from strowger.simulate.persona import Persona
from strowger.simulate.player import Player
from strowger.simulate.reports import (
    DigitHeard,
    Happening,
    Heard,
    HungUp,
    Played,
    Pressed,
    Reacted,
    Said,
    Trouble,
)
from strowger.simulate.sounds import sound

ANYTHING: tuple[str, ...] = ()
"""The agent speaks freely; what the persona waits for are keywords in that."""
LAST_WORDS_WITHIN = 1.5
"""Seconds that the recogniser has for what the agent said just before it hung up."""
ECHO_EVERY = 0.02
"""Seconds between two looks at what came in, for an echo: one packet's time."""


@dataclass(frozen=True, slots=True)
class CalleeSenses:
    """The providers of one persona."""

    ear: Ear | None
    """None where the persona listens for nothing."""
    voice: TextToSpeech


@dataclass(slots=True)
class _Acting:
    """What the persona is doing now."""

    number: int
    what: play.Say | play.Play | play.Press
    begun: bool = False
    """Something of it is on the line, and so the line tells its end."""
    whole: bool = False
    """All of it has been handed to the line."""


class CalleeSession:
    """Acts a persona out on one line."""

    def __init__(
        self,
        persona: Persona,
        line: Line,
        senses: CalleeSenses,
        tell: Callable[[Happening], None],
    ) -> None:
        self._persona = persona
        self._line = line
        self._player = Player(persona)
        self._tell = tell
        self._inbox: asyncio.Queue[play.Event] = asyncio.Queue(maxsize=INBOX_LIMIT)
        ear = senses.ear
        self._listener = None if ear is None else Listener(line, ear, self._take_words)
        self._turn = 0
        self._words = ""
        self._agent_speaks = False
        self._all_heard = asyncio.Event()
        self._all_heard.set()
        self._voice = senses.voice
        self._acting: _Acting | None = None
        self._speaking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Act until one side hangs up."""
        self._inbox.put_nowait(play.Answered())
        async with asyncio.TaskGroup() as tasks:
            senses = [tasks.create_task(self._follow_line(), name="line")]
            if self._listener is not None:
                senses.append(tasks.create_task(self._listener.run(), name="listener"))
                self._listener.listen(self._turn, ANYTHING)
            if self._persona.echo:
                senses.append(tasks.create_task(self._echo(), name="echo"))
            await self._act(tasks)
            self._stop_voice()
            self._report_end(complete=False)
            for sense in senses:
                sense.cancel()

    # ── the line and the words ───────────────────────────────────────────────────────────────

    async def _follow_line(self) -> None:
        while True:
            self._translate(await self._line.next_event())

    def _translate(self, event: LineEvent) -> None:
        match event:
            case media.SpeechStarted(_, at, position):
                self._agent_speaks = True
                if self._listener is not None:
                    self._all_heard.clear()
                    self._listener.speech_started(position)
                self._inbox.put_nowait(play.SpeechStarted(at))
            case media.SpeechStopped(_, at, _):
                self._agent_speaks = False
                if self._listener is not None:
                    self._listener.speech_stopped()
                self._inbox.put_nowait(play.SpeechStopped(at))
            case media.DigitReceived(_, _, digit):
                self._tell(DigitHeard(digit))
                self._inbox.put_nowait(play.DigitHeard(digit))
            case media.PlayoutEnded(_, _, utterance, _, complete):
                if self._acting is not None and self._acting.number == utterance:
                    self._end_action(complete=complete and self._acting.whole)
            case media.DigitsSent():
                if self._acting is not None and isinstance(self._acting.what, play.Press):
                    self._end_action(complete=True)
            case LineHungUp(reason):
                self._inbox.put_nowait(play.AgentHungUp(reason))
            case media.PlayoutStarted() | media.MediaLost():
                pass
            case _:
                assert_never(event)

    def _take_words(self, event: conversation.Event) -> None:
        match event:
            case conversation.Transcribed(turn, text, final) if turn == self._turn:
                if final and text != self._words:
                    self._words = text
                    self._tell(Heard(text))
                self._inbox.put_nowait(play.Heard(text, final))
                if final and not self._agent_speaks:
                    self._all_heard.set()
            case conversation.ProviderFailed(message=message):
                self._all_heard.set()
                self._tell(Trouble(message))
            case _:
                pass  # words of a turn that the persona has already reacted to

    # ── what the persona does ────────────────────────────────────────────────────────────────

    async def _act(self, tasks: asyncio.TaskGroup) -> None:
        with closing(Deciding(self._player, self._inbox.get)) as deciding:
            while True:
                for action in await deciding.next():
                    match action:
                        case play.HangUp(reason):
                            self._tell(HungUp("callee", reason))
                            return
                        case play.Leave(reason):
                            await self._hear_last_words()
                            self._tell(HungUp("agent", reason))
                            return
                        case _:
                            self._apply(action, tasks)

    async def _hear_last_words(self) -> None:
        """An agent hangs up right after its goodbye: that, too, is worth a report."""
        self._agent_speaks = False
        if self._listener is not None:
            self._listener.speech_stopped()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_WITHIN):
                await self._all_heard.wait()

    def _apply(
        self,
        action: play.React | play.Say | play.Play | play.Press | play.StopSaying,
        tasks: asyncio.TaskGroup,
    ) -> None:
        match action:
            case play.React(expected, recognised):
                self._tell(Reacted(expected, recognised))
                self._turn, self._words = self._turn + 1, ""
                if self._listener is not None:
                    self._listener.listen(self._turn, ANYTHING)
            case play.Say(number, text):
                voice = self._persona.voice
                speech = self._voice.speak(text, voice, language=self._persona.language)
                self._begin(_Acting(number, action), pcm_of(speech), tasks)
            case play.Play(number, which):
                pcm = _once(sound(which, seed=self._persona.seed + number))
                self._begin(_Acting(number, action), pcm, tasks)
            case play.Press(number, digits):
                self._acting = _Acting(number, action, begun=True)
                self._line.send_digits(digits)
            case play.StopSaying():
                self._stop_voice()
            case _:
                assert_never(action)

    def _begin(self, acting: _Acting, pcm: AsyncIterator[bytes], tasks: asyncio.TaskGroup) -> None:
        self._acting = acting
        self._speaking = tasks.create_task(self._utter(acting, pcm), name=f"say {acting.number}")

    async def _utter(self, acting: _Acting, pcm: AsyncIterator[bytes]) -> None:
        """Put sound on the line; the line says when it has left."""
        try:
            async for piece in pcm:
                if not acting.begun:
                    acting.begun = True
                    self._line.begin_utterance(acting.number)
                await self._line.write(piece)
            acting.whole = True
        except ProviderError as error:
            self._tell(Trouble(str(error)))
        if acting.begun:
            self._line.end_utterance(acting.number)
        else:
            self._end_action(complete=False)

    def _stop_voice(self) -> None:
        """Silence now. The line tells the end of what it had begun."""
        if self._speaking is None or self._acting is None:
            return
        self._speaking.cancel()
        self._speaking = None
        if self._acting.begun:
            self._line.stop_playing()
        else:
            self._end_action(complete=False)

    def _end_action(self, *, complete: bool) -> None:
        if self._acting is not None:
            self._inbox.put_nowait(play.ActionEnded(self._acting.number))
            self._report_end(complete=complete)

    def _report_end(self, *, complete: bool) -> None:
        if self._acting is None:
            return
        what, self._acting = self._acting.what, None
        match what:
            case play.Say(_, text):
                self._tell(Said(text, complete))
            case play.Play(_, which):
                self._tell(Played(which, complete))
            case play.Press(_, digits):
                self._tell(Pressed(digits))
            case _:
                assert_never(what)

    async def _echo(self) -> None:
        """Play back what comes in, as it comes in; ends by cancellation."""
        self._line.begin_utterance(0)
        _, position = self._line.captured(0)
        while True:
            await asyncio.sleep(ECHO_EVERY)
            pcm, position = self._line.captured(position)
            await self._line.write(pcm[-2 * LINE_RATE :])


async def _once(pcm: bytes) -> AsyncIterator[bytes]:
    yield pcm
