"""cancel, say, digits, metrics, schedules and test keys, as a customer sees them."""

from typing import Any

import pytest

from strowger.lifecycle import CallStatus
from strowger.model import CallCommand, CallId, CommandKind, LineFigures
from tests.api.conftest import Api, fields_of

AGENT = {"name": "Reception", "prompt": "Take appointments."}
FIGURES = LineFigures(
    packets_received=990,
    packets_sent=1000,
    packets_lost=10,
    packets_late=3,
    jitter=0.00123456,
    concealed=0.2,
    underrun=0.0,
)


@pytest.fixture
def home(api: Api) -> Api:
    api.post("/v1/trunks", {"name": "A", "host": "a.example"}, "Trunk")
    return api


def place(home: Api, **fields: Any) -> dict[str, Any]:
    return home.post("/v1/calls", {"to": "+14155550100", "agent": AGENT, **fields}, "Call")


def become(home: Api, id: str, status: CallStatus) -> None:
    """What a worker would do."""
    from dataclasses import replace

    home.records.calls[id] = replace(home.records.calls[id], status=status)


def test_a_call_that_waits_is_canceled_at_once(home: Api) -> None:
    call = place(home)
    canceled = home.post(f"/v1/calls/{call['id']}/cancel", None, "Call", 200)
    assert (canceled["status"], canceled["end_reason"]) == ("canceled", "api_request")
    home.refused("POST", f"/v1/calls/{call['id']}/cancel", 409, "call_state")


def test_a_call_in_progress_is_not_canceled(home: Api) -> None:
    call = place(home)
    become(home, call["id"], CallStatus.IN_PROGRESS)
    home.refused("POST", f"/v1/calls/{call['id']}/cancel", 409, "call_state")


def test_words_and_keys_go_to_a_call_in_progress_in_order(home: Api) -> None:
    call = place(home)
    id = CallId(call["id"])
    become(home, id, CallStatus.IN_PROGRESS)
    said = home.post(f"/v1/calls/{id}/say", {"text": "One moment."}, "Call", 202)
    assert said["status"] == "in_progress"
    home.post(f"/v1/calls/{id}/digits", {"digits": "12*#AD"}, "Call", 202)
    assert home.records.commands == [
        CallCommand(call_id=id, kind=CommandKind.SAY, text="One moment."),
        CallCommand(call_id=id, kind=CommandKind.DIGITS, text="12*#AD"),
    ]
    log = home.get("/v1/audit", "AuditList", resource_id=id)["data"]
    assert [(entry["resource"], entry["action"]) for entry in log] == [
        ("call", "digits"), ("call", "say"),
    ]  # fmt: skip


@pytest.mark.parametrize(("verb", "body"), [("say", {"text": "Hi."}), ("digits", {"digits": "1"})])
@pytest.mark.parametrize("status", sorted(set(CallStatus) - {CallStatus.IN_PROGRESS}))
def test_nobody_hears_words_and_keys_before_and_after_the_talk(
    home: Api, verb: str, body: dict[str, str], status: CallStatus
) -> None:
    call = place(home)
    become(home, call["id"], status)
    home.refused("POST", f"/v1/calls/{call['id']}/{verb}", 409, "call_state", json=body)


@pytest.mark.parametrize("text", ["", "  ", "?!", "a" * 2001])
def test_words_that_cannot_be_said_are_refused(home: Api, text: str) -> None:
    call = place(home)
    become(home, call["id"], CallStatus.IN_PROGRESS)
    path = f"/v1/calls/{call['id']}/say"
    problem = home.refused("POST", path, 422, "invalid_request", json={"text": text})
    assert set(fields_of(problem)) == {"text"}
    home.refused("POST", path, 422, "unknown_field", json={"text": "a", "x": 1})
    assert home.records.commands == []


