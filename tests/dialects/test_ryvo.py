"""Ryvo's one endpoint and its webhooks, as the vendor's page has them."""

import json
from typing import Any

import pytest

from strowger.lifecycle import CallStatus, EndReason
from tests.dialects.conftest import Shop, record_silence

PATH = "/ryvo/v1/calls"
TO = "+5215555550100"


def create(shop: Shop, body: Any, **headers: str) -> Any:
    return shop.client.post(
        PATH, json=body, headers={"Authorization": f"Bearer {shop.key}", **headers}
    )


def error_of(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "details"}
    return error


def test_a_call_is_placed_and_answered_with_five_fields(shop: Shop) -> None:
    agent = shop.agent()
    answer = create(shop, {"agent_id": agent, "to": TO, "metadata": {"lead_name": "Juan García"}})
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"id", "agent_id", "to", "status", "created_at"}
    assert body["id"].startswith("call_")
    assert (body["agent_id"], body["to"], body["status"]) == (agent, TO, "initiated")
    assert body["created_at"] == "2026-09-21T14:13:20.125Z"
    call = shop.call(body["id"])
    assert call.variables["lead_name"] == call.metadata["lead_name"] == "Juan García"
    assert call.dialect == "ryvo"


def test_the_host_name_alone_leads_to_the_dialect(shop: Shop) -> None:
    answer = shop.client.post(
        "/v1/calls",
        json={"agent_id": shop.agent(), "to": TO},
        headers={"Authorization": f"Bearer {shop.key}", "Host": "api.ryvo.test"},
    )
    assert set(answer.json()) == {"id", "agent_id", "to", "status", "created_at"}


def test_the_same_key_and_body_are_answered_once(shop: Shop) -> None:
    body = {"agent_id": shop.agent(), "to": TO}
    first = create(shop, body, **{"Idempotency-Key": "lead-1"})
    again = create(shop, body, **{"Idempotency-Key": "lead-1"})
    assert first.json() == again.json()
    other = create(shop, {**body, "to": "+14155550100"}, **{"Idempotency-Key": "lead-1"})
    assert error_of(other, 409)["code"] == "idempotency_conflict"


def test_a_key_is_for_the_dialect_by_either_way_and_not_for_the_native_api(shop: Shop) -> None:
    body = {"agent_id": shop.agent(), "to": TO}
    by_path = create(shop, body, **{"Idempotency-Key": "lead-1"})
    headers = {"Authorization": f"Bearer {shop.key}", "Idempotency-Key": "lead-1"}
    by_host = shop.client.post("/v1/calls", json=body, headers={**headers, "Host": "api.ryvo.test"})
    assert by_host.json() == by_path.json()
    native = shop.client.post("/v1/calls", json=body, headers=headers)
    assert (native.status_code, native.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"to": "5215555550100"}, 422, "invalid_phone_number"),
        ({"to": "+12345"}, 422, "invalid_phone_number"),
        ({"to": None}, 422, "validation_error"),
        ({"agent_id": "agent_8801kpabc123"}, 404, "agent_not_found"),
        ({"metadata": {"k" * 65: 1}}, 422, "validation_error"),
        ({"metadata": {"nested": {"a": 1}}}, 422, "validation_error"),
        ({"metadata": {"long": "x" * 5000}}, 422, "validation_error"),
    ],
)
def test_bad_fields_are_told_apart(
    shop: Shop, change: dict[str, Any], status: int, code: str
) -> None:
    body = {"agent_id": shop.agent(), "to": TO, **change}
    error = error_of(create(shop, body), status)
    assert error["code"] == code
    assert error["message"]


def test_a_number_of_the_vendors_pattern_is_dialled_though_it_cannot_be(shop: Shop) -> None:
    assert create(shop, {"agent_id": shop.agent(), "to": "+1234567890"}).status_code == 201


def test_keys_json_and_addresses_that_are_wrong_get_the_vendors_shape(shop: Shop) -> None:
    assert error_of(shop.client.post(PATH, json={}), 401)["code"] == "unauthorized"
    wrong = {"Authorization": "Bearer ryvo_live_" + "0" * 64}
    assert error_of(shop.client.post(PATH, json={}, headers=wrong), 401)["code"] == "unauthorized"
    good = {"Authorization": f"Bearer {shop.key}"}
    assert (
        error_of(shop.client.post(PATH, content="{", headers=good), 400)["code"] == "invalid_json"
    )
    assert error_of(shop.client.get("/ryvo/v1/nothing", headers=good), 404)["message"]
    assert error_of(shop.client.get(PATH, headers=good), 405)["message"]
    large = {"agent_id": "a", "to": TO, "metadata": {"x": "y" * 300_000}}
    assert error_of(create(shop, large), 413)["code"] == "body_too_large"


def test_webhooks_tell_how_a_call_went(shop: Shop) -> None:
    made = create(shop, {"agent_id": shop.agent(), "to": TO, "metadata": {"deal": "OPP-42"}})
    call_id = made.json()["id"]
    shop.conduct(call_id)
    record_silence(shop, call_id)
    sent = shop.composed("ryvo", call_id, "call.completed")
    assert sent is not None
    told = json.loads(sent.body)
    assert told["event"] == "call.completed"
    data = told["data"]
    assert (data["id"], data["metadata"], data["duration_seconds"]) == (
        call_id,
        {"deal": "OPP-42"},
        5,
    )
    assert [line["role"] for line in data["transcript"]] == ["agent", "user", "agent"]
    heard = shop.client.get(data["recording_url"])
    assert heard.headers["content-type"] == "audio/mpeg"
    assert heard.content[:3] == b"ID3" or heard.content[0] == 0xFF
    assert shop.composed("ryvo", call_id, "call.ringing") is None


def test_a_call_that_nobody_answers_is_a_failed_one(shop: Shop) -> None:
    call_id = create(shop, {"agent_id": shop.agent(), "to": TO}).json()["id"]
    shop.conduct(call_id, status=CallStatus.BUSY, reason=EndReason.CARRIER_REJECTED)
    sent = shop.composed("ryvo", call_id, "call.failed")
    assert sent is not None
    assert json.loads(sent.body)["data"]["status"] == "busy"


def test_a_link_that_was_changed_or_is_old_does_not_open(shop: Shop) -> None:
    call_id = create(shop, {"agent_id": shop.agent(), "to": TO}).json()["id"]
    shop.conduct(call_id)
    record_silence(shop, call_id)
    sent = shop.composed("ryvo", call_id, "call.completed")
    assert sent is not None
    url = json.loads(sent.body)["data"]["recording_url"]
    assert error_of(shop.client.get(url.replace("expires=", "expires=9")), 403)
    shop.now[0] += 8 * 86_400
    assert error_of(shop.client.get(url), 403)["code"] == "expired_link"
