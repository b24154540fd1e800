"""Ringyo AI: both layers of its documentation, in one answer."""

import base64
import hmac
import json
from typing import Any

import pytest

from strowger.lifecycle import CallStatus, EndReason
from strowger.model import DEFAULT_WORKSPACE, WebhookId
from strowger.webhooks.signing import signed_headers
from tests.dialects.conftest import Shop, record_silence

TO = "+14155551234"
AGENT = {
    "name": "Sarah",
    "system_prompt": "You sell flowers to {{name}}.",
    "voice_id": "sarah-professional",
    "first_message": "Hello!",
    "end_call_phrases": ["goodbye"],
    "metadata": {"team": "a"},
}


def ask(shop: Shop, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return shop.client.request(
        method,
        f"/ringyo/v1{path}",
        json=body,
        headers={"Authorization": f"Bearer {shop.key}", **headers},
    )


def good(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    assert int(answer.headers["x-ratelimit-limit"]) > 0
    assert {"x-ratelimit-remaining", "x-ratelimit-reset"} <= set(answer.headers)
    body = answer.json()
    assert body["meta"]["request_id"].startswith("req_")
    return body


def error_of(answer: Any, status: int, code: str) -> Any:
    assert answer.status_code == status, answer.text
    assert "x-ratelimit-limit" in answer.headers
    body = answer.json()
    assert set(body) == {"error", "meta"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    return body["error"]


def place(shop: Shop, **fields: Any) -> str:
    body = {"to": TO, "agent_id": shop.agent(), **fields}
    return str(good(ask(shop, "POST", "/calls", body), 201)["id"])


@pytest.mark.parametrize("name", ["to", "phone_number"])
def test_a_call_is_placed_by_either_layers_name(shop: Shop, name: str) -> None:
    body = good(
        ask(
            shop,
            "POST",
            "/calls",
            {
                name: TO,
                "agent_id": shop.agent(),
                "from_number": "+14155550000",
                "context": {"name": "Ana", "order": {"id": 7}},
                "metadata": {"deal": {"id": 1}},
                "max_duration": 600,
            },
        ),
        201,
    )
    thing = body["data"]
    assert {name: body[name] for name in thing} == thing, "wrapped and bare are the same"
    assert thing["id"] == thing["call_id"]
    assert thing["status"] == "queued"
    assert thing["to"] == thing["phone_number"] == TO
    call = shop.call(thing["id"])
    assert call.variables == {"name": "Ana", "order": '{"id": 7}'}
    assert call.metadata == {"deal": {"id": 1}}
    assert (call.max_duration, call.from_) == (600.0, "+14155550000")


def test_a_number_of_the_pages_example_is_dialled(shop: Shop) -> None:
    assert shop.call(place(shop, to="+1234567890")).to == "+1234567890"


def test_a_repeated_request_is_answered_once(shop: Shop) -> None:
    body, key = {"to": TO, "agent_id": shop.agent()}, {"Idempotency-Key": "unique-request-id-123"}
    first, again = (ask(shop, "POST", "/calls", body, **key) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    error_of(ask(shop, "POST", "/calls", {**body, "to": "+1234567890"}, **key), 409,
             "idempotency_conflict")  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"to": "4155551234"}, 400, "invalid_phone_number"),
        ({"to": None}, 400, "invalid_request"),
        ({"phone_number": "+1234567890"}, 400, "invalid_request"),
        ({"agent_id": "agent_xyz"}, 404, "agent_not_found"),
        ({"from_number": "+14155559999"}, 400, "invalid_from_number"),
        ({"max_duration": 3601}, 400, "invalid_request"),
        ({"max_duration": "long"}, 400, "invalid_request"),
        ({"webhook_url": "ftp://x"}, 400, "invalid_request"),
    ],
)
def test_bad_calls_are_told_apart(
    shop: Shop, change: dict[str, Any], status: int, code: str
) -> None:
    body = {"to": TO, "agent_id": shop.agent(), **change}
    assert error_of(ask(shop, "POST", "/calls", body), status, code)["message"]


def test_keys_addresses_and_json_that_are_wrong(shop: Shop) -> None:
    error_of(shop.client.get("/ringyo/v1/calls"), 401, "unauthorized")
    error_of(ask(shop, "GET", "/calls", Authorization="Bearer vb_live_x"), 401, "unauthorized")
    lacking = {"Authorization": f"Bearer {shop.new_key('agents:read')}"}
    error_of(ask(shop, "GET", "/calls", **lacking), 403, "insufficient_permissions")
    error_of(ask(shop, "GET", "/nothing"), 404, "not_found")
    error_of(ask(shop, "GET", "/calls/call_abc"), 404, "call_not_found")
    headers = {"Authorization": f"Bearer {shop.key}"}
    malformed = shop.client.post("/ringyo/v1/calls", content=b"{", headers=headers)
    error_of(malformed, 400, "invalid_json")
    large = {"to": TO, "agent_id": "a", "metadata": {"x": "y" * 300_000}}
    error_of(ask(shop, "POST", "/calls", large), 413, "body_too_large")


