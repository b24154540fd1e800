"""Analyses of calls in a real database, from the end of the call to the event."""

import asyncio
import json
import time
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.agent import Analysis
from strowger.calls.analysis import Analyst
from strowger.calls.render import render_call, render_event_data
from strowger.errors import ProviderError
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    DEFAULT_WORKSPACE,
    Call,
    CallAnalysis,
    CallId,
    CallResult,
    Event,
    WorkerId,
)
from strowger.ports import LanguageModel, SpeechToText, TextToSpeech
from strowger.providers.http_service import HttpPolicy
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.providers.settings import OpenAISettings
from strowger.store.analyses import PostgresAnalyses, job_for
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import connect
from strowger.store.jobs import JobQueue
from strowger.store.outbox import PostgresOutbox
from strowger.store.queue import Kind
from strowger.store.records import PostgresRecords
from tests.providers.openai_server import Asked, Client, openai_server
from tests.store.samples import DEFINITION, RESULT, a_call, a_webhook

pytestmark = pytest.mark.anyio

ANN = WorkerId("worker_ann")
PATIENCE = 30.0  # seconds until a test gives up
WANTED = Analysis(
    summary=True,
    extract={
        "type": "object",
        "properties": {
            "day": {"type": "string"},
            "guests": {"type": "integer"},
            "wishes": {"type": "array", "items": {"type": "string"}},
        },
    },
    success="There is an appointment.",
    sentiment=True,
    prompts={"next_step": "What was promised?"},
)
ANSWER = {
    "summary": "Ana comes on Monday.\x00",
    "extracted": {"day": "friday", "guests": 2, "wishes": ["quiet"]},
    "success": {"reason": "Monday was agreed on.", "met": "yes"},
    "sentiment": "positive",
    "answers": {"next_step": "A letter."},
}
DONE = CallAnalysis(
    status="completed",
    attempts=1,
    success=True,
    success_reason="Monday was agreed on.",
    sentiment="positive",
    answers={"next_step": "A letter."},
    extracted={"day": "friday", "guests": 2, "wishes": ["quiet"]},
)


async def a_finished_call(
    records: PostgresRecords,
    store: PostgresCallStore,
    *,
    analysis: Analysis = WANTED,
    answered: bool = True,
    result: CallResult = RESULT,
) -> Call:
    call = a_call(agent=replace(DEFINITION, analysis=analysis))
    await records.add_call(call)
    assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    await store.set_status(call.id, CallStatus.INITIATED, ANN, now=1002.0)
    if answered:
        await store.set_status(call.id, CallStatus.RINGING, ANN, now=1003.0)
        await store.set_status(call.id, CallStatus.IN_PROGRESS, ANN, now=1005.0)
    await store.finish(call.id, result)
    return await store.get_call(call.id)


async def events_of(records: PostgresRecords, call: CallId) -> dict[str, Event]:
    events = await records.events_of(DEFAULT_WORKSPACE, call, after=0, limit=100)
    return {event.type: event for event in events}


async def jobs(url: str) -> list[tuple[str, bool]]:
    """The payload of each, and whether it waits for a time."""
    connection = await connect(url)
    try:
        rows = await connection.fetch(
            "SELECT payload, execute_after > now() AS waits FROM pgqueuer"
            " WHERE entrypoint = 'analyze' ORDER BY id"
        )
        return [(row["payload"].decode(), row["waits"]) for row in rows]
    finally:
        await connection.close()


