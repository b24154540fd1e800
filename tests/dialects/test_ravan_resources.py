"""Ravan's agents, tools, phone numbers and contacts, and what is between two workspaces."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from strowger.agent import EndCallTool, HttpTool
from strowger.api.dialects.endpoints import Standing
from strowger.api.dialects.ravan import RAVAN
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import DEFAULT_WORKSPACE, AgentId
from strowger.ports import ProviderDescription
from strowger.store.connect import joined
from tests.dialects.conftest import Shop
from tests.dialects.test_every_dialect import url
from tests.dialects.test_ravan import NOBODY, TO, ask, create, data_of, grpc, own
from tests.fakes_around import FixedCatalogue

AVA = {
    "name": "Sales Assistant",
    "agent_name": "Ava",
    "model": "gpt-4o",
    "temperature": 0.7,
    "begin_message": "Hello! This is Ava. How can I help you today?",
    "start_speaker": "agent",
    "widget_settings_id": "019d1fdb-6701-762d-97bd-93fc72606d7c",
}
HOOK = "https://example.com/agni?key=1"


def made(shop: Shop, **fields: Any) -> Any:
    return data_of(ask(shop, "POST", "/api/v1/agents/", {**AVA, **fields}))


def native(shop: Shop, id: str) -> Any:
    return shop.native("GET", f"/v1/agents/agent_{id.replace('-', '')}")


def hooks(shop: Shop) -> list[tuple[str, str, str]]:
    found = shop.native("GET", "/v1/webhooks")["data"]
    return sorted((hook["url"], hook["format"], hook["agent_id"]) for hook in found)


def test_an_agent_made_here_is_a_native_one(shop: Shop) -> None:
    told = made(
        shop,
        voice_id="en-gb",
        reminder_trigger_ms=8000,
        reminder_max_count=3,
        max_call_duration_ms=600_000,
        ring_duration_ms=30_000,
        enable_voicemail_detection=True,
        voicemail_message="Please call us back.",
        ambient_sound="office",
        prompt="Sell kindly.",
    )
    assert (told["name"], told["agent_name"]) == ("Sales Assistant", "Ava")
    assert told["status"] == "AGENT_STATUS_ACTIVE"
    assert (told["model"], told["ambient_sound"], told["voice_id"]) == ("gpt-4o", "office", "en-gb")
    assert told["widget_settings_id"] == AVA["widget_settings_id"]
    agent = native(shop, told["id"])
    assert (agent["name"], agent["prompt"]) == ("Sales Assistant", "Sell kindly.")
    assert agent["first_message"] == AVA["begin_message"]
    assert agent["model"]["model"] == "gpt-4o"
    assert (agent["voice"]["provider"], agent["voice"]["voice_id"]) == ("local", "en-gb")
    assert agent["turn_taking"]["silence_timeout"] == 8.0
    assert agent["turn_taking"]["max_reprompts"] == 3
    assert agent["limits"]["max_duration"] == 600.0
    assert agent["limits"]["ring_timeout"] == 30.0
    assert agent["voicemail"] == {"action": "leave_message", "message": "Please call us back."}
    read = data_of(ask(shop, "GET", f"/api/v1/agents/{told['id']}"))
    assert read == told


def test_names_are_looked_up_before_a_transaction_would_wait_for_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe, within = FixedCatalogue.describe, list[bool]()

    async def watched(catalogue: FixedCatalogue) -> Sequence[ProviderDescription]:
        within.append(joined())
        return await describe(catalogue)

    monkeypatch.setattr(FixedCatalogue, "describe", watched)
    id = made(shop, voice_id="en-gb")["id"]
    ask(shop, "PATCH", f"/api/v1/agents/{id}", {"voice_id": "en-us", "model": "gpt-4o"})
    assert within == [False] * 4


def test_what_clients_send_in_camel_case_makes_an_agent(shop: Shop) -> None:
    body = {
        "agentName": "Test Agent",
        "status": "ACTIVE",
        "model": "Agni Premium",
        "s2sModel": "Agni Premium",
        "voiceId": "Iris",
    }
    told = data_of(ask(shop, "POST", "/api/v1/agents", body))
    assert (told["name"], told["agent_name"]) == ("Test Agent", "Test Agent")
    assert (told["model"], told["s2s_model"]) == ("Agni Premium", "Agni Premium")
    assert told["voice_id"] == "Iris"
    assert told["prompt"]
    assert native(shop, told["id"])["model"]["model"] is None


def test_changes_go_both_ways_and_leave_the_rest(shop: Shop) -> None:
    id = made(shop, enable_voicemail_detection=True)["id"]
    for method, path in (("PATCH", f"/api/v1/agents/{id}/"), ("PUT", f"/api/v1/agents/{id}")):
        told = data_of(ask(shop, method, path, {"beginMessage": method, "start_speaker": "user"}))
        assert (told["begin_message"], told["start_speaker"]) == (method, "user")
        assert told["agent_name"] == "Ava"
    told = data_of(ask(shop, "PATCH", f"/api/v1/agents/{id}", {"voicemail_message": "Call back."}))
    assert native(shop, id)["voicemail"]["action"] == "leave_message"
    shop.native("PATCH", f"/v1/agents/agent_{id.replace('-', '')}", {"prompt": "Be brief."})
    assert data_of(ask(shop, "GET", f"/api/v1/agents/{id}"))["prompt"] == "Be brief."
    bad = {"max_call_duration_ms": 1, "temperature": 9, "start_speaker": "agent"}
    message = grpc(ask(shop, "PATCH", f"/api/v1/agents/{id}", bad), 400, 3)
    assert "max_call_duration_ms" in message
    assert "temperature" in message
    assert "start_speaker" in grpc(
        ask(shop, "PATCH", f"/api/v1/agents/{id}", {"start_speaker": "nobody"}), 400, 3
    )


def test_the_prompt_of_the_summary_is_the_analysis_own(shop: Shop) -> None:
    told = made(shop, analysis_summary_prompt="In one line.")
    assert told["analysis_summary_prompt"] == "In one line."
    assert native(shop, told["id"])["analysis"]["summary_prompt"] == "In one line."
    ask(shop, "PATCH", f"/api/v1/agents/{told['id']}", {"analysis_summary_prompt": ""})
    assert native(shop, told["id"])["analysis"]["summary_prompt"] is None


def test_agents_are_listed_with_those_of_the_native_api(shop: Shop) -> None:
    first, second = shop.agent("Native"), made(shop)["id"]
    answer = ask(shop, "GET", "/api/v1/agents/?limit=1&offset=1")
    [told] = data_of(answer)
    assert answer.json()["meta"] == {"total": 2, "limit": 1, "offset": 1}
    assert told["id"].replace("-", "") == first.removeprefix("agent_")
    assert (told["name"], told["status"]) == ("Native", "AGENT_STATUS_ACTIVE")
    newest, _ = data_of(ask(shop, "GET", "/api/v1/agents"))
    assert newest["id"] == second


def test_an_inactive_agent_places_no_calls(shop: Shop) -> None:
    id = made(shop)["id"]
    path = f"/api/v1/agents/{id}/status"
    told = data_of(ask(shop, "PATCH", f"{path}/", {"status": "AGENT_STATUS_INACTIVE"}))
    assert told["status"] == "AGENT_STATUS_INACTIVE"
    call = {
        "type": "outbound_call",
        "agent_id": id,
        "from_phone_number": "+14155550000",
        "to_phone_number": TO,
    }
    refused = ask(shop, "POST", "/api/v1/calling/create-call", call)
    assert "inactive" in own(refused, 409, "CONFLICT")
    data_of(ask(shop, "PATCH", path, {"status": "ACTIVE"}))
    assert ask(shop, "POST", "/api/v1/calling/create-call", call).status_code == 200
    assert "status" in grpc(ask(shop, "PATCH", path, {"status": "ASLEEP"}), 400, 3)
    assert "status" in grpc(ask(shop, "PATCH", path, {}), 400, 3)


def test_an_agents_webhooks_are_native_ones_in_the_shape_asked_for(shop: Shop) -> None:
    told = made(shop, webhook_urls=[HOOK, {"url": "https://example.com/b"}], webhook_url=HOOK)
    id, agent = told["id"], f"agent_{told['id'].replace('-', '')}"
    assert told["webhook_url"] == HOOK
    assert hooks(shop) == [
        (HOOK, "ravan:observed", agent),
        ("https://example.com/b", "ravan:observed", agent),
    ]
    change = {"webhookUrls": [], "webhook_events": ["call.completed", "agent.status_changed"]}
    data_of(ask(shop, "PATCH", f"/api/v1/agents/{id}", change))
    assert hooks(shop) == [(HOOK, "ravan:documented", agent)]
    both = {"webhook_events": ["call_completed", "call.ended"]}
    data_of(ask(shop, "PATCH", f"/api/v1/agents/{id}", both))
    assert {format for _, format, _ in hooks(shop)} == {"ravan:observed", "ravan:documented"}
    data_of(ask(shop, "PATCH", f"/api/v1/agents/{id}", {"webhook_events": ["call.transcript"]}))
    assert hooks(shop) == []
    data_of(ask(shop, "PATCH", f"/api/v1/agents/{id}", {"webhook_events": ["call_completed"]}))
    assert len(hooks(shop)) == 1
    bad = {"webhook_urls": ["ftp://example.com"]}
    assert "webhook_urls" in grpc(ask(shop, "PATCH", f"/api/v1/agents/{id}", bad), 400, 3)
    assert len(hooks(shop)) == 1, "what is refused changes nothing"
    answer = ask(shop, "DELETE", f"/api/v1/agents/{id}/")
    assert data_of(answer) is None
    assert hooks(shop) == []
    assert grpc(ask(shop, "DELETE", f"/api/v1/agents/{id}/"), 404, 5)


CHECK_ORDER = {
    "name": "check_order_status",
    "description": "Look up the current status of a customer order by order ID",
    "type": "function",
    "definition": {
        "name": "check_order_status",
        "description": "Look up the current status of a customer order",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    },
}


def tools_of(shop: Shop, id: str) -> Any:
    agent = AgentId(f"agent_{id.replace('-', '')}")
    found = shop.behind(shop.services.agents.get(DEFAULT_WORKSPACE, agent))
    return found.definition.tools


def test_tools_are_kept_and_given_to_the_agents_that_select_them(shop: Shop) -> None:
    order = data_of(ask(shop, "POST", "/api/v1/tools/", CHECK_ORDER))
    assert (order["isActive"], order["is_active"]) == (False, False)
    assert order["organizationId"] == order["organization_id"]
    assert order["definition"] == CHECK_ORDER["definition"]
    ending = {**CHECK_ORDER, "name": "bye", "type": "end_call", "definition": {"name": "bye"}}
    bye = data_of(ask(shop, "POST", "/api/v1/tools", ending))
    agent = made(shop, selected_tools=[order["id"], {"id": bye["id"]}])
    assert agent["selected_tools"] == [order["id"], {"id": bye["id"]}]
    assert [type(tool) for tool in tools_of(shop, agent["id"])] == [EndCallTool]
    where = {"definition": {**CHECK_ORDER["definition"], "url": "https://example.com/orders"}}  # type: ignore[dict-item]
    data_of(ask(shop, "PATCH", f"/api/v1/tools/{order['id']}", where))
    [first, second] = tools_of(shop, agent["id"])
    assert isinstance(first, HttpTool)
    assert (first.name, first.url) == ("check_order_status", "https://example.com/orders")
    assert first.parameters == CHECK_ORDER["definition"]["parameters"]  # type: ignore[index]
    assert second.name == "bye"
    data_of(ask(shop, "DELETE", f"/api/v1/tools/{bye['id']}/"))
    assert [tool.name for tool in tools_of(shop, agent["id"])] == ["check_order_status"]
    read = data_of(ask(shop, "GET", f"/api/v1/agents/{agent['id']}"))
    assert read["selected_tools"] == [order["id"]]
    change = {"selected_tools": {order["id"]: False}, "webhook_urls": [HOOK]}
    data_of(ask(shop, "PATCH", f"/api/v1/agents/{agent['id']}", change))
    assert tools_of(shop, agent["id"]) == ()
    assert len(hooks(shop)) == 1
    unknown = ask(shop, "PATCH", f"/api/v1/agents/{agent['id']}", {"selected_tools": [NOBODY]})
    assert "selected_tools" in grpc(unknown, 400, 3)


@pytest.mark.parametrize(
    "field",
    [
        {"ambient_sound_volume": "1e400"},
        {"temperature": "nan"},
        {"max_call_duration_ms": "1" + "0" * 400},
    ],
    ids=str,
)
def test_numbers_written_as_text_have_a_measure_too(shop: Shop, field: dict[str, str]) -> None:
    answer = ask(shop, "POST", "/api/v1/agents/", {"name": "n", "prompt": "p", **field})
    assert next(iter(field)) in grpc(answer, 400, 3)


def test_what_a_tools_headers_hold_is_a_secret(shop: Shop) -> None:
    definition = {
        **CHECK_ORDER["definition"],  # type: ignore[dict-item]
        "url": "https://example.com/orders",
        "headers": {"X-Token": "t0ken-1", "X-Empty": ""},
    }
    tool = data_of(ask(shop, "POST", "/api/v1/tools", {**CHECK_ORDER, "definition": definition}))
    assert tool["definition"] == definition
    agent = made(shop, selected_tools=[tool["id"]])
    [native] = tools_of(shop, agent["id"])
    [secret] = shop.native("GET", "/v1/secrets")["data"]
    assert native.headers == {"X-Token": f"{{{{secrets.{secret['name']}}}}}", "X-Empty": ""}
    assert "t0ken-1" not in str(shop.native("GET", "/v1/events"))
    bad = {**definition, "headers": {"X-Token": "two\nlines"}}
    wrong = ask(shop, "PATCH", f"/api/v1/tools/{tool['id']}", {"definition": bad})
    assert "definition.headers" in grpc(wrong, 400, 3)
    data_of(ask(shop, "DELETE", f"/api/v1/tools/{tool['id']}"))
    assert shop.native("GET", "/v1/secrets")["data"] == []


def test_tools_are_listed_and_filtered(shop: Shop) -> None:
    ids = [
        data_of(ask(shop, "POST", "/api/v1/tools/", {**CHECK_ORDER, "agentId": agent}))["id"]
        for agent in ("a", "b")
    ]
    answer = ask(shop, "GET", "/api/v1/tools/?agent_id=b")
    assert [tool["id"] for tool in data_of(answer)] == [ids[1]]
    assert answer.json()["meta"]["total"] == 1
    assert len(data_of(ask(shop, "GET", "/api/v1/tools/?limit=1"))) == 1
    assert data_of(ask(shop, "GET", f"/api/v1/tools/{ids[0]}"))["agent_id"] == "a"
    message = grpc(ask(shop, "POST", "/api/v1/tools/", {"name": "x"}), 400, 3)
    assert "definition: is required" in message
    assert grpc(ask(shop, "GET", f"/api/v1/tools/{NOBODY}"), 404, 5)


IMPORT = {
    "phone": "+14155550123",
    "type": "sip",
    "name": "Office Main Line",
    "termination_uri": "sip:trunk@provider.com:5080",
    "sip_username": "myuser",
    "sip_password": "mysecret",
}


def test_an_imported_number_calls_through_the_trunk_it_came_with(shop: Shop) -> None:
    told = data_of(ask(shop, "POST", "/api/v1/phone-numbers/import/", IMPORT))
    assert {name: told[name] for name in IMPORT} == IMPORT
    assert told["status"] == "active"
    [number] = [
        one
        for one in shop.native("GET", "/v1/phone-numbers")["data"]
        if one["number"] == IMPORT["phone"]
    ]
    trunk = shop.native("GET", f"/v1/trunks/{number['trunk_id']}")
    assert (trunk["host"], trunk["port"], trunk["username"]) == ("provider.com", 5080, "myuser")
    assert trunk["is_default"] is False
    session = create(shop, from_phone_number=IMPORT["phone"])["session_id"]
    assert shop.call("call_" + session.replace("-", "")).trunk_id == trunk["id"]
    read = data_of(ask(shop, "GET", f"/api/v1/phone-numbers/import/{told['id']}"))
    assert read == {**told, "sip_password": None}
    change = {"termination_uri": "sip:new-trunk@sip.example.com", "name": "Renamed"}
    path = f"/api/v1/phone-numbers/import/{told['id']}"
    changed = data_of(ask(shop, "PUT", path, change))
    assert (changed["name"], changed["termination_uri"]) == ("Renamed", change["termination_uri"])
    assert shop.native("GET", f"/v1/trunks/{trunk['id']}")["host"] == "sip.example.com"
    shop.native("PATCH", f"/v1/trunks/{trunk['id']}", {"host": "elsewhere.example"})
    assert data_of(ask(shop, "GET", path))["termination_uri"] == "sip:elsewhere.example"
    shop.conduct("call_" + session.replace("-", ""))
    assert data_of(ask(shop, "DELETE", path)) is None
    trunks = shop.native("GET", "/v1/trunks")["data"]
    assert trunk["id"] not in [one["id"] for one in trunks]
    assert grpc(ask(shop, "GET", path), 404, 5) == "Imported number not found"


def test_numbers_are_listed_taken_out_and_told_apart_from_what_cannot_be(shop: Shop) -> None:
    [number] = data_of(ask(shop, "GET", "/api/v1/phone-numbers/list?is_active=true"))
    assert (number["number"], number["iso_country"]) == ("+14155550000", "US")
    assert (number["price"], number["is_active"]) == (None, True)
    assert data_of(ask(shop, "GET", "/api/v1/phone-numbers/list?iso_country=GB")) == []
    assert data_of(ask(shop, "GET", "/api/v1/phone-numbers/list?is_active=false")) == []
    [same] = data_of(ask(shop, "GET", "/api/v1/phone-numbers/import/"))
    assert (same["id"], same["termination_uri"]) == (number["id"], None)
    plain = {"phone": "+14155550124", "type": "pstn"}
    data_of(ask(shop, "POST", "/api/v1/phone-numbers/import", plain))
    again = ask(shop, "POST", "/api/v1/phone-numbers/import/", plain)
    assert "there already" in own(again, 409, "CONFLICT")
    released = data_of(ask(shop, "DELETE", "/api/v1/phone-numbers/+14155550124/release/"))
    assert (released["phone_number"], released["status"]) == ("+14155550124", "released")
    gone = ask(shop, "DELETE", "/api/v1/phone-numbers/+14155550124/release/")
    assert grpc(gone, 404, 5)
    assert "provider configured" in own(
        ask(shop, "GET", "/api/v1/phone-numbers/selected-telephony"), 404, "NOT_FOUND"
    )
    buy = ask(shop, "POST", "/api/v1/phone-numbers/buy/", {"phone_number": "+13612738809"})
    assert "sells no numbers" in own(buy, 501, "NOT_IMPLEMENTED")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"phone": ""}, "phone: is required"),
        ({"type": None}, "type: is required"),
        ({"phone": "4155550123"}, "phone: expected an E.164"),
        ({"termination_uri": "not a host"}, "termination_uri: expected"),
        ({"termination_uri": "sip:h;transport=tls"}, "UDP only"),
        ({"termination_uri": "sip:h:99999"}, "termination_uri: expected 1 to 65535"),
        ({"sip_username": None}, "sip_username: expected a user name"),
    ],
)
def test_imports_that_cannot_be_leave_no_trunk(
    shop: Shop, changes: dict[str, Any], named: str
) -> None:
    before = len(shop.native("GET", "/v1/trunks")["data"])
    answer = ask(shop, "POST", "/api/v1/phone-numbers/import/", {**IMPORT, **changes})
    assert named in grpc(answer, 400, 3)
    assert len(shop.native("GET", "/v1/trunks")["data"]) == before


JOHN = {
    "first_name": "John",
    "last_name": "Smith",
    "email": "john@example.com",
    "phone": TO,
    "company": "Acme Corp",
    "metadata": {"tier": 1},
}


def test_a_contacts_number_has_a_measure(shop: Shop) -> None:
    endless = {"phone": Random(1).randbytes(4000).hex()}
    assert "phone" in grpc(ask(shop, "POST", "/api/v1/contacts", endless), 400, 3)


def test_contacts_are_kept_searched_and_changed(shop: Shop) -> None:
    john = data_of(ask(shop, "POST", "/api/v1/contacts/", JOHN))
    assert {name: john[name] for name in JOHN} == JOHN
    data_of(ask(shop, "POST", "/api/v1/contacts", {"firstName": "Ana", "phone": "+525555550100"}))
    for text in ("john", "SMITH", "john smith", "@example", "2137774445"):
        answer = ask(shop, "GET", f"/api/v1/contacts/?search={text}&limit=10")
        assert [one["id"] for one in data_of(answer)] == [john["id"]]
        assert answer.json()["meta"] == {"total": 1, "limit": 10, "offset": 0}
    path = f"/api/v1/contacts/{john['id']}"
    for method in ("PATCH", "PUT"):
        told = data_of(ask(shop, method, path, {"company": method}))
        assert (told["company"], told["email"]) == (method, JOHN["email"])
        assert told["created_at"] == john["created_at"]
    assert data_of(ask(shop, "GET", path + "/"))["company"] == "PUT"
    assert data_of(ask(shop, "DELETE", path)) is None
    assert grpc(ask(shop, "GET", path), 404, 5)
    rest = data_of(ask(shop, "GET", "/api/v1/contacts/"))
    ids = {"ids": [rest[0]["id"], NOBODY]}
    assert data_of(ask(shop, "POST", "/api/v1/contacts/bulk-delete", ids)) == {"deleted_count": 1}
    assert data_of(ask(shop, "GET", "/api/v1/contacts/")) == []
    assert "ids" in grpc(ask(shop, "POST", "/api/v1/contacts/bulk-delete", {}), 400, 3)


def test_a_contacts_calls_are_those_with_its_number(shop: Shop) -> None:
    john = data_of(ask(shop, "POST", "/api/v1/contacts/", JOHN))
    path = f"/api/v1/contacts/{john['id']}"
    assert data_of(ask(shop, "GET", f"{path}/calls/stats"))["total_calls"] == 0
    sessions = [create(shop)["session_id"] for _ in range(2)]
    create(shop, to_phone_number="+14155550100")
    shop.conduct("call_" + sessions[0].replace("-", ""))
    shop.conduct(
        "call_" + sessions[1].replace("-", ""),
        status=CallStatus.NO_ANSWER,
        reason=EndReason.RING_TIMEOUT,
    )
    calls = data_of(ask(shop, "GET", f"{path}/calls"))
    assert [call["call_session_id"] for call in calls] == sessions[::-1]
    assert [call["status"] for call in calls] == ["no_answer", "completed"]
    for ending in ("calls/stats", "call-stats"):
        stats = data_of(ask(shop, "GET", f"{path}/{ending}"))
        assert (stats["total_calls"], stats["total_duration_sec"]) == (2, 5)
        assert (stats["completed_pct"], stats["no_answer_pct"]) == (50.0, 50.0)
        assert stats["avg_duration_sec"] == 5
    note = data_of(ask(shop, "POST", f"{path}/notes", {"content": "Call after the demo."}))
    assert note["contact_id"] == john["id"]
    [read] = data_of(ask(shop, "GET", f"{path}/notes"))
    assert (read["id"], read["content"]) == (note["id"], "Call after the demo.")
    timeline = data_of(ask(shop, "GET", f"{path}/activities"))
    assert [one["type"] for one in timeline] == ["call", "call", "note"]
    assert "Completed call with Reception (0m 5s)" in [one["description"] for one in timeline]
    detail = data_of(ask(shop, "GET", f"{path}/detail"))
    assert (detail["first_name"], detail["total_calls"]) == ("John", 2)
    assert (detail["total_minutes"], detail["campaigns"]) == (0.1, [])
    assert data_of(ask(shop, "GET", f"{path}/campaigns")) == []
    listed = data_of(ask(shop, "GET", "/api/v1/calling/call-sessions?page_size=3"))
    names = [told["callerName"] for told in listed["callSessions"]]
    assert names == [None, "John Smith", "John Smith"]
    data_of(ask(shop, "DELETE", path))
    [first, *_] = ask(shop, "GET", f"/api/v1/calling/phone-history?phone={TO}").json()["calls"]
    assert first["caller_name"] is None


def test_health_needs_no_key(shop: Shop) -> None:
    for path in ("/health", "/api/v1/health"):
        told = shop.client.get(f"/ravan{path}").json()
        assert (told["status"], told["data"]["status"]) == ("healthy", "healthy")
    assert shop.client.get("/ravan/ready").json() == {"status": "ready"}


def test_another_workspace_sees_and_changes_nothing(shop: Shop) -> None:
    tool = data_of(ask(shop, "POST", "/api/v1/tools/", CHECK_ORDER))["id"]
    agent = made(shop, selected_tools=[tool], webhook_urls=[HOOK])["id"]
    contact = data_of(ask(shop, "POST", "/api/v1/contacts/", JOHN))["id"]
    data_of(ask(shop, "POST", f"/api/v1/contacts/{contact}/notes", {"content": "Ours"}))
    number = data_of(ask(shop, "POST", "/api/v1/phone-numbers/import/", IMPORT))["id"]
    session = create(shop)["session_id"]
    other = shop.new_key(workspace="workspace_other")
    ids = {
        "agent_id": agent,
        "tool_id": tool,
        "contact_id": contact,
        "number_id": number,
        "session_id": session,
        "phone_number": IMPORT["phone"],
    }
    bodies: dict[str, Any] = {"content": "Theirs", "status": "ACTIVE", "name": "Theirs"}
    for endpoint in RAVAN.endpoints:
        if endpoint.standing is Standing.REFUSED or "{" not in endpoint.path:
            continue
        answer = ask(shop, endpoint.method, endpoint.path.format(**ids), bodies, other)
        assert grpc(answer, 404, 5), endpoint.path
    for path in ("agents", "tools", "contacts", "phone-numbers/list", "phone-numbers/import"):
        assert data_of(ask(shop, "GET", f"/api/v1/{path}", key=other)) == [], path
    theirs = data_of(ask(shop, "GET", "/api/v1/calling/call-sessions", key=other))
    assert theirs == {"callSessions": [], "totalCount": 0}
    history = ask(shop, "GET", f"/api/v1/calling/phone-history?phone={TO}", key=other).json()
    assert (history["total_count"], history["calls"]) == (0, [])
    bulk = ask(shop, "POST", "/api/v1/contacts/bulk-delete", {"ids": [contact]}, other)
    assert data_of(bulk) == {"deleted_count": 0}
    call = {
        "type": "outbound_call",
        "agent_id": agent,
        "from_phone_number": "+14155550000",
        "to_phone_number": TO,
    }
    refused = grpc(ask(shop, "POST", "/api/v1/calling/create-call", call, other), 400, 3)
    assert "agent_id: there is no agent" in refused
    assert "from_phone_number: +14155550000 is not a number of yours" in refused
    selecting = {"name": "Thief", "selected_tools": [tool]}
    assert grpc(ask(shop, "POST", "/api/v1/agents/", selecting, other), 400, 3)
    assert data_of(ask(shop, "GET", f"/api/v1/agents/{agent}"))["name"] == AVA["name"]
    assert data_of(ask(shop, "GET", f"/api/v1/tools/{tool}"))["name"] == CHECK_ORDER["name"]
    assert data_of(ask(shop, "GET", f"/api/v1/contacts/{contact}"))["first_name"] == "John"
    assert len(data_of(ask(shop, "GET", f"/api/v1/contacts/{contact}/notes"))) == 1
    assert len(hooks(shop)) == 1
    assert shop.call("call_" + session.replace("-", "")).status is CallStatus.QUEUED


def test_the_paths_of_the_vendor_answer_with_a_slash_too(shop: Shop) -> None:
    for endpoint in RAVAN.endpoints:
        plain = shop.client.request(endpoint.method, url(RAVAN, endpoint), json={})
        slash = shop.client.request(endpoint.method, url(RAVAN, endpoint) + "/", json={})
        assert plain.status_code == slash.status_code != 405, endpoint.path
