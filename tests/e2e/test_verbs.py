"""What customers do to live, waiting and scheduled calls: real server, SIP and callees."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.server import HOST, Server, callee, serve
from tests.e2e.test_calls import ASKS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


def until(server: Server, call: str, type: str) -> None:
    """Wait for an event of the call."""
    for event in server.client.events(call):
        if event["type"] == type:
            return
    raise AssertionError(f"the call ended without {type}")


def test_the_agent_says_what_the_customer_wants_said_now(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "silent") as listener:
        call = server.place(listener.port, ASKS)
        until(server, call, "call.answered")
        server.client.post(f"/v1/calls/{call}/say", {"text": "Please hold the line."})
        server.client.post(f"/v1/calls/{call}/say", {"text": "Thank you."})
        ended = server.wait(call)
    spoken = " ".join(turn["text"] for turn in ended["transcript"] if turn["role"] == "agent")
    assert "Please hold the line." in spoken
    assert spoken.index("Please hold the line.") < spoken.index("Thank you.")
    metrics = server.client.get(f"/v1/calls/{call}/metrics")
    assert metrics["media"]["packets_sent"] > 100
    assert metrics["media"]["packets_received"] > 100
    assert 0 <= metrics["media"]["loss"] < 0.5


def test_digits_reach_the_callees_telephone(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "silent") as listener:
        call = server.place(listener.port, ASKS)
        until(server, call, "call.answered")
        server.client.post(f"/v1/calls/{call}/digits", {"digits": "42#"})
        server.wait(call)
        heard = [report for report in listener.reports() if "digit" in str(report)]
    assert "".join(str(report["digit"]) for report in heard if "digit" in report) == "42#"


def test_a_call_that_rings_is_canceled(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "no-answer") as nobody:
        call = server.place(nobody.port, ASKS)
        until(server, call, "call.ringing")
        server.client.post(f"/v1/calls/{call}/cancel", {})
        ended = server.wait(call)
    assert (ended["status"], ended["end_reason"]) == ("canceled", "api_request")


def test_a_scheduled_call_is_dialled_at_its_time(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "busy") as nobody:
        at = datetime.now(UTC) + timedelta(seconds=3)
        call = server.place(nobody.port, ASKS, scheduled_at=at.isoformat())
        assert server.client.get(f"/v1/calls/{call}")["status"] == "scheduled"
        ended = server.wait(call)
        assert nobody.rung() == 1
    assert ended["status"] == "busy"
    queued = datetime.fromisoformat(ended["queued_at"])
    assert timedelta(0) <= queued - at < timedelta(seconds=8)


def test_calls_beyond_the_trunks_limit_wait_for_a_line_in_order(
    server: Server, tmp_path: Path
) -> None:
    with callee(tmp_path, "silent") as listener:
        trunk = server.client.post(
            "/v1/trunks",
            {"name": "one", "host": HOST, "port": listener.port, "is_default": True,
             "max_calls": 1},
        )  # fmt: skip
        assert trunk["max_calls"] == 1
        short = {**ASKS, "limits": {"max_duration": 2}}
        body: dict[str, Any] = {"to": "+14155550100", "agent": short}
        made = [str(server.client.post("/v1/calls", body)["id"]) for _ in range(3)]
        ended = [server.wait(call) for call in made]
        assert listener.rung() == 3
    for before, after in pairwise(ended):
        assert before["status"] == "completed"
        assert before["ended_at"] <= after["started_at"]


def test_a_call_is_followed_live(server: Server, tmp_path: Path) -> None:
    heard: list[str] = []
    with callee(tmp_path, "silent") as listener:
        call = server.place(listener.port, {**ASKS, "limits": {"max_duration": 2}})
        headers = {"Authorization": f"Bearer {server.key}", "Last-Event-ID": "0"}
        url = f"{server.url}/v1/calls/{call}/live"
        with httpx2.stream("GET", url, headers=headers, timeout=60, trust_env=False) as answer:
            heard += [line[7:] for line in answer.iter_lines() if line.startswith("event: ")]
    assert heard[:4] == ["call.queued", "call.initiated", "call.ringing", "call.answered"]
    assert "call.completed" in heard


def test_a_repeated_request_rings_once(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "busy") as nobody:
        server.client.post(
            "/v1/trunks", {"name": "x", "host": HOST, "port": nobody.port, "is_default": True}
        )
        body = {"to": "+14155550100", "agent": ASKS}
        headers = {"Authorization": f"Bearer {server.key}", "Idempotency-Key": str(time.time())}
        with httpx2.Client(base_url=server.url, headers=headers, trust_env=False) as client:
            answers = [client.post("/v1/calls", json=body) for _ in range(3)]
        assert len({answer.json()["id"] for answer in answers}) == 1
        server.wait(answers[0].json()["id"])
        assert nobody.rung() == 1
    assert answers[2].headers["idempotency-replayed"] == "true"
    assert int(answers[2].headers["ratelimit-limit"]) == 6000
