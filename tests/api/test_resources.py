"""Agents, trunks, phone numbers and webhooks through HTTP."""

import base64
from typing import Any

import pytest

from tests.api.conftest import Api, fields_of

FLOW: dict[str, Any] = {
    "start": "greet",
    "nodes": {
        "greet": {"type": "say", "text": "Hello.", "next": "ask"},
        "ask": {
            "type": "ask",
            "text": "Yes or no?",
            "expect": {"type": "yes_no"},
            "branches": {"yes": "mark", "no": "bye"},
            "next": "bye",
        },
        "mark": {"type": "set", "variable": "agreed", "value": True, "next": "fork"},
        "fork": {
            "type": "branch",
            "variable": "agreed",
            "branches": {"yes": "bye"},
            "otherwise": "bye",
        },
        "bye": {"type": "end", "text": "Bye.", "outcome": "answered"},
    },
}
AGENT: dict[str, Any] = {"name": "Reminder", "prompt": "Remind them."}
KINDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "agents": (AGENT, "Agent", {"prompt": "Else."}),
    "trunks": ({"name": "Carrier", "host": "sip.example.com"}, "Trunk", {"port": 5080}),
    "phone-numbers": ({"number": "+14155550111"}, "PhoneNumber", {"label": "Reception"}),
    "webhooks": ({"url": "https://example.com/hook"}, "Webhook", {"enabled": False}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_things_are_made_read_changed_listed_and_deleted(api: Api, kind: str) -> None:
    body, model, change = KINDS[kind]
    made = api.post(f"/v1/{kind}", body, "CreatedWebhook" if kind == "webhooks" else model)
    made.pop("secret", None)
    path = f"/v1/{kind}/{made['id']}"
    assert body.items() <= made.items()
    assert made["workspace_id"] == "workspace_default"
    assert api.get(path, model) == made
    api.now[0] += 10
    changed = api.patch(path, change, model)
    assert change.items() <= changed.items()
    assert changed["created_at"] == made["created_at"] < changed["updated_at"]
    assert api.get(path, model) == changed
    assert api.get(f"/v1/{kind}", f"{model}List")["data"] == [changed]
    api.delete(path)
    assert api.get(f"/v1/{kind}", f"{model}List") == {
        "data": [], "has_more": False, "next_cursor": None,
    }  # fmt: skip
    api.refused("GET", path, 404, "not_found")
    api.refused("PATCH", path, 404, "not_found", json=change)
    api.refused("DELETE", path, 404, "not_found")


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_to_a_new_thing_says_where_it_is(api: Api, kind: str) -> None:
    response = api.client.post(f"/v1/{kind}", json=KINDS[kind][0], headers=api.headers)
    assert response.headers["location"] == f"/v1/{kind}/{response.json()['id']}"


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_paged(api: Api, kind: str) -> None:
    body, model, _ = KINDS[kind]
    made = []
    for index in range(3):
        distinct = {"number": f"+1415555010{index}"} if kind == "phone-numbers" else {}
        answer = "CreatedWebhook" if kind == "webhooks" else model
        made.append(api.post(f"/v1/{kind}", {**body, **distinct}, answer)["id"])
    first = api.get(f"/v1/{kind}", f"{model}List", limit=2)
    rest = api.get(f"/v1/{kind}", f"{model}List", limit=2, cursor=first["next_cursor"])
    assert [thing["id"] for thing in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_one_workspace_is_seen_or_changed_from_another(api: Api, kind: str) -> None:
    body, model, change = KINDS[kind]
    made = api.post(f"/v1/{kind}", body, "CreatedWebhook" if kind == "webhooks" else model)
    made.pop("secret", None)
    path, stranger = f"/v1/{kind}/{made['id']}", api.as_("workspace_other")
    stranger.refused("GET", path, 404, "not_found")
    stranger.refused("PATCH", path, 404, "not_found", json=change)
    stranger.refused("DELETE", path, 404, "not_found")
    assert stranger.get(f"/v1/{kind}", f"{model}List")["data"] == []
    assert api.get(path, model) == made


def test_nothing_of_a_call_is_seen_from_another_workspace(api: Api) -> None:
    api.post("/v1/trunks", KINDS["trunks"][0], "Trunk")
    agent = api.post("/v1/agents", AGENT, "Agent")["id"]
    call = api.post("/v1/calls", {"to": "+14155550100", "agent_id": agent}, "Call")["id"]
    stranger = api.as_("workspace_other")
    for rest in ("", "/transcript", "/events", "/recording"):
        stranger.refused("GET", f"/v1/calls/{call}{rest}", 404, "not_found")
    stranger.refused("POST", f"/v1/calls/{call}/end", 404, "not_found")
    assert stranger.get("/v1/calls", "CallList")["data"] == []
    stranger.post("/v1/trunks", KINDS["trunks"][0], "Trunk")
    borrowed = {"to": "+14155550100", "agent_id": agent}
    stranger.refused("POST", "/v1/calls", 422, "unknown_agent", json=borrowed)
    trunk = api.get("/v1/trunks", "TrunkList")["data"][0]["id"]
    for field, id in (("trunk_id", trunk), ("inbound_agent_id", agent)):
        body = {"number": "+14155550111", field: id}
        problem = stranger.refused("POST", "/v1/phone-numbers", 422, "invalid_request", json=body)
        assert set(fields_of(problem)) == {field}


# ── agents ──


def test_every_change_of_an_agent_is_a_version(api: Api) -> None:
    agent = api.post("/v1/agents", {**AGENT, "voice": {"speed": 1.5}}, "Agent")
    path = f"/v1/agents/{agent['id']}"
    assert agent["version"] == 1
    changed = api.patch(path, {"voice": {"provider": "openai"}, "caller_id": None}, "Agent")
    assert changed["version"] == 2
    assert changed["voice"] == {
                "provider": "openai", "voice_id": None, "model": None, "speed": 1.0,
                "fallbacks": [], "fallback_after": 2.0,
            }  # fmt: skip
    assert changed["prompt"] == agent["prompt"]
    assert api.patch(path, {"prompt": agent["prompt"]}, "Agent") == changed
    assert api.patch(path, {}, "Agent") == changed


def test_a_flow_comes_back_as_it_was_given(api: Api) -> None:
    agent = api.post("/v1/agents", {"name": "Scripted", "flow": FLOW}, "Agent")
    assert agent["flow"]["start"] == "greet"
    assert list(agent["flow"]["nodes"]) == list(FLOW["nodes"])
    assert agent["flow"]["nodes"]["fork"] == {**FLOW["nodes"]["fork"], "conditions": []}
    assert agent["flow"]["nodes"]["mark"]["value"] is True
    assert agent["flow"]["nodes"]["ask"]["expect"]["type"] == "yes_no"
    again = {key: agent[key] for key in ("name", "flow", "voice", "turn_taking", "limits")}
    copy = api.post("/v1/agents", again, "Agent")
    assert copy["flow"] == agent["flow"]
    assert api.patch(f"/v1/agents/{copy['id']}", {"flow": FLOW}, "Agent")["version"] == 1
    changed = api.patch(f"/v1/agents/{copy['id']}", {"flow": None, "prompt": "Talk."}, "Agent")
    assert changed["flow"] is None


SERVICE = {"provider": "openai"}
KEPT = {"provider": "elevenlabs", "agent_id": "agent_7"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"prompt": ""}, "prompt"),
        ({"language": "English, please"}, "language"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "America"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"voice": {"provider": "unheard"}}, "voice.provider"),
        ({"voice": {"speed": 2.1}}, "voice.speed"),
        ({"model": {"provider": "unheard"}}, "model.provider"),
        ({"model": {"temperature": -0.1}}, "model.temperature"),
        ({"model": {"max_tokens": 10**30}}, "model.max_tokens"),
        ({"transcriber": {"provider": "unheard"}}, "transcriber.provider"),
        ({"turn_taking": {"endpointing_delay": 0}}, "turn_taking.endpointing_delay"),
        ({"turn_taking": {"max_reprompts": -1}}, "turn_taking.max_reprompts"),
        ({"limits": {"ring_timeout": 1e300}}, "limits.ring_timeout"),
        ({"voicemail": {"action": "leave_message"}}, "voicemail.message"),
        ({"first_message": "Hello {{ }}"}, "first_message"),
        ({"end_call_phrases": ["bye", ""]}, "end_call_phrases.1"),
        ({"analysis": {"extract": {"type": "string"}}}, "analysis.extract"),
        ({"analysis": {"extract": {"type": "object"}}}, "analysis.extract"),
        ({"analysis": {"success": " "}}, "analysis.success"),
        ({"analysis": {"prompts": {"1st": "Why?"}}}, "analysis.prompts.1st"),
        ({"analysis": {"prompts": {"why": ""}}}, "analysis.prompts.why"),
        ({"analysis": {"prompts": {f"a{i}": "?" for i in range(21)}}}, "analysis.prompts"),
        ({"analysis": {"model": {"provider": "unheard"}}}, "analysis.model.provider"),
        ({"analysis": {"model": {"temperature": 3}}}, "analysis.model.temperature"),
        ({"default_variables": {"1st": 1}}, "default_variables.1st"),
        ({"default_variables": {"a": "x" * 10_001}}, "default_variables.a"),
        ({"default_variables": {f"a{i}": 1 for i in range(201)}}, "default_variables"),
        ({"webhook_url": "example.com"}, "webhook_url"),
        ({"caller_id": "+1"}, "caller_id"),
        ({"speech_to_speech": {"provider": "unheard"}}, "speech_to_speech.provider"),
        ({"speech_to_speech": {"provider": "openai", "model": ""}}, "speech_to_speech.model"),
        (
            {"speech_to_speech": {"provider": "openai", "agent_id": "a"}},
            "speech_to_speech.agent_id",
        ),
        ({"speech_to_speech": {"provider": "elevenlabs"}}, "speech_to_speech.agent_id"),
        ({"speech_to_speech": {**KEPT, "model": "m"}}, "speech_to_speech.model"),
        (
            {"speech_to_speech": {**KEPT, "variables": {"a": "{{ }}"}}},
            "speech_to_speech.variables.a",
        ),
        ({"speech_to_speech": {**SERVICE, "variables": {"a": 1}}}, "speech_to_speech.variables"),
        (
            {"speech_to_speech": {**SERVICE, "fallbacks": [KEPT, {"provider": "unheard"}]}},
            "speech_to_speech.fallbacks.1.provider",
        ),
        (
            {"speech_to_speech": {**SERVICE, "fallbacks": [{"provider": "elevenlabs"}]}},
            "speech_to_speech.fallbacks.0.agent_id",
        ),
        (
            {"speech_to_speech": {**SERVICE, "fallbacks": [SERVICE] * 6}},
            "speech_to_speech.fallbacks",
        ),
        ({"speech_to_speech": {**KEPT, "fallbacks": [SERVICE]}, "prompt": ""}, "prompt"),
        ({"speech_to_speech": SERVICE, "flow": FLOW}, "flow"),
        ({"speech_to_speech": SERVICE, "voice": {"provider": "piper"}}, "voice"),
        ({"speech_to_speech": SERVICE, "model": {"provider": "google"}}, "model"),
        ({"speech_to_speech": SERVICE, "transcriber": {"provider": "whisper"}}, "transcriber"),
        ({"flow": {"start": "a", "nodes": {}}}, "flow.nodes"),
        ({"version": 7}, "version"),
        ({"name": None}, "name"),
        ({"recording": 1}, "recording"),
        ({"model": {"max_tokens": 1.5}}, "model.max_tokens"),
    ],
)
def test_what_no_agent_can_be_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    agent = api.post("/v1/agents", AGENT, "Agent")
    code = "unknown_field" if field == "version" else "invalid_request"
    problem = api.refused("PATCH", f"/v1/agents/{agent['id']}", 422, code, json=change)
    assert list(fields_of(problem)) == [field]
    problem = api.refused("POST", "/v1/agents", 422, code, json={**AGENT, **change})
    assert list(fields_of(problem)) == [field]
    assert api.get("/v1/agents", "AgentList")["data"] == [agent]


