"""After the call: asks a language model what the agent wants to know of it.

A job does one try. What came of it is kept, and where it failed the next try is planned, in one
transaction: so a job that runs again after a crash finds its try made, and does nothing. A job
that is cut off before that asks the model once more, and nothing is written twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import structlog

from strowger.agent import ModelSettings
from strowger.calls.choosing import model_of
from strowger.conversation.analysing import Findings, Unfit, mended, question, read
from strowger.conversation.dialogue import Message
from strowger.errors import ProviderError
from strowger.model import Call
from strowger.ports import Analyses, LanguageModel, Providers, ReplyEnd, ReplyText

log = structlog.get_logger()

PAUSES = (30.0, 150.0, 600.0, 2700.0)
"""Seconds between one try and the next: five within an hour."""
ANSWER_WITHIN = 90.0
"""Seconds that a model has for one answer, of which there may be two in one try."""
FALLBACK_AFTER = 30.0
"""Seconds without a word after which a model counts as failed, where another is left."""
LONGEST_ANSWER = 200_000
"""Characters."""


class Analyst:
    """Analyses calls of all workspaces, as far as this process has jobs for them."""

    def __init__(
        self,
        store: Analyses,
        providers: Providers,
        *,
        clock: Callable[[], float],
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        self._store = store
        self._providers = providers
        self._clock = clock
        self._answer_within = answer_within

    async def analyze(self, job: str) -> None:
        """The handler of these jobs. Raises Unavailable, after which the job runs again."""
        call = await self._store.due(job)
        if call is None or call.analysis is None:
            return
        made = call.analysis.attempts
        tried = replace(call.analysis, attempts=made + 1)
        try:
            found = await self._ask(call)
        except ProviderError as error:
            left = made < len(PAUSES)
            log.warning(
                "call not analysed", call_id=call.id, error=str(error), attempt=made + 1, again=left
            )
            failed = replace(tried, error=str(error), status="pending" if left else "failed")
            again = self._clock() + PAUSES[made] if left else None
            await self._store.write(call.id, failed, None, retry_at=again, now=self._clock())
            return
        completed = replace(
            tried,
            status="completed",
            error=None,
            success=found.success,
            success_reason=found.success_reason,
            sentiment=found.sentiment,
            answers=found.answers,
            extracted=found.extracted,
        )
        await self._store.write(call.id, completed, found.summary, retry_at=None, now=self._clock())

    async def _ask(self, call: Call) -> Findings:
        """One try: the model is asked, and once more where its answer does not do.

        Raises ProviderError.
        """
        model, settings = model_of(analysing_model(call), self._providers)
        asked = question(call.agent, call.transcript)
        answer = await self._answer(model, asked, settings)
        found = read(answer, call.agent.analysis)
        if isinstance(found, Unfit):
            answer = await self._answer(model, mended(asked, answer, found), settings)
            found = read(answer, call.agent.analysis)
        if isinstance(found, Unfit):
            problems = "; ".join(found.problems)
            raise ProviderError(f"the model's answer is unfit: {problems}", retryable=True)
        return found

    async def _answer(
        self, model: LanguageModel, asked: Sequence[Message], settings: ModelSettings
    ) -> str:
        """All that the model says. Raises ProviderError."""
        said = ""
        try:
            async with asyncio.timeout(self._answer_within), AsyncExitStack() as stack:
                reply = model.reply(asked, settings)
                if isinstance(reply, AsyncGenerator):
                    stack.push_async_callback(reply.aclose)
                async for part in reply:
                    if isinstance(part, ReplyText):
                        said += part.text
                    elif isinstance(part, ReplyEnd) and part.truncated:
                        raise ProviderError(
                            "the model's answer was cut off at its limit of tokens", retryable=True
                        )
                    if len(said) > LONGEST_ANSWER:
                        raise ProviderError("the model's answer has no end", retryable=True)
        except TimeoutError as error:
            raise ProviderError(
                f"the model was not done within {self._answer_within:g} s", retryable=True
            ) from error
        return said


def analysing_model(call: Call) -> ModelSettings:
    """Which model is asked, and how: nobody listens to the silence until another is tried. The
    agent's own limit of tokens is for replies, which are short."""
    own = call.agent.analysis.model or replace(call.agent.model, max_tokens=None)
    return replace(own, fallback_after=FALLBACK_AFTER)
