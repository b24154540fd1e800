import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.errors import Conflict, NotFound
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    DEFAULT_WORKSPACE,
    Actor,
    Call,
    CallCommand,
    CallId,
    CallResult,
    CommandKind,
    KeyId,
    ProviderSwitch,
    Secret,
    SecretId,
    Turn,
    UsedTool,
    WorkerId,
)
from strowger.ports import ACTOR
from strowger.store.calls import PostgresCallStore
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords
from strowger.store.schema import dial_attempts, workers
from tests.store.samples import (
    OTHER_WORKSPACE,
    RESULT,
    TURNS,
    a_call,
    a_trunk,
    a_webhook,
    an_agent,
)

pytestmark = pytest.mark.anyio

ANN = WorkerId("worker_ann")
BOB = WorkerId("worker_bob")


async def a_live_call(records: PostgresRecords, store: PostgresCallStore) -> Call:
    call = a_call()
    await records.add_call(call)
    assert await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    await store.set_status(call.id, CallStatus.INITIATED, ANN, now=1002.0)
    await store.set_status(call.id, CallStatus.RINGING, ANN, now=1003.0)
    await store.set_status(call.id, CallStatus.IN_PROGRESS, ANN, now=1005.0)
    return call


async def fall_silent(engine: AsyncEngine, *who: WorkerId, seconds: float) -> None:
    """Let the last sign of life of these be so long ago."""
    ago = func.extract("epoch", func.clock_timestamp()) - seconds
    async with engine.begin() as connection:
        await connection.execute(update(workers).where(workers.c.id.in_(who)).values(beat_at=ago))
        tried = update(dial_attempts).where(dial_attempts.c.worker_id.in_(who))
        await connection.execute(tried.values(made_at=ago))


async def types_of(records: PostgresRecords, call: CallId) -> list[str]:
    events = await records.events_of(DEFAULT_WORKSPACE, call, after=0, limit=100)
    return [event.type for event in events]