@pytest.mark.parametrize("digits", ["", "12a", "1 2", "w", "1" * 65, "\u0661"])
def test_keys_that_no_telephone_has_are_refused(home: Api, digits: str) -> None:
    call = place(home)
    become(home, call["id"], CallStatus.IN_PROGRESS)
    path = f"/v1/calls/{call['id']}/digits"
    problem = home.refused("POST", path, 422, "invalid_request", json={"digits": digits})
    assert set(fields_of(problem)) == {"digits"}


@pytest.mark.parametrize("verb", ["cancel", "say", "digits", "metrics", "live"])
def test_another_workspaces_call_is_not_there(home: Api, verb: str) -> None:
    call = place(home)
    become(home, call["id"], CallStatus.IN_PROGRESS)
    stranger = home.as_("workspace_other")
    method = "GET" if verb in {"metrics", "live"} else "POST"
    body = {"say": {"text": "Hi."}, "digits": {"digits": "1"}}.get(verb)
    how = {} if body is None else {"json": body}
    stranger.refused(method, f"/v1/calls/{call['id']}/{verb}", 404, "not_found", **how)
    reader = home.as_("workspace_default", "agents:read")
    reader.refused(method, f"/v1/calls/{call['id']}/{verb}", 403, "missing_scope", **how)
    assert home.records.commands == []


def test_metrics_tell_what_became_of_the_audio(home: Api) -> None:
    call = place(home)
    path = f"/v1/calls/{call['id']}/metrics"
    waiting = home.get(path, "CallMetrics")
    assert (waiting["media"], waiting["latency"]) == (None, None)
    home.records.figures[call["id"]] = FIGURES
    media = home.get(path, "CallMetrics")["media"]
    assert media["loss"] == 0.01
    assert media["jitter"] == 0.0012
    assert media["packets_late"] == 3


def test_a_scheduled_call_waits_for_its_time(home: Api) -> None:
    call = place(home, scheduled_at="2026-09-22T00:00:00+02:00")
    assert (call["status"], call["queued_at"]) == ("scheduled", None)
    assert call["scheduled_at"] == "2026-09-21T22:00:00.000Z"
    assert home.get("/v1/calls?status=scheduled", "CallList")["data"][0]["id"] == call["id"]
    canceled = home.post(f"/v1/calls/{call['id']}/cancel", None, "Call", 200)
    assert canceled["status"] == "canceled"


@pytest.mark.parametrize(
    "at",
    [
        "2026-09-21T14:13:19Z",
        "2027-09-22T14:13:21Z",
        "2026-10-01",
        "2026-10-01T10:00:00",
        "soon",
        1,
    ],
)
def test_a_time_that_cannot_be_is_refused(home: Api, at: object) -> None:
    body = {"to": "+14155550100", "agent": AGENT, "scheduled_at": at}
    problem = home.refused("POST", "/v1/calls", 422, "invalid_request", json=body)
    assert set(fields_of(problem)) == {"scheduled_at"}
    assert home.records.calls == {}


def test_limits_of_trunks_and_numbers_are_kept_and_checked(home: Api) -> None:
    body = {"name": "B", "host": "b.example", "max_calls": 5, "calls_per_second": 0.5}
    trunk = home.post("/v1/trunks", body, "Trunk")
    assert (trunk["max_calls"], trunk["calls_per_second"]) == (5, 0.5)
    changed = home.patch(f"/v1/trunks/{trunk['id']}", {"max_calls": None}, "Trunk")
    assert (changed["max_calls"], changed["calls_per_second"]) == (None, 0.5)
    for field, wrong in (("max_calls", 0), ("max_calls", -1), ("calls_per_second", 0),
                         ("calls_per_second", 1e9)):  # fmt: skip
        bad = {**body, field: wrong}
        problem = home.refused("POST", "/v1/trunks", 422, "invalid_request", json=bad)
        assert set(fields_of(problem)) == {field}
    number = home.post("/v1/phone-numbers", {"number": "+14155550111", "max_calls": 2},
                       "PhoneNumber")  # fmt: skip
    assert number["max_calls"] == 2
    home.refused("PATCH", f"/v1/phone-numbers/{number['id']}", 422, "invalid_request",
                 json={"max_calls": 0})  # fmt: skip