def test_lists_are_walked_by_offset_and_by_cursor(shop: Shop) -> None:
    agent = shop.agent()
    made = []
    for _ in range(5):
        shop.now[0] += 1
        made.append(place(shop, agent_id=agent))
    first = good(ask(shop, "GET", "/calls?limit=2"))
    assert [call["id"] for call in first["data"]] == [made[4], made[3]]
    assert first["pagination"] == {"total": 5, "limit": 2, "offset": 0, "has_more": True}
    assert (first["has_more"], first["total"]) == (True, 5)
    shop.now[0] += 1
    newer = place(shop, agent_id=agent)
    second = good(ask(shop, "GET", f"/calls?limit=2&cursor={first['next_cursor']}"))
    assert [call["id"] for call in second["data"]] == [made[2], made[1]], "newer ones move nothing"
    by_offset = good(ask(shop, "GET", "/calls?limit=2&offset=4"))
    assert [call["id"] for call in by_offset["data"]] == [made[1], made[0]]
    assert by_offset["next_cursor"] is None
    oldest = good(ask(shop, "GET", "/calls?order=asc&limit=1"))
    assert oldest["data"][0]["id"] == made[0]
    assert good(ask(shop, "GET", f"/calls?agent_id={agent}&status=queued"))["total"] == 6
    assert good(ask(shop, "GET", "/calls?status=answered"))["total"] == 0
    assert good(ask(shop, "GET", "/calls?from_date=2999-01-01"))["total"] == 0
    assert newer


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=nonsense", "invalid_cursor"),
        ("limit=0", "invalid_request"),
        ("limit=101", "invalid_request"),
        ("offset=-1", "invalid_request"),
        ("from_date=yesterday", "invalid_date_format"),
        ("status=sleeping", "invalid_request"),
    ],
)
def test_bad_lists_are_told_apart(shop: Shop, query: str, code: str) -> None:
    error_of(ask(shop, "GET", f"/calls?{query}"), 400, code)


def test_a_call_has_what_include_names(shop: Shop) -> None:
    call = place(shop)
    shop.conduct(call)
    record_silence(shop, call)
    plain = good(ask(shop, "GET", f"/calls/{call}"))["data"]
    assert "transcript" not in plain
    assert (plain["status"], plain["duration"]) == ("completed", 5)
    whole = good(ask(shop, "GET", f"/calls/{call}?include=transcript,recording,analysis"))["data"]
    assert whole["transcript"][1] == {"role": "user", "content": "Yes, it is.", "timestamp": 2.0}
    assert whole["analysis"] == {
        "outcome": None,
        "extracted_data": {},
        "summary": None,
        "sentiment": None,
        "success": None,
    }
    assert shop.client.get(whole["recording_url"]).headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (CallStatus.BUSY, "busy"),
        (CallStatus.NO_ANSWER, "no_answer"),
        (CallStatus.FAILED, "failed"),
        (CallStatus.CANCELED, "failed"),
    ],
)
def test_calls_that_nobody_answered(shop: Shop, status: CallStatus, shown: str) -> None:
    call = place(shop)
    shop.conduct(call, status=status, reason=EndReason.CARRIER_REJECTED)
    assert good(ask(shop, "GET", f"/calls/{call}"))["status"] == shown


def test_agents_are_native_agents_and_come_back_as_given(shop: Shop) -> None:
    made = good(ask(shop, "POST", "/agents", AGENT), 201)["data"]
    assert {name: made[name] for name in AGENT} == AGENT
    assert (made["status"], made["model"], made["temperature"]) == ("active", "gpt-4o", 0.7)
    native = shop.native("GET", f"/v1/agents/{made['id']}")
    assert native["prompt"] == AGENT["system_prompt"]
    assert native["model"] == {**native["model"], "provider": "openai", "model": "gpt-4o"}
    assert native["voice"]["provider"] == "local"
    assert native["turn_taking"]["interruption_delay"] == 0.25
    changed = good(
        ask(shop, "PATCH", f"/agents/{made['id']}",
            {"temperature": 0.2, "voice_id": "local/en-gb", "metadata": {}}),
    )["data"]  # fmt: skip
    assert (changed["temperature"], changed["voice_id"]) == (0.2, "local/en-gb")
    assert (changed["name"], changed["metadata"]) == ("Sarah", {})
    native = shop.native("GET", f"/v1/agents/{made['id']}")
    assert native["voice"]["voice_id"] == "en-gb"
    shop.native("PATCH", f"/v1/agents/{made['id']}", {"name": "Renamed"})
    assert good(ask(shop, "GET", f"/agents/{made['id']}"))["name"] == "Renamed"
    good(ask(shop, "DELETE", f"/agents/{made['id']}"))
    error_of(ask(shop, "GET", f"/agents/{made['id']}"), 404, "agent_not_found")


