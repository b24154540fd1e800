"""`/v1/calls` through HTTP."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strowger.calls.numbers import DialPolicy
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import Call, Recording, Turn, TurnLatency
from tests.api.conftest import Api, fields_of

AGENT = {"name": "Reminder", "prompt": "Remind the callee of the appointment."}
TRUNK = {"name": "Carrier", "host": "127.0.0.1"}


@pytest.fixture
def ready(api: Api) -> Api:
    """A workspace with a trunk."""
    api.post("/v1/trunks", TRUNK, "Trunk")
    return api


def place(api: Api, **fields: Any) -> dict[str, Any]:
    return api.post("/v1/calls", {"to": "+14155550100", "agent": AGENT, **fields}, "Call")


def change(api: Api, call: str, **fields: Any) -> Call:
    """What a worker would have written."""
    api.records.calls[call] = changed = replace(api.records.calls[call], **fields)
    return changed


def test_a_call_is_queued_with_all_that_was_asked_for(ready: Api) -> None:
    call = place(
        ready,
        variables={"lead_name": "Juan García", "attempt": 2, "vip": True, "note": None},
        metadata={"deal": "OPP-42", "tags": ["a", {"b": 1.5}]},
        webhook_url="https://example.com/hook",
        record=False,
        max_duration=600,
        ring_timeout=20.5,
    )
    assert call["status"] == "queued"
    assert call["to"] == "+14155550100"
    assert call["from"] is None
    assert call["agent_id"] is None
    assert call["variables"] == {
        "lead_name": "Juan García", "attempt": 2, "vip": True, "note": None,
    }  # fmt: skip
    assert call["metadata"] == {"deal": "OPP-42", "tags": ["a", {"b": 1.5}]}
    assert (call["record"], call["max_duration"], call["ring_timeout"]) == (False, 600, 20.5)
    assert call["created_at"] == call["queued_at"] == "2026-09-21T14:13:20.125Z"
    assert call["duration"] is None
    assert call["transcript"] == []
    assert call["latency"] is None
    assert ready.get(f"/v1/calls/{call['id']}", "Call") == call


def test_the_answer_says_where_the_call_is(ready: Api) -> None:
    response = ready.client.post(
        "/v1/calls", json={"to": "+14155550100", "agent": AGENT}, headers=ready.headers
    )
    assert response.headers["location"] == f"/v1/calls/{response.json()['id']}"


def test_a_kept_agent_is_named_with_its_version(ready: Api) -> None:
    agent = ready.post("/v1/agents", {**AGENT, "default_variables": {"a": 1, "b": 1}}, "Agent")
    ready.patch(f"/v1/agents/{agent['id']}", {"prompt": "Another."}, "Agent")
    call = ready.post(
        "/v1/calls",
        {"to": "+14155550100", "agent_id": agent["id"], "variables": {"b": 2}},
        "Call",
    )
    assert (call["agent_id"], call["agent_version"]) == (agent["id"], 2)
    assert call["variables"] == {"a": 1, "b": 2}


def test_the_example_of_the_document_works(ready: Api) -> None:
    document = ready.client.get("/openapi.json").json()
    example = document["components"]["schemas"]["NewCall"]["examples"][0]
    assert ready.post("/v1/calls", example, "Call")["status"] == "queued"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("", "E.164"),
        ("4155550100", "E.164"),
        ("+1 415 555 0100", "E.164"),
        ("+1415555010", "too few or too many"),
        ("+141555501000", "too few or too many"),
        ("+999123456789", "country code"),
        ("+1800FLOWERS", "E.164"),
        ("+\u0661\u0664155550100", "E.164"),
        ("tel:+14155550100", "E.164"),
        ("+14155550100;ext=3", "E.164"),
        ("sips:alice@example.com", "sip:user@host"),
        ("sip:alice@example.com\r\nX: y", "sip:user@host"),
        ("sip:alice@example.com;transport=tcp", "sip:user@host"),
    ],
)
def test_a_number_that_cannot_be_is_refused(ready: Api, number: str, said: str) -> None:
    problem = ready.refused(
        "POST", "/v1/calls", 422, "invalid_phone_number", json={"to": number, "agent": AGENT}
    )
    assert said in fields_of(problem)["to"]
    assert ready.records.calls == {}


def test_numbers_kept_for_fiction_and_old_mexican_mobiles_are_dialled(ready: Api) -> None:
    assert place(ready, to="+14155550100")["to"] == "+14155550100"
    assert place(ready, to="+5215555550100")["to"] == "+5215555550100"
    assert place(ready, to="+442079460000")["to"] == "+442079460000"


def test_all_bad_fields_are_named_at_once(ready: Api) -> None:
    problem = ready.refused(
        "POST",
        "/v1/calls",
        422,
        "invalid_request",
        json={
            "to": "+14155550100",
            "agent": {
                "name": "",
                "timezone": "Mars/Olympus",
                "voice": {"speed": 9, "provider": "nobody"},
                "limits": {"max_duration": -1},
                "flow": {"start": "nowhere", "nodes": {}},
            },
            "from": "+14155550199",
            "variables": {"not a name": 1},
            "metadata": {"big": "x" * 20_000},
            "webhook_url": "ftp://example.com",
            "max_duration": 0,
            "ring_timeout": 1e9,
        },
    )
    assert set(fields_of(problem)) == {
        "agent.name", "agent.timezone", "agent.voice.speed", "agent.voice.provider",
        "agent.limits.max_duration", "agent.flow.nodes", "from", "variables.not a name",
        "metadata", "webhook_url", "max_duration", "ring_timeout",
    }  # fmt: skip


def test_all_bad_types_are_named_at_once(ready: Api) -> None:
    problem = ready.refused(
        "POST",
        "/v1/calls",
        422,
        "invalid_request",
        json={
            "to": 14155550100,
            "agent": {
                "name": "x",
                "voice": {"speed": "fast", "pitch": 1},
                "flow": {
                    "start": "a",
                    "nodes": {
                        "a": {"type": "say", "text": 5, "next": "b"},
                        "b": {"type": "sing"},
                        "c": {"text": "?"},
                    },
                },
            },
            "variables": {"list": [1]},
            "metadata": [],
            "record": "yes",
            "max_duration": "600",
            "color": "red",
        },
    )
    assert fields_of(problem) == {
        "to": "expected a string",
        "agent.voice.speed": "expected a number",
        "agent.voice.pitch": "there is no such field",
        "agent.flow.nodes.a.text": "expected a string",
        "agent.flow.nodes.b": (
            "expected type to be one of 'say', 'ask', 'talk', 'set', 'branch', 'end'"
        ),
        "agent.flow.nodes.c": "expected an object with a type",
        "variables.list": ("expected a string, or a whole number, or a number, or true or false"),
        "metadata": "expected an object",
        "record": "expected true or false",
        "max_duration": "expected a number",
        "color": "there is no such field",
    }


def test_unknown_fields_alone_have_a_code_of_their_own(ready: Api) -> None:
    problem = ready.refused(
        "POST",
        "/v1/calls",
        422,
        "unknown_field",
        json={"to": "+14155550100", "agent": AGENT, "phone": "1", "from_": "+14155550100"},
    )
    assert set(fields_of(problem)) == {"phone", "from_"}


@pytest.mark.parametrize("agent", [{}, {"agent": AGENT, "agent_id": "agent_1"}])
def test_exactly_one_agent_is_wanted(ready: Api, agent: dict[str, Any]) -> None:
    ready.refused("POST", "/v1/calls", 422, "invalid_request", json={"to": "+14155550100", **agent})


def test_an_unknown_agent_is_a_wrong_field(ready: Api) -> None:
    problem = ready.refused(
        "POST",
        "/v1/calls",
        422,
        "unknown_agent",
        json={"to": "+14155550100", "agent_id": "agent_nobody"},
    )
    assert set(fields_of(problem)) == {"agent_id"}


def test_without_a_trunk_the_answer_says_what_to_do(api: Api) -> None:
    problem = api.refused(
        "POST", "/v1/calls", 409, "no_trunk", json={"to": "+14155550100", "agent": AGENT}
    )
    assert "STROWGER_TRUNK" in problem["detail"]
    assert "/v1/trunks" in problem["detail"]


def test_only_allowed_countries_are_called(make_api: Callable[[DialPolicy], Api]) -> None:
    api = make_api(DialPolicy(allow_countries=frozenset({"US", "MX"})))
    api.post("/v1/trunks", TRUNK, "Trunk")
    place(api, to="+14155550100")
    place(api, to="+525555550100")
    for barred in ("+442079460000", "+18765550100", "+870773111632", "+15555550100"):
        body = {"to": barred, "agent": AGENT}
        api.refused("POST", "/v1/calls", 403, "destination_not_allowed", json=body)
    assert len(api.records.calls) == 2


def test_sip_addresses_need_leave(api: Api, make_api: Callable[[DialPolicy], Api]) -> None:
    body = {"to": "sip:alice@127.0.0.1:5070", "agent": AGENT}
    api.refused("POST", "/v1/calls", 403, "destination_not_allowed", json=body)
    open_api = make_api(DialPolicy(allow_sip_uris=True))
    open_api.post("/v1/trunks", TRUNK, "Trunk")
    assert place(open_api, to=body["to"])["to"] == body["to"]


def test_the_caller_id_is_a_number_of_ours_or_the_agents(ready: Api) -> None:
    assert place(ready)["from"] is None
    ready.post("/v1/phone-numbers", {"number": "+14155550111"}, "PhoneNumber")
    assert place(ready)["from"] == "+14155550111"
    ready.post("/v1/phone-numbers", {"number": "+14155550122"}, "PhoneNumber")
    assert place(ready)["from"] is None  # which of the two, somebody has to say
    assert place(ready, **{"from": "+14155550122"})["from"] == "+14155550122"
    owned = {**AGENT, "caller_id": "+14155550133"}
    assert place(ready, agent=owned)["from"] == "+14155550133"
    assert place(ready, agent=owned, **{"from": "+14155550111"})["from"] == "+14155550111"
    body = {"to": "+14155550100", "agent": AGENT, "from": "+14155550144"}
    ready.refused("POST", "/v1/calls", 422, "unknown_caller_id", json=body)


def test_a_number_takes_its_calls_to_its_trunk(ready: Api) -> None:
    other = ready.post("/v1/trunks", {**TRUNK, "name": "Second"}, "Trunk")
    assert other["is_default"] is False
    number = {"number": "+14155550111", "trunk_id": other["id"]}
    ready.post("/v1/phone-numbers", number, "PhoneNumber")
    assert place(ready, **{"from": "+14155550111"})["trunk_id"] == other["id"]


def test_calls_are_listed_newest_first_page_by_page(ready: Api) -> None:
    made = [place(ready)["id"] for _ in range(5)]
    first = ready.get("/v1/calls", "CallList", limit=2)
    assert [call["id"] for call in first["data"]] == made[:2:-1]
    assert first["has_more"]
    second = ready.get("/v1/calls", "CallList", limit=2, cursor=first["next_cursor"])
    last = ready.get("/v1/calls", "CallList", limit=2, cursor=second["next_cursor"])
    assert [call["id"] for call in second["data"] + last["data"]] == made[2::-1]
    assert (last["has_more"], last["next_cursor"]) == (False, None)


def test_lists_are_filtered(ready: Api) -> None:
    agent = ready.post("/v1/agents", AGENT, "Agent")["id"]
    place(ready)
    kept = ready.post("/v1/calls", {"to": "+442079460000", "agent_id": agent}, "Call")["id"]
    change(ready, kept, status=CallStatus.RINGING)
    for query in ({"agent_id": agent}, {"to": "+442079460000"}, {"status": "ringing"}):
        found = ready.get("/v1/calls", "CallList", **query)
        assert [call["id"] for call in found["data"]] == [kept], query
    unescaped = ready.get("/v1/calls?to=+442079460000", "CallList")
    assert len(unescaped["data"]) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1e400", "limit"),
        ("status=asleep", "status"),
        ("cursor=%00", "cursor"),
        ("agent_id=%00", "agent_id"),
        ("to=%00", "to"),
        ("colour=red", "colour"),
    ],
)
def test_a_bad_query_is_refused(ready: Api, query: str, field: str) -> None:
    codes = {"colour": "unknown_field", "to": "invalid_phone_number"}
    code = codes.get(field, "invalid_request")
    problem = ready.refused("GET", f"/v1/calls?{query}", 422, code)
    assert set(fields_of(problem)) == {field}


def test_a_cursor_that_was_not_made_here_is_refused(ready: Api) -> None:
    ready.refused("GET", "/v1/calls?cursor=abc", 422, "invalid_cursor")


@pytest.mark.parametrize(
    "path", ["call_nobody", "%00", "..%2f..", "x" * 500, "call_\u00e9", "call_1%0a"]
)
@pytest.mark.parametrize("rest", ["", "/transcript", "/events", "/recording"])
def test_a_call_that_is_not_there_is_not_found(ready: Api, path: str, rest: str) -> None:
    ready.refused("GET", f"/v1/calls/{path}{rest}", 404, "not_found")


def test_a_waiting_call_is_canceled_and_a_finished_one_cannot_be_ended(ready: Api) -> None:
    call = place(ready)["id"]
    ended = ready.post(f"/v1/calls/{call}/end", None, "Call", status=200)
    assert (ended["status"], ended["end_reason"]) == ("canceled", "api_request")
    ready.refused("POST", f"/v1/calls/{call}/end", 409, "call_state")


def finished(api: Api) -> dict[str, Any]:
    """A call that went well, as a worker leaves it."""
    call = place(api)["id"]
    at = api.now[0]
    latencies = [
        TurnLatency(endpointing=0.5, speech=0.01, total=0.55),
        TurnLatency(endpointing=0.7, model=0.3, speech=0.02, total=1.0),
    ]
    change(
        api,
        call,
        status=CallStatus.COMPLETED,
        end_reason=EndReason.AGENT_HANGUP,
        started_at=at + 1,
        answered_at=at + 5,
        ended_at=at + 65.5,
        transcript=(
            Turn(role="agent", text="Hello?", started_at=0, ended_at=1.00049),
            Turn(role="callee", text="Yes.", started_at=1.5, ended_at=2, confidence=0.9),
            Turn(role="agent", text="Good", started_at=3, ended_at=4, interrupted=True,
                 latency=latencies[0]),
            Turn(role="agent", text="Bye.", started_at=5, ended_at=6, latency=latencies[1]),
        ),
        outcome="appointment: confirmed",
        extracted={"day": "Monday"},
        recording=Recording(available=True, duration=60.5),
    )  # fmt: skip
    return api.get(f"/v1/calls/{call}", "Call")


def test_a_finished_call_tells_everything(ready: Api) -> None:
    call = finished(ready)
    assert (call["status"], call["end_reason"]) == ("completed", "agent_hangup")
    assert call["duration"] == 60.5
    assert call["outcome"] == "appointment: confirmed"
    assert call["extracted"] == {"day": "Monday"}
    assert call["recording"] == {"available": True, "duration": 60.5, "channels": 2}
    assert [turn["text"] for turn in call["transcript"]] == ["Hello?", "Yes.", "Good", "Bye."]
    assert call["latency"] == {
        "turns": 2,
        "p50": 0.55,
        "p95": 1.0,
        "max": 1.0,
        "stages": {
            "endpointing": {"p50": 0.5, "p95": 0.7, "max": 0.7},
            "transcription": None,
            "model": {"p50": 0.3, "p95": 0.3, "max": 0.3},
            "speech": {"p50": 0.01, "p95": 0.02, "max": 0.02},
            "wire": None,
        },
    }


def test_the_transcript_can_be_read_alone(ready: Api) -> None:
    call = finished(ready)
    transcript = ready.get(f"/v1/calls/{call['id']}/transcript", "Transcript")
    assert transcript == {
        "call_id": call["id"], "status": "completed", "turns": call["transcript"],
    }  # fmt: skip


def test_events_come_in_order_and_go_on_where_they_were_left(ready: Api) -> None:
    call = place(ready)["id"]
    other = place(ready)["id"]
    for type in ("call.initiated", "call.ringing"):
        ready.records.tell_of(ready.records.calls[call], type, ready.now[0])
    path = f"/v1/calls/{call}/events"
    first = ready.get(path, "EventList", limit=2)
    assert [event["type"] for event in first["data"]] == ["call.queued", "call.initiated"]
    assert first["has_more"]
    rest = ready.get(path, "EventList", after=first["next_cursor"])
    assert [event["type"] for event in rest["data"]] == ["call.ringing"]
    assert not rest["has_more"]
    nothing = ready.get(path, "EventList", after=rest["next_cursor"])
    assert (nothing["data"], nothing["next_cursor"]) == ([], rest["next_cursor"])
    assert [e["call_id"] for e in first["data"] + rest["data"]] == [call] * 3
    assert len(ready.get(f"/v1/calls/{other}/events", "EventList")["data"]) == 1


def test_waiting_for_events_ends_with_the_first(
    ready: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = place(ready)["id"]
    looks: list[float] = []

    async def pass_time(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            ready.records.tell_of(ready.records.calls[call], "call.ringing", ready.now[0])

    monkeypatch.setattr("strowger.api.calls.asyncio.sleep", pass_time)
    found = ready.get(f"/v1/calls/{call}/events", "EventList", after=1, wait=30)
    assert [event["type"] for event in found["data"]] == ["call.ringing"]
    assert looks == [0.25] * 3


def test_waiting_for_events_ends_with_the_call_and_with_patience(ready: Api) -> None:
    call = place(ready)["id"]
    path = f"/v1/calls/{call}/events"
    assert ready.get(path, "EventList", after=1, wait=0.3)["data"] == []
    change(ready, call, status=CallStatus.FAILED, end_reason=EndReason.WORKER_LOST)
    assert ready.get(path, "EventList", after=1, wait=30)["data"] == []


@pytest.mark.parametrize("query", ["after=-1", f"after={2**63}", "wait=31", "wait=nan", "limit=0"])
def test_bad_bounds_for_events_are_refused(ready: Api, query: str) -> None:
    call = place(ready)["id"]
    ready.refused("GET", f"/v1/calls/{call}/events?{query}", 422, "invalid_request")