def trial_of(home: Api) -> Api:
    body = {"name": "t", "scopes": ["*"], "test": True}
    made = home.post("/v1/api-keys", body, "CreatedApiKey")
    return Api(home.client, home.records, home.services, home.recordings, home.now,
               {"X-API-Key": made["key"]})  # fmt: skip


def test_a_test_key_places_test_calls_without_a_trunk(api: Api) -> None:
    trial = trial_of(api)
    trial.refused("POST", "/v1/calls", 422, "invalid_phone_number",
                   json={"to": "+1", "agent": AGENT})  # fmt: skip
    call = place(trial)
    assert (call["test"], call["trunk_id"], call["status"]) == (True, None, "queued")
    trial.post(f"/v1/calls/{call['id']}/cancel", None, "Call", 200)
    assert api.get(f"/v1/calls/{call['id']}", "Call")["status"] == "canceled"


@pytest.mark.parametrize(
    ("verb", "body"),
    [("end", None), ("cancel", None), ("say", {"text": "Hi."}), ("digits", {"digits": "1"})],
)
def test_a_test_key_reads_live_calls_and_does_nothing_to_them(
    home: Api, verb: str, body: dict[str, str] | None
) -> None:
    call, trial = place(home), trial_of(home)
    become(home, call["id"], CallStatus.IN_PROGRESS)
    trial.refused("POST", f"/v1/calls/{call['id']}/{verb}", 403, "test_key", json=body)
    assert trial.get(f"/v1/calls/{call['id']}", "Call")["status"] == "in_progress"
    assert home.records.commands == []


def test_a_test_key_reads_trunks_and_numbers_and_changes_and_checks_none(home: Api) -> None:
    trunk = home.get("/v1/trunks", "TrunkList")["data"][0]["id"]
    number = home.post("/v1/phone-numbers", {"number": "+14155550111"}, "PhoneNumber")["id"]
    trial = trial_of(home)
    for method, path, body in (
        ("POST", "/v1/trunks", {"name": "B", "host": "b.example"}),
        ("PATCH", f"/v1/trunks/{trunk}", {"host": "b.example"}),
        ("POST", f"/v1/trunks/{trunk}/check", None),
        ("DELETE", f"/v1/trunks/{trunk}", None),
        ("POST", "/v1/phone-numbers", {"number": "+14155550112"}),
        ("PATCH", f"/v1/phone-numbers/{number}", {"label": "x"}),
        ("DELETE", f"/v1/phone-numbers/{number}", None),
    ):
        trial.refused(method, path, 403, "test_key", json=body)
    assert trial.get(f"/v1/trunks/{trunk}", "Trunk")["host"] == "a.example"
    assert trial.get(f"/v1/phone-numbers/{number}", "PhoneNumber")["label"] == ""


def test_the_feed_lists_everything_in_order(home: Api) -> None:
    first, second = place(home), place(home)
    home.post(f"/v1/calls/{first['id']}/cancel", None, "Call", 200)
    page = home.get("/v1/events?limit=2", "EventList")
    assert [event["call_id"] for event in page["data"]] == [first["id"], second["id"]]
    assert page["has_more"]
    rest = home.get(f"/v1/events?after={page['next_cursor']}", "EventList")
    assert [event["type"] for event in rest["data"]] == ["call.failed"]
    assert home.as_("workspace_other").get("/v1/events", "EventList")["data"] == []
    home.refused("GET", "/v1/events?after=x", 422, "invalid_request")
    home.refused("GET", "/v1/events", 422, "invalid_cursor",
                 headers={"Accept": "text/event-stream", "Last-Event-ID": "x"})  # fmt: skip
    home.as_("workspace_default", "agents:read").refused("GET", "/v1/events", 403, "missing_scope")
