"""Ravan's calls and errors, as the vendor's page, documentation and clients have them."""

import json
from typing import Any

import pytest

from strowger.api.auth import KeyRing
from strowger.lifecycle import CallStatus, EndReason
from tests.dialects.conftest import Shop, crowded, record_silence

CREATE = "/ravan/api/v1/calling/create-call"
SESSIONS = "/ravan/api/v1/calling/call-sessions"
FROM, TO = "+14155550000", "+12137774445"
NOBODY = "019eb7e0-075d-742b-91ea-94cddde0534a"


def ask(shop: Shop, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
    headers = {"X-Api-Key": key or shop.key}
    return shop.client.request(method, f"/ravan{path}", json=body, headers=headers)


def data_of(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    assert body["message"]
    return body["data"]


def grpc(answer: Any, status: int, code: int) -> str:
    """The message of an error in the gateway's shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body["code"], body["details"]) == (code, [])
    return str(body["message"])


def own(answer: Any, status: int, code: str) -> str:
    """The reason of an error in the vendor's own shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body["success"], body["error"]["code"]) == (False, code)
    assert body["message"]
    return str(body["error"]["message"])


def wanted(shop: Shop, **changes: Any) -> dict[str, Any]:
    return {
        "type": "outbound_call",
        "agent_id": shop.agent(),
        "from_phone_number": FROM,
        "to_phone_number": TO,
        "metadata": {"deal": {"id": "OPP-42"}},
        "prompt_dynamic_variables": {"lead_name": "Juan García", "tags": ["a"]},
        **changes,
    }


def create(shop: Shop, **changes: Any) -> Any:
    answer = ask(shop, "POST", "/api/v1/calling/create-call", wanted(shop, **changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_call_is_placed_and_answered_flat(shop: Shop) -> None:
    body = create(shop)
    assert list(body) == ["access_token", "message", "room_id", "session_id", "success", "url"]
    assert (body["success"], body["message"]) == (True, "call created successfully")
    assert body["room_id"] == f"call_{body['session_id']}"
    assert (body["access_token"], body["url"]) == ("", "")
    call = shop.call("call_" + body["session_id"].replace("-", ""))
    assert (call.to, call.from_, call.dialect) == (TO, FROM, "ravan")
    assert call.variables["lead_name"] == "Juan García"
    assert call.variables["tags"] == '["a"]'
    assert call.metadata == {"deal": {"id": "OPP-42"}}


def test_camel_case_a_slash_a_uuid_and_a_number_that_cannot_be_are_fine(shop: Shop) -> None:
    agent = shop.agent().removeprefix("agent_")
    body = {
        "type": "outbound_call",
        "agentId": f"{agent[:8]}-{agent[8:12]}-{agent[12:16]}-{agent[16:20]}-{agent[20:]}",
        "fromPhoneNumber": FROM,
        "toPhoneNumber": "+1234567890",
        "promptDynamicVariables": {"leadName": "Ana"},
        "nobodyKnows": 1,
    }
    answer = ask(shop, "POST", "/api/v1/calling/create-call/", body)
    assert answer.status_code == 200, answer.text
    call = shop.call("call_" + answer.json()["session_id"].replace("-", ""))
    assert (call.to, call.variables) == ("+1234567890", {"leadName": "Ana"})


def test_a_web_call_is_refused_with_the_reason_and_no_token(shop: Shop) -> None:
    for body in ({"type": "web_call", "agent_id": shop.agent()}, {"type": "web_call"}):
        answer = ask(shop, "POST", "/api/v1/calling/create-call", body)
        assert "web_call is not served yet" in own(answer, 501, "NOT_IMPLEMENTED")
        assert "access_token" not in answer.text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"type": "inbound_call"}, "type"),
        ({"type": None}, "type"),
        ({"agent_id": None}, "agent_id"),
        ({"from_phone_number": ""}, "from_phone_number"),
        ({"to_phone_number": None}, "to_phone_number"),
        ({"to_phone_number": "2137774445"}, "to_phone_number"),
        ({"to_phone_number": 5}, "to_phone_number"),
        ({"from_phone_number": "+14155550199"}, "from_phone_number"),
        ({"metadata": "x"}, "metadata"),
        ({"prompt_dynamic_variables": ["x"]}, "prompt_dynamic_variables"),
        ({"prompt_dynamic_variables": {"two words": 1}}, "prompt_dynamic_variables.two words"),
    ],
)
def test_bad_fields_are_named_in_the_gateways_shape(
    shop: Shop, changes: dict[str, Any], named: str
) -> None:
    answer = ask(shop, "POST", "/api/v1/calling/create-call", wanted(shop, **changes))
    assert named in grpc(answer, 400, 3)


