"""Whole calls: the real server, real SIP, a callee that really speaks; what customers see of it."""

import asyncio
import os
import signal
import wave
from array import array
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from strowger.calls.render import render_turn
from strowger.commands.demo import read_example
from strowger.conversation.conversation import Conversation
from strowger.conversation.either import tell
from strowger.conversation.events import HangUp
from strowger.conversation.journal import TimerFired, parse_journal, replay
from strowger.conversation.replaying import replay_and_compare
from strowger.errors import ConfigurationError
from tests.e2e.server import HOST, Server, callee, free_port, journal_of, run, serve

ASKS: dict[str, Any] = {
    "name": "asks",
    "limits": {"max_duration": 60},
    "turn_taking": {"silence_timeout": 3, "max_reprompts": 1},
    "flow": {
        "start": "ask",
        "nodes": {
            "ask": {
                "type": "ask",
                "text": "Hello, this is Bright Dental. Is your appointment still right for you?",
                "expect": {"type": "yes_no"},
                "branches": {"yes": "good", "no": "bad"},
            },
            "good": {"type": "end", "text": "Thank you. Goodbye.", "outcome": "good"},
            "bad": {"type": "end", "text": "All right. Goodbye.", "outcome": "bad"},
        },
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


def loud_samples(channel: "array[int]") -> int:
    return sum(abs(sample) > 500 for sample in channel)


def test_a_call_is_placed_held_and_reported(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "agrees") as patient:
        call_id = server.place(patient.port, read_example(), metadata={"deal": "OPP-42"})
        events = [event["type"] for event in server.client.events(call_id)]
        call = server.client.get(f"/v1/calls/{call_id}")
        assert patient.rung() == 1

    assert call["status"] == "completed"
    assert call["end_reason"] == "agent_hangup"
    assert call["outcome"] == "appointment: confirmed tuesday"
    assert call["metadata"] == {"deal": "OPP-42"}
    assert call["latency"]["turns"] >= 1

    first = events.index("call.turn")
    assert events[:first] == ["call.queued", "call.initiated", "call.ringing", "call.answered"]
    assert events[-1] == "call.completed"

    said = [(turn["role"], turn["text"]) for turn in call["transcript"]]
    assert said[0] == (
        "agent",
        "Hello, this is Bright Dental. You have an appointment on Tuesday at 3 pm. Can you come?",
    )
    assert said[1][0] == "callee"
    assert said[1][1].startswith("ye"), "yes, yeah or yep"
    assert said[2][0] == "agent"

    recording = server.client.download(f"/v1/calls/{call_id}/recording")
    with wave.open(BytesIO(recording)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        stereo = array("h", file.readframes(file.getnframes()))
    assert len(stereo) / 2 / 8000 == pytest.approx(call["recording"]["duration"], abs=0.1)
    for channel in (stereo[0::2], stereo[1::2]):
        assert loud_samples(channel) > 1000
        assert max(map(abs, channel)) < 32700, "the recording clips"

    journal = parse_journal(asyncio.run(journal_of(server, call_id)))
    assert isinstance(replay(journal)[-1][1], HangUp)
    assert replay_and_compare(journal).differences == ()
    again = Conversation(journal.definition, journal.variables)
    for now, entry in journal.entries:
        if isinstance(entry, TimerFired):
            again.handle_timer(now=now)
        else:
            tell(again, entry, now=now)
    assert again.outcome == call["outcome"]
    assert [render_turn(turn) for turn in again.transcript] == call["transcript"]


@pytest.mark.parametrize(
    ("persona", "status", "reason", "sip_status"),
    [
        ("busy", "busy", "callee_busy", 486),
        ("declines", "busy", "callee_declined", 603),
        ("unavailable", "failed", "carrier_rejected", 503),
        ("no-answer", "no_answer", "ring_timeout", 487),
    ],
)
def test_a_call_nobody_takes_says_why(
    server: Server, tmp_path: Path, persona: str, status: str, reason: str, sip_status: int
) -> None:
    with callee(tmp_path, persona) as nobody:
        call = server.wait(server.place(nobody.port, ASKS, ring_timeout=5))
        assert nobody.rung() == 1
    assert (call["status"], call["end_reason"]) == (status, reason)
    assert call["sip_status"] == sip_status
    assert call["error"]
    assert call["answered_at"] is None
    assert call["transcript"] == []


def test_a_trunk_that_is_not_there_is_said_to_be_unreachable(server: Server) -> None:
    call = server.wait(server.place(free_port(), ASKS, ring_timeout=5))
    assert (call["status"], call["end_reason"]) == ("failed", "trunk_unreachable")
    assert HOST in call["error"]


def test_a_callee_who_hangs_up_ends_the_call_and_the_transcript_there(
    server: Server, tmp_path: Path
) -> None:
    with callee(tmp_path, "hangs-up") as rude:
        call = server.wait(server.place(rude.port, read_example()))
    assert (call["status"], call["end_reason"]) == ("completed", "callee_hangup")
    (turn,) = call["transcript"]
    assert turn["interrupted"]
    assert len(turn["text"]) < len("Hello, this is Bright Dental. You have an appointment on Tues")


def test_keys_pressed_are_answers(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "keypad") as presses:
        call = server.wait(server.place(presses.port, ASKS))
    assert call["outcome"] in {"good", "bad"}
    assert any("pressed" in turn["text"] for turn in call["transcript"])


def test_silence_is_asked_into_and_then_ends_the_call(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "silent") as nobody:
        call = server.wait(server.place(nobody.port, ASKS))
    assert (call["status"], call["end_reason"]) == ("completed", "silence")
    assert [turn["role"] for turn in call["transcript"]].count("agent") >= 2


def test_a_call_that_rings_can_be_ended(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "no-answer") as nobody:
        call_id = server.place(nobody.port, ASKS)
        for event in server.client.events(call_id):
            if event["type"] == "call.ringing":
                server.client.post(f"/v1/calls/{call_id}/end", {})
        call = server.client.get(f"/v1/calls/{call_id}")
    assert (call["status"], call["end_reason"]) == ("canceled", "api_request")


def test_a_call_in_progress_can_be_ended(server: Server, tmp_path: Path) -> None:
    with callee(tmp_path, "silent") as listener:
        call_id = server.place(listener.port, ASKS)
        for event in server.client.events(call_id):
            if event["type"] == "call.answered":
                server.client.post(f"/v1/calls/{call_id}/end", {})
        call = server.client.get(f"/v1/calls/{call_id}")
    assert (call["status"], call["end_reason"]) == ("completed", "api_request")


def test_a_worker_killed_in_mid_call_loses_that_call_and_takes_the_next(
    server: Server, tmp_path: Path
) -> None:
    with callee(tmp_path, "silent") as listener:
        call_id = server.place(listener.port, ASKS)
        for event in server.client.events(call_id):
            if event["type"] == "call.answered":
                killed = server.worker()
                os.kill(killed, signal.SIGKILL)
        call = server.client.get(f"/v1/calls/{call_id}")
        assert (call["status"], call["end_reason"]) == ("failed", "worker_lost")
        assert listener.rung() == 1, "a lost call is never dialled again"
        assert server.worker() != killed
    with callee(tmp_path, "agrees") as patient:
        call = server.wait(server.place(patient.port, read_example()))
        assert patient.rung() == 1
    assert call["status"] == "completed"
    assert call["outcome"] == "appointment: confirmed tuesday"


def test_the_command_line_places_a_call_and_shows_it(server: Server, tmp_path: Path) -> None:
    agent = tmp_path / "agent.yaml"
    agent.write_text(
        "name: bye\nflow: {start: end, nodes: {end: {type: end, text: Goodbye., outcome: said}}}\n"
    )
    with callee(tmp_path, "silent") as listener:
        server.client.post(
            "/v1/trunks",
            {"name": "cli", "host": HOST, "port": listener.port, "is_default": True},
        )
        shown = run(
            "call", "+14155550100", "--agent", str(agent), "--watch",
            "--server", server.url, "--key", server.key, cwd=tmp_path,
        )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "Goodbye." in shown.stdout
    assert "outcome: said" in shown.stdout


def test_a_second_server_on_the_same_folder_says_so_in_one_line(
    server: Server, tmp_path: Path
) -> None:
    second = run("serve", "--data", str(server.data), cwd=tmp_path)
    assert second.returncode == 2
    assert second.stderr.strip().splitlines()[-1] == (
        f"strowger: the data folder {server.data} is in use by another Strowger"
    )


def test_mistakes_on_the_command_line_are_one_line_and_status_two(tmp_path: Path) -> None:
    for arguments, said in (
        (("serve", "--port", "abc"), "--port"),
        (("call", "+14155550100", "--agent", "x.yaml"), "API key"),
        (("simulate", "callee", "--persona", "nobody"), "nobody"),
        (("simulate", "callee", "--listen", "5070"), "--listen"),
        (("keys", "create", "--name", ""), "--name"),
    ):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2, (arguments, done.stderr)
        lines = [line for line in done.stderr.splitlines() if "folder opened" not in line]
        assert len(lines) == 1, done.stderr
        assert said in lines[0]


def test_a_key_that_is_wrong_is_refused(server: Server) -> None:
    from strowger.commands.client import ServerClient

    with (
        ServerClient(server.url, "strowger_live_" + "A" * 43) as stranger,
        pytest.raises(ConfigurationError, match="not known"),
    ):
        stranger.get("/v1/calls")