def test_agents_made_elsewhere_are_listed_too_and_inactive_ones_do_not_call(shop: Shop) -> None:
    native = shop.agent("Elsewhere")
    made = good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    assert [agent["id"] for agent in good(ask(shop, "GET", "/agents"))["data"]] == [made, native]
    found = good(ask(shop, "GET", "/agents?search=else&order=asc"))
    assert [agent["id"] for agent in found["data"]] == [native]
    good(ask(shop, "PATCH", f"/agents/{made}", {"status": "inactive"}))
    active = good(ask(shop, "GET", "/agents?status=active"))
    assert [agent["id"] for agent in active["data"]] == [native]
    error_of(ask(shop, "POST", "/calls", {"to": TO, "agent_id": made}), 400, "agent_inactive")


@pytest.mark.parametrize("missing", ["name", "system_prompt", "voice_id"])
def test_an_agent_needs_three_fields(shop: Shop, missing: str) -> None:
    body = {name: value for name, value in AGENT.items() if name != missing}
    error = error_of(ask(shop, "POST", "/agents", body), 400, "invalid_request")
    assert error["details"] == {missing: "is required"}


def test_numbers_are_listed(shop: Shop) -> None:
    listed = good(ask(shop, "GET", "/phone-numbers?country=US"))
    (number,) = listed["data"]
    assert number["phone_number"] == "+14155550000"
    assert number["id"].startswith("pn_")
    assert number["capabilities"] == {"voice": True, "sms": False}
    assert good(ask(shop, "GET", "/phone-numbers?country=MX"))["data"] == []


def test_a_webhook_hears_the_events_it_names_by_their_name(shop: Shop) -> None:
    made = good(
        ask(shop, "POST", "/webhooks",
            {"url": "https://example.com/h", "events": ["call.started", "call.transcript.ready",
                                                        "credits.low"]}),
        201,
    )["data"]  # fmt: skip
    assert made["webhook_id"] == made["id"]
    assert made["secret"].startswith("whsec_")
    assert "again" in made["message"]
    native = shop.native("GET", "/v1/webhooks")["data"]
    formats = {hook["format"]: hook["events"] for hook in native}
    assert formats == {
        f"ringyo:call.started:{made['id']}": ["call.initiated"],
        f"ringyo:call.transcript.ready:{made['id']}": ["call.completed"],
    }
    call = place(shop, context={"name": "Ana"})
    shop.conduct(call)
    sent = shop.composed(f"ringyo:call.transcript.ready:{made['id']}", call, "call.completed")
    assert sent is not None
    told = json.loads(sent.body)
    assert (told["event"], told["webhook_id"]) == ("call.transcript.ready", made["id"])
    assert told["data"]["transcript"] == (
        "Agent: Hello, is this Juan?\nCustomer: Yes, it is.\nAgent: Goodbye."
    )
    assert told["data"]["call_id"] == call
    kept = good(ask(shop, "GET", f"/webhooks/{made['id']}"))["data"]
    assert "secret" not in kept
    good(ask(shop, "PATCH", f"/webhooks/{made['id']}", {"events": ["*"]}))
    assert len(shop.native("GET", "/v1/webhooks")["data"]) == 8
    good(ask(shop, "PATCH", f"/webhooks/{made['id']}", {"status": "inactive"}))
    assert shop.native("GET", "/v1/webhooks")["data"] == []
    good(ask(shop, "DELETE", f"/webhooks/{made['id']}"))
    error_of(ask(shop, "GET", f"/webhooks/{made['id']}"), 404, "webhook_not_found")


def test_what_is_deleted_natively_leaves_nothing_behind(shop: Shop) -> None:
    agent = good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    body = {"url": "https://example.com/h", "events": ["call.failed", "call.completed"]}
    hook = good(ask(shop, "POST", "/webhooks", body), 201)["data"]["id"]
    kept = shop.dialects.backing.kept
    wanted = (DEFAULT_WORKSPACE, "ringyo", "agent", [agent])
    assert list(shop.behind(kept.find_records(*wanted))) == [agent]
    shop.native("DELETE", f"/v1/agents/{agent}")
    assert shop.behind(kept.find_records(*wanted)) == {}

    first, second = (one["id"] for one in shop.native("GET", "/v1/webhooks")["data"])
    shop.native("DELETE", f"/v1/webhooks/{first}")
    assert [one["id"] for one in good(ask(shop, "GET", "/webhooks"))["data"]] == [hook]
    shop.native("DELETE", f"/v1/webhooks/{second}")
    assert good(ask(shop, "GET", "/webhooks"))["data"] == []
    error_of(ask(shop, "GET", f"/webhooks/{hook}"), 404, "webhook_not_found")


