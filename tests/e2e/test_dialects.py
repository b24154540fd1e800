"""Each vendor's page, as printed: the call really happens, and is told in that vendor's way.

Only the base URL, the key, the agent and the page's placeholders are changed.
"""

import json
from collections.abc import Callable, Iterator

import httpx2
import pytest

from strowger.api.dialects.forms import id_of, uuid_of
from tests.dialects import vocode_contract as contract
from tests.dialects.vocode_client import held_to_the_contract, old_fashioned
from tests.e2e.dialects import FROM, TO, Exchange, exchange
from tests.webhooks.server import Received


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange(tmp_path_factory.mktemp("dialects")) as made:
        yield made


def test_ryvo(running: Exchange) -> None:
    running.server.client.post("/v1/webhooks", {"url": running.hooks.url, "format": "ryvo"})
    answer = running.curl(
        f"""curl --request POST \\
  --url {running.server.url}/ryvo/v1/calls \\
  --header 'Authorization: Bearer {running.server.key}' \\
  --header 'Content-Type: application/json' \\
  --data '
{{
  "agent_id": "{running.agent}",
  "to": "+5215555550100"
}}
'"""
    )
    assert set(answer) == {"id", "agent_id", "to", "status", "created_at"}
    assert answer["status"] == "initiated"
    call = running.wait(answer["id"])
    assert (call["status"], call["outcome"]) == ("completed", "good")
    hook = running.hook(lambda received: answer["id"].encode() in received.body)
    told = json.loads(hook.body)
    assert told["event"] == "call.completed"
    assert "Bright Dental" in told["data"]["transcript"][0]["message"]
    assert hook.headers["webhook-signature"].startswith("v1,")
    sound = httpx2.get(told["data"]["recording_url"], trust_env=False)
    assert sound.headers["content-type"] == "audio/mpeg"
    assert len(sound.content) > 10_000


def test_ringyo(running: Exchange) -> None:
    running.curl(
        f"""curl {running.server.url}/ringyo/v1/webhooks -X POST \\
  -H "Authorization: Bearer {running.server.key}" -H "Content-Type: application/json" \\
  -d '{{"url": "{running.hooks.url}", "events": ["call.completed"]}}'"""
    )
    answer = running.curl(
        f"""curl {running.server.url}/ringyo/v1/calls \\
  -X POST \\
  -H "Authorization: Bearer {running.server.key}" \\
  -H "Idempotency-Key: unique-request-id-123" \\
  -H "Content-Type: application/json" \\
  -d '{{"to": "+1234567890", "agent_id": "{running.agent}"}}'"""
    )
    call_id = answer["data"]["id"]
    assert answer["meta"]["request_id"].startswith("req_")
    assert (answer["id"], answer["to"]) == (call_id, "+1234567890")
    assert running.wait(call_id)["status"] == "completed"
    read = running.curl(
        f'curl "{running.server.url}/ringyo/v1/calls/{call_id}?include=transcript,analysis" '
        f'-H "Authorization: Bearer {running.server.key}"'
    )["data"]
    assert read["status"] == "completed"
    assert "Bright Dental" in read["transcript"][0]["content"]
    assert read["analysis"]["outcome"] == "good"
    hook = running.hook(
        lambda received: (
            call_id.encode() in received.body and b'"webhook_id": "wh_' in received.body
        )
    )
    told = json.loads(hook.body)
    assert told["event"] == "call.completed"
    assert told["data"]["transcript"].startswith("Agent: Hello, this is Bright Dental.")


def test_ravan(running: Exchange) -> None:
    server, key = running.server.url, running.server.key
    agent = running.agent.removeprefix("agent_")
    running.curl(
        f"""curl -X PATCH {server}/ravan/api/v1/agents/{agent}/ \\
  -H "X-Api-Key: {key}" -H "Content-Type: application/json" \\
  -d '{{"webhook_urls": ["{running.hooks.url}"],
        "webhook_events": ["call_completed", "call.completed"]}}'"""
    )
    answer = running.curl(
        f"""curl --request POST \\
  --url {server}/ravan/api/v1/calling/create-call \\
  --header 'Content-Type: application/json' \\
  --header 'X-Api-Key: {key}' \\
  --data '
{{
  "type": "outbound_call",
  "agent_id": "{agent}",
  "from_phone_number": "{FROM}",
  "to_phone_number": "{TO}",
  "metadata": {{}},
  "prompt_dynamic_variables": {{}}
}}
'"""
    )
    assert list(answer) == ["access_token", "message", "room_id", "session_id", "success", "url"]
    assert (answer["success"], answer["message"]) == (True, "call created successfully")
    session = answer["session_id"]
    assert running.wait(f"call_{session.replace('-', '')}")["status"] == "completed"
    told = running.curl(
        f"curl {server}/ravan/api/v1/calling/call-sessions-detail/{session} -H 'X-Api-Key: {key}'"
    )["data"]
    assert (told["status"], told["disconnect_reason"]) == ("completed", "agent_hangup")
    assert "Bright Dental" in told["transcripts"][0]["message"]["content"]
    assert told["post_call_analysis_result"]["outcome"] == {"type": "string", "value": "good"}
    for event in (b'"call_completed"', b'"call.completed"'):
        hook = running.hook(_tells(session, event))
        assert hook.headers["webhook-signature"].startswith("v1,")
    observed = json.loads(running.hook(_tells(session, b'"call_session"')).body)
    assert observed["transcriptions"].startswith(f"{observed['agent_name']}: Hello, this is")
    sound = httpx2.get(observed["call_session"]["recording_url"], trust_env=False)
    assert sound.headers["content-type"] == "audio/mpeg"
    assert len(sound.content) > 10_000


