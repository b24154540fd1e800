"""One live call: the task group that owns everything running on its behalf.

The conversation decides; this file carries events to it and its effects to the line, the
recogniser, the model and the voice. When `run` returns, nothing of the call is left.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import assert_never

import structlog

from strowger.agent import AgentDefinition
from strowger.calls.deciding import INBOX_LIMIT, Deciding, Machine, told_of
from strowger.calls.failures import Failures
from strowger.calls.listening import Ear, Listener
from strowger.calls.replying import Mind, Replier
from strowger.calls.speaking import Speaker, Voice
from strowger.calls.using import Hands, Worker
from strowger.calls.warming import warm
from strowger.conversation.events import (
    Answered,
    Become,
    CancelReply,
    DropTool,
    Effect,
    Event,
    FetchAgent,
    FindTools,
    Generate,
    HangUp,
    Listen,
    SendDigits,
    Speak,
    StopSpeaking,
    Transfer,
    UseTool,
)
from strowger.errors import ProviderError
from strowger.lifecycle import EndReason
from strowger.media import events as media
from strowger.ports import Line, LineEvent, LineHungUp

log = structlog.get_logger()

ConversationMachine = Machine[Event, Effect]
"""What the session needs of the pure `conversation.conversation.Conversation`."""


@dataclass(frozen=True, slots=True)
class Senses:
    """The providers of one call."""

    ear: Ear
    voice: Voice
    mind: Mind | None
    hands: Hands | None = None


class CallSession:
    """Holds the conversation of one answered call."""

    def __init__(
        self,
        line: Line,
        machine: ConversationMachine,
        senses: Senses,
        become: Callable[[AgentDefinition], tuple[Voice, Mind | None]] | None = None,
    ) -> None:
        """`become` finds the providers of another agent that takes over; raises ProviderError."""
        self._line = line
        self._become = become
        self._machine = machine
        self._inbox: asyncio.Queue[Event] = asyncio.Queue(maxsize=INBOX_LIMIT)
        self._listener = Listener(line, senses.ear, self.tell)
        self._speaker = Speaker(line, senses.voice, self.tell)
        self._replier = Replier(senses.mind, self.tell)
        self._agent = senses.voice, senses.mind
        self._warming: asyncio.Task[None] | None = None
        self._worker = Worker(line, senses.hands, senses.voice, self.tell)
        self._failures = Failures()
        self.hangup_cause: int | None = None
        """Q.850 cause, where the network ended the call and gave one."""

    def tell(self, event: Event) -> None:
        """Let the conversation know of something; also for what comes from outside the call."""
        self._inbox.put_nowait(event)
        self._failures.note(event)

    @property
    def problem(self) -> str | None:
        """What providers failed with, where that ended the call and they said it."""
        return self._failures.told()

    def send_digits(self, digits: str) -> None:
        """Send key tones (`0-9*#A-D`) to the callee's side, in place of speech."""
        self._line.send_digits(digits)

    async def run(self) -> EndReason:
        """Talk until one side hangs up; every task started here ends here."""
        self.tell(Answered())
        async with asyncio.TaskGroup() as tasks:
            senses = [
                tasks.create_task(self._hear(), name="line"),
                tasks.create_task(self._listener.run(), name="listener"),
                tasks.create_task(self._speaker.run(), name="speaker"),
            ]
            self._warm(*self._agent, tasks)
            reason = await self._decide(tasks)
            self._replier.cancel()
            self._worker.cancel()
            if self._warming is not None:
                self._warming.cancel()
            for sense in senses:
                sense.cancel()
        return reason

    async def _hear(self) -> None:
        while True:
            self._translate(await self._line.next_event())

    def _translate(self, event: LineEvent) -> None:
        """Tell everybody what of it concerns them, the conversation last."""
        match event:
            case media.SpeechStarted(_, _, position):
                self._listener.speech_started(position)
            case media.SpeechStopped(_, at, _):
                self._listener.speech_stopped(at)
            case media.PlayoutStarted():
                self._speaker.playout_started(event)
            case media.PlayoutEnded():
                self._speaker.playout_ended(event)
            case LineHungUp(_, hangup_cause):
                self.hangup_cause = hangup_cause
            case _:
                pass
        if (told := told_of(event)) is not None:
            self.tell(told)

    async def _decide(self, tasks: asyncio.TaskGroup) -> EndReason:
        with closing(Deciding(self._machine, self._inbox.get)) as deciding:
            while True:
                for effect in await deciding.next():
                    if isinstance(effect, HangUp):
                        return EndReason(effect.reason)
                    self._apply(effect, tasks)

    def _apply(self, effect: Effect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Listen(turn, phrases):
                self._listener.listen(turn, phrases)
            case Generate(reply, dialogue, tools):
                self._replier.generate(reply, dialogue, tools, tasks)
            case CancelReply():
                self._replier.cancel()
                self._warm(*self._agent, tasks)  # its connection went with it
            case Speak():
                self._speaker.speak(effect)
            case StopSpeaking():
                self._speaker.stop()
            case SendDigits(digits):
                self._line.send_digits(digits)
            case UseTool() | DropTool() | FindTools() | Transfer() | FetchAgent():
                self._worker.do(effect, tasks)
            case Become(definition):
                self._change(definition, tasks)
            case HangUp():
                pass  # the end of `_decide`
            case _:
                assert_never(effect)

    def _change(self, definition: AgentDefinition, tasks: asyncio.TaskGroup) -> None:
        """Speak and think as another agent; where that cannot be, as the one before."""
        if self._become is None:
            return
        try:
            voice, mind = self._become(definition)
        except ProviderError as error:
            log.warning("call.agent_kept", problem=str(error))
            return
        self._speaker.change(voice)
        self._worker.change(voice)
        self._replier.change(mind)
        self._agent = voice, mind
        self._warm(voice, mind, tasks)

    def _warm(self, voice: Voice, mind: Mind | None, tasks: asyncio.TaskGroup) -> None:
        if self._warming is not None:
            self._warming.cancel()
        self._warming = tasks.create_task(warm(voice, mind), name="warm")
