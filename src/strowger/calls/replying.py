"""The agent's mind: asks the language model for a reply and hands it on sentence by sentence."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import (
    Event,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
)
from strowger.conversation.sentences import SentenceSplitter
from strowger.errors import ProviderError
from strowger.ports import LanguageModel, ReplyText


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
        self, reply: int, dialogue: tuple[tuple[str, str], ...], tasks: asyncio.TaskGroup
    ) -> None:
        """Ask for a reply; one that is still being written is dropped."""
        self.cancel()
        self._reply = reply
        self._task = tasks.create_task(self._write(reply, dialogue), name=f"reply {reply}")

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _write(self, reply: int, dialogue: tuple[tuple[str, str], ...]) -> None:
        if self._mind is None:
            self._fail(reply, "no language model is configured", retryable=False)
            return
        splitter = SentenceSplitter()
        messages = [Message(Role(role), text) for role, text in dialogue]
        try:
            async for part in self._mind.model.reply(messages, self._mind.settings):
                if isinstance(part, ReplyText):
                    for sentence in splitter.feed(part.text):
                        self._report(ReplySentence(reply, sentence))
        except ProviderError as error:
            self._fail(reply, str(error), retryable=error.retryable)
            return
        for sentence in splitter.flush():
            self._report(ReplySentence(reply, sentence))
        self._report(ReplyFinished(reply))

    def _fail(self, reply: int, message: str, *, retryable: bool) -> None:
        kind = ProviderKind.LANGUAGE_MODEL
        self._report(ProviderFailed(kind, message, retryable, reply))