def test_ids_that_are_none_or_nobodys_are_told_apart(shop: Shop) -> None:
    bad = ask(shop, "POST", "/api/v1/calling/create-call", wanted(shop, agent_id="abc"))
    assert grpc(bad, 400, 3) == 'invalid uuid "abc": invalid UUID length: 3'
    for answer in (
        ask(shop, "POST", "/api/v1/calling/create-call", wanted(shop, agent_id=NOBODY)),
        ask(shop, "GET", f"/api/v1/calling/call-sessions-detail/{NOBODY}"),
        ask(shop, "GET", f"/api/v1/agents/{NOBODY}/"),
        ask(shop, "GET", f"/api/v1/calling/sessions/{NOBODY}/recording"),
    ):
        assert grpc(answer, 404, 5)
        assert own(answer, 404, "NOT_FOUND")


def test_keys_scopes_json_sizes_and_addresses(shop: Shop) -> None:
    for headers in ({}, {"X-Api-Key": "ak_" + "0" * 64}, {"Authorization": "Bearer x"}):
        answer = shop.client.get("/ravan/api/v1/agents/", headers=headers)
        assert grpc(answer, 401, 16) == "API key is missing or invalid"
    reader = shop.new_key("calls:read")
    assert "agents:write" in own(ask(shop, "POST", "/api/v1/agents/", {}, reader), 403, "FORBIDDEN")
    broken = shop.client.post(CREATE, content=b'{"type":', headers={"X-Api-Key": shop.key})
    assert "JSON" in grpc(broken, 400, 3)
    assert grpc(ask(shop, "POST", "/api/v1/calling/create-call", [1]), 400, 3)
    large = wanted(shop, metadata={"x": "y" * 300_000})
    assert own(ask(shop, "POST", "/api/v1/calling/create-call", large), 413, "PAYLOAD_TOO_LARGE")
    assert own(ask(shop, "GET", "/api/v1/nothing"), 404, "NOT_FOUND")
    assert own(ask(shop, "GET", "/api/v1/calling/create-call"), 405, "METHOD_NOT_ALLOWED")


def test_a_repeated_idempotency_key_places_one_call(shop: Shop) -> None:
    body, headers = wanted(shop), {"X-Api-Key": shop.key, "Idempotency-Key": "lead-1"}
    first = shop.client.post(CREATE, json=body, headers=headers)
    again = shop.client.post(CREATE, json=body, headers=headers)
    assert first.json() == again.json()
    body["to_phone_number"] = "+14155550100"
    assert own(shop.client.post(CREATE, json=body, headers=headers), 409, "CONFLICT")


