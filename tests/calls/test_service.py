"""Placing calls: what is filled in from where, and what is refused."""

import asyncio
import re
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.agent import AgentDefinition, Limits
from strowger.calls.numbers import (
    DialPolicy,
    check_destination_allowed,
    destination_problem,
    phone_number_problem,
    regions_of,
)
from strowger.calls.service import CallService, NewCall
from strowger.calls.simulated import SIMULATED_CALLEES
from strowger.errors import Conflict, Forbidden, InvalidRequest, NotFound
from strowger.lifecycle import CallStatus
from strowger.model import (
    DEFAULT_WORKSPACE,
    Actor,
    Agent,
    AgentId,
    Call,
    CallId,
    KeyId,
    NumberId,
    PhoneNumber,
    Trunk,
    TrunkId,
    WorkspaceId,
)
from strowger.ports import ACTOR
from tests.fakes import InMemoryRecords

T = TypeVar("T")
HOME = DEFAULT_WORKSPACE
DEFINITION = AgentDefinition(name="Reminder", prompt="Remind them.")


def run(what: Coroutine[object, object, T]) -> T:
    return asyncio.run(what)


@pytest.fixture
def records() -> InMemoryRecords:
    records = InMemoryRecords()
    run(records.add_trunk(Trunk(id=TrunkId("trunk_1"), workspace_id=HOME, name="A",
                                host="a.example", is_default=True)))  # fmt: skip
    return records


def service(records: InMemoryRecords, policy: DialPolicy | None = None) -> CallService:
    numbers = count(1)
    return CallService(
        records,
        ids=lambda prefix: f"{prefix}_{next(numbers)}",
        clock=lambda: 1000.0,
        policy=policy or DialPolicy(),
        recording_path=lambda workspace, call: Path(workspace) / call,
    )


def keep_agent(records: InMemoryRecords, definition: AgentDefinition) -> AgentId:
    agent = Agent(
        id=AgentId("agent_1"),
        workspace_id=HOME,
        version=4,
        definition=definition,
        created_at=0,
        updated_at=0,
    )
    run(records.add_agent(agent))
    return agent.id


def place(records: InMemoryRecords, wanted: NewCall) -> Call:
    call = run(service(records).create(HOME, wanted))
    assert records.calls == {call.id: call}
    return call


def test_what_the_call_leaves_open_the_agent_decides(records: InMemoryRecords) -> None:
    definition = AgentDefinition(
        name="A",
        prompt="Talk.",
        limits=Limits(max_duration=60, ring_timeout=10),
        recording=False,
        default_variables={"a": 1, "b": 2},
        webhook_url="https://example.com/agent",
        caller_id="+14155550111",
    )
    agent = keep_agent(records, definition)
    call = place(records, NewCall(to="+14155550100", agent_id=agent, variables={"b": 3}))
    assert call == Call(
        id=CallId("call_1"),
        workspace_id=HOME,
        agent_id=agent,
        agent_version=4,
        agent=definition,
        to="+14155550100",
        from_="+14155550111",
        trunk_id=TrunkId("trunk_1"),
        variables={"a": 1, "b": 3},
        webhook_url=None,
        record=False,
        max_duration=60,
        ring_timeout=10,
        created_at=1000.0,
        queued_at=1000.0,
    )


def test_what_the_call_says_goes_before_the_agent(records: InMemoryRecords) -> None:
    definition = AgentDefinition(
        name="A",
        prompt="Talk.",
        recording=True,
        webhook_url="https://example.com/agent",
        caller_id="+14155550111",
    )
    wanted = NewCall(
        to="+14155550100",
        agent=definition,
        from_="+14155550111",
        webhook_url="https://example.com/call",
        record=False,
        max_duration=30,
        ring_timeout=5,
        metadata={"deal": 1},
    )
    call = place(records, wanted)
    assert (call.agent_id, call.agent_version) == (None, None)
    assert call.webhook_url == "https://example.com/call"
    assert (call.record, call.max_duration, call.ring_timeout) == (False, 30, 5)
    assert call.metadata == {"deal": 1}


def test_the_trunk_is_the_numbers_own_or_the_default(records: InMemoryRecords) -> None:
    run(records.add_trunk(Trunk(id=TrunkId("trunk_2"), workspace_id=HOME, name="B", host="b")))
    number = PhoneNumber(
        id=NumberId("number_1"),
        workspace_id=HOME,
        number="+14155550111",
        trunk_id=TrunkId("trunk_2"),
    )
    run(records.add_number(number))
    call = place(records, NewCall(to="+14155550100", agent=DEFINITION))
    assert (call.from_, call.trunk_id) == ("+14155550111", "trunk_2")


def test_the_trunk_of_the_agents_number_is_taken_too(records: InMemoryRecords) -> None:
    for index in (1, 2):
        run(records.add_trunk(Trunk(id=TrunkId(f"trunk_n{index}"), workspace_id=HOME, name="B",
                                    host="b")))  # fmt: skip
        number = PhoneNumber(
            id=NumberId(f"number_{index}"),
            workspace_id=HOME,
            number=f"+1415555011{index}",
            trunk_id=TrunkId(f"trunk_n{index}"),
        )
        run(records.add_number(number))
    definition = AgentDefinition(name="A", prompt="Talk.", caller_id="+14155550112")
    call = place(records, NewCall(to="+14155550100", agent=definition))
    assert (call.from_, call.trunk_id) == ("+14155550112", "trunk_n2")