@pytest.mark.parametrize("given", ["a", "secreto ñ 123", "whsec_no base64!", "whsec_" + "QUJD" * 8])
def test_a_webhook_can_bring_its_secret(shop: Shop, given: str) -> None:
    body = {"url": "https://example.com/h", "events": ["call.failed"], "secret": given}
    made = good(ask(shop, "POST", "/webhooks", body), 201)["data"]
    assert made["secret"] == given
    (hook,) = shop.native("GET", "/v1/webhooks")["data"]
    stored = shop.behind(shop.services.webhooks.get(DEFAULT_WORKSPACE, WebhookId(hook["id"])))
    signed = signed_headers(stored.secret, message_id="m", at=1.0, body=b"told")
    key = base64.b64decode(given[6:]) if given.endswith("QUJD") else given.encode()
    mac = base64.b64encode(hmac.digest(key, b"m.1.told", "sha256")).decode()
    assert signed["webhook-signature"] == f"v1,{mac}"


def test_an_event_asked_for_twice_is_told_once(shop: Shop) -> None:
    body = {"url": "https://example.com/h", "events": ["call.failed"] * 3}
    good(ask(shop, "POST", "/webhooks", body), 201)
    assert len(shop.native("GET", "/v1/webhooks")["data"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=000000000001" + "0" * 30,
        "offset=000000000000" + "9" * 5000,
        "limit=%D9%A1",
        "offset=-1",
        "cursor=" + base64.urlsafe_b64encode(b'{"as_of": 1, "offset": -1}').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'{"as_of": 1, "offset": Infinity}').decode(),
        "cursor=" + base64.urlsafe_b64encode(b"[" * 2000).decode(),
        "cursor=%F0%9F%98%80",
    ],
)
def test_places_in_a_list_that_cannot_be_are_refused(shop: Shop, query: str) -> None:
    for path in ("/calls", "/agents", "/webhooks"):
        code = "invalid_cursor" if query.startswith("cursor") else "invalid_request"
        error_of(ask(shop, "GET", f"{path}?{query}"), 400, code)


def test_a_calls_own_address_stands_in_for_the_accounts_webhooks(shop: Shop) -> None:
    call = place(shop, webhook_url="https://example.com/mine")
    shop.conduct(call)
    assert shop.composed("ringyo:call.completed:wh_1", call, "call.completed") is None
    sent = shop.composed("ringyo", call, "call.completed")
    assert sent is not None
    assert json.loads(sent.body)["event"] == "call.completed"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://example.com", "events": ["call.sung"]}, "invalid_events"),
        ({"url": "https://example.com", "events": []}, "invalid_events"),
        ({"url": "https://example.com", "events": ["credits.low"]}, "invalid_events"),
        ({"url": "example.com", "events": ["*"]}, "invalid_url"),
        ({"events": ["*"]}, "invalid_request"),
    ],
)
def test_bad_webhooks_are_told_apart(shop: Shop, body: Any, code: str) -> None:
    error_of(ask(shop, "POST", "/webhooks", body), 400, code)


def test_another_workspace_sees_and_changes_nothing(shop: Shop) -> None:
    call, agent = place(shop), good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    hook = good(
        ask(shop, "POST", "/webhooks", {"url": "https://example.com/h", "events": ["*"]}), 201
    )["id"]
    stranger = {"Authorization": f"Bearer {shop.new_key(workspace='workspace_other')}"}
    for path in ("/calls", "/agents", "/phone-numbers", "/webhooks"):
        assert good(ask(shop, "GET", path, **stranger))["data"] == []
    for path in (f"/calls/{call}", f"/agents/{agent}", f"/webhooks/{hook}"):
        assert ask(shop, "GET", path, **stranger).status_code == 404
    for path in (f"/agents/{agent}", f"/webhooks/{hook}"):
        assert ask(shop, "PATCH", path, {"name": "x"}, **stranger).status_code == 404
        assert ask(shop, "DELETE", path, **stranger).status_code == 404
    assert ask(shop, "POST", "/calls", {"to": TO, "agent_id": agent}, **stranger).status_code == 404
    assert good(ask(shop, "GET", f"/agents/{agent}"))["name"] == "Sarah"