async def test_the_end_of_a_call_plans_its_analysis(
    database_url: str, records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_finished_call(records, store)
    assert call.analysis == CallAnalysis()
    assert await jobs(database_url) == [(call.id, False)]
    ended = (await events_of(records, call.id))["call.completed"]
    assert ended.payload["analysis"]["status"] == "pending"  # type: ignore[index]


async def test_of_a_call_whose_worker_was_lost_what_was_said_is_analysed_too(
    database_url: str, records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call(agent=replace(DEFINITION, analysis=WANTED))
    await records.add_call(call)
    assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    for status in (CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS):
        await store.set_status(call.id, status, ANN, now=1002.0)
    await store.add_turn(call.id, RESULT.transcript[0], now=1006.0)
    assert await store.settle_lost_calls(now=1100.0, silent_for=-10.0) == [call.id]
    assert await jobs(database_url) == [(call.id, False)]


@pytest.mark.parametrize(
    ("analysis", "answered", "result"),
    [
        (Analysis(), True, RESULT),
        (WANTED, True, replace(RESULT, transcript=())),
        (
            WANTED,
            False,
            CallResult(status=CallStatus.BUSY, end_reason=EndReason.CALLEE_BUSY, ended_at=1010.0),
        ),
    ],
)
async def test_there_is_nothing_to_analyse_where_nobody_wants_it_or_nothing_was_said(
    database_url: str,
    records: PostgresRecords,
    store: PostgresCallStore,
    analysis: Analysis,
    answered: bool,
    result: CallResult,
) -> None:
    call = await a_finished_call(
        records, store, analysis=analysis, answered=answered, result=result
    )
    assert call.analysis is None
    assert await jobs(database_url) == []


async def test_what_was_found_is_written_once_with_its_event(
    engine: AsyncEngine, records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_finished_call(records, store)
    analyses = PostgresAnalyses(engine)
    await asyncio.gather(
        *(
            analyses.write(call.id, DONE, f"Summary {writer}", retry_at=None, now=1100.0)
            for writer in range(4)
        )
    )
    assert await analyses.due(call.id) is None
    found = await store.get_call(call.id)
    assert found.analysis == DONE
    assert (found.summary or "").startswith("Summary")
    # The conversation knew the day; what cannot be a variable is in the analysis alone.
    assert found.extracted == {"day": "monday", "guests": 2}
    types = [
        event.type
        for event in await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    ]
    assert types.count("call.analyzed") == 1
    told = render_event_data((await events_of(records, call.id))["call.analyzed"])
    shown = render_call(found)
    for name in ("summary", "analysis", "extracted", "status", "transcript", "duration"):
        assert told[name] == shown[name]


async def test_a_failed_try_plans_the_next_and_running_twice_plans_no_other(
    database_url: str, engine: AsyncEngine, records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_finished_call(records, store)
    analyses = PostgresAnalyses(engine)
    failed = CallAnalysis(attempts=1, error="overloaded")
    assert await analyses.due(job_for(call.id, 0)) is not None
    for _ in range(2):
        await analyses.write(call.id, failed, None, retry_at=1130.0, now=1100.0)
    assert await jobs(database_url) == [(call.id, False), (f"{call.id}:1", True)]
    assert await analyses.due(call.id) is None
    due = await analyses.due(job_for(call.id, 1))
    assert due is not None
    assert due.analysis == failed
    assert due.transcript == RESULT.transcript
    assert await analyses.due(job_for(call.id, 2)) is None
    assert await analyses.due("call_gone") is None
    await analyses.write(CallId("call_gone"), DONE, None, retry_at=None, now=1100.0)
    assert "call.analyzed" not in await events_of(records, call.id)


async def test_a_webhook_hears_of_an_analysis_that_failed(
    engine: AsyncEngine,
    records: PostgresRecords,
    store: PostgresCallStore,
    outbox: PostgresOutbox,
) -> None:
    await records.add_webhook(a_webhook(events=("call.analyzed",)))
    call = await a_finished_call(records, store)

    class Nobody:
        """`ports.Providers` that has none."""

        def language_model(self, name: str) -> LanguageModel:
            raise ProviderError(f"no provider {name}", retryable=False)

        def speech_to_text(self, name: str) -> SpeechToText:
            raise AssertionError

        def text_to_speech(self, name: str) -> TextToSpeech:
            raise AssertionError

        def fallback_voice(self) -> TextToSpeech | None:
            return None

    analyst = Analyst(PostgresAnalyses(engine), Nobody(), clock=time.time)
    for made in range(5):
        await analyst.analyze(job_for(call.id, made))
    found = await store.get_call(call.id)
    assert found.analysis == CallAnalysis(status="failed", attempts=5, error="no provider openai")
    async with engine.connect() as connection:
        ids = await connection.exec_driver_sql("SELECT id FROM deliveries")
        (delivery,) = ids.scalars()
    due = await outbox.due(delivery)
    assert due is not None
    assert due.event.type == "call.analyzed"
    assert due.event.payload["analysis"]["status"] == "failed"  # type: ignore[index]


async def test_a_worker_asks_the_model_whatever_it_says_first_and_the_call_has_the_answer(
    database_url: str, engine: AsyncEngine, records: PostgresRecords, store: PostgresCallStore
) -> None:
    async def nonsense(client: Client, asked: Asked) -> None:
        await client.head(200, "text/event-stream")
        await client.delta("Sure! Here you are.", "stop")
        await client.event("[DONE]")
        await client.end()

    async def answer(client: Client, asked: Asked) -> None:
        await client.head(200, "text/event-stream")
        text = f"```json\n{json.dumps(ANSWER)}\n```"
        for start in range(0, len(text), 20):
            await client.delta(text[start : start + 20])
        await client.delta("", "stop")
        await client.event("[DONE]")
        await client.end()

    call = await a_finished_call(records, store)
    async with openai_server(nonsense, answer) as server:
        openai = OpenAISettings(base_url=server.url, http=HttpPolicy(pause=0.0))
        async with ConfiguredProviders(ProviderSettings(openai=openai)) as providers:
            analyst = Analyst(PostgresAnalyses(engine), providers, clock=time.time)
            async with asyncio.TaskGroup() as tasks:
                queue = JobQueue(database_url, patience=0.0)
                asking = queue.run({Kind.ANALYZE: analyst.analyze}, capacity=lambda: 0)
                work = tasks.create_task(asking)
                await _until_analysed(store, call.id)
                work.cancel()
        first, second = (json.loads(asked.body)["messages"] for asked in server.asked)
    found = await store.get_call(call.id)
    assert found.analysis == DONE
    assert found.summary == "Ana comes on Monday.\ufffd"
    assert "Callee: Monday" in first[1]["content"]
    assert "There is an appointment." in first[0]["content"]
    assert "expected a JSON object" in second[-1]["content"]


async def test_a_worker_that_stops_while_the_model_thinks_leaves_the_call_to_the_next(
    database_url: str, engine: AsyncEngine, records: PostgresRecords, store: PostgresCallStore
) -> None:
    thinking = asyncio.Event()

    async def think(client: Client, asked: Asked) -> None:
        thinking.set()
        await client.gone()

    async def answer(client: Client, asked: Asked) -> None:
        await client.head(200, "text/event-stream")
        await client.delta(json.dumps(ANSWER), "stop")
        await client.event("[DONE]")
        await client.end()

    call = await a_finished_call(records, store)
    async with openai_server(think, answer) as server:
        openai = OpenAISettings(base_url=server.url, http=HttpPolicy(pause=0.0))
        async with ConfiguredProviders(ProviderSettings(openai=openai)) as providers:
            analyst = Analyst(PostgresAnalyses(engine), providers, clock=time.time)
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
                for wait in (thinking.wait(), _until_analysed(store, call.id)):
                    queue = JobQueue(database_url, patience=0.0, taken_over_after=1.0)
                    asking = queue.run({Kind.ANALYZE: analyst.analyze}, capacity=lambda: 0)
                    work = tasks.create_task(asking)
                    await wait
                    work.cancel()
                    await asyncio.wait([work])
    assert (await store.get_call(call.id)).analysis == DONE
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    assert [event.type for event in events].count("call.analyzed") == 1


async def _until_analysed(store: PostgresCallStore, call: CallId) -> None:
    async with asyncio.timeout(PATIENCE):
        while (found := await store.get_call(call)).analysis == CallAnalysis():
            await asyncio.sleep(0.05)
    assert found.analysis is not None
