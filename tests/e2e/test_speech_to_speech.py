"""Agents that a speech-to-speech service speaks for, on real calls with an interruption and a tool.

The services are fakes of their real protocols on loopback, which hear the callee's sound.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from strowger.conversation.journal import parse_journal
from strowger.conversation.replaying import replay_and_compare
from tests.e2e.server import HOST, Server, callee, journal_of, serve
from tests.providers.vendors.behaviour import Behaviour
from tests.providers.vendors.elevenlabs_agents import ElevenLabsConversations
from tests.providers.vendors.openai_conversation import OpenAIConversation
from tests.providers.vendors.sockets import KEY, Vendor, serving
from tests.real_speech import speech

PERSONA = """
name: hurried
answer: {after: 0}
script:
  - wait_for: agent_speaking
    delay: 1.0
    say: Wait.
  - say: "Yes."
    delay: 2.5
    repeat: 3
patience: 60
"""
GREETING = "Hello, this is Bright Dental, and I am calling to confirm your appointment on Tuesday."
BOOKED = "You are booked. Goodbye."


@contextmanager
def in_a_thread(*vendors: Vendor) -> Iterator[str]:
    """Fakes that run beside the test; their address."""
    ready, stop = threading.Event(), threading.Event()
    found: list[str] = []

    async def main() -> None:
        async with serving(*vendors) as url:
            found.append(url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield found[0]
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def bookings() -> Iterator[tuple[str, list[object]]]:
    """The customer's server that the tool asks: its address, and what it was asked."""
    asked: list[object] = []

    class Booking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"booked": true}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer((HOST, 0), Booking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}/book", asked
        finally:
            server.shutdown()
            thread.join()


def agent_of(service: dict[str, Any], url: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"day": {"type": "integer"}}}
    return {
        "name": "booker",
        "prompt": "You book appointments.",
        "first_message": GREETING,
        "speech_to_speech": service,
        "tools": [
            {
                "type": "http",
                "name": "book",
                "description": "Book it.",
                "url": url,
                "parameters": parameters,
            },
            {"type": "end_call", "outcomes": ["booked", "lost"]},
        ],
        "limits": {"max_duration": 60},
    }


def behaviour() -> Behaviour:
    texts = [GREETING, "This is the clinic.", BOOKED]
    for text in texts:
        speech(text)
    return Behaviour(
        turns=["wait", "yes"],
        replies=[
            "This is the clinic.",
            'call book {"day": 2}',
            f'{BOOKED}\ncall end_call {{"outcome": "booked"}}',
            "",
        ],
        speak=speech,
    )


@dataclass
class House:
    """A server, both services, and the customer's server."""

    server: Server
    openai: OpenAIConversation
    elevenlabs: ElevenLabsConversations
    tool: str
    asked: list[object]
    persona: Path

    def hold(self, folder: Path, service: dict[str, Any]) -> dict[str, Any]:
        """A call with the hurried callee, once it is over."""
        self.asked.clear()
        with callee(folder, str(self.persona)) as patient:
            agent = agent_of(service, self.tool)
            return self.server.wait(self.server.place(patient.port, agent))

    def replays(self, call: dict[str, Any]) -> bool:
        journal = parse_journal(asyncio.run(journal_of(self.server, call["id"])))
        return replay_and_compare(journal).differences == ()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    persona = folder / "hurried.yaml"
    persona.write_text(PERSONA)
    openai = OpenAIConversation(behaviour())
    elevenlabs = ElevenLabsConversations(behaviour(), audio="pcm_16000")
    with in_a_thread(openai, elevenlabs) as url, bookings() as (booking, booked):
        keys = {
            "STROWGER_OPENAI_BASE_URL": f"{url}/v1",
            "STROWGER_OPENAI_API_KEY": KEY,
            "STROWGER_ELEVENLABS_BASE_URL": url,
            "STROWGER_ELEVENLABS_API_KEY": KEY,
        }
        with serve(folder / "server", **keys) as server:
            yield House(server, openai, elevenlabs, booking, booked, persona)
            assert KEY not in server.log.read_text()


def is_interrupted_books_and_ends(house: House, call: dict[str, Any]) -> None:
    assert (call["status"], call["end_reason"], call["outcome"]) == (
        "completed", "agent_hangup", "booked",
    )  # fmt: skip
    assert house.asked == [{"day": 2}]
    turns = [(turn["role"], turn["text"]) for turn in call["transcript"]]
    greeting = call["transcript"][0]
    assert greeting["interrupted"], turns
    assert GREETING.startswith(greeting["text"])
    assert greeting["text"] != GREETING
    assert turns[1:4] == [
        ("callee", "wait"),
        ("agent", "This is the clinic."),
        ("callee", "yes"),
    ], turns
    assert ("agent", BOOKED) in turns
    latency = call["transcript"][2]["latency"]
    stages = (latency["endpointing"], latency["model"], latency["wire"])
    assert sum(stages) == pytest.approx(latency["total"], abs=0.002)
    assert house.replays(call)


def test_a_call_that_openai_holds_is_interrupted_uses_a_tool_and_ends(
    house: House, tmp_path: Path
) -> None:
    call = house.hold(tmp_path, {"provider": "openai", "voice": "cedar"})
    is_interrupted_books_and_ends(house, call)
    ((_, heard),) = house.openai.truncated
    assert 0.5 < heard < 5.0
    assert not house.openai.refused
    assert house.openai.outputs[0][1] == '{"booked": true}'


def test_a_call_that_elevenlabs_holds_is_interrupted_uses_a_tool_and_ends(
    house: House, tmp_path: Path
) -> None:
    service = {
        "provider": "elevenlabs",
        "agent_id": "agent_7",
        "variables": {"to": "{{user_number}}"},
    }
    call = house.hold(tmp_path, service)
    is_interrupted_books_and_ends(house, call)
    assert house.elevenlabs.results[0]["result"] == '{"booked": true}'
    assert house.elevenlabs.initiated[0]["dynamic_variables"] == {"to": "+14155550100"}
