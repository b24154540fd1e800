"""One connection to a speech-to-speech service: the callee's sound goes in, all else comes out.

Items are told by their names with the connection's number before them, so that those of one that
is gone cannot be taken for those of the next.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import structlog

from strowger.agent import SpeechToSpeechSettings
from strowger.conversation.events import ToolRequested
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Connected,
    ItemOver,
    ReportHeard,
    ResponseOver,
    ServiceEvent,
    ServiceFailed,
    ServiceLeft,
    ToService,
)
from strowger.errors import ProviderError, leaves
from strowger.ports import Dialogue, DialogueEvent, Line, Sound, SpeechToSpeech

log = structlog.get_logger()

SEND_EVERY = 0.06
"""Seconds of the callee's sound that go to the service at a time."""
LONGEST_ID = 200
LONGEST_TEXT = 20_000
"""Characters of an item's name, and of words that are told at once; what is more is left out."""
MOST_WAITING = 256
"""Things to be told that may wait; what is more is left out. A service that takes nothing fails
long before."""


class Link:
    """Runs until the service leaves or fails, which is the last thing that it reports."""

    def __init__(
        self,
        number: int,
        line: Line,
        report: Callable[[ServiceEvent], None],
        on_sound: Callable[[Sound], None],
    ) -> None:
        self.number = number
        self._line = line
        self._report = report
        self._on_sound = on_sound
        self._to_tell: asyncio.Queue[ToService] = asyncio.Queue(maxsize=MOST_WAITING)
        _, self._position = line.captured(sys.maxsize)

    def tell(self, what: ToService) -> None:
        """Tell the service this after all that it was to be told before."""
        if isinstance(what, ReportHeard):
            connection, _, item = what.item.partition(".")
            if connection != str(self.number):
                return
            what = ReportHeard(item, what.seconds)
        if self._to_tell.full():
            log.warning("call.service_behind", connection=self.number)
            return
        self._to_tell.put_nowait(what)

    async def run(
        self, find: Callable[[SpeechToSpeechSettings], SpeechToSpeech], brief: Brief
    ) -> None:
        """`find` looks the service up; raises ProviderError."""
        try:
            async with find(brief.settings).converse(brief) as dialogue:
                self._report(Connected(self.number, dialogue.greets, dialogue.resumes))
                await self._converse(dialogue)
        except* ProviderError as errors:  # plain, or in the group of `_converse`
            failure = next(leaves(errors))
            log.warning(
                "call.service_failed",
                provider=brief.settings.provider,
                problem=str(failure),
                connection=self.number,
            )
            self._report(ServiceFailed(self.number, str(failure), failure.retryable))
        else:
            self._report(ServiceLeft(self.number))

    async def _converse(self, dialogue: Dialogue) -> None:
        async with asyncio.TaskGroup() as tasks:
            ours = [
                tasks.create_task(self._hear(dialogue), name="sound to the service"),
                tasks.create_task(self._write(dialogue), name="words to the service"),
            ]
            async for event in dialogue.events():
                self._take(event)
            for task in ours:
                task.cancel()

    async def _hear(self, dialogue: Dialogue) -> None:
        """Pass on what comes from the callee, silence included."""
        while True:
            pcm, self._position = self._line.captured(self._position)
            if pcm:
                await dialogue.send(pcm)
            await asyncio.sleep(SEND_EVERY)

    async def _write(self, dialogue: Dialogue) -> None:
        while True:
            await dialogue.tell(await self._to_tell.get())

    def _take(self, event: DialogueEvent) -> None:
        match event:
            case Sound(item):
                self._on_sound(replace(event, item=self._named(item)))
            case AgentWords(item, text) | CalleeWords(item, text):
                text = text[:LONGEST_TEXT]
                self._report(replace(event, item=self._named(item), text=text))
            case ItemOver(item) | CalleeBegan(item) | CalleeDone(item):
                self._report(replace(event, item=self._named(item)))
            case ToolRequested() | ResponseOver():
                self._report(event)
            case _:
                assert_never(event)

    def _named(self, item: str) -> str:
        return f"{self.number}.{item[:LONGEST_ID]}"