# ── trunks ──


def test_a_trunks_password_goes_in_and_never_comes_out(api: Api) -> None:
    body = {"name": "A", "host": "10.0.0.1", "username": "me", "password": "correct horse"}
    trunk = api.post("/v1/trunks", body, "Trunk")
    path = f"/v1/trunks/{trunk['id']}"
    assert (trunk["has_password"], trunk["username"]) == (True, "me")
    for text in (str(trunk), api.client.get("/v1/trunks", headers=api.headers).text):
        assert "correct horse" not in text
    assert api.records.trunks[trunk["id"]].password == "correct horse"
    api.patch(path, {"port": 5080}, "Trunk")
    assert api.records.trunks[trunk["id"]].password == "correct horse"
    cleared = api.patch(path, {"password": None}, "Trunk")
    assert cleared["has_password"] is False


def test_the_first_trunk_is_the_default_until_another_takes_over(api: Api) -> None:
    first = api.post("/v1/trunks", {"name": "A", "host": "a.example"}, "Trunk")
    second = api.post("/v1/trunks", {"name": "B", "host": "b.example"}, "Trunk")
    assert (first["is_default"], second["is_default"]) == (True, False)
    api.patch(f"/v1/trunks/{second['id']}", {"is_default": True}, "Trunk")
    assert api.get(f"/v1/trunks/{first['id']}", "Trunk")["is_default"] is False
    third = {"name": "C", "host": "c.example", "is_default": False}
    assert api.post("/v1/trunks", third, "Trunk")["is_default"] is False


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"host": "sip.example.com:5060"}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "-a.example"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"port": "5060"}, "port"),
        ({"transport": "tls"}, "transport"),
        ({"password": "x"}, "username"),
        ({"username": "a\r\nb", "password": "x"}, "username"),
        ({"is_default": "yes"}, "is_default"),
    ],
)
def test_what_no_trunk_can_be_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"name": "A", "host": "a.example"}
    trunk = api.post("/v1/trunks", body, "Trunk")
    problem = api.refused("POST", "/v1/trunks", 422, "invalid_request", json={**body, **change})
    assert list(fields_of(problem)) == [field]
    path = f"/v1/trunks/{trunk['id']}"
    api.refused("PATCH", path, 422, "invalid_request", json=change)
    assert api.get(path, "Trunk") == trunk