def test_who_asks_too_often_is_told_when_to_come_back(shop: Shop) -> None:
    with crowded(shop):
        answer = ask(shop, "GET", "/api/v1/agents/")
    assert own(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_defect_is_answered_without_its_details(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: KeyRing, text: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(KeyRing, "find", broken)
    answer = ask(shop, "GET", "/api/v1/agents/")
    assert own(answer, 500, "INTERNAL_ERROR")
    assert answer.json()["message"] == "Something went wrong on our end"
    assert "secret" not in answer.text


def test_sessions_are_listed_as_clients_parse_them(shop: Shop) -> None:
    session = create(shop)["session_id"]
    call_id = "call_" + session.replace("-", "")
    shop.conduct(call_id)
    record_silence(shop, call_id)
    answer = ask(shop, "GET", "/api/v1/calling/call-sessions?page_size=50")
    data = data_of(answer)
    assert data["totalCount"] == 1
    assert answer.json()["meta"] == {"total": 1, "limit": 50, "offset": 0}
    [told] = data["callSessions"]
    assert told["id"] == session
    assert told["roomId"] == f"call_{session}"
    assert (told["callerNumber"], told["calleeNumber"]) == (FROM, TO)
    assert (told["channel"], told["status"]) == ("voice", "completed")
    assert (told["disconnectReason"], told["durationSec"]) == ("user_hangup", 5)
    assert told["promptDynamicVariables"]["lead_name"] == "Juan García"
    assert told["metadata"] == {"deal": {"id": "OPP-42"}}
    assert told["startedAt"] == "2026-09-21T14:13:23.125Z"
    assert told["endedAt"] == "2026-09-21T14:13:28.125Z"
    assert told["agentName"] == "Reception"
    assert told["costTotal"] is None
    assert set(told["creditBreakdown"]) == {
        "channel",
        "duration_sec",
        "model_credits",
        "provider_credits",
        "provider_managed",
        "telephony_type",
        "total_credits",
    }
    assert f"/ravan/api/v1/calling/sessions/{session}/recording?token=" in told["recordingUrl"]


def listed(shop: Shop, query: str) -> list[str]:
    data = data_of(ask(shop, "GET", f"/api/v1/calling/call-sessions?{query}"))
    return [told["calleeNumber"] for told in data["callSessions"]]


def test_sessions_are_filtered_sorted_and_paged(shop: Shop) -> None:
    agent = shop.agent("Night")
    numbers = ["+14155550101", "+14155550102", "+14155550103", "+14155550104"]
    ids = []
    for number in numbers:
        made = create(shop, to_phone_number=number, agent_id=agent)
        ids.append("call_" + made["session_id"].replace("-", ""))
        shop.now[0] += 60
    one, two, three, four = numbers
    shop.conduct(ids[0])
    shop.conduct(ids[1], reason=EndReason.VOICEMAIL)
    shop.conduct(ids[2], status=CallStatus.BUSY, reason=EndReason.CALLEE_BUSY)
    assert listed(shop, "") == [four, three, two, one]
    assert listed(shop, "sort_order=asc&page_size=2&page=2") == [three, four]
    assert listed(shop, "limit=1&offset=2") == [two]
    assert listed(shop, "pageSize=1&page=4") == [one]
    assert listed(shop, "status=completed") == [one]
    assert listed(shop, "status=voicemail") == [two]
    assert listed(shop, "status=busy") == [three]
    assert listed(shop, "status=queued") == [four]
    assert listed(shop, "status=nonsense") == []
    assert listed(shop, "channel=web") == []
    assert len(listed(shop, "channel=phone")) == 4
    assert listed(shop, "campaign_id=" + NOBODY) == []
    assert listed(shop, "search=0103") == [three]
    assert len(listed(shop, "caller_number=+14155550000")) == 4
    assert len(listed(shop, "caller_number=%2B14155550000")) == 4
    assert listed(shop, "caller_number=%2B14155550001") == []
    assert len(listed(shop, f"agentId={agent}")) == 4
    assert listed(shop, f"agent_id={NOBODY}") == []
    assert listed(shop, "started_after=2027-01-01T00:00:00Z") == []
    assert len(listed(shop, "started_before=2027-01-01T00:00:00+00:00")) == 3
    for query in (
        "page=0",
        "page_size=x",
        "offset=-1",
        "sort_by=cost",
        "agent_id=abc",
        "started_after=soon",
    ):
        assert grpc(ask(shop, "GET", f"/api/v1/calling/call-sessions?{query}"), 400, 3)


def test_a_session_is_told_in_detail(shop: Shop) -> None:
    session = create(shop)["session_id"]
    shop.conduct("call_" + session.replace("-", ""))
    told = data_of(ask(shop, "GET", f"/api/v1/calling/call-sessions-detail/{session}"))
    assert told["id"] == session
    assert told["status"] == "completed"
    assert told["transcripts"] == [
        {
            "id": "t-001",
            "message": {"role": "agent", "content": "Hello, is this Juan?"},
            "timestamp_ms": 200,
        },
        {
            "id": "t-002",
            "message": {"role": "user", "content": "Yes, it is."},
            "timestamp_ms": 2000,
        },
        {"id": "t-003", "message": {"role": "agent", "content": "Goodbye."}, "timestamp_ms": 3400},
    ]
    by_room = data_of(ask(shop, "GET", f"/api/v1/calling/call-sessions-detail/call_{session}/"))
    assert {**by_room, "recording_url": None} == {**told, "recording_url": None}


def test_a_numbers_history_is_flat_and_has_transcripts_where_asked_for(shop: Shop) -> None:
    session = create(shop)["session_id"]
    create(shop, to_phone_number="+14155550100")
    shop.conduct("call_" + session.replace("-", ""))
    path = f"/api/v1/calling/phone-history?phone={TO}"
    body = ask(shop, "GET", path).json()
    assert set(body) == {
        "success",
        "message",
        "phone",
        "total_count",
        "page",
        "page_size",
        "calls",
    }
    assert (body["phone"], body["total_count"]) == (TO, 1)
    assert (body["page"], body["page_size"]) == (1, 20)
    [call] = body["calls"]
    assert (call["id"], call["channel"]) == (session, "phone")
    assert "transcripts" not in call
    [call] = ask(shop, "GET", path + "&include_transcripts=true").json()["calls"]
    assert call["transcripts"][0]["call_session_id"] == session
    assert call["transcripts"][0]["timestamp_ms"] == 1_790_000_003_325
    assert ask(shop, "GET", path + f"&agent_id={NOBODY}").json()["total_count"] == 0
    assert ask(shop, "GET", path + "&page_size=500").json()["page_size"] == 100
    assert "phone" in grpc(ask(shop, "GET", "/api/v1/calling/phone-history"), 400, 3)


def test_a_recording_is_heard_with_the_key_or_with_the_links_token(shop: Shop) -> None:
    session = create(shop)["session_id"]
    call_id = "call_" + session.replace("-", "")
    path = f"/api/v1/calling/sessions/{session}/recording"
    assert "when the call is over" in grpc(ask(shop, "GET", path), 404, 5)
    shop.conduct(call_id)
    record_silence(shop, call_id)
    heard = ask(shop, "GET", path)
    assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/mpeg")
    told = data_of(ask(shop, "GET", f"/api/v1/calling/call-sessions-detail/{session}"))
    by_link = shop.client.get(told["recording_url"])
    assert by_link.content == heard.content
    assert grpc(shop.client.get(f"/ravan{path}"), 401, 16)
    other = create(shop)["session_id"]
    moved = told["recording_url"].replace(session, other)
    assert own(shop.client.get(moved), 403, "FORBIDDEN")
    for odd in ("abc", "a.9.%C3%A9", told["recording_url"].rpartition("=")[2] + "%C3%A9"):
        assert own(shop.client.get(f"/ravan{path}?token={odd}"), 403, "FORBIDDEN")
    shop.now[0] += 8 * 86_400
    assert "expired" in own(shop.client.get(told["recording_url"]), 403, "FORBIDDEN")


def test_finalizing_ends_a_call_that_is_not_over_and_may_be_repeated(shop: Shop) -> None:
    session = create(shop)["session_id"]
    for _ in range(2):
        told = data_of(ask(shop, "POST", f"/api/v1/calling/finalize-session/{session}"))
        assert (told["id"], told["status"]) == (session, "failed")
    assert shop.call("call_" + session.replace("-", "")).status is CallStatus.CANCELED


def test_the_webhook_that_is_observed(shop: Shop) -> None:
    session = create(shop)["session_id"]
    call_id = "call_" + session.replace("-", "")
    shop.conduct(call_id)
    for format in ("ravan", "ravan:observed"):
        sent = shop.composed(format, call_id, "call.completed")
        assert sent is not None
        told = json.loads(sent.body)
        assert (told["event"], told["call_type"]) == ("call_completed", "outbound_call")
        assert told["agent_name"] == "Reception"
        assert told["call_session"]["id"] == session
        assert told["call_session"]["disconnect_reason"] == "user_hangup"
        assert (told["call_session"]["caller_number"], told["call_session"]["callee_number"]) == (
            FROM,
            TO,
        )
        assert told["transcriptions"] == (
            "Reception: Hello, is this Juan?\n: Yes, it is.\nReception: Goodbye."
        )
    assert shop.composed("ravan", call_id, "call.answered") is None


def test_the_webhook_that_is_documented(shop: Shop) -> None:
    contact = {"first_name": "John", "last_name": "Doe", "email": "j@example.com", "phone": TO}
    contact_id = data_of(ask(shop, "POST", "/api/v1/contacts/", contact))["id"]
    session = create(shop)["session_id"]
    call_id = "call_" + session.replace("-", "")
    shop.conduct(call_id, status=CallStatus.NO_ANSWER, reason=EndReason.RING_TIMEOUT)
    sent = shop.composed("ravan:documented", call_id, "call.failed")
    assert sent is not None
    told = json.loads(sent.body)
    assert set(told) == {"event", "org_id", "data"}
    assert told["event"] == "call.completed"
    data = told["data"]
    assert (data["status"], data["call_session_id"], data["phone"]) == ("no_answer", session, TO)
    assert (data["contact_id"], data["caller_name"]) == (contact_id, "John Doe")
    assert (data["disconnect_reason"], data["transcripts"]) == ("error", [])
    other = create(shop)["session_id"]
    call_id = "call_" + other.replace("-", "")
    shop.conduct(call_id)
    sent = shop.composed("ravan:documented", call_id, "call.completed")
    assert sent is not None
    data = json.loads(sent.body)["data"]
    assert data["disconnect_reason"] == "customer_hangup"
    assert data["transcripts"][1] == {
        "id": "t-002",
        "timestamp_ms": 2000,
        "role": "user",
        "message": {"content": "Yes, it is.", "format": "text"},
        "created_at": "2026-09-21T14:13:25.125Z",
    }
