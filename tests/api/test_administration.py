"""Keys, versions, deliveries, the audit log and what providers and trunks say, through HTTP."""

import re
from typing import Any

import pytest

from strowger.api.auth import REMEMBERED
from strowger.calls.render import timestamp
from strowger.calls.resources import KEY_FORMAT, SCOPES
from tests.api.conftest import NOW, Api, fields_of

AGENT: dict[str, Any] = {"name": "Reminder", "prompt": "Remind them."}
SECRET = "Zx9-planted-secret"


def with_key(api: Api, key: str) -> Api:
    headers = {"Authorization": f"Bearer {key}"}
    return Api(api.client, api.records, api.services, api.recordings, api.now, headers)


# ── keys ──


def test_a_key_is_shown_once_and_works(api: Api) -> None:
    body = {"name": "CRM", "scopes": ["agents:read"], "expires_at": "2027-01-01T00:00:00+01:00"}
    made = api.post("/v1/api-keys", body, "CreatedApiKey")
    assert KEY_FORMAT.fullmatch(made["key"])
    assert (made["scopes"], made["expires_at"]) == (["agents:read"], "2026-12-31T23:00:00.000Z")
    key = with_key(api, made.pop("key"))
    assert key.get("/v1/agents", "AgentList")["data"] == []
    key.refused("POST", "/v1/agents", 403, "missing_scope", json=AGENT)
    assert api.get(f"/v1/api-keys/{made['id']}", "ApiKey") == made
    assert made in api.get("/v1/api-keys", "ApiKeyList")["data"]
    assert "strowger_live" not in api.client.get("/v1/api-keys", headers=api.headers).text


def test_a_revoked_key_stops_working_when_it_is_no_longer_remembered(api: Api) -> None:
    made = api.post("/v1/api-keys", {"name": "x", "scopes": ["*"]}, "CreatedApiKey")
    key = with_key(api, made["key"])
    key.get("/v1/agents", "AgentList")
    api.delete(f"/v1/api-keys/{made['id']}")
    api.refused("GET", f"/v1/api-keys/{made['id']}", 404, "not_found")
    api.now[0] += REMEMBERED
    key.refused("GET", "/v1/agents", 401, "unauthenticated")
    assert REMEMBERED <= 5.0


def test_a_key_that_has_expired_is_refused_at_once(api: Api) -> None:
    body = {"name": "x", "scopes": ["*"], "expires_at": timestamp(NOW + 1)}
    key = with_key(api, api.post("/v1/api-keys", body, "CreatedApiKey")["key"])
    key.get("/v1/agents", "AgentList")
    api.now[0] += 1.0
    key.refused("GET", "/v1/agents", 401, "key_expired")


@pytest.mark.parametrize("scope", ["*", "calls:write", "audit:read"])
def test_a_key_can_grant_only_what_it_has(api: Api, scope: str) -> None:
    limited = api.as_("workspace_default", "api_keys:write", "agents:read")
    body = {"name": "x", "scopes": ["agents:read", scope]}
    problem = limited.refused("POST", "/v1/api-keys", 403, "missing_scope", json=body)
    assert scope in problem["detail"]
    assert "agents:read" not in problem["detail"]
    limited.post("/v1/api-keys", {"name": "x", "scopes": ["agents:read"]}, "CreatedApiKey")


def test_a_key_can_make_none_that_outlives_it(api: Api) -> None:
    body = {"name": "x", "scopes": ["*"], "expires_at": timestamp(NOW + 60)}
    brief = with_key(api, api.post("/v1/api-keys", body, "CreatedApiKey")["key"])
    for end in (None, timestamp(NOW + 61)):
        longer = {**body, "expires_at": end}
        brief.refused("POST", "/v1/api-keys", 403, "expires_too_late", json=longer)
    brief.post("/v1/api-keys", body, "CreatedApiKey")


def test_a_test_key_makes_test_keys_only(api: Api) -> None:
    made = api.post("/v1/api-keys", {"name": "x", "scopes": ["*"], "test": True}, "CreatedApiKey")
    assert made["key"].startswith("strowger_test_")
    tester = with_key(api, made["key"])
    body = {"name": "y", "scopes": ["*"]}
    tester.refused("POST", "/v1/api-keys", 403, "test_key", json=body)
    other = tester.post("/v1/api-keys", {**body, "test": True}, "CreatedApiKey")
    live = api.post("/v1/api-keys", body, "CreatedApiKey")
    tester.refused("DELETE", f"/v1/api-keys/{live['id']}", 403, "test_key")
    tester.delete(f"/v1/api-keys/{other['id']}")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": "agents:read"}, "scopes"),
        ({"expires_at": timestamp(NOW)}, "expires_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": 1_900_000_000}, "expires_at"),
    ],
)
def test_what_no_key_can_be_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"name": "x", "scopes": ["agents:read"], **change}
    problem = api.refused("POST", "/v1/api-keys", 422, "invalid_request", json=body)
    assert set(fields_of(problem)) == {field}


# ── agents ──


