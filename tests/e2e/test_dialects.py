"""Each vendor's page, as printed: the call really happens, and is told in that vendor's way.

Only the base URL, the key, the agent and the page's placeholders are changed.
"""

import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.e2e.dialects import Exchange, exchange


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
