"""Calls of test keys on a real server: whole, and never on a trunk."""

import asyncio
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest

from strowger.commands.client import ServerClient
from strowger.commands.receiver import Received, open_receiver
from tests.e2e.server import HOST, Callee, Server, callee, serve
from tests.e2e.test_calls import ASKS, loud_samples


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


@contextmanager
def trial(server: Server) -> Iterator[ServerClient]:
    body = {"name": "tests", "scopes": ["*"], "test": True}
    key = server.client.post("/v1/api-keys", body)["key"]
    assert key.startswith("strowger_test_")
    with ServerClient(server.url, key) as client:
        yield client


def over(client: ServerClient, to: str, **fields: Any) -> dict[str, Any]:
    """A test call, once it is over."""
    call_id = client.post("/v1/calls", {"to": to, "agent": ASKS, **fields})["id"]
    for _ in client.events(call_id):
        continue
    return client.get(f"/v1/calls/{call_id}")


@pytest.fixture(scope="module")
def carrier(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callee]:
    """What the workspace's trunk and number lead to."""
    with callee(tmp_path_factory.mktemp("carrier"), "busy") as busy:
        trunk = {"name": "carrier", "host": HOST, "port": busy.port, "is_default": True}
        made = server.client.post("/v1/trunks", trunk)
        number = {"number": "+14155550111", "trunk_id": made["id"]}
        server.client.post("/v1/phone-numbers", number)
        yield busy


def test_a_test_call_needs_no_trunk_and_is_whole(server: Server) -> None:
    assert server.client.get("/v1/trunks")["data"] == []
    with trial(server) as client:
        call = over(client, "+15005550001")
        assert (call["status"], call["outcome"], call["test"]) == ("completed", "good", True)
        assert call["trunk_id"] is None
        said = [(turn["role"], turn["text"]) for turn in call["transcript"]]
        assert [role for role, _ in said] == ["agent", "callee", "agent"]
        assert said[1][1].startswith("ye"), "yes, yeah or yep"
        events = [event["type"] for event in client.events(call["id"])]
        assert events[:4] == ["call.queued", "call.initiated", "call.ringing", "call.answered"]
        assert "call.completed" in events
        with wave.open(BytesIO(client.download(f"/v1/calls/{call['id']}/recording"))) as file:
            stereo = array("h", file.readframes(file.getnframes()))
        for channel in (stereo[0::2], stereo[1::2]):
            assert loud_samples(channel) > 1000


@pytest.mark.parametrize(
    ("number", "status", "reason", "outcome"),
    [
        ("+15005550002", "busy", "callee_busy", None),
        ("+15005550003", "no_answer", "ring_timeout", None),
        ("+15005550004", "completed", "callee_hangup", None),
        ("+15005550006", "busy", "callee_declined", None),
        ("+15005550007", "failed", "carrier_rejected", None),
        ("+15005550008", "completed", "agent_hangup", "bad"),
        ("+525555550100", "completed", "agent_hangup", "good"),
        ("sip:somebody@far.example.com", "completed", "agent_hangup", "good"),
    ],
)
def test_the_configured_trunk_sees_nothing_of_test_calls(
    server: Server, carrier: Callee, number: str, status: str, reason: str, outcome: str | None
) -> None:
    with trial(server) as client:
        call = over(client, number, ring_timeout=5, **{"from": "+14155550111"})
        assert (call["status"], call["end_reason"]) == (status, reason), call
        assert call["outcome"] == outcome
        assert call["from"] == "+14155550111"
        assert carrier.reports() == [], "an INVITE reached the trunk"


def test_a_live_call_beside_them_does_reach_the_trunk(server: Server, carrier: Callee) -> None:
    """So that the silence of the trunk above means something."""
    call = server.client.post("/v1/calls", {"to": "+14155550100", "agent": ASKS})
    assert server.wait(call["id"])["status"] == "busy"
    assert carrier.rung() == 1


def test_webhooks_tell_of_test_calls(server: Server) -> None:
    async def main() -> list[Received]:
        async with open_receiver() as receiver:
            hook = await asyncio.to_thread(
                server.client.post, "/v1/webhooks", {"url": receiver.url}
            )
            receiver.secret = hook["secret"]
            with trial(server) as client:
                await asyncio.to_thread(over, client, "+15005550002")
            await receiver.wait_for("call.failed")
            return list(receiver.deliveries)

    told = asyncio.run(main())
    assert [one.type for one in told][-1] == "call.failed"
    assert all(one.verified and one.data["test"] is True for one in told if one.data.get("call_id"))


def test_a_test_call_is_spoken_into_and_ended_by_its_key(server: Server) -> None:
    with trial(server) as client:
        call = client.post("/v1/calls", {"to": "+15005550009", "agent": ASKS})["id"]
        for event in client.events(call):
            if event["type"] == "call.answered":
                client.post(f"/v1/calls/{call}/say", {"text": "Please hold the line."})
            if event["type"] == "call.turn" and "hold the line" in str(event):
                client.post(f"/v1/calls/{call}/end", {})
        ended = client.get(f"/v1/calls/{call}")
    assert (ended["status"], ended["end_reason"]) == ("completed", "api_request")
    assert any("hold the line" in turn["text"] for turn in ended["transcript"])
