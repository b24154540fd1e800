"""RevRing: calls with and without a queue, agents and their tools, the post-call webhook."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from strowger.lifecycle import CallStatus, EndReason
from tests.dialects.conftest import Shop, record_silence

TO, FROM = "+14155551234", "+14155550000"
CALL_FIELDS = {
    "id", "organizationId", "direction", "status", "fromNumber", "toNumber", "initiatedAt",
    "createdAt", "updatedAt", "agentId", "sipTrunkId", "agentCallerIdName", "agentName",
    "variables", "recordingUrl", "hangupCause", "errorMessage", "transcript", "summary",
    "metrics", "startedAt", "endedAt", "durationSeconds", "postCallWebhookStatus",
    "preCallWebhookStatus",
}  # fmt: skip
AGENT: dict[str, Any] = {
    "name": "Rachel",
    "promptTemplate": "You take orders from {{name}}.",
    "firstMessage": "Hello {{name}}!",
    "voiceId": "revring-rachel",
    "voiceSpeed": 1.2,
    "turnTimeoutSeconds": 5,
    "silenceEndCallTimeoutSeconds": 20,
    "maxConversationDurationSeconds": 300,
    "llmTemperature": 0.3,
    "endCallEnabled": True,
    "transferEnabled": True,
    "transferRoutes": [{"to_number": "+14155550199", "condition": "wants a person"}],
    "voicemailEnabled": True,
    "voicemailAction": "leave_message",
    "voicemailMessage": "Please call back.",
    "playKeypadTouchToneEnabled": True,
    "interruptionThresholdMs": 400,
    "runtimeConfig": {"x": 1},
}


def ask(shop: Shop, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return shop.client.request(
        method, f"/revring/v1{path}", json=body, headers={"x-api-key": shop.key, **headers}
    )


def good(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def error_of(answer: Any, status: int, code: str) -> Any:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "details"}
    assert error["code"] == code
    return error


def call_body(shop: Shop, **fields: Any) -> dict[str, Any]:
    return {"agentId": shop.agent(), "toNumber": TO, "fromNumber": FROM, **fields}


def place(shop: Shop, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = good(ask(shop, "POST", "/calls", call_body(shop, **fields)), 201)
    return made


def native_id(call: dict[str, Any]) -> str:
    return f"call_{call['id'].replace('-', '')}"


def test_a_call_is_placed_with_the_pages_fields(shop: Shop) -> None:
    made = place(shop, variables={"name": "Ana", "cart": [1]}, callerIdName="Flowers")
    assert set(made) >= CALL_FIELDS
    assert (made["direction"], made["status"]) == ("OUTBOUND", "INITIATED")
    assert (made["toNumber"], made["fromNumber"]) == (TO, FROM)
    assert (made["agentName"], made["agentCallerIdName"]) == ("Reception", "Flowers")
    assert made["variables"] == {"name": "Ana", "cart": "[1]"}
    assert made["transcript"] is None
    assert len(made["id"]) == len(made["agentId"]) == 36
    assert good(ask(shop, "GET", f"/calls/{made['id']}")) == made


def test_a_call_that_finds_no_line_waits_or_is_refused_at_once(shop: Shop) -> None:
    trunk = shop.native("GET", "/v1/trunks")["data"][0]["id"]
    shop.native("PATCH", f"/v1/trunks/{trunk}", {"max_calls": 1})
    agent = shop.agent()
    assert place(shop, agentId=agent)["status"] == "INITIATED"
    waiting = place(shop, agentId=agent)
    assert waiting["status"] == "QUEUED"
    refused = ask(shop, "POST", "/calls", call_body(shop, agentId=agent, skipQueue=True))
    error_of(refused, 429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) > 0
    assert len(good(ask(shop, "GET", "/calls"))) == 2, "the refused one left nothing"
    assert good(ask(shop, "GET", f"/calls/{waiting['id']}"))["status"] == "QUEUED"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"toNumber": "4155551234"}, 400, "validation_error"),
        ({"toNumber": None}, 400, "validation_error"),
        ({"fromNumber": "+14155559999"}, 400, "validation_error"),
        ({"callerIdName": "x" * 16}, 400, "validation_error"),
        ({"agentId": "cmonbi0aw004tka0i89jh5gij"}, 404, "agent_not_found"),
        ({"agentId": "3c90c3cc-0d44-4b50-8888-8dd25736052a"}, 404, "agent_not_found"),
        ({"skipQueue": "perhaps"}, 400, "validation_error"),
    ],
)
def test_bad_calls_are_told_apart(
    shop: Shop, change: dict[str, Any], status: int, code: str
) -> None:
    error = error_of(ask(shop, "POST", "/calls", call_body(shop, **change)), status, code)
    if code == "validation_error":
        assert error["details"][0]["path"] in change


def test_keys_addresses_and_json_that_are_wrong(shop: Shop) -> None:
    error_of(shop.client.get("/revring/v1/calls"), 401, "unauthenticated")
    error_of(shop.client.get("/revring/v1/calls", headers={"x-api-key": "rr_x"}), 401,
             "unauthenticated")  # fmt: skip
    lacking = {"x-api-key": shop.new_key("agents:read")}
    error_of(ask(shop, "GET", "/calls", **lacking), 403, "missing_scope")
    error_of(ask(shop, "GET", "/calls/nothing"), 404, "call_not_found")
    error_of(ask(shop, "GET", "/sms"), 404, "no_such_address")
    malformed = shop.client.post("/revring/v1/calls", content=b"{", headers={"x-api-key": shop.key})
    error_of(malformed, 400, "invalid_json")
    large = call_body(shop, variables={"x": "y" * 300_000})
    error_of(ask(shop, "POST", "/calls", large), 413, "body_too_large")


def test_a_call_is_cancelled_without_a_body(shop: Shop) -> None:
    made = place(shop)
    answer = shop.client.post(
        f"/revring/v1/calls/{made['id']}/cancel",
        headers={"x-api-key": shop.key, "content-type": "application/json"},
    )
    assert good(answer)["status"] == "CANCELED"
    error_of(ask(shop, "POST", f"/calls/{made['id']}/cancel"), 409, "call_state")


@pytest.mark.parametrize(
    ("status", "reason", "shown", "cause"),
    [
        (CallStatus.COMPLETED, EndReason.CALLEE_HANGUP, "COMPLETED", "USER_ENDED"),
        (CallStatus.COMPLETED, EndReason.AGENT_HANGUP, "COMPLETED", "END_CALL_TOOL"),
        (CallStatus.COMPLETED, EndReason.SILENCE, "COMPLETED", "SILENCE_TIMEOUT"),
        (CallStatus.BUSY, EndReason.CALLEE_BUSY, "FAILED", "BUSY"),
        (CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT, "FAILED", "NO_ANSWER"),
        (CallStatus.FAILED, EndReason.TRUNK_UNREACHABLE, "FAILED", "TRUNK_UNREACHABLE"),
        (CallStatus.CANCELED, EndReason.API_REQUEST, "CANCELED", "API_REQUEST"),
    ],
)
def test_endings_have_the_vendors_words(
    shop: Shop, status: CallStatus, reason: EndReason, shown: str, cause: str
) -> None:
    made = place(shop)
    shop.conduct(native_id(made), status=status, reason=reason)
    read = good(ask(shop, "GET", f"/calls/{made['id']}"))
    assert (read["status"], read["hangupCause"]) == (shown, cause)


def test_the_post_call_webhook_is_the_flat_call(shop: Shop) -> None:
    url = "https://example.com/post"
    agent = good(ask(shop, "POST", "/agents", {**AGENT, "postCallWebhookUrl": url}), 201)
    (hook,) = shop.native("GET", "/v1/webhooks")["data"]
    assert (hook["url"], hook["format"]) == (url, "revring")
    assert hook["agent_id"] == "agent_" + agent["id"].replace("-", "")
    made = place(shop, agentId=agent["id"])
    shop.conduct(native_id(made))
    record_silence(shop, native_id(made))
    sent = shop.composed("revring", native_id(made), "call.completed")
    assert sent is not None
    told = json.loads(sent.body)
    assert set(told) >= CALL_FIELDS
    assert (told["id"], told["status"], told["durationSeconds"]) == (made["id"], "COMPLETED", 5)
    assert told["transcript"][1] == {"role": "user", "content": "Yes, it is.", "timestamp": 2.0}
    assert shop.client.get(told["recordingUrl"]).headers["content-type"] == "audio/mpeg"
    assert shop.composed("revring", native_id(made), "call.ringing") is None
    assert good(ask(shop, "GET", f"/calls/{made['id']}"))["postCallWebhookStatus"] == "pending"
    good(ask(shop, "PATCH", f"/agents/{agent['id']}", {"postCallWebhookUrl": "https://b.test/"}))
    (moved,) = shop.native("GET", "/v1/webhooks")["data"]
    assert moved["url"] == "https://b.test/"
    bad = ask(shop, "PATCH", f"/agents/{agent['id']}", {"postCallWebhookUrl": "nowhere"})
    assert error_of(bad, 400, "validation_error")["details"][0]["path"] == "postCallWebhookUrl"


def test_a_change_of_something_else_leaves_the_webhook_and_what_it_has_not_got_yet(
    shop: Shop,
) -> None:
    fields = {**AGENT, "postCallWebhookUrl": "https://example.com/post"}
    agent = good(ask(shop, "POST", "/agents", fields), 201)
    made = place(shop, agentId=agent["id"])
    shop.conduct(native_id(made))
    (before,) = shop.native("GET", "/v1/webhooks")["data"]
    good(ask(shop, "PATCH", f"/agents/{agent['id']}", {"promptTemplate": "Sell flowers."}))
    (after,) = shop.native("GET", "/v1/webhooks")["data"]
    assert after == before
    (waiting,) = shop.native("GET", f"/v1/webhooks/{after['id']}/deliveries")["data"]
    assert waiting["call_id"] == native_id(made)
    elsewhere = {"postCallWebhookUrl": "https://b.test/"}
    good(ask(shop, "PATCH", f"/agents/{agent['id']}", elsewhere))
    (moved,) = shop.native("GET", "/v1/webhooks")["data"]
    assert (moved["id"], moved["url"]) == (before["id"], "https://b.test/")
    assert shop.native("GET", f"/v1/webhooks/{moved['id']}/deliveries")["data"] == [waiting]
    assert good(ask(shop, "GET", f"/calls/{made['id']}"))["postCallWebhookStatus"] == "pending"


def test_changes_at_the_same_time_do_not_lose_each_other(shop: Shop) -> None:
    agent = good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    tools = [{"name": f"t{n}", "webhookUrl": f"https://example.com/{n}"} for n in range(6)]

    def add(tool: dict[str, str]) -> Any:
        return good(ask(shop, "POST", f"/agents/{agent}/custom-tools", tool), 201)

    with ThreadPoolExecutor(max_workers=6) as pool:
        made = {tool["id"] for tool in pool.map(add, tools)}
    listed = good(ask(shop, "GET", f"/agents/{agent}/custom-tools"))
    assert {tool["id"] for tool in listed} == made
    native = shop.native("GET", f"/v1/agents/agent_{agent.replace('-', '')}")
    assert sum(tool["type"] == "http" for tool in native["tools"]) == 6


def test_calls_are_listed_by_the_query_that_clients_send(shop: Shop) -> None:
    agent = good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    made = []
    for _ in range(3):
        shop.now[0] += 1
        made.append(place(shop, agentId=agent)["id"])
    place(shop)
    query = f"sortBy=createdAt&sortDir=desc&agentId={agent}&pageSize=2"
    first = ask(shop, "GET", f"/calls?{query}")
    assert [call["id"] for call in good(first)] == [made[2], made[1]]
    assert first.json()["total"] == 3
    assert [call["id"] for call in good(ask(shop, "GET", f"/calls?{query}&page=2"))] == [made[0]]
    assert good(ask(shop, "GET", "/calls?createdFrom=2999-01-01")) == []
    assert len(good(ask(shop, "GET", "/calls?status=INITIATED"))) == 4
    for wrong in ("pageSize=0", "pageSize=101", "sortBy=colour", "createdTo=soon", "page=x"):
        error_of(ask(shop, "GET", f"/calls?{wrong}"), 400, "validation_error")


def test_calls_are_got_a_hundred_at_a_time(shop: Shop) -> None:
    agent = shop.agent()
    one, two = place(shop, agentId=agent)["id"], place(shop, agentId=agent)["id"]
    unknown = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
    found = good(ask(shop, "POST", "/calls/batch-get", {"ids": [two, unknown, one, "x"]}))
    assert [call["id"] for call in found] == [two, one]
    minimal = good(ask(shop, "POST", "/calls/batch-get", {"ids": [one], "minimal": True}))
    assert not {"transcript", "summary", "metrics", "variables"} & set(minimal[0])
    for ids in ([], [one] * 101):
        error_of(ask(shop, "POST", "/calls/batch-get", {"ids": ids}), 400, "validation_error")


def test_a_warm_transfer_is_attended(shop: Shop) -> None:
    warm = {
        **AGENT,
        "transferMode": "warm",
        "warmTransferConfig": {"holdMessage": "Hold the line.", "holdMusicEnabled": True},
    }
    made = good(ask(shop, "POST", "/agents", warm), 201)
    assert made["warmTransferConfig"] == warm["warmTransferConfig"]

    def transfer() -> Any:
        native = shop.native("GET", "/v1/agents/agent_" + made["id"].replace("-", ""))
        return next(tool for tool in native["tools"] if tool["type"] == "transfer")

    assert transfer()["targets"][0]["attended"] is True
    assert transfer()["message"] == "Hold the line."
    good(ask(shop, "PATCH", f"/agents/{made['id']}", {"transferMode": "cold"}))
    assert transfer()["targets"][0]["attended"] is False
    assert transfer()["message"] == ""


def test_agents_are_native_agents_and_come_back_as_given(shop: Shop) -> None:
    made = good(ask(shop, "POST", "/agents", AGENT), 201)
    assert {name: made[name] for name in AGENT} == AGENT
    assert (made["status"], made["mode"], made["customTools"]) == ("active", "single_prompt", [])
    native = shop.native("GET", "/v1/agents/agent_" + made["id"].replace("-", ""))
    assert native["prompt"] == AGENT["promptTemplate"]
    assert native["limits"]["max_duration"] == 300
    assert native["turn_taking"]["silence_timeout"] == 5
    assert native["turn_taking"]["max_reprompts"] == 3
    assert native["turn_taking"]["interruption_delay"] == 0.4
    assert native["voicemail"] == {"action": "leave_message", "message": "Please call back."}
    kinds = [tool["type"] for tool in native["tools"]]
    assert kinds == ["end_call", "transfer", "voicemail", "digits"]
    assert native["tools"][1]["targets"][0]["to"] == "+14155550199"
    changed = good(ask(shop, "PATCH", f"/agents/{made['id']}", {"transferEnabled": False}))
    assert changed["transferEnabled"] is False
    assert (changed["name"], changed["turnTimeoutSeconds"]) == ("Rachel", 5)
    copy = good(ask(shop, "POST", f"/agents/{made['id']}/duplicate"), 201)
    assert copy["id"] != made["id"]
    assert copy["promptTemplate"] == AGENT["promptTemplate"]
    assert len(good(ask(shop, "GET", "/agents"))) == 2
    good(ask(shop, "DELETE", f"/agents/{made['id']}"))
    error_of(ask(shop, "GET", f"/agents/{made['id']}"), 404, "agent_not_found")


def test_an_agent_of_another_mode_and_a_disabled_one(shop: Shop) -> None:
    flow = {**AGENT, "mode": "conversation_flow", "flowDefinition": {"schemaVersion": 1}}
    assert (
        "conversation_flow"
        in error_of(ask(shop, "POST", "/agents", flow), 400, "validation_error")["message"]
    )
    for missing in ("name", "promptTemplate"):
        body = {name: value for name, value in AGENT.items() if name != missing}
        error_of(ask(shop, "POST", "/agents", body), 400, "validation_error")
    made = good(ask(shop, "POST", "/agents", {**AGENT, "status": "disabled"}), 201)
    error_of(
        ask(shop, "POST", "/calls", call_body(shop, agentId=made["id"])), 400, "agent_disabled"
    )


def test_custom_tools_become_tools_of_the_agent(shop: Shop) -> None:
    agent = good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    tool = {
        "name": "look up order",
        "webhookUrl": "https://example.com/tool",
        "httpMethod": "POST",
        "headers": [{"key": "x-token", "value": "t0ken-very-secret"}, {"key": "x", "value": ""}],
        "sendRawRequestBody": False,
        "enabled": True,
        "schema": {
            "type": "function",
            "name": "look_up_order",
            "description": "Finds an order.",
            "parameters": {"type": "object", "properties": {"number": {"type": "string"}}},
        },
    }
    made = good(ask(shop, "POST", f"/agents/{agent}/custom-tools", tool), 201)
    assert {name: made[name] for name in tool} == tool
    native = shop.native("GET", "/v1/agents/agent_" + agent.replace("-", ""))
    http = native["tools"][-1]
    assert (http["type"], http["name"], http["url"]) == (
        "http", "look_up_order", "https://example.com/tool",
    )  # fmt: skip
    assert http["body"]["arguments"] == {"number": "{{arguments.number}}"}
    assert "t0ken" not in json.dumps(native), "what headers hold is a secret"
    assert good(ask(shop, "GET", f"/agents/{agent}"))["customTools"][0]["id"] == made["id"]
    path = f"/agents/{agent}/custom-tools/{made['id']}"
    good(ask(shop, "PATCH", path, {"sendRawRequestBody": True}))
    native = shop.native("GET", "/v1/agents/agent_" + agent.replace("-", ""))
    assert native["tools"][-1]["body"] is None
    good(ask(shop, "PATCH", path, {"enabled": False}))
    native = shop.native("GET", "/v1/agents/agent_" + agent.replace("-", ""))
    assert [tool["type"] for tool in native["tools"]].count("http") == 0
    good(ask(shop, "DELETE", path))
    error_of(ask(shop, "PATCH", path, {}), 404, "tool_not_found")
    bad = ask(shop, "POST", f"/agents/{agent}/custom-tools", {"name": "x"})
    error_of(bad, 400, "validation_error")


def test_another_workspace_sees_and_changes_nothing(shop: Shop) -> None:
    call, agent = place(shop)["id"], good(ask(shop, "POST", "/agents", AGENT), 201)["id"]
    stranger = {"x-api-key": shop.new_key(workspace="workspace_other")}
    assert good(ask(shop, "GET", "/calls", **stranger)) == []
    assert good(ask(shop, "GET", "/agents", **stranger)) == []
    assert good(ask(shop, "POST", "/calls/batch-get", {"ids": [call]}, **stranger)) == []
    for method, path in (
        ("GET", f"/calls/{call}"),
        ("POST", f"/calls/{call}/cancel"),
        ("GET", f"/agents/{agent}"),
        ("PATCH", f"/agents/{agent}"),
        ("DELETE", f"/agents/{agent}"),
        ("POST", f"/agents/{agent}/duplicate"),
        ("GET", f"/agents/{agent}/custom-tools"),
        ("POST", f"/agents/{agent}/custom-tools"),
    ):
        body = {"name": "x", "webhookUrl": "https://example.com"} if method != "GET" else None
        assert ask(shop, method, path, body, **stranger).status_code == 404, path
    assert good(ask(shop, "GET", f"/agents/{agent}"))["name"] == "Rachel"
