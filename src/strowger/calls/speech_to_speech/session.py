"""One live call that a service holds: the task group that owns everything running on its behalf.

The conversation decides; this file carries events to it, its effects to the line and the service,
and sound past it. When `run` returns, nothing of the call is left.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import assert_never

from strowger.agent import AgentDefinition, SpeechToSpeechSettings, VoiceSettings
from strowger.calls.deciding import INBOX_LIMIT, Deciding, Machine, told_of
from strowger.calls.speaking import Voice
from strowger.calls.speech_to_speech.holder import Holder
from strowger.calls.speech_to_speech.link import Link
from strowger.calls.speech_to_speech.player import Player
from strowger.calls.switching import Switches
from strowger.calls.using import Hands, Worker
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DropTool,
    FetchAgent,
    FindTools,
    HangUp,
    SendDigits,
    StopSpeaking,
    Transfer,
    UseTool,
)
from strowger.conversation.speech_to_speech.events import (
    AnswerTool,
    Connect,
    Connected,
    Hush,
    Inform,
    ItemOver,
    OfferTools,
    PassOn,
    ReportHeard,
    Respond,
    Say,
    SayPlainly,
    ServiceEvent,
    ServiceFailed,
    SpokenEffect,
    SpokenEvent,
)
from strowger.errors import ProviderError
from strowger.lifecycle import EndReason
from strowger.media import events as media
from strowger.ports import (
    Line,
    LineEvent,
    LineHungUp,
    Sound,
    SpeechToSpeech,
    TextToSpeech,
    pcm_of,
)

SpokenMachine = Machine[SpokenEvent, SpokenEffect]
"""What the session needs of the pure `conversation.speech_to_speech.machine`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a call is held with."""

    find: Callable[[SpeechToSpeechSettings], SpeechToSpeech]
    """The service that takes a conversation. Raises ProviderError."""
    fallback: TextToSpeech | None
    """Says what the service does not, where there is one."""
    language: str
    """The fallback voice's; with each connection that of the agent which it is for."""
    hands: Hands | None = None
    switches: Switches | None = None
    """Hears which service has the call."""

    @property
    def voice(self) -> Voice | None:
        """Speaks to others than the callee, whom the service does not talk to."""
        if self.fallback is None:
            return None
        return Voice(self.fallback, VoiceSettings(), self.language, None)


