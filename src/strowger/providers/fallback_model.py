"""Replies by another model when one fails before it has said anything.

What has been said cannot be unsaid, and another model would begin anew: a reply that breaks off
later is a failure.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool
from strowger.errors import ProviderError
from strowger.ports import LanguageModel, ReplyPart
from strowger.providers.candidates import Candidate, Clock, Health, candidates, too_late
from strowger.providers.in_time import in_time


class FallbackModel:
    """LanguageModel by the model of that name, and by those its settings fall back to."""

    def __init__(self, name: str, find: Callable[[str], LanguageModel], health: Health) -> None:
        self._name = name
        self._find = find
        self._health = health

    async def warm(self, settings: ModelSettings) -> None:
        first = self._ordered(settings)[0]
        with suppress(ProviderError):  # the next reply will say it
            await self._find(first.name).warm(first.settings)

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        left = self._ordered(settings)
        while True:
            candidate, clock, spoke = left.pop(0), Clock(), False
            within = settings.fallback_after if left else None
            try:
                model = self._find(candidate.name)
                reply = model.reply(dialogue, candidate.settings, tools=tools)
                async with aclosing(in_time(reply, within)) as pieces:
                    async for piece in pieces:
                        if not spoke:
                            self._health.answered(candidate, clock.seconds)
                        spoke = True
                        yield piece
                return
            except TimeoutError:
                error = too_late(candidate.name, settings.fallback_after)
            except ProviderError as failure:
                error = failure
            if spoke:
                left = []
            following = left[0] if left else None
            self._health.failed(candidate, error, now=clock.now, next=following)
            if not left:
                raise error

    def _ordered(self, settings: ModelSettings) -> list[Candidate[ModelSettings]]:
        now = asyncio.get_running_loop().time()
        return self._health.ordered(candidates(self._name, settings), now=now)