async def test_a_call_comes_back_as_it_was_put_in(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call(webhook_url="https://example.net/x", hangup_cause=16)
    await records.add_call(call)
    assert await store.get_call(call.id) == call
    assert await records.get_call_of(DEFAULT_WORKSPACE, call.id) == call


async def test_a_call_is_told_event_by_event(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    for turn in TURNS:
        await store.add_turn(call.id, turn, now=1006.0)
    await store.finish(call.id, RESULT)
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    assert [event.type for event in events] == [
        "call.queued",
        "call.initiated",
        "call.ringing",
        "call.answered",
        "call.turn",
        "call.turn",
        "call.completed",
        "call.recording_ready",
    ]
    assert [event.sequence for event in events] == sorted(event.sequence for event in events)
    assert len({event.id for event in events}) == len(events)
    assert events[4].payload["turn"] == {
        "role": "agent",
        "text": "Hello Ana",
        "started_at": 0.1,
        "ended_at": 1.2,
        "interrupted": False,
        "confidence": None,
        "latency": None,
        "tool": None,
    }
    last = events[6].payload
    assert last["status"] == "completed"
    assert last["call_id"] == call.id
    assert last["from"] == call.from_
    assert last["outcome"] == "appointment: monday"
    assert [turn["text"] for turn in last["transcript"]] == ["Hello Ana", "Monday"]  # type: ignore[attr-defined]
    assert "agent" not in last
    later = await records.events_of(DEFAULT_WORKSPACE, call.id, after=events[5].sequence, limit=1)
    assert [event.type for event in later] == ["call.completed"]


async def test_a_use_of_a_tool_is_noted_once_and_told_of_by_an_event_of_its_own(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    uses = [await store.note_tool_use(call.id, 1, "book", "{}", now=1.0) for _ in range(2)]
    assert uses == [True, False]
    assert await store.note_tool_use(call.id, 2, "book", "{}", now=1.0)
    used = UsedTool(name="book", arguments="{}", ok=True)
    turn = Turn(role="tool", text="table 4", started_at=1.0, ended_at=2.0, tool=used)
    await store.add_turn(call.id, turn, now=1006.0)
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    assert events[-1].type == "call.tool_called"
    assert (await store.get_call(call.id)).transcript == (turn,)


async def test_secrets_of_a_workspace_are_found_by_name_and_only_its_own(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    await records.ensure_workspace(OTHER_WORKSPACE, now=0.0)
    for workspace, value in ((DEFAULT_WORKSPACE, "mine"), (OTHER_WORKSPACE, "theirs")):
        await records.add_secret(
            Secret(id=SecretId(new_id("secret")), workspace_id=workspace, name="KEY", value=value)
        )
    assert await store.secrets(DEFAULT_WORKSPACE, ["KEY", "OTHER"]) == {"KEY": "mine"}


async def test_the_agent_that_is_to_take_over_is_of_the_calls_own_workspace(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    agent = an_agent()
    await records.add_agent(agent)
    assert await store.get_agent_of(call, agent.id) == agent.definition
    with pytest.raises(NotFound):
        await store.get_agent_of(replace(call, workspace_id=OTHER_WORKSPACE), agent.id)


async def test_a_finished_call_has_everything_its_worker_reported(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    await store.finish(call.id, RESULT)
    assert await store.get_call(call.id) == replace(
        call,
        status=CallStatus.COMPLETED,
        end_reason=EndReason.AGENT_HANGUP,
        worker_id=ANN,
        started_at=1002.0,
        answered_at=1005.0,
        ended_at=1060.5,
        sip_status=200,
        answered_by="human",
        transcript=TURNS,
        outcome="appointment: monday",
        extracted={"day": "monday"},
        recording=RESULT.recording,
    )
    assert await store.journal(call.id) == RESULT.journal


async def test_finishing_twice_changes_and_tells_nothing_more(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    await store.finish(call.id, RESULT)
    told = await types_of(records, call.id)
    other = replace(RESULT, status=CallStatus.FAILED, end_reason=EndReason.MEDIA_LOST)
    await store.finish(call.id, other)
    assert (await store.get_call(call.id)).status is CallStatus.COMPLETED
    assert await types_of(records, call.id) == told


async def test_of_two_results_at_once_one_counts(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    await asyncio.gather(*(store.finish(call.id, RESULT) for _ in range(4)))
    assert (await types_of(records, call.id)).count("call.completed") == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CallStatus.BUSY, EndReason.CALLEE_BUSY),
        (CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT),
        (CallStatus.FAILED, EndReason.CARRIER_REJECTED),
        (CallStatus.CANCELED, EndReason.API_REQUEST),
    ],
)
async def test_every_end_without_an_answer_is_a_failed_event_that_says_which(
    records: PostgresRecords, store: PostgresCallStore, status: CallStatus, reason: EndReason
) -> None:
    call = a_call()
    await records.add_call(call)
    await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    await store.set_status(call.id, CallStatus.INITIATED, ANN, now=1002.0)
    await store.finish(call.id, CallResult(status=status, end_reason=reason, ended_at=1010.0))
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    assert events[-1].type == "call.failed"
    assert events[-1].payload["status"] == status
    assert events[-1].payload["end_reason"] == reason


async def test_of_many_who_claim_a_call_one_wins(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call()
    await records.add_call(call)
    workers = [WorkerId(f"worker_{number}") for number in range(8)]
    won = await asyncio.gather(
        *(store.claim_dial_attempt(call.id, worker, now=1001.0) for worker in workers)
    )
    assert won.count(True) == 1
    winner = workers[won.index(True)]
    assert (await store.get_call(call.id)).worker_id == winner
    attempt = await store.dial_attempt(call.id)
    assert attempt is not None
    assert attempt.worker == winner


async def test_a_call_that_is_over_or_unknown_is_not_claimed(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call()
    await records.add_call(call)
    await records.request_end(DEFAULT_WORKSPACE, call.id, now=1001.0)
    assert not await store.claim_dial_attempt(call.id, ANN, now=1002.0)
    assert not await store.claim_dial_attempt(CallId("call_none"), ANN, now=1002.0)
    assert await store.dial_attempt(call.id) is None


async def test_a_status_that_may_not_follow_is_refused_and_leaves_no_event(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call()
    await records.add_call(call)
    with pytest.raises(Conflict):
        await store.set_status(call.id, CallStatus.IN_PROGRESS, ANN, now=1001.0)
    assert await types_of(records, call.id) == ["call.queued"]
    assert (await store.get_call(call.id)).status is CallStatus.QUEUED


async def test_another_worker_does_not_move_a_call(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call()
    await records.add_call(call)
    await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    with pytest.raises(Conflict):
        await store.set_status(call.id, CallStatus.INITIATED, BOB, now=1002.0)


async def test_turns_after_the_end_are_ignored(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    await store.finish(call.id, RESULT)
    late = Turn(role="agent", text="late", started_at=9.0, ended_at=9.5)
    await store.add_turn(call.id, late, now=1070.0)
    assert (await store.get_call(call.id)).transcript == TURNS


async def test_a_turn_that_comes_again_is_written_once(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    for turn in (TURNS[0], TURNS[0], TURNS[1]):
        await store.add_turn(call.id, turn, now=1006.0)
    assert (await store.get_call(call.id)).transcript == TURNS[:2]
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    assert [event.type for event in events].count("call.turn") == 2


async def test_a_switch_of_providers_is_told_by_an_event_once_however_often_it_is_written(
    engine: AsyncEngine, records: PostgresRecords, store: PostgresCallStore
) -> None:
    await records.add_webhook(a_webhook(events=("call.provider_switched",)))
    call = await a_live_call(records, store)
    away = ProviderSwitch(
        kind="text_to_speech", before="elevenlabs", after="local", reason="elevenlabs broke off"
    )
    back = replace(away, before="local", after="elevenlabs", reason="elevenlabs answers again")
    for switch in (away, away, back, away):
        await store.add_provider_switch(call.id, switch, now=1006.0)
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    told = [event.payload for event in events if event.type == "call.provider_switched"]
    assert [payload["to"] for payload in told] == ["local", "elevenlabs", "local"]
    assert told[0] == {
        "call_id": call.id,
        "kind": "text_to_speech",
        "from": "elevenlabs",
        "to": "local",
        "reason": "elevenlabs broke off",
    }
    async with engine.connect() as connection:
        count = await connection.exec_driver_sql("SELECT count(*) FROM deliveries")
        assert count.scalar_one() == 3


async def test_a_call_that_is_over_changes_no_provider(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    await store.finish(call.id, RESULT)
    late = ProviderSwitch(kind="text_to_speech", before="a", after="b", reason="a broke off")
    await store.add_provider_switch(call.id, late, now=1006.0)
    events = await records.events_of(DEFAULT_WORKSPACE, call.id, after=0, limit=100)
    assert "call.provider_switched" not in {event.type for event in events}


async def test_a_worker_holds_the_calls_it_claimed_until_they_are_over(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    assert await store.held(ANN) == {call.id}
    await store.finish(call.id, RESULT)
    assert await store.held(ANN) == frozenset()


async def test_a_result_without_turns_keeps_those_written_meanwhile(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    await store.add_turn(call.id, TURNS[0], now=1006.0)
    await store.finish(call.id, replace(RESULT, transcript=()))
    assert (await store.get_call(call.id)).transcript == TURNS[:1]


async def test_what_cannot_be_stored_is_cleaned_not_refused(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = await a_live_call(records, store)
    wild = Turn(
        role="callee", text="a\x00b\ud800c", started_at=0.0, ended_at=1.0, confidence=float("nan")
    )
    await store.add_turn(call.id, wild, now=1006.0)
    await store.finish(
        call.id,
        replace(
            RESULT,
            transcript=(wild,),
            error="x\x00y\udfff",
            outcome="\\u0000 is only text",
            extracted={"k\x00": "v\ud800"},
        ),
    )
    found = await store.get_call(call.id)
    assert found.transcript[0].text == "a\ufffdb?c"
    assert found.transcript[0].confidence is None
    assert found.error == "x\ufffdy?"
    assert found.outcome == "\\u0000 is only text"
    assert found.extracted == {"k\ufffd": "v?"}


async def test_calls_of_silent_workers_are_settled_once_and_others_left_alone(
    engine: AsyncEngine, records: PostgresRecords, store: PostgresCallStore
) -> None:
    live = await a_live_call(records, store)
    claimed, waiting, healthy = a_call(), a_call(), a_call()
    for call in (claimed, waiting, healthy):
        await records.add_call(call)
    never_beat = WorkerId("worker_never")
    await store.claim_dial_attempt(claimed.id, never_beat, now=1001.0)
    await store.claim_dial_attempt(healthy.id, BOB, now=1001.0)
    await store.beat(ANN, lines=4, busy=1)
    await store.beat(BOB, lines=4, busy=1)
    assert await store.settle_lost_calls(now=1041.0, silent_for=30.0) == []
    await fall_silent(engine, ANN, never_beat, seconds=31.0)
    await fall_silent(engine, BOB, seconds=29.0)
    settled = await asyncio.gather(
        *(store.settle_lost_calls(now=1041.0, silent_for=30.0) for _ in range(3))
    )
    assert sorted(call for found in settled for call in found) == sorted([live.id, claimed.id])
    lost = await store.get_call(live.id)
    assert (lost.status, lost.end_reason) == (CallStatus.FAILED, EndReason.WORKER_LOST)
    assert lost.ended_at == 1041.0
    assert (await types_of(records, live.id))[-1] == "call.failed"
    assert (await store.get_call(waiting.id)).status is CallStatus.QUEUED
    assert (await store.get_call(healthy.id)).status is CallStatus.QUEUED


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_a_workers_own_clock_says_nothing_about_its_life(
    skew: float,
    records: PostgresRecords,
    store: PostgresCallStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = time.time()
    monkeypatch.setattr("time.time", lambda: ours + skew)
    await store.beat(ANN, lines=4, busy=1)
    call = a_call()
    await records.add_call(call)
    await store.claim_dial_attempt(call.id, ANN, now=ours + skew)
    assert await store.settle_lost_calls(now=ours - skew, silent_for=10.0) == []


async def test_ending_a_waiting_call_cancels_it_and_a_live_one_tells_its_worker(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    waiting, live = a_call(), await a_live_call(records, store)
    await records.add_call(waiting)
    canceled = await records.request_end(DEFAULT_WORKSPACE, waiting.id, now=1020.0)
    assert canceled.status is CallStatus.CANCELED
    assert canceled.end_reason is EndReason.API_REQUEST
    assert await types_of(records, waiting.id) == ["call.queued", "call.failed"]
    asked = await records.request_end(DEFAULT_WORKSPACE, live.id, now=1020.0)
    assert asked.status is CallStatus.IN_PROGRESS
    assert await store.waiting_commands([waiting.id]) == []
    (end,) = await store.waiting_commands([waiting.id, live.id])
    assert (end.call_id, end.kind) == (live.id, CommandKind.END)
    assert await store.waiting_commands([live.id]) == [end], "until it has been obeyed"
    await store.obeyed([end.id])
    await store.obeyed([end.id])
    assert await store.waiting_commands([live.id]) == []
    await store.finish(live.id, RESULT)
    with pytest.raises(Conflict):
        await records.request_end(DEFAULT_WORKSPACE, live.id, now=1070.0)


async def test_who_ends_cancels_and_commands_a_call_is_in_the_audit_log(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    waiting, live = a_call(), await a_live_call(records, store)
    await records.add_call(waiting)
    actor = ACTOR.set(Actor(key_id=KeyId("key_1"), request_id="request_1"))
    try:
        for kind in (CommandKind.SAY, CommandKind.DIGITS):
            command = CallCommand(call_id=live.id, kind=kind, text="1")
            await records.command_call(DEFAULT_WORKSPACE, command, now=1020.0)
        await records.request_end(DEFAULT_WORKSPACE, live.id, now=1021.0)
        await records.cancel_call(DEFAULT_WORKSPACE, waiting.id, now=1022.0)
        with pytest.raises(Conflict):
            await records.cancel_call(DEFAULT_WORKSPACE, waiting.id, now=1023.0)
    finally:
        ACTOR.reset(actor)
    log = (await records.list_audit(DEFAULT_WORKSPACE, None, limit=10, cursor=None)).data
    assert [(entry.resource_id, entry.action) for entry in reversed(log)] == [
        (live.id, "say"),
        (live.id, "digits"),
        (live.id, "end"),
        (waiting.id, "cancel"),
    ]
    assert {(entry.resource, entry.key_id, entry.fields) for entry in log} == {
        ("call", "key_1", ())
    }


async def test_a_claimed_call_that_has_not_rung_is_its_workers_to_end(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    call = a_call()
    await records.add_call(call)
    await store.claim_dial_attempt(call.id, ANN, now=1001.0)
    asked = await records.request_end(DEFAULT_WORKSPACE, call.id, now=1002.0)
    assert asked.status is CallStatus.QUEUED
    (end,) = await store.waiting_commands([call.id])
    assert (end.call_id, end.kind) == (call.id, CommandKind.END)


async def test_the_trunk_of_a_call_is_found_in_its_workspace_only(
    records: PostgresRecords, store: PostgresCallStore
) -> None:
    trunk = a_trunk()
    await records.add_trunk(trunk)
    assert await store.get_trunk_of(a_call(trunk_id=trunk.id)) == trunk
    with pytest.raises(NotFound):
        await store.get_trunk_of(a_call(trunk_id=trunk.id, workspace_id=OTHER_WORKSPACE))


async def test_what_is_not_there_is_not_found(store: PostgresCallStore) -> None:
    nobody = CallId("call_none")
    with pytest.raises(NotFound):
        await store.get_call(nobody)
    with pytest.raises(NotFound):
        await store.set_status(nobody, CallStatus.INITIATED, ANN, now=1.0)
    with pytest.raises(NotFound):
        await store.add_turn(nobody, TURNS[0], now=1.0)
    with pytest.raises(NotFound):
        await store.finish(nobody, RESULT)
    with pytest.raises(NotFound):
        await store.journal(nobody)