class SpokenSession:
    """Holds the conversation of one answered call."""

    def __init__(self, line: Line, machine: SpokenMachine, means: Means) -> None:
        self._line = line
        self._machine = machine
        self._means = means
        self._inbox: asyncio.Queue[tuple[SpokenEvent, Link | None]] = asyncio.Queue(INBOX_LIMIT)
        """With the connection that told it, where one did."""
        self._player = Player(line, self.tell)
        self._worker = Worker(line, means.hands, means.voice, self.tell)
        self._link: Link | None = None
        self._tasks: list[asyncio.Task[None]] = []
        """Beside those of the worker: what is cancelled when the call ends."""
        self._linking: asyncio.Task[None] | None = None
        self._holder = Holder(means.switches)
        self._fetched: AgentDefinition | None = None
        """The agent that what happened last may hand the call to."""
        self.hangup_cause: int | None = None
        """Q.850 cause, where the network ended the call and gave one."""

    @property
    def problem(self) -> str | None:
        """What the services failed with, each thing once."""
        return self._holder.problem

    def tell(self, event: SpokenEvent) -> None:
        """Let the conversation know of something; also for what comes from outside the call."""
        self._inbox.put_nowait((event, None))

    def send_digits(self, digits: str) -> None:
        """Send key tones (`0-9*#A-D`) to the callee's side, in place of speech."""
        self._line.send_digits(digits)

    async def run(self) -> EndReason:
        """Talk until one side hangs up; every task started here ends here."""
        self.tell(Answered())
        async with asyncio.TaskGroup() as tasks:
            self._tasks += [
                tasks.create_task(self._hear(), name="line"),
                tasks.create_task(self._player.run(), name="player"),
            ]
            reason = await self._decide(tasks)
            self._worker.cancel()
            for task in self._tasks:
                task.cancel()
        if reason is EndReason.PROVIDER_FAILED:
            self._holder.given_up()
        return reason

    async def _hear(self) -> None:
        while True:
            self._translate(await self._line.next_event())

    def _translate(self, event: LineEvent) -> None:
        """Tell everybody what of it concerns them, the conversation last."""
        match event:
            case media.PlayoutStarted():
                self._player.playout_started(event)
            case media.PlayoutEnded():
                self._player.playout_ended(event)
            case LineHungUp(_, hangup_cause):
                self.hangup_cause = hangup_cause
            case _:
                pass
        if (told := told_of(event)) is not None:
            self.tell(told)

    async def _decide(self, tasks: asyncio.TaskGroup) -> EndReason:
        with closing(Deciding(self._machine, self._happened)) as deciding:
            while True:
                for effect in await deciding.next():
                    if isinstance(effect, HangUp):
                        return EndReason(effect.reason)
                    self._apply(effect, tasks)

    async def _happened(self) -> SpokenEvent:
        """What is told next, but for that of a connection which was left while it waited here."""
        while True:
            event, link = await self._inbox.get()
            if link is None or link is self._link:
                self._note(event)
                return event

    def _note(self, event: SpokenEvent) -> None:
        """Things that do not only concern the conversation."""
        self._fetched = event.definition if isinstance(event, AgentFetched) else None
        if isinstance(event, ItemOver):
            self._player.over(event.item)
        elif isinstance(event, ServiceFailed):
            self._holder.failed(event.message)
        elif isinstance(event, Connected):
            self._holder.connected()

    def _apply(self, effect: SpokenEffect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Connect():
                self._connect(effect, tasks)
            case (
                Respond()
                | Say()
                | PassOn()
                | Inform()
                | OfferTools()
                | AnswerTool()
                | ReportHeard()
                | Hush()
            ):
                if self._link is not None:
                    self._link.tell(effect)
            case SayPlainly():
                saying = tasks.create_task(self._say_plainly(effect), name=effect.item)
                self._tasks.append(saying)
            case StopSpeaking():
                self._player.stop()
            case SendDigits(digits):
                self._line.send_digits(digits)
            case UseTool() | DropTool() | FindTools() | Transfer() | FetchAgent():
                self._worker.do(effect, tasks)
            case HangUp():
                pass  # the end of `_decide`
            case _:
                assert_never(effect)

    def _connect(self, asked: Connect, tasks: asyncio.TaskGroup) -> None:
        """Leave the service for another connection."""
        if self._linking is not None:
            self._linking.cancel()
        self._means = replace(self._means, language=asked.brief.language)
        if self._fetched is None:
            self._holder.asked(asked.brief.settings)
        else:
            self._holder.handed_over(asked.brief.settings)
            self._fetched = None  # what the next connection is made for is another matter
        if (voice := self._means.voice) is not None:
            self._worker.change(voice)

        def report(event: ServiceEvent) -> None:
            self._inbox.put_nowait((event, link))

        self._link = link = Link(asked.connection, self._line, report, self._player.sound)
        running = link.run(self._means.find, asked.brief)
        self._linking = tasks.create_task(running, name=f"service {asked.connection}")
        self._tasks.append(self._linking)

    async def _say_plainly(self, asked: SayPlainly) -> None:
        """In the fallback voice; where there is none, or it fails, the item is over at once."""
        if (voice := self._means.fallback) is not None:
            speech = voice.speak(asked.text, VoiceSettings(), language=self._means.language)
            try:
                async for pcm in pcm_of(speech):
                    self._player.sound(Sound(asked.item, pcm))
            except ProviderError:
                pass  # the conversation hears of it by the end of an item without sound
        self.tell(ItemOver(asked.item))
