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