def test_every_version_of_an_agent_can_be_read(api: Api) -> None:
    agent = api.post("/v1/agents", AGENT, "Agent")
    path = f"/v1/agents/{agent['id']}"
    for number in range(2, 5):
        api.now[0] += 1
        api.patch(path, {"prompt": f"Version {number}"}, "Agent")
    first = api.get(f"{path}/versions", "AgentVersionList", limit=3)
    rest = api.get(f"{path}/versions", "AgentVersionList", limit=3, cursor=first["next_cursor"])
    assert [one["version"] for one in first["data"] + rest["data"]] == [4, 3, 2, 1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    kept = api.get(f"{path}/versions/1", "AgentVersion")
    assert (kept["prompt"], kept["agent_id"]) == (AGENT["prompt"], agent["id"])
    assert kept["created_at"] == agent["created_at"]
    assert api.get(f"{path}/versions/3", "AgentVersion")["prompt"] == "Version 3"
    for nothing in ("5", "0", "x", "1.0", "-1", "9" * 30):
        api.refused("GET", f"{path}/versions/{nothing}", 404, "not_found")
    api.refused("GET", f"{path}/versions?cursor=AAAA", 422, "invalid_cursor")


def test_a_duplicate_is_an_agent_of_its_own(api: Api) -> None:
    agent = api.post("/v1/agents", {**AGENT, "voice": {"speed": 1.5}}, "Agent")
    copy = api.post(f"/v1/agents/{agent['id']}/duplicate", None, "Agent")
    assert copy["name"] == "Copy of Reminder"
    assert copy["id"] != agent["id"]
    same = ("prompt", "voice", "limits", "version")
    assert [copy[field] for field in same] == [agent[field] for field in same]
    longest = api.post("/v1/agents", {**AGENT, "name": "x" * 200}, "Agent")
    copy = api.post(f"/v1/agents/{longest['id']}/duplicate", None, "Agent")
    assert len(copy["name"]) == 200


def test_a_change_of_a_version_that_is_no_more_is_refused(api: Api) -> None:
    response = api.client.post("/v1/agents", json=AGENT, headers=api.headers)
    path = f"/v1/agents/{response.json()['id']}"
    assert response.headers["etag"] == '"1"'
    mine = {**api.headers, "If-Match": '"1"'}
    changed = api.client.patch(path, json={"prompt": "A"}, headers=mine)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    late = {"json": {"prompt": "B"}}
    for stale in ('"1"', 'W/"2"', "2", '""', '"two"', '"1", "3"'):
        headers = {"If-Match": stale}
        api.refused("PATCH", path, 412, "version_mismatch", headers=headers, **late)
    assert api.get(path, "Agent")["prompt"] == "A"
    for good in ("*", '"1", "2"'):
        fresh = {**api.headers, "If-Match": good}
        assert api.client.patch(path, json={"prompt": "A"}, headers=fresh).status_code == 200
    assert api.client.get(path, headers=api.headers).headers["etag"] == '"2"'


def test_changes_of_different_fields_at_the_same_moment_both_count(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's change comes between our reading and our writing."""
    agent = api.post("/v1/agents", AGENT, "Agent")
    path, records = f"/v1/agents/{agent['id']}", api.records
    original, interruptions = records.get_agent, iter([True])

    async def interrupted(workspace: Any, id: Any) -> Any:
        found = await original(workspace, id)
        if next(interruptions, False):
            definition = found.definition
            other = type(definition)(name="Theirs", prompt=definition.prompt)
            await records.replace_agent(workspace, id, other, was=found.version, now=1.0)
        return found

    monkeypatch.setattr(records, "get_agent", interrupted)
    changed = api.patch(path, {"prompt": "Mine."}, "Agent")
    assert (changed["name"], changed["prompt"], changed["version"]) == ("Theirs", "Mine.", 3)


# ── webhooks ──


def test_a_rotated_secret_is_shown_once(api: Api) -> None:
    hook = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")
    path = f"/v1/webhooks/{hook['id']}"
    rotated = api.post(f"{path}/rotate", None, "CreatedWebhook", 200)
    assert rotated["secret"] != hook["secret"]
    assert rotated["previous_secret_until"] == timestamp(NOW + 86_400)
    shown = api.client.get(path, headers=api.headers).text
    assert hook["secret"] not in shown
    assert rotated["secret"] not in shown


def test_a_test_event_is_a_delivery_that_can_be_looked_at_and_retried(api: Api) -> None:
    hook = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")
    path = f"/v1/webhooks/{hook['id']}"
    made = api.post(f"{path}/test", None, "Delivery", 202)
    assert (made["event_type"], made["state"], made["attempts"]) == ("webhook.test", "pending", 0)
    assert api.get(f"/v1/deliveries/{made['id']}", "Delivery") == made
    (listed,) = api.get(f"{path}/deliveries", "DeliveryList")["data"]
    assert {**listed, "attempt_log": []} == made
    assert api.get(f"{path}/deliveries", "DeliveryList", state="given_up")["data"] == []
    api.refused("GET", f"{path}/deliveries?state=lost", 422, "invalid_request")
    assert api.post(f"/v1/deliveries/{made['id']}/retry", None, "Delivery", 202) == made
    api.patch(path, {"enabled": False}, "Webhook")
    api.refused("POST", f"{path}/test", 409, "webhook_disabled")


def test_a_replay_wants_a_range_of_time(api: Api) -> None:
    hook = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")
    agent = api.post("/v1/agents", AGENT, "Agent")
    api.patch(f"/v1/agents/{agent['id']}", {"prompt": "Else."}, "Agent")
    path = f"/v1/webhooks/{hook['id']}/replay"
    whole = {"from": timestamp(NOW - 1), "to": timestamp(NOW + 1)}
    assert api.post(path, whole, "Replayed", 202) == {"deliveries": 1, "next_from": None}
    before = {"from": timestamp(NOW - 2), "to": timestamp(NOW - 1)}
    assert api.post(path, before, "Replayed", 202)["deliveries"] == 0
    for wrong, field in (
        ({"from": whole["to"], "to": whole["from"]}, "to"),
        ({"from": whole["to"], "to": whole["to"]}, "to"),
        ({"from": whole["from"]}, "to"),
        ({"to": whole["to"]}, "from"),
        ({**whole, "from": 0}, "from"),
    ):
        problem = api.refused("POST", path, 422, "invalid_request", json=wrong)
        assert set(fields_of(problem)) == {field}


# ── the audit log ──


def test_who_changed_what_is_written_down_without_what_it_was(api: Api) -> None:
    trunk = {"name": "A", "host": "a.example", "username": "u", "password": SECRET}
    made = api.client.post("/v1/trunks", json=trunk, headers=api.headers)
    path = f"/v1/trunks/{made.json()['id']}"
    changed = api.client.patch(path, json={"password": SECRET + "2"}, headers=api.headers)
    api.client.patch(path, json={"password": SECRET + "2"}, headers=api.headers)
    api.delete(path)
    log = api.get("/v1/audit", "AuditList", resource_id=path.rpartition("/")[2])["data"]
    assert [(entry["action"], entry["fields"]) for entry in reversed(log)] == [
        ("create", []), ("update", ["password"]), ("delete", []),
    ]  # fmt: skip
    assert {entry["resource"] for entry in log} == {"trunk"}
    assert {entry["key_id"] for entry in log} == {"key_1"}
    assert log[-1]["request_id"] == made.headers["x-request-id"]
    assert log[-2]["request_id"] == changed.headers["x-request-id"]
    assert SECRET not in api.client.get("/v1/audit", headers=api.headers).text


def test_every_kind_of_change_is_in_the_audit_log(api: Api) -> None:
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
        "agents": (AGENT, {"prompt": "Else."}),
        "trunks": ({"name": "A", "host": "a.example"}, {"port": 5080}),
        "phone-numbers": ({"number": "+14155550111"}, {"label": "Desk"}),
        "webhooks": ({"url": "https://example.com/"}, {"events": ["call.completed"]}),
        "api-keys": ({"name": "x", "scopes": ["*"]}, None),
    }
    for kind, (body, change) in kinds.items():
        made = api.client.post(f"/v1/{kind}", json=body, headers=api.headers).json()
        path = f"/v1/{kind}/{made['id']}"
        if change is not None:
            api.client.patch(path, json=change, headers=api.headers)
        api.delete(path)
        log = api.get("/v1/audit", "AuditList", resource_id=made["id"])["data"]
        actions = [(entry["action"], entry["fields"]) for entry in reversed(log)]
        updates = [] if change is None else [("update", list(change))]
        assert actions == [("create", []), *updates, ("delete", [])], kind


def test_what_was_refused_leaves_no_trace_in_the_audit_log(api: Api) -> None:
    api.refused("POST", "/v1/agents", 422, "invalid_request", json={"name": ""})
    api.refused("DELETE", "/v1/agents/agent_1", 404, "not_found")
    assert api.get("/v1/audit", "AuditList")["data"] == []


# ── providers and trunks ──


def test_voices_and_models_are_those_of_the_providers(api: Api) -> None:
    voices = api.get("/v1/voices", "VoiceList")["data"]
    assert voices == [
        {"provider": "local", "voice_id": "en-gb", "default": False},
        {"provider": "local", "voice_id": "en-us", "default": True},
    ]
    models = {
        (one["kind"], one["provider"]): one for one in api.get("/v1/models", "ModelList")["data"]
    }
    assert models["language_model", "openai"]["default"] == "gpt-6-luna"
    assert models["text_to_speech", "openai"]["problem"] == "no API key"


def test_a_trunk_is_checked_as_it_is_kept(api: Api) -> None:
    body = {"name": "A", "host": "sip.example.com", "username": "u", "password": SECRET}
    trunk = api.post("/v1/trunks", body, "Trunk")
    report = api.post(f"/v1/trunks/{trunk['id']}/check", None, "TrunkCheck", 200)
    assert (report["ok"], report["codecs"]) == (True, ["PCMU"])
    api.refused("POST", "/v1/trunks/trunk_1/check", 404, "not_found")


def test_every_scope_is_named_after_what_it_opens() -> None:
    assert all(re.fullmatch(r"[a-z_]+:(read|write)", scope) for scope in SCOPES)
