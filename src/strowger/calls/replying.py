"""The agent's mind: asks the language model for a reply and hands it on sentence by sentence."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import assert_never

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, ToolCall
from strowger.conversation.events import (
    Event,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    ToolRequested,
)
from strowger.conversation.sentences import SentenceSplitter
from strowger.errors import ProviderError
from strowger.gulps import Gulps
from strowger.ports import LanguageModel, ReplyEnd, ReplyPart, ReplyText

GATHERING = 0.06
"""Seconds that words may gather once the first sentence is on its way to be said."""


@dataclass(frozen=True, slots=True)
class Mind:
    """Which model answers, and how it is asked to."""

    model: LanguageModel
    settings: ModelSettings


class Replier:
    """One reply at a time."""

    def __init__(self, mind: Mind | None, report: Callable[[Event], None]) -> None:
        self._mind = mind
        self._report = report
        self._task: asyncio.Task[None] | None = None
        self._reply: int | None = None

    def generate(
        self,
        reply: int,
        dialogue: tuple[Message, ...],
        tools: tuple[OfferedTool, ...],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Ask for a reply; one that is still being written is dropped."""
        self.cancel()
        self._reply = reply
        writing = self._write(reply, dialogue, tools)
        self._task = tasks.create_task(writing, name=f"reply {reply}")

    def change(self, mind: Mind | None) -> None:
        """From the next reply on ask this one."""
        self._mind = mind

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _write(
        self, reply: int, dialogue: tuple[Message, ...], tools: tuple[OfferedTool, ...]
    ) -> None:
        if self._mind is None:
            self._fail(reply, "no language model is configured", retryable=False)
            return
        splitter, mind = SentenceSplitter(), self._mind
        parts = mind.model.reply(dialogue, mind.settings, tools=tools)
        try:
            await self._read(reply, parts, splitter)
        except ProviderError as error:
            self._fail(reply, str(error), retryable=error.retryable)
            return
        finally:  # called off while words gather, it would be left to who collects garbage
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()
        for sentence in splitter.flush():
            self._report(ReplySentence(reply, sentence))
        self._report(ReplyFinished(reply))

    async def _read(
        self, reply: int, parts: AsyncIterator[ReplyPart], splitter: SentenceSplitter
    ) -> None:
        """Hand on sentences as they are whole, and tools. Raises ProviderError."""
        gulps, spoke = Gulps(GATHERING), False
        async for part in parts:
            match part:
                case ReplyText(text):
                    for sentence in splitter.feed(text):
                        self._report(ReplySentence(reply, sentence))
                        spoke = True
                    if spoke:
                        await gulps.gather()
                case ToolCall(id, name, arguments):
                    for sentence in splitter.flush():  # said before it is done
                        self._report(ReplySentence(reply, sentence))
                    self._report(ToolRequested(reply, id, name, arguments))
                case ReplyEnd():
                    pass
                case _:
                    assert_never(part)

    def _fail(self, reply: int, message: str, *, retryable: bool) -> None:
        kind = ProviderKind.LANGUAGE_MODEL
        self._report(ProviderFailed(kind, message, retryable, reply))
