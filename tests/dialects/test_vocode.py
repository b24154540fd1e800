"""Vocode's API as its specification has it; every answer here is held against that."""

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from strowger.api.auth import KeyRing
from strowger.api.dialects.forms import id_of, uuid_of
from strowger.api.dialects.vocode import VOCODE
from strowger.lifecycle import CallStatus, EndReason
from tests.dialects import vocode_contract as contract
from tests.dialects.conftest import NOW, Shop, crowded, record_silence

FROM, TO = "+14155550000", "+14155550100"
AZURE = {"type": "voice_azure", "voice_name": "en-gb"}
NOBODY = "0192f0c1-0000-7000-8000-000000000000"


@dataclass
class Vocode:
    """A client that takes no answer that the specification does not have."""

    shop: Shop
    key: str

    def ask(self, method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        content = None if body is None else json.dumps(body).encode()
        answer = self.shop.client.request(
            method,
            f"/vocode{path}",
            content=content,  # with no content type, as some of the vendor's clients send it
            params=query,
            headers={"Authorization": f"Bearer {self.key}"},
        )
        kind = answer.headers["content-type"]
        contract.check(method, path, answer.status_code, kind, answer.content)
        assert answer.status_code == status, answer.text
        return answer.json() if kind == "application/json" else answer.content

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self.ask("GET", f"/v1/{path}", None, status, **query)

    def post(self, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        return self.ask("POST", f"/v1/{path}", body, status, **query)

    def agent(self, **fields: Any) -> Any:
        body = {"prompt": {"content": "Be kind to ${name}."}, "voice": AZURE, **fields}
        return self.post("agents/create", body)

    def call(self, agent: Any, **fields: Any) -> Any:
        body = {"from_number": FROM, "to_number": TO, "agent": agent, **fields}
        return self.post("calls/create", body)


@pytest.fixture
def vocode(shop: Shop) -> Iterator[Vocode]:
    yield Vocode(shop, shop.key)


def native_agent(shop: Shop, id: str) -> Any:
    return shop.native("GET", f"/v1/agents/{id_of('agent', id)}")


def places(error: Any) -> list[list[Any]]:
    return [one["loc"] for one in error["detail"]]


# ── the specification ────────────────────────────────────────────────────────────────────────


def test_every_endpoint_of_the_specification_is_in_the_table() -> None:
    table = {f"{endpoint.method} {endpoint.path}" for endpoint in VOCODE.endpoints}
    assert table == set(contract.ENDPOINTS)
    assert len(table) == 43


def test_the_contract_refuses_what_the_specification_does_not_have(vocode: Vocode) -> None:
    call = vocode.call(vocode.agent()["id"])
    for wrong in (
        {**call, "start_time": 1.5},
        {**call, "status": "initiated"},
        {**call, "more": 1},
        {name: value for name, value in call.items() if name != "agent_phone_number"},
    ):
        assert not contract.validator("Call").is_valid(wrong)
    assert contract.validator("Call").is_valid(call)


# ── calls ────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_placed_and_answered_whole(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent(initial_message="Hi ${name}")
    call = vocode.call(agent["id"], context={"name": "Juan", "order number": "7"})
    assert (call["status"], call["stage"], call["stage_outcome"]) == (
        "not_started",
        "created",
        None,
    )
    assert (call["to_number"], call["from_number"], call["agent_phone_number"]) == (TO, FROM, FROM)
    assert call["agent"] == agent
    assert call["context"] == {"name": "Juan", "order number": "7"}
    assert call["transcript"] is None and call["start_time"] is None
    native = shop.call(id_of("call", call["id"]))
    assert dict(native.variables) == {"name": "Juan"}  # the other's name can be in no prompt
    assert native.agent.first_message == "Hi {{name}}"
    assert native.dialect == "vocode"


def test_a_call_is_told_from_its_beginning_to_its_end(vocode: Vocode, shop: Shop) -> None:
    id = vocode.call(vocode.agent()["id"])["id"]
    shop.conduct(id_of("call", id))
    record_silence(shop, id_of("call", id))
    call = vocode.get("calls", id=id)
    assert (call["status"], call["stage"]) == ("ended", "picked_up")
    assert call["stage_outcome"] == "human_disconnected"
    assert call["human_detection_result"] == "human"
    assert call["transcript"] == "BOT: Hello, is this Juan?\nHUMAN: Yes, it is.\nBOT: Goodbye."
    assert call["start_time"] == "2026-09-21T14:13:21.125Z"
    assert call["recording_available"] is True
    listed = vocode.get("calls/list")["items"][0]
    assert (listed["start_time"], listed["end_time"]) == (NOW + 1, NOW + 8)
    assert listed["agent"] == call["agent"]["id"]
    assert listed["transcript"] == call["transcript"]
    for sound in (vocode.get("calls/recording", id=id), vocode.get(f"calls/recording/{id}")):
        assert sound[:3] == b"ID3" or sound[0] == 0xFF


@pytest.mark.parametrize(
    ("status", "reason", "told", "outcome"),
    [
        (CallStatus.BUSY, EndReason.CALLEE_BUSY, "ended", "human_unanswered"),
        (CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT, "ended", "human_unanswered"),
        (CallStatus.FAILED, EndReason.TRUNK_UNREACHABLE, "error", "call_did_not_connect"),
        (CallStatus.COMPLETED, EndReason.AGENT_HANGUP, "ended", "bot_disconnected"),
    ],
)
def test_how_a_call_ended_is_told_in_the_vendors_words(
    vocode: Vocode, shop: Shop, status: CallStatus, reason: EndReason, told: str, outcome: str
) -> None:
    id = vocode.call(vocode.agent()["id"])["id"]
    shop.conduct(id_of("call", id), status=status, reason=reason)
    call = vocode.get("calls", id=id)
    assert (call["status"], call["stage_outcome"]) == (told, outcome)


def test_numbers_are_taken_with_and_without_a_plus_and_come_back_as_given(
    vocode: Vocode, shop: Shop
) -> None:
    agent = vocode.agent()["id"]
    call = vocode.call(agent, from_number=FROM[1:], to_number="1234567890")
    assert (call["from_number"], call["to_number"]) == (FROM[1:], "1234567890")
    native = shop.call(id_of("call", call["id"]))
    assert (native.from_, native.to) == (FROM, "+1234567890")
    assert vocode.call(agent, to_number="+1234567890")["to_number"] == "+1234567890"


def test_a_call_is_ended_and_ending_it_again_changes_nothing(vocode: Vocode) -> None:
    id = vocode.call(vocode.agent()["id"])["id"]
    assert vocode.post("calls/end", id=id)["status"] == "ended"
    assert vocode.post("calls/end/", id=id)["stage_outcome"] == "call_did_not_connect"


def test_an_agent_given_with_the_call_is_kept_with_all_its_parts(
    vocode: Vocode, shop: Shop
) -> None:
    inline = {
        "prompt": {"content": "Sell."},
        "voice": {"type": "voice_eleven_labs", "voice_id": "x", "stability": ".2"},
        "actions": [{"type": "action_transfer_call", "config": {"phone_number": "15555555555"}}],
        "webhook": {"subscriptions": ["event_transcript"], "url": "https://example.com/h"},
    }
    agent = vocode.call(inline)["agent"]
    assert agent["voice"]["stability"] == 0.2
    assert agent["actions"][0]["config"] == {"phone_number": "15555555555"}
    assert agent["webhook"]["method"] == "POST"
    assert vocode.get("agents", id=agent["id"]) == agent
    assert vocode.get("voices", id=agent["voice"]["id"]) == agent["voice"]
    assert [hook["agent_id"] for hook in shop.native("GET", "/v1/webhooks")["data"]] == [
        id_of("agent", agent["id"])
    ]
    assert vocode.call({"prompt": "Only a prompt."})["agent"]["voice"]["voice_id"] == "joe"


def test_a_refused_call_leaves_no_agent_behind(vocode: Vocode) -> None:
    body = {"from_number": "+14155559999", "to_number": TO, "agent": {"prompt": "x"}}
    error = vocode.post("calls/create", body, status=422)
    assert places(error) == [["body", "from_number"]]
    assert vocode.get("agents/list")["total"] == 0


def test_a_compliant_call_is_not_recorded_and_says_nothing_of_itself(
    vocode: Vocode, shop: Shop
) -> None:
    id = vocode.call(vocode.agent()["id"], hipaa_compliant=True)["id"]
    assert shop.call(id_of("call", id)).record is False
    shop.conduct(id_of("call", id), recorded=False)
    call = vocode.get("calls", id=id)
    assert call["transcript"] is None and vocode.get("calls/list")["items"][0]["transcript"] is None
    assert call["agent"]["prompt"]["content"] == "[REDACTED]"


def test_a_native_call_is_told_too(vocode: Vocode, shop: Shop) -> None:
    body = {"to": TO, "agent": {"name": "x", "prompt": "Hi"}, "variables": {"n": 3, "b": True}}
    id = uuid_of(shop.native("POST", "/v1/calls", body)["id"])
    call = vocode.get("calls", id=id)
    assert call["agent"]["id"] == id
    assert call["agent"]["prompt"]["content"] == "Hi"
    assert call["context"] == {"n": "3", "b": "true"}
    assert vocode.get("calls/list")["items"][0]["agent"] == id


def test_lists_come_in_pages_in_the_order_asked_for(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent()["id"]
    ids = [vocode.call(agent)["id"] for _ in range(3)]
    first = vocode.get("calls/list", size=2)
    assert [call["id"] for call in first["items"]] == ids[:0:-1]
    assert (first["page"], first["size"], first["total"], first["has_more"]) == (1, 2, 3, True)
    second = vocode.get("calls/list", size=2, page=2)
    assert [call["id"] for call in second["items"]] == ids[:1]
    assert second["has_more"] is False
    ascending = vocode.get("calls/list", sort_column="id", sort_desc="false")
    assert [call["id"] for call in ascending["items"]] == ids
    assert places(vocode.get("calls/list", 422, sort_column="mood")) == [["query", "sort_column"]]
    for content in ("b", "c", "a"):
        vocode.post("prompts/create", {"content": content})
    page = vocode.get("prompts/list", sort_column="content", sort_desc="true", size=2)
    assert [prompt["content"] for prompt in page["items"]] == ["c", "b"]
    assert vocode.get("calls/list", size=9_999)["size"] == 500
    assert places(vocode.get("calls/list", 422, page=0)) == [["query", "page"]]


def test_usage_is_the_minutes_of_this_month(vocode: Vocode, shop: Shop) -> None:
    assert vocode.get("usage")["monthly_usage_minutes"] == 0
    shop.conduct(id_of("call", vocode.call(vocode.agent()["id"])["id"]))
    usage = vocode.get("usage/")
    assert usage["monthly_usage_minutes"] == 1
    assert usage["monthly_usage_limit_minutes"] is None
    shop.now[0] += 40 * 86_400
    assert vocode.get("usage")["monthly_usage_minutes"] == 0


# ── agents ───────────────────────────────────────────────────────────────────────────────────


def test_an_agent_is_a_native_agent(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent(
        name="Reception",
        initial_message="Hello ${name}",
        language="es",
        endpointing_sensitivity="relaxed",
        conversation_speed=1.5,
        interrupt_sensitivity="high",
        ask_if_human_present_on_idle=True,
        openai_model_name_override="gpt-4.1",
        llm_temperature=0.4,
        llm_fallback={"provider": "openai", "model_name": "gpt-4o-mini"},
        deepgram_keywords={"Strowger": 2},
        actions=[
            {
                "type": "action_end_conversation",
                "action_trigger": {
                    "type": "action_trigger_phrase_based",
                    "config": {
                        "phrase_triggers": [
                            {"phrase": "Adiós", "conditions": ["phrase_condition_type_contains"]}
                        ]
                    },
                },
            }
        ],
    )
    native = native_agent(shop, agent["id"])
    assert (native["name"], native["language"]) == ("Reception", "es")
    assert native["prompt"] == "Be kind to {{name}}."
    assert native["first_message"] == "Hello {{name}}"
    assert native["model"]["model"] == "gpt-4.1"
    assert native["model"]["temperature"] == 0.4
    (fallback,) = native["model"]["fallbacks"]
    assert (fallback["provider"], fallback["model"]) == ("openai", "gpt-4o-mini")
    voice = native["voice"]
    assert (voice["provider"], voice["voice_id"], voice["speed"]) == ("local", "en-gb", 1.15)
    assert native["transcriber"]["keywords"] == ["Strowger"]
    assert native["end_call_phrases"] == ["Adiós"]
    turns = native["turn_taking"]
    assert (turns["endpointing_delay"], turns["interruption_delay"]) == (0.6, 0.1)
    assert (turns["silence_timeout"], turns["max_reprompts"]) == (15.0, 1)
    assert turns["who_speaks_first"] == "agent"


def test_without_an_initial_message_the_callee_speaks_first(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent()
    assert native_agent(shop, agent["id"])["turn_taking"]["who_speaks_first"] == "callee"
    vocode.post("agents/update", {"initial_message": "Hi"}, id=agent["id"])
    assert native_agent(shop, agent["id"])["turn_taking"]["who_speaks_first"] == "agent"


def test_an_agent_that_was_changed_natively_is_read_from_there(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent(name="A", conversation_speed=2, idle_time_seconds=20)
    changes = {
        "name": "B",
        "prompt": "Ask {{who}}.",
        "first_message": "Hi {{who}}",
        "turn_taking": {"endpointing_delay": 1.0, "silence_timeout": 4, "max_reprompts": 2},
        "voice": {"provider": "openai", "voice_id": "alloy"},
    }
    shop.native("PATCH", f"/v1/agents/{id_of('agent', agent['id'])}", changes)
    found = vocode.get("agents", id=agent["id"])
    assert (found["name"], found["initial_message"]) == ("B", "Hi ${who}")
    assert found["prompt"] == {**agent["prompt"], "content": "Ask ${who}."}
    assert (found["conversation_speed"], found["idle_time_seconds"]) == (0.5, 12)
    assert found["voice"]["type"] == "voice_vocode"
    assert found["voice"]["id"] == agent["voice"]["id"]
    vocode.post("agents/update", {"name": "C"}, id=agent["id"])
    native = native_agent(shop, agent["id"])
    assert (native["name"], native["prompt"]) == ("C", "Ask {{who}}.")
    assert native["turn_taking"]["endpointing_delay"] == 1.0


def test_an_agent_made_natively_is_shown_and_can_be_changed(vocode: Vocode, shop: Shop) -> None:
    id = uuid_of(shop.agent(first_message="Hi"))
    agent = vocode.get("agents", id=id)
    assert agent["prompt"]["content"] == "Be kind to ${lead_name}."
    assert (agent["prompt"]["id"], agent["voice"]["id"]) == (id, id)
    assert vocode.get("prompts", id=id) == agent["prompt"]
    assert vocode.get("voices", id=id) == agent["voice"]
    assert [one["id"] for one in vocode.get("prompts/list")["items"]] == [id]
    changed = vocode.post("prompts/update", {"content": "Say ${x}."}, id=id)
    assert changed["content"] == "Say ${x}."
    assert native_agent(shop, id)["prompt"] == "Say {{x}}."
    assert native_agent(shop, id)["first_message"] == "Hi"
    assert vocode.get("agents", id=id)["prompt"]["content"] == "Say ${x}."
    assert vocode.get("prompts/list")["total"] == 1


def test_updates_change_what_is_given_and_nothing_else(vocode: Vocode) -> None:
    agent = vocode.agent(name="A", context_endpoint="https://example.com/c", idle_time_seconds=9)
    changed = vocode.post(
        "agents/update",
        {"name": {}, "context_endpoint": None, "noise_suppression": True, "llm_temperature": 0.7},
        id=agent["id"],
    )
    expected = {"context_endpoint": None, "noise_suppression": True, "llm_temperature": 0.7}
    assert changed == {**agent, **expected}
    error = vocode.post("agents/update", {"language": None}, 422, id=agent["id"])
    assert places(error) == [["body", "language"]]


def test_nested_updates_change_the_parts_the_agent_has(vocode: Vocode, shop: Shop) -> None:
    action = {"type": "action_transfer_call", "config": {"phone_number": "14155550111"}}
    agent = vocode.agent(actions=[action])
    changed = vocode.post(
        "agents/update",
        {
            "prompt": {"content": "New."},
            "voice": {"type": "voice_azure", "rate": "20"},
            "actions": [
                {"type": "action_dtmf"},
                {"type": "action_transfer_call", "config": {"phone_number": "14155550112"}},
            ],
            "webhook": {"subscriptions": ["event_message"], "url": "https://example.com"},
        },
        id=agent["id"],
    )
    assert changed["prompt"] == {**agent["prompt"], "content": "New."}
    assert changed["voice"] == {**agent["voice"], "rate": 20}
    assert changed["actions"][1]["id"] == agent["actions"][0]["id"]
    assert changed["actions"][1]["config"] == {"phone_number": "14155550112"}
    assert changed["actions"][0]["type"] == "action_dtmf"
    assert native_agent(shop, agent["id"])["prompt"] == "New."
    assert vocode.get("webhooks", id=changed["webhook"]["id"]) == changed["webhook"]


def test_a_part_that_several_agents_have_changes_for_all_of_them(
    vocode: Vocode, shop: Shop
) -> None:
    prompt = vocode.post("prompts/create", {"content": "One."})["id"]
    first, second = (vocode.agent(prompt=prompt)["id"] for _ in range(2))
    vocode.post("prompts/update", {"content": "Two."}, id=prompt)
    assert {native_agent(shop, id)["prompt"] for id in (first, second)} == {"Two."}
    vocode.post("agents/update", {"prompt": {"content": "Three."}}, id=first)
    assert native_agent(shop, second)["prompt"] == "Three."
    assert vocode.get("agents", id=second)["prompt"]["content"] == "Three."


def test_lists_of_agents_name_their_parts_by_ids(vocode: Vocode) -> None:
    agent = vocode.agent(
        webhook={"subscriptions": ["event_action"], "url": "https://example.com/a"},
        actions=[{"type": "action_dtmf", "config": {}}],
    )
    (row,) = vocode.get("agents/list")["items"]
    for name in ("prompt", "voice", "webhook"):
        assert row[name] == agent[name]["id"]
    assert row["actions"] == [agent["actions"][0]["id"]]


def test_requests_of_2023_are_understood(vocode: Vocode, shop: Shop) -> None:
    body = {
        "prompt": "Be kind.",
        "voice": {"type": "voice_base", "voice_name": "en-gb", "pitch": 0, "rate": 15},
        "actions": [{"type": "action_end_conversation", "config": {"phone_number": "x"}}],
        "initial_message": "Hi",
    }
    agent = vocode.post("agents/create", body)
    assert agent["prompt"]["content"] == "Be kind."
    assert agent["voice"]["type"] == "voice_azure"
    assert agent["actions"][0]["config"] == {}
    assert vocode.get("agents/", id=agent["id"]) == agent
    changed = vocode.post("agents/update", {"prompt": "Be short."}, id=agent["id"])
    assert changed["prompt"] == {**agent["prompt"], "content": "Be short."}
    call = vocode.call(agent["id"])
    assert vocode.get("calls/", id=call["id"])["id"] == call["id"]


def test_everything_wrong_with_an_agent_is_told_at_once(vocode: Vocode) -> None:
    body = {
        "voice": {"type": "voice_azure"},
        "actions": [{"type": "action_transfer_call"}, {"type": "action_fly"}, 7],
        "language": "xx",
        "conversation_speed": 9,
    }
    error = vocode.post("agents/create", body, 422)
    assert places(error) == [
        ["body", "voice", "voice_azure", "voice_name"],
        ["body", "actions", 0, "action_transfer_call", "config"],
        ["body", "actions", 1],
        ["body", "actions", 2],
        ["body", "prompt"],
        ["body", "language"],
        ["body", "conversation_speed"],
    ]
    assert error["detail"][4]["type"] == "missing"
    assert vocode.get("voices/list")["total"] == 0
    silent = vocode.post("agents/create", {"prompt": {}, "voice": AZURE}, 422)
    assert places(silent) == [["body", "prompt"]]


# ── parts ────────────────────────────────────────────────────────────────────────────────────

THINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "prompts": ({"content": "Hi", "collect_fields": None}, {"content": "Ho"}),
    "voices": ({"type": "voice_rime", "speaker": "ana", "model_id": {}}, {"speed_alpha": "1.2"}),
    "webhooks": (
        {"subscriptions": ["event_message"], "url": "https://example.com/a"},
        {"method": "GET"},
    ),
    "actions": (
        {"type": "action_add_to_conference", "config": {"phone_number": "1"}},
        {"config": {"phone_number": "2", "place_primary_on_hold": False}},
    ),
    "vector_databases": (
        {"type": "vector_database_pinecone", "index": "i", "api_key": "k", "api_environment": "e"},
        {"index": "j"},
    ),
    "account_connections": (
        {
            "type": "account_connection_twilio",
            "credentials": {"twilio_account_sid": "AC1", "twilio_auth_token": "t"},
        },
        {"credentials": {"twilio_account_sid": "AC2", "twilio_auth_token": "u"}},
    ),
}


@pytest.mark.parametrize("plural", THINGS)
def test_things_are_made_read_changed_and_listed(vocode: Vocode, plural: str) -> None:
    new, change = THINGS[plural]
    made = vocode.post(f"{plural}/create", new)
    assert vocode.get(plural, id=made["id"]) == made
    update = {**change, **({"type": new["type"]} if "type" in new else {})}
    changed = vocode.post(f"{plural}/update", update, id=made["id"])
    assert changed["id"] == made["id"] and changed != made
    assert vocode.post(f"{plural}/update", {name: {} for name in change}, id=made["id"]) == changed
    assert vocode.get(f"{plural}/list")["items"] == [changed]
    assert vocode.get(plural, 404, id=NOBODY)["detail"]
    assert places(vocode.get(plural, 422)) == [["query", "id"]]
    assert places(vocode.get(plural, 422, id="7")) == [["query", "id"]]


@pytest.mark.parametrize(
    "voice",
    [
        {"type": "voice_azure", "voice_name": "x", "pitch": "3"},
        {"type": "voice_eleven_labs", "voice_id": "x", "similarity_boost": "0.75"},
        {"type": "voice_play_ht", "voice_id": "x", "speed": "0.8", "quality": "draft"},
        {"type": "voice_vocode", "voice_id": "joe"},
        {"type": "voice_rime", "speaker": "x", "speed_alpha": 0.5},
    ],
)
def test_every_kind_of_voice_is_taken_and_an_agent_speaks_with_it(
    vocode: Vocode, voice: dict[str, Any]
) -> None:
    made = vocode.post("voices/create", voice)
    assert vocode.agent(voice=made["id"])["voice"] == made


def test_a_voice_of_another_kind_takes_the_place_of_the_first(vocode: Vocode) -> None:
    made = vocode.post("voices/create", AZURE)
    other = {"type": "voice_rime", "speaker": "ana"}
    changed = vocode.post("voices/update", other, id=made["id"])
    assert changed["speaker"] == "ana" and "voice_name" not in changed
    error = vocode.post("voices/update", {"type": "voice_play_ht"}, 422, id=made["id"])
    assert places(error) == [["body", "voice_play_ht", "voice_id"]]


def test_an_external_action_keeps_the_secret_it_was_given(vocode: Vocode) -> None:
    config = {
        "name": "book",
        "description": "Books a table.",
        "url": "https://example.com/book",
        "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}},
        "speak_on_send": True,
        "speak_on_receive": "false",
    }
    made = vocode.post("actions/create", {"type": "action_external", "config": config})
    secret = made["config"]["signature_secret"]
    assert len(base64.b64decode(secret)) == 32
    assert made["config"]["speak_on_receive"] is False
    update = {"type": "action_external", "config": {**config, "name": "reserve"}}
    changed = vocode.post("actions/update", update, id=made["id"])
    assert changed["config"]["signature_secret"] == secret
    assert changed["config"]["name"] == "reserve"
    for wrong in ({"url": "ftp://x"}, {"input_schema": {"type": "array"}}):
        body = {"type": "action_external", "config": {**config, **wrong}}
        error = vocode.post("actions/create", body, 422)
        assert places(error)[0][-1] == next(iter(wrong))


EXTERNAL: dict[str, Any] = {
    "type": "action_external",
    "config": {
        "name": "book table",
        "description": "Books a table.",
        "url": "https://example.com/book",
        "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}},
        "speak_on_send": False,
        "speak_on_receive": False,
    },
}


def transfer(number: str, *phrases: str) -> dict[str, Any]:
    action: dict[str, Any] = {
        "type": "action_transfer_call",
        "config": {"phone_number": number},
    }
    if phrases:
        triggers = [
            {"phrase": phrase, "conditions": ["phrase_condition_type_contains"]}
            for phrase in phrases
        ]
        action["action_trigger"] = {
            "type": "action_trigger_phrase_based",
            "config": {"phrase_triggers": triggers},
        }
    return action


def test_actions_are_the_tools_of_the_native_agent(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent(
        actions=[
            transfer("14155550111"),
            transfer("+14155550112"),
            {"type": "action_end_conversation"},
            {"type": "action_dtmf"},
            {"type": "action_set_hold"},
            EXTERNAL,
        ]
    )
    tools = {tool["name"]: tool for tool in native_agent(shop, agent["id"])["tools"]}
    assert set(tools) == {"transfer_call", "end_call", "press_keys", "book_table"}
    assert [target["to"] for target in tools["transfer_call"]["targets"]] == [
        "+14155550111",
        "+14155550112",
    ]
    book = tools["book_table"]
    assert book["body"] == {"call_id": "{{call_uuid}}", "payload": "{{arguments}}"}
    assert book["parameters"] == EXTERNAL["config"]["input_schema"]
    assert book["progress"]["texts"] == []
    (secret,) = shop.native("GET", "/v1/secrets")["data"]
    assert book["signature"] == {"header": "x-vocode-signature", "secret": secret["name"]}


def test_a_changed_action_changes_the_tool_and_leaves_native_ones(
    vocode: Vocode, shop: Shop
) -> None:
    action = vocode.post("actions/create", EXTERNAL)["id"]
    agent = vocode.agent(actions=[action])["id"]
    path = f"/v1/agents/{id_of('agent', agent)}"
    own = {"type": "digits", "name": "keys", "description": "Press keys."}
    shop.native("PATCH", path, {"tools": [own, *shop.native("GET", path)["tools"]]})
    config = {**EXTERNAL["config"], "name": "reserve", "speak_on_send": True}
    vocode.post("actions/update", {"type": "action_external", "config": config}, id=action)
    tools = shop.native("GET", path)["tools"]
    assert [tool["name"] for tool in tools] == ["keys", "reserve"]
    assert tools[1]["progress"]["texts"]
    assert len(shop.native("GET", "/v1/secrets")["data"]) == 1
    vocode.post("agents/update", {"actions": []}, id=agent)
    assert [tool["name"] for tool in shop.native("GET", path)["tools"]] == ["keys"]


def test_an_actions_key_is_a_secret_for_as_long_as_it_needs_one(vocode: Vocode, shop: Shop) -> None:
    action = vocode.post("actions/create", EXTERNAL)["id"]
    (secret,) = shop.native("GET", "/v1/secrets")["data"]
    shop.native("DELETE", f"/v1/secrets/{secret['id']}")
    config = {**EXTERNAL["config"], "name": "reserve"}
    vocode.post("actions/update", {"type": "action_external", "config": config}, id=action)
    (again,) = shop.native("GET", "/v1/secrets")["data"]
    assert again["name"] == secret["name"]
    vocode.post("actions/update", {"type": "action_dtmf"}, id=action)
    assert shop.native("GET", "/v1/secrets")["data"] == []


def test_actions_that_cannot_be_tools_are_told_by_field(vocode: Vocode, shop: Shop) -> None:
    def wrong(*actions: Any) -> Any:
        body = {"prompt": "x", "voice": AZURE, "actions": actions}
        return places(vocode.post("agents/create", body, 422))

    assert wrong(transfer("12")) == [["body", "actions", 0, "targets", 0, "to"]]
    assert wrong(EXTERNAL, EXTERNAL) == [["body", "actions", 1, "name"]]
    key = {**EXTERNAL, "config": {**EXTERNAL["config"], "signature_secret": "no base64!"}}
    assert wrong(key) == [["body", "actions", 0, "config", "signature_secret"]]
    assert shop.native("GET", "/v1/secrets")["data"] == []
    spoken = vocode.agent(actions=[transfer("14155550111", "transferring you now")])["id"]
    (tool,) = native_agent(shop, spoken)["tools"]
    assert "transferring you now" in tool["description"]


def test_a_prompt_template_is_whole_by_itself_and_an_id_in_lists(vocode: Vocode) -> None:
    template = {"id": str(uuid.uuid4()), "user_id": NOBODY, "required_context_keys": ["name"]}
    made = vocode.post("prompts/create", {"content": "Hi", "prompt_template": template})
    assert made["prompt_template"] == {**template, "label": ""}
    assert vocode.get("prompts/list")["items"][0]["prompt_template"] == template["id"]
    error = vocode.post("prompts/create", {"prompt_template": NOBODY}, 422)
    assert places(error) == [["body", "prompt_template"]]


def test_secrets_are_shown_to_those_who_could_replace_them(vocode: Vocode, shop: Shop) -> None:
    voice = {"type": "voice_eleven_labs", "voice_id": "x", "api_key": "sk-1"}
    agent = vocode.agent(voice=voice)
    assert agent["voice"]["api_key"] == "sk-1"
    reader = Vocode(shop, shop.new_key("agents:read"))
    assert reader.get("agents", id=agent["id"])["voice"]["api_key"] == "********"
    assert reader.get("voices/list")["items"][0]["api_key"] == "********"
    twilio = THINGS["account_connections"][0]
    token = twilio["credentials"]["twilio_auth_token"]
    id = vocode.post("account_connections/create", twilio)["id"]
    for scopes, shown in (
        (("agents:write", "trunks:read"), "********"),
        (("trunks:read", "trunks:write"), token),
    ):
        told = Vocode(shop, shop.new_key(*scopes)).get("account_connections", id=id)
        assert told["credentials"]["twilio_auth_token"] == shown


def test_a_field_whose_name_is_a_long_number_is_no_place_in_a_list(vocode: Vocode) -> None:
    error = vocode.post("prompts/create", {"9" * 5000: "\0"}, 422)
    assert places(error) == [["body", "9" * 5000]]


def test_a_part_of_an_agent_that_was_deleted_natively_can_be_changed(
    vocode: Vocode, shop: Shop
) -> None:
    prompt = vocode.post("prompts/create", {"content": "Be kind."})
    gone, stays = (vocode.agent(prompt=prompt["id"]) for _ in range(2))
    shop.native("DELETE", f"/v1/agents/agent_{gone['id'].replace('-', '')}")
    vocode.post("prompts/update", {"content": "Be brief."}, id=prompt["id"])
    assert vocode.get("agents", id=stays["id"])["prompt"]["content"] == "Be brief."


def test_connections_fit_where_they_are_named(vocode: Vocode) -> None:
    twilio = vocode.post("account_connections/create", THINGS["account_connections"][0])
    openai = vocode.post(
        "account_connections/create",
        {"type": "account_connection_openai", "credentials": {"openai_api_key": "sk"}},
    )
    agent = vocode.agent(openai_account_connection=openai["id"])
    assert agent["openai_account_connection"] == openai
    assert vocode.agent(openai_account_connection=openai)["openai_account_connection"] == openai
    body = {"prompt": "x", "voice": AZURE, "openai_account_connection": twilio["id"]}
    error = vocode.post("agents/create", body, 422)
    assert places(error) == [["body", "openai_account_connection"]]
    link = {"phone_number": "14155550001", "telephony_account_connection": openai["id"]}
    error = vocode.post("numbers/link", link, 422)
    assert places(error) == [["body", "telephony_account_connection"]]


def test_a_steering_pool_takes_numbers_and_gives_them_back(vocode: Vocode) -> None:
    id = vocode.post("account_connections/create", THINGS["account_connections"][0])["id"]
    add, remove = (
        f"account_connections/{verb}_steering_pool" for verb in ("add_to", "remove_from")
    )
    vocode.post(add, {"phone_number": "14155550001"}, id=id)
    assert vocode.get("account_connections", id=id)["steering_pool"] == ["14155550001"]
    assert "buys no numbers" in vocode.post(add, None, 501, id=id)["detail"]
    vocode.post(remove, {"phone_number": "14155550001"}, id=id)
    assert vocode.get("account_connections", id=id)["steering_pool"] == []
    error = vocode.post(remove, {"phone_number": "14155550001"}, 422, id=id)
    assert places(error) == [["body", "phone_number"]]


# ── numbers ──────────────────────────────────────────────────────────────────────────────────


def test_a_number_is_linked_changed_and_cancelled(vocode: Vocode, shop: Shop) -> None:
    connection = vocode.post("account_connections/create", THINGS["account_connections"][0])
    number = vocode.post(
        "numbers/link",
        {
            "phone_number": "14155550001",
            "telephony_account_connection": connection["id"],
            "inbound_agent": {"prompt": "Answer.", "voice": AZURE},
        },
    )
    assert (number["number"], number["telephony_provider"]) == ("14155550001", "twilio")
    assert number["inbound_agent"]["prompt"]["content"] == "Answer."
    assert number["telephony_account_connection"] == connection
    (native,) = [
        one
        for one in shop.native("GET", "/v1/phone-numbers")["data"]
        if one["number"] == "+14155550001"
    ]
    assert uuid_of(native["id"]) == number["id"]
    assert native["inbound_agent_id"] == id_of("agent", number["inbound_agent"]["id"])
    changed = vocode.post(
        "numbers/update",
        {
            "label": "Front desk",
            "outbound_only": {},
            "example_context": {"name": "Juan"},
            "inbound_agent": {"prompt": {"content": "Answer quickly."}},
        },
        phone_number="14155550001",
    )
    assert (changed["label"], changed["example_context"]) == ("Front desk", {"name": "Juan"})
    assert changed["inbound_agent"]["id"] == number["inbound_agent"]["id"]
    assert changed["inbound_agent"]["prompt"]["content"] == "Answer quickly."
    row = vocode.get("numbers/list", sort_column="number")["items"][-1]
    assert row["inbound_agent"] == number["inbound_agent"]["id"]
    assert row["telephony_account_connection"] == connection["id"]
    gone = vocode.post("numbers/update", {"inbound_agent": None}, phone_number="+14155550001")
    assert gone["inbound_agent"] is None and gone["label"] == "Front desk"
    assert vocode.post("numbers/cancel", phone_number="14155550001")["active"] is False
    assert vocode.get("numbers/", 404, phone_number="14155550001")["detail"]


def test_a_native_number_is_found_by_its_digits(vocode: Vocode) -> None:
    number = vocode.get("numbers/", phone_number=FROM[1:])
    assert (number["number"], number["active"]) == (FROM, True)
    agent = vocode.agent()
    changed = vocode.post("numbers/update", {"inbound_agent": agent["id"]}, phone_number=FROM)
    assert changed["inbound_agent"] == agent


def test_what_cannot_be_linked_is_told_by_field(vocode: Vocode) -> None:
    connection = vocode.post("account_connections/create", THINGS["account_connections"][0])["id"]

    def link(status: int, **fields: Any) -> Any:
        body = {"phone_number": "1415", "telephony_account_connection": connection, **fields}
        return vocode.post("numbers/link", body, status)

    assert places(link(422)) == [["body", "phone_number"]]
    assert link(409, phone_number=FROM)["detail"]
    assert link(404, telephony_account_connection=NOBODY)["detail"]
    assert link(404, phone_number="14155550002", inbound_agent=NOBODY)["detail"]
    assert places(link(422, phone_number="14155550002", inbound_agent={}))[0][:2] == [
        "body",
        "inbound_agent",
    ]
    assert vocode.get("numbers/list")["total"] == 1


def test_buying_a_number_is_refused_with_a_reason(vocode: Vocode) -> None:
    assert "account with a carrier" in vocode.post("numbers/buy", {}, 501)["detail"]
    assert "metrics" in vocode.ask("GET", "/metrics", None, 501)["detail"]


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────


def test_each_subscription_becomes_a_native_webhook_of_the_agents_calls(
    vocode: Vocode, shop: Shop
) -> None:
    def rows() -> set[tuple[str, str]]:
        data = shop.native("GET", "/v1/webhooks")["data"]
        return {(hook["format"], hook["url"]) for hook in data}

    url = "https://example.com/a"
    webhook = {"subscriptions": ["event_message", "event_transcript"], "url": url}
    made = vocode.post("webhooks/create", webhook)
    assert rows() == set()  # it hears of nothing yet
    agent = vocode.agent(webhook=made["id"])["id"]
    assert rows() == {("vocode:event_message", url), ("vocode:event_transcript", url)}
    change = {"subscriptions": ["event_recording"], "method": "GET"}
    vocode.post("webhooks/update", change, id=made["id"])
    assert rows() == {("vocode:event_recording:get", url)}
    assert vocode.get("webhooks/list")["total"] == 1
    vocode.post("agents/update", {"webhook": None}, id=agent)
    assert rows() == set()
    wrong = vocode.post("webhooks/create", {"subscriptions": ["call.ended"], "url": "x"}, 422)
    assert places(wrong) == [["body", "subscriptions", 0]]
    wrong = vocode.post("webhooks/create", {"subscriptions": [], "url": "x"}, 422)
    assert places(wrong) == [["body", "url"]]


def test_a_native_webhook_is_shown_and_can_be_changed(vocode: Vocode, shop: Shop) -> None:
    events = ["call.answered", "call.turn", "call.tool_called"]
    body = {"url": "https://example.com/n", "events": events}
    id = uuid_of(shop.native("POST", "/v1/webhooks", body)["id"])
    shown = vocode.get("webhooks", id=id)
    assert shown["subscriptions"] == [
        "event_message", "event_action", "event_phone_call_connected",
    ]  # fmt: skip
    assert vocode.get("webhooks/list")["items"] == [shown]
    vocode.post("webhooks/update", {"subscriptions": ["event_transcript"]}, id=id)
    native = shop.native("GET", f"/v1/webhooks/{id_of('webhook', id)}")
    assert native["events"] == ["call.completed", "call.failed"]
    assert native["format"] == "strowger"
    assert "POST" in vocode.post("webhooks/update", {"method": "GET"}, 409, id=id)["detail"]


EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "event_phone_call_connected": (
        "call.answered",
        {"to_phone_number": TO, "from_phone_number": FROM},
    ),
    "event_phone_call_ended": ("call.completed", {"conversation_minutes": 0.0833}),
    "event_transcript": (
        "call.completed",
        {"transcript": "BOT: Hello, is this Juan?\nHUMAN: Yes, it is.\nBOT: Goodbye."},
    ),
    "event_human_detection": ("call.completed", {"result": "human"}),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_are_written_as_documented(vocode: Vocode, shop: Shop, name: str) -> None:
    id = vocode.call(vocode.agent()["id"])["id"]
    shop.conduct(id_of("call", id))
    type, payload = EVENTS[name]
    sent = shop.composed(f"vocode:{name}", id_of("call", id), type)
    assert sent is not None and sent.method == "POST"
    assert json.loads(sent.body) == {"type": name, "call_id": id, "payload": payload}
    by_get = shop.composed(f"vocode:{name}:get", id_of("call", id), type)
    assert by_get is not None and (by_get.method, by_get.body) == ("GET", b"")
    query = {key: value[0] for key, value in parse_qs(urlsplit(by_get.url).query).items()}
    assert (query["type"], query["call_id"]) == (name, id)
    assert json.loads(query["payload"]) == payload
    assert shop.composed(f"vocode:{name}", id_of("call", id), "call.ringing") is None


def test_a_turn_is_a_message_and_a_recording_has_an_address(vocode: Vocode, shop: Shop) -> None:
    id = id_of("call", vocode.call(vocode.agent()["id"])["id"])
    shop.conduct(id)
    record_silence(shop, id)
    turn: dict[str, Any] = {"role": "callee", "text": "Yes.", "started_at": 2.0, "ended_at": 3.0}
    sent = shop.composed("vocode:event_message", id, "call.turn", payload={"turn": turn})
    assert sent is not None
    assert json.loads(sent.body)["payload"] == {
        "text": "Yes.",
        "sender": "human",
        "timestamp": NOW + 5.0,
    }
    assert shop.composed("vocode:event_action", id, "call.turn", payload={"turn": turn}) is None
    used = {"name": "book_table", "arguments": '{"day": "friday"}', "ok": True}
    turn = {**turn, "role": "tool", "text": '{"table": 4}', "tool": used}
    sent = shop.composed("vocode:event_action", id, "call.tool_called", payload={"turn": turn})
    assert sent is not None
    assert json.loads(sent.body)["payload"] == {
        "action_input": {"action": "book_table", "params": {"day": "friday"}},
        "action_output": {"response": '{"table": 4}', "ok": True},
    }
    told = shop.composed("vocode", id, "call.recording_ready")
    assert told is not None
    heard = shop.client.get(json.loads(told.body)["payload"]["recording_url"])
    assert heard.headers["content-type"] == "audio/mpeg"


def test_a_call_that_nobody_answers_did_not_connect(vocode: Vocode, shop: Shop) -> None:
    id = id_of("call", vocode.call(vocode.agent()["id"])["id"])
    shop.conduct(id, status=CallStatus.NO_ANSWER, reason=EndReason.RING_TIMEOUT)
    name = "event_phone_call_did_not_connect"
    sent = shop.composed(f"vocode:{name}", id, "call.failed")
    assert sent is not None
    assert json.loads(sent.body)["payload"] == {"telephony_status": "no-answer"}
    for other in ("event_phone_call_ended", "event_transcript", "event_human_detection"):
        assert shop.composed(f"vocode:{other}", id, "call.failed") is None
    plain = shop.composed("vocode", id, "call.failed")
    assert plain is not None and json.loads(plain.body)["type"] == name


# ── what is wrong ────────────────────────────────────────────────────────────────────────────


def test_keys_that_are_missing_or_wrong_are_told_apart(vocode: Vocode, shop: Shop) -> None:
    none = shop.client.get("/vocode/v1/usage")
    assert (none.status_code, none.json()) == (403, {"detail": "Not authenticated"})
    assert Vocode(shop, "0" * 32).get("usage", 401)["detail"]
    assert "calls:write" in Vocode(shop, shop.new_key("calls:read")).post(
        "calls/create", {}, 403
    )["detail"]  # fmt: skip


def test_bodies_addresses_and_numbers_that_are_wrong_are_told(vocode: Vocode, shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {shop.key}"}
    broken = shop.client.post("/vocode/v1/calls/create", content="{", headers=headers)
    assert broken.status_code == 422
    assert broken.json()["detail"][0]["type"] == "json_invalid"
    contract.validator("HTTPValidationError").validate(broken.json())
    missing = vocode.post("calls/create", {}, 422)
    assert places(missing) == [["body", name] for name in ("from_number", "to_number", "agent")]
    assert {one["type"] for one in missing["detail"]} == {"missing"}
    agent = vocode.agent()["id"]
    body = {"from_number": FROM, "to_number": "12", "agent": agent}
    assert places(vocode.post("calls/create", body, 422)) == [["body", "to_number"]]
    body = {"from_number": FROM, "to_number": TO, "agent": NOBODY}
    assert vocode.post("calls/create", body, 404)["detail"] == "no such agent"
    body = {"from_number": FROM, "to_number": TO, "agent": "Bob"}
    assert places(vocode.post("calls/create", body, 422)) == [["body", "agent"]]
    body = {"from_number": FROM, "to_number": TO, "agent": {"prompt": "x", "language": "xx"}}
    assert places(vocode.post("calls/create", body, 422)) == [["body", "agent", "language"]]
    for path in ("calls", "calls/recording"):
        assert vocode.get(path, 404, id=NOBODY)["detail"]
    assert vocode.post("calls/end", None, 404, id=NOBODY)["detail"]
    assert shop.client.get("/vocode/v1/nothing", headers=headers).json() == {"detail": "Not Found"}
    assert shop.client.get("/vocode/v1/calls/create", headers=headers).json() == {
        "detail": "Method Not Allowed"
    }
    large = vocode.post("prompts/create", {"content": "x" * 300_000}, 413)
    assert "limit" in large["detail"]


def test_who_asks_too_often_is_told_when_to_come_back(vocode: Vocode, shop: Shop) -> None:
    with crowded(shop):
        assert "in a minute" in vocode.get("usage", 429)["detail"]


def test_a_defect_is_answered_without_its_details(
    vocode: Vocode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: KeyRing, text: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(KeyRing, "find", broken)
    assert "secret" not in vocode.get("usage", 500)["detail"]


def test_another_workspace_sees_and_changes_nothing(vocode: Vocode, shop: Shop) -> None:
    agent = vocode.agent(
        webhook={"subscriptions": ["event_message"], "url": "https://example.com"},
        actions=[{"type": "action_dtmf"}],
        vector_database=THINGS["vector_databases"][0],
    )
    connection = vocode.post("account_connections/create", THINGS["account_connections"][0])
    call = vocode.call(agent["id"])
    ids = {
        "agents": agent["id"],
        "prompts": agent["prompt"]["id"],
        "voices": agent["voice"]["id"],
        "actions": agent["actions"][0]["id"],
        "webhooks": agent["webhook"]["id"],
        "vector_databases": agent["vector_database"]["id"],
        "account_connections": connection["id"],
        "calls": call["id"],
    }
    other = Vocode(shop, shop.new_key(workspace="workspace_other"))
    for plural, id in ids.items():
        other.get(plural, 404, id=id)
        assert other.get(f"{plural}/list")["total"] == 0
        if plural != "calls":
            other.post(f"{plural}/update", {}, 404, id=id)
    other.post("calls/end", None, 404, id=call["id"])
    other.get("calls/recording", 404, id=call["id"])
    other.get("numbers", 404, phone_number=FROM)
    other.post("numbers/update", {"label": "x"}, 404, phone_number=FROM)
    other.post("numbers/cancel", None, 404, phone_number=FROM)
    assert other.get("numbers/list")["total"] == 0
    assert other.get("usage")["user_id"] != vocode.get("usage")["user_id"]
    pool = {"phone_number": "14155550001"}
    for verb in ("add_to_steering_pool", "remove_from_steering_pool"):
        other.post(f"account_connections/{verb}", pool, 404, id=connection["id"])
    other.post("calls/create", {"from_number": FROM, "to_number": TO, "agent": agent["id"]}, 404)
    body = {"prompt": agent["prompt"]["id"], "voice": AZURE}
    other.post("agents/create", body, 404)
    link = {"phone_number": "14155550001", "telephony_account_connection": connection["id"]}
    other.post("numbers/link", link, 404)
    assert vocode.get("agents", id=agent["id"]) == agent
    assert vocode.get("calls", id=call["id"]) == call