def test_a_trunk_in_use_stays(api: Api) -> None:
    trunk = api.post("/v1/trunks", {"name": "A", "host": "a.example"}, "Trunk")["id"]
    call = api.post("/v1/calls", {"to": "+14155550100", "agent": AGENT}, "Call")["id"]
    api.refused("DELETE", f"/v1/trunks/{trunk}", 409, "trunk_in_use")
    api.post(f"/v1/calls/{call}/end", None, "Call", status=200)
    api.delete(f"/v1/trunks/{trunk}")


# ── phone numbers ──


def test_a_number_is_there_once(api: Api) -> None:
    body = {"number": "+14155550111"}
    api.post("/v1/phone-numbers", body, "PhoneNumber")
    api.refused("POST", "/v1/phone-numbers", 409, "number_exists", json=body)
    api.as_("workspace_other").post("/v1/phone-numbers", body, "PhoneNumber")


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"number": "+1"}, "number", "invalid_phone_number"),
        ({"number": "sip:a@b"}, "number", "invalid_phone_number"),
        ({"label": "a\x07"}, "label", "invalid_request"),
        ({"trunk_id": "trunk_nobody"}, "trunk_id", "invalid_request"),
        ({"inbound_agent_id": "agent_nobody"}, "inbound_agent_id", "invalid_request"),
    ],
)
def test_what_no_number_can_be_is_refused(
    api: Api, change: dict[str, Any], field: str, code: str
) -> None:
    body = {"number": "+14155550111", **change}
    problem = api.refused("POST", "/v1/phone-numbers", 422, code, json=body)
    assert list(fields_of(problem)) == [field]
    assert api.records.numbers == {}