def test_a_test_call_needs_no_trunk_and_has_none() -> None:
    records = InMemoryRecords()
    call = place(records, NewCall(to="+14155550100", agent=DEFINITION, test=True))
    assert (call.test, call.trunk_id) == (True, None)
    with pytest.raises(Conflict):
        place(records, NewCall(to="+14155550100", agent=DEFINITION))


def test_a_test_call_is_checked_as_a_live_one_but_for_the_simulated_numbers(
    records: InMemoryRecords,
) -> None:
    policy = DialPolicy(allow_countries=frozenset({"MX"}))
    placing = service(records, policy)
    for number in SIMULATED_CALLEES:
        wanted = NewCall(to=number, agent=DEFINITION, test=True)
        assert run(placing.create(HOME, wanted)).to == number
        with pytest.raises(Forbidden):
            run(placing.create(HOME, NewCall(to=number, agent=DEFINITION)))
    with pytest.raises(Forbidden):
        run(placing.create(HOME, NewCall(to="+14155550100", agent=DEFINITION, test=True)))
    unknown = NewCall(to="+15005550001", from_="+14155550177", agent=DEFINITION, test=True)
    with pytest.raises(InvalidRequest):
        run(placing.create(HOME, unknown))


def test_what_a_test_key_asks_for_by_any_door_is_a_test_call(records: InMemoryRecords) -> None:
    placing = service(records)
    live = run(placing.create(HOME, NewCall(to="+14155550100", agent=DEFINITION)))
    asking = ACTOR.set(Actor(key_id=KeyId("key_t"), request_id="request_1", test=True))
    try:
        forgetful = NewCall(to="+14155550100", agent=DEFINITION, test=False)
        call = run(placing.create(HOME, forgetful))
        assert (call.test, call.trunk_id) == (True, None)
        for verb in (
            placing.end(HOME, live.id),
            placing.cancel(HOME, live.id),
            placing.say(HOME, live.id, "Hi."),
            placing.send_digits(HOME, live.id, "1"),
        ):
            with pytest.raises(Forbidden):
                run(verb)
        assert run(placing.end(HOME, call.id)).status is CallStatus.CANCELED
    finally:
        ACTOR.reset(asking)


def test_the_manual_lists_who_answers_test_calls() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "test-calls.md"
    listed = re.findall(r"^\| `(\+1500\d+)` \| `([a-z-]+)` \|", page.read_text(), re.MULTILINE)
    assert dict(listed) == dict(SIMULATED_CALLEES)


def test_nothing_that_is_refused_leaves_a_trace(records: InMemoryRecords) -> None:
    placing = service(records, DialPolicy(allow_countries=frozenset({"MX"})))
    refused: list[tuple[NewCall, type[Exception], str]] = [
        (NewCall(to="+1", agent=DEFINITION), InvalidRequest, "invalid_phone_number"),
        (NewCall(to="+14155550100", agent=DEFINITION), Forbidden, "destination_not_allowed"),
        (NewCall(to="sip:a@b", agent=DEFINITION), Forbidden, "destination_not_allowed"),
        (NewCall(to="+525555550100"), InvalidRequest, "invalid_request"),
        (NewCall(to="+525555550100", agent_id=AgentId("x")), InvalidRequest, "unknown_agent"),
    ]
    for wanted, kind, code in refused:
        with pytest.raises(kind) as raised:
            run(placing.create(HOME, wanted))
        assert getattr(raised.value, "code", None) == code
    with pytest.raises(Conflict, match="STROWGER_TRUNK"):
        run(placing.create(WorkspaceId("other"), NewCall(to="+525555550100", agent=DEFINITION)))
    assert (records.calls, records.events) == ({}, [])


def test_metadata_has_a_limit_in_bytes(records: InMemoryRecords) -> None:
    room = 16_384 - len('{"a":""}')
    place(records, NewCall(to="+14155550100", agent=DEFINITION, metadata={"a": "x" * room}))
    with pytest.raises(InvalidRequest, match="metadata: expected at most 16384 bytes"):
        run(
            service(records).create(
                HOME,
                NewCall(to="+14155550100", agent=DEFINITION, metadata={"a": "é" * (room // 2 + 1)}),
            )
        )


def test_a_recording_of_another_workspace_is_not_found(records: InMemoryRecords) -> None:
    call = place(records, NewCall(to="+14155550100", agent=DEFINITION))
    with pytest.raises(NotFound, match="when the call is over"):
        run(service(records).recording(HOME, call.id))
    with pytest.raises(NotFound):
        run(service(records).recording(WorkspaceId("other"), call.id))


@given(st.text())
def test_no_text_upsets_the_check_of_numbers(text: str) -> None:
    for candidate in (text, f"+{text}", f"sip:{text}"):
        problem = destination_problem(candidate)
        assert problem is None or problem.strip()


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_every_possible_number_belongs_somewhere(number: str) -> None:
    if phone_number_problem(number) is None:
        assert regions_of(number)


@given(st.integers(2_000_000_000, 9_999_999_999).map(lambda digits: f"+1{digits}"))
def test_an_allow_list_never_lets_an_unknown_country_through(number: str) -> None:
    """Of the 25 countries with the code +1, only those allowed are called."""
    regions = regions_of(number)
    policy = DialPolicy(allow_countries=frozenset({"US"}))
    if regions == {"US"}:
        check_destination_allowed(number, policy)
    else:
        with pytest.raises(Forbidden):
            check_destination_allowed(number, policy)