def _tells(session: str, words: bytes) -> Callable[[Received], bool]:
    """Whether a delivery is of this session, and has these words in it."""
    return lambda received: session.encode() in received.body and words in received.body


def test_revring(running: Exchange) -> None:
    agent = running.curl(
        f"""curl -X POST {running.server.url}/revring/v1/agents \\
  -H 'x-api-key: {running.server.key}' \\
  -d '{{"name": "kept", "promptTemplate": "x", "postCallWebhookUrl": "{running.hooks.url}"}}'"""
    )["data"]
    flow = running.server.client.get(f"/v1/agents/{running.agent}")["flow"]
    native = "agent_" + agent["id"].replace("-", "")
    patched = httpx2.patch(
        f"{running.server.url}/v1/agents/{native}",
        json={"flow": flow},
        headers={"Authorization": f"Bearer {running.server.key}"},
        trust_env=False,
    )
    assert patched.status_code == 200, patched.text
    answer = running.curl(
        f"""curl --request POST \\
--url {running.server.url}/revring/v1/calls \\
--header 'Content-Type: application/json' \\
--header 'x-api-key: {running.server.key}' \\
--data '
{{
"agentId": "{agent["id"]}",
"toNumber": "{TO}",
"fromNumber": "{FROM}",
"variables": {{}}
}}
'"""
    )["data"]
    assert (answer["direction"], answer["status"]) == ("OUTBOUND", "INITIATED")
    call = running.wait("call_" + answer["id"].replace("-", ""))
    assert (call["status"], call["outcome"]) == ("completed", "good")
    hook = running.hook(
        lambda received: (
            answer["id"].encode() in received.body and b'"hangupCause"' in received.body
        )
    )
    told = json.loads(hook.body)
    assert (told["id"], told["status"]) == (answer["id"], "COMPLETED")
    assert "Bright Dental" in told["transcript"][0]["content"]
    assert told["recordingUrl"]
    read = running.curl(
        f"curl {running.server.url}/revring/v1/calls/{answer['id']} "
        f"-H 'x-api-key: {running.server.key}'"
    )["data"]
    assert read["status"] == "COMPLETED"


@old_fashioned
def test_vocode(running: Exchange) -> None:
    """The page's line, with its agent as the id of a native one."""
    line = f"""curl --request POST \\
  --url {running.server.url}/vocode/v1/calls/create \\
  --header 'Authorization: Bearer {running.server.key}' \\
  --header 'Content-Type: application/json' \\
  --data '{{
  "from_number": "{FROM}",
  "to_number": "+1234567890",
  "agent": "{uuid_of(running.agent)}"
}}'"""
    for format in ("vocode:event_phone_call_ended", "vocode:event_transcript:get"):
        running.server.client.post(
            "/v1/webhooks", {"url": f"{running.hooks.url}?who=vocode", "format": format}
        )
    answer = running.curl(line)
    contract.validator("Call").validate(answer)
    assert (answer["status"], answer["to_number"]) == ("not_started", "+1234567890")
    assert answer["agent"]["id"] == uuid_of(running.agent)
    native = running.wait(id_of("call", answer["id"]))
    assert (native["status"], native["outcome"]) == ("completed", "good")
    with held_to_the_contract(f"{running.server.url}/vocode", running.server.key) as client:
        call = client.calls.get_call(id=answer["id"])
        assert (call.status, call.stage, call.stage_outcome) == (
            "ended",
            "picked_up",
            "bot_disconnected",
        )
        assert (
            call.transcript is not None and "BOT: Hello, this is Bright Dental." in call.transcript
        )
        assert "HUMAN: " in call.transcript
        assert len(b"".join(client.calls.get_recording(id=call.id))) > 10_000
    ended = running.hook(
        lambda received: (
            b"event_phone_call_ended" in received.body and call.id.encode() in received.body
        )
    )
    assert json.loads(ended.body)["payload"]["conversation_minutes"] > 0
    told = running.hook(
        lambda received: (
            "event_transcript" in received.request_line and call.id in received.request_line
        )
    )
    assert told.request_line.startswith("GET /hook?who=vocode&type=event_transcript&call_id=")
    assert told.body == b""
