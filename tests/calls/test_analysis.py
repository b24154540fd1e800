"""An analyst with a store and models that fail in every way there is."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from strowger.agent import AgentDefinition, Analysis, ModelSettings
from strowger.calls.analysis import FALLBACK_AFTER, LONGEST_ANSWER, PAUSES, Analyst, analysing_model
from strowger.conversation.dialogue import Message, OfferedTool
from strowger.errors import ProviderError
from strowger.model import Call, CallAnalysis, CallId, Turn
from strowger.ports import (
    LanguageModel,
    ReplyEnd,
    ReplyPart,
    ReplyText,
    SpeechToText,
    TextToSpeech,
)
from tests.store.samples import a_call

pytestmark = pytest.mark.anyio

WANTED = Analysis(summary=True, sentiment=True)
GOOD = '{"summary": "They talked.", "sentiment": "neutral"}'
NOW = 5000.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class OneCall:
    """`ports.Analyses` for one call; plays every job that it plans."""

    def __init__(self, analysis: Analysis = WANTED) -> None:
        turn = Turn(role="callee", text="Hello", started_at=0.0, ended_at=1.0)
        agent = AgentDefinition(name="a", prompt="b", analysis=analysis)
        self.call: Call = a_call(agent=agent, transcript=(turn,), analysis=CallAnalysis())
        self.retries: list[float] = []
        self.told = 0

    async def due(self, job: str) -> Call | None:
        _, _, made = job.partition(":")
        assert self.call.analysis is not None
        waits = self.call.analysis.status == "pending"
        return self.call if waits and self.call.analysis.attempts == int(made or 0) else None

    async def write(
        self,
        call_id: CallId,
        analysis: CallAnalysis,
        summary: str | None,
        *,
        retry_at: float | None,
        now: float,
    ) -> None:
        assert call_id == self.call.id
        assert (analysis.status == "pending") is (retry_at is not None)
        self.call = replace(self.call, analysis=analysis, summary=summary)
        if retry_at is None:
            self.told += 1
        else:
            self.retries.append(retry_at - now)

    @property
    def analysis(self) -> CallAnalysis:
        assert self.call.analysis is not None
        return self.call.analysis


class Scripted:
    """Answers one after the other, the last one again and again."""

    def __init__(self, *answers: str | ProviderError) -> None:
        self.answers = [*answers]
        self.asked: list[Sequence[Message]] = []
        self.closed = 0

    async def warm(self, settings: ModelSettings) -> None:
        """It always is."""

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        self.asked.append(dialogue)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            match answer:
                case ProviderError():
                    raise answer
                case "hang":
                    await asyncio.Event().wait()
                case "endless":
                    while True:
                        yield ReplyText("x" * 1000)
                case "cut off":
                    yield ReplyText(GOOD[:10])
                    yield ReplyEnd(truncated=True)
                case _:
                    yield ReplyText(answer[:5])
                    yield ReplyText(answer[5:])
                    yield ReplyEnd()
        finally:
            self.closed += 1


class Only:
    """`ports.Providers` with one model, or none."""

    def __init__(self, model: Scripted | None) -> None:
        self._model = model

    def language_model(self, name: str) -> LanguageModel:
        if self._model is None:
            raise ProviderError(f"no provider {name} is configured", retryable=False)
        return self._model

    def speech_to_text(self, name: str) -> SpeechToText:
        raise AssertionError("nobody listens after the call")

    def text_to_speech(self, name: str) -> TextToSpeech:
        raise AssertionError("nobody speaks after the call")

    def fallback_voice(self) -> TextToSpeech | None:
        return None


async def every_try(store: OneCall, model: Scripted | None) -> None:
    """Do the first job, and all that follow from it."""
    analyst = Analyst(store, Only(model), clock=lambda: NOW, answer_within=0.05)
    done = -1
    while done != store.analysis.attempts:
        done = store.analysis.attempts
        await analyst.analyze(f"{store.call.id}:{done}" if done else store.call.id)


async def test_one_question_answers_all_that_the_agent_wants() -> None:
    store, model = OneCall(), Scripted(GOOD)
    await every_try(store, model)
    assert (store.call.summary, store.told, len(model.asked)) == ("They talked.", 1, 1)
    assert store.analysis == CallAnalysis(status="completed", attempts=1, sentiment="neutral")


async def test_an_answer_that_does_not_fit_is_mended_once_within_the_same_try() -> None:
    store, model = OneCall(), Scripted('{"summary": 3}', GOOD)
    await every_try(store, model)
    assert (store.analysis.status, store.analysis.attempts) == ("completed", 1)
    first, second = model.asked
    assert second[: len(first)] == first
    assert "answer.summary: expected string" in second[-1].text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("hang", "the model was not done within 0.05 s"),
        ("endless", "the model's answer has no end"),
        ("cut off", "the model's answer was cut off at its limit of tokens"),
        (
            "I'd rather not.",
            "the model's answer is unfit: answer: expected a JSON object, got none",
        ),
        ('{"summary": 1, "sentiment": "neutral"}', "answer.summary: expected string"),
        (ProviderError("overloaded", retryable=True), "overloaded"),
        (None, "no provider openai is configured"),
    ],
)
async def test_a_model_that_fails_is_tried_five_times_within_an_hour_and_then_the_call_says_so(
    answer: str | ProviderError | None, reason: str
) -> None:
    store = OneCall()
    model = None if answer is None else Scripted(answer)
    await every_try(store, model)
    assert (store.analysis.status, store.analysis.attempts, store.told) == ("failed", 5, 1)
    assert reason in (store.analysis.error or "")
    assert store.call.summary is None
    assert store.retries == list(PAUSES)
    assert sum(PAUSES) <= 3600
    if model is not None:
        assert model.closed == len(model.asked)


async def test_a_model_that_recovers_leaves_no_trace_of_its_failure() -> None:
    failure = ProviderError("overloaded", retryable=True)
    store, model = OneCall(), Scripted(failure, failure, GOOD)
    await every_try(store, model)
    assert store.analysis == CallAnalysis(status="completed", attempts=3, sentiment="neutral")
    assert store.told == 1


async def test_a_job_whose_try_was_made_asks_nobody() -> None:
    store, model = OneCall(), Scripted(GOOD)
    analyst = Analyst(store, Only(model), clock=lambda: NOW)
    for _ in range(3):
        await analyst.analyze(store.call.id)
    await analyst.analyze(f"{store.call.id}:4")
    assert (len(model.asked), store.told) == (1, 1)


def test_the_agents_own_model_is_asked_without_the_limit_for_its_replies() -> None:
    own = ModelSettings(provider="anthropic", max_tokens=60, temperature=0.2)
    agent = AgentDefinition(name="a", prompt="b", model=own, analysis=WANTED)
    assert analysing_model(a_call(agent=agent)) == replace(
        own, max_tokens=None, fallback_after=FALLBACK_AFTER
    )
    other = ModelSettings(provider="google", max_tokens=2000)
    agent = replace(agent, analysis=replace(WANTED, model=other))
    assert analysing_model(a_call(agent=agent)) == replace(other, fallback_after=FALLBACK_AFTER)


def test_the_longest_answer_holds_what_a_schema_can_ask_for() -> None:
    assert len(json.dumps("x" * 100_000)) < LONGEST_ANSWER