def test_the_number_itself_does_not_change(api: Api) -> None:
    number = api.post("/v1/phone-numbers", {"number": "+14155550111"}, "PhoneNumber")["id"]
    change = {"number": "+14155550112"}
    api.refused("PATCH", f"/v1/phone-numbers/{number}", 422, "unknown_field", json=change)


# ── webhooks ──


def test_a_webhooks_secret_is_shown_once(api: Api) -> None:
    webhook = api.post("/v1/webhooks", {"url": "http://127.0.0.1:9000/hook"}, "CreatedWebhook")
    kind, _, encoded = webhook["secret"].partition("_")
    assert kind == "whsec"
    assert len(base64.b64decode(encoded, validate=True)) == 32
    path = f"/v1/webhooks/{webhook['id']}"
    assert "secret" not in api.get(path, "Webhook")
    assert "secret" not in api.patch(path, {"events": ["call.completed"]}, "Webhook")
    assert api.records.webhooks[webhook["id"]].secret == webhook["secret"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://user:word@example.com/"}, "url"),
        ({"url": "https://example.com/#part"}, "url"),
        ({"url": "https://example.com:99999/"}, "url"),
        ({"url": "https://example.com:0/"}, "url"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": "https://example.com/a b"}, "url"),
        ({"url": "https://ex\u00e4mple.com/"}, "url"),
        ({"url": "https://example.com/" + "x" * 2048}, "url"),
        ({"events": []}, "events"),
        ({"events": ["call.sneezed"]}, "events.0"),
        ({"events": "*"}, "events"),
        ({"secret": "whsec_x"}, "secret"),
    ],
)
def test_what_no_webhook_can_be_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"url": "https://example.com/", **change}
    code = "unknown_field" if field == "secret" else "invalid_request"
    problem = api.refused("POST", "/v1/webhooks", 422, code, json=body)
    assert list(fields_of(problem)) == [field]
    webhook = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")
    api.refused("PATCH", f"/v1/webhooks/{webhook['id']}", 422, code, json=change)
