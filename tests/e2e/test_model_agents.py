"""Agents with a language model behind an OpenAI-compatible address, on real calls.

The model, its voice and its ears are a server on loopback that speaks the real protocol.
"""

import asyncio
import functools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strowger.agent import VoiceSettings
from strowger.media.resample import Resampler
from strowger.ports import pcm_of
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from tests.e2e.server import Server, callee, serve
from tests.providers.openai_server import Asked, Client, OpenAIServer, openai_server

AGENT: dict[str, Any] = {
    "name": "talker",
    "prompt": "You book appointments. Say Goodbye. when all is settled.",
    "first_message": "Hello, shall I book you for Tuesday?",
    "voice": {"provider": "openai"},
    "transcriber": {"provider": "openai"},
    "model": {"provider": "openai"},
    "end_call_phrases": ["Goodbye."],
    # The recogniser below hears the whole sentence in its first word already, and where others want
    # the machine the callee's words come with longer pauses.
    "turn_taking": {"complete_delay": 0.8, "endpointing_delay": 0.8},
    "limits": {"provider_deadline": 2, "max_duration": 60},
}

ANALYSIS = {"summary": "A booking for Tuesday.", "success": {"reason": "Agreed.", "met": "yes"}}


@functools.cache
def speech() -> bytes:
    """Real speech at 24 kHz, as /audio/speech answers: a callee waits for no tone to end."""

    async def speak() -> bytes:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            spoken = providers.text_to_speech("local").speak(
                "these are the words", VoiceSettings(), language="en-US"
            )
            return b"".join([piece async for piece in pcm_of(spoken)])

    resampler = Resampler(8000, 24000)
    return resampler.process(asyncio.run(speak())) + resampler.flush()


async def answer(client: Client, asked: Asked) -> None:
    """As OpenAI would, whatever was asked."""
    if asked.path.endswith("/audio/speech"):
        await client.whole(200, "audio/pcm", speech())
    elif asked.path.endswith("/audio/transcriptions"):
        words = json.dumps({"text": "Yes, that suits me."}).encode()
        await client.whole(200, "application/json", words)
    elif "You analyse a telephone call" in asked.body.decode():
        await client.head(200, "text/event-stream")
        await client.delta(json.dumps(ANALYSIS))
        await client.delta("", "stop")
        await client.event("[DONE]")
        await client.end()
    else:
        await client.head(200, "text/event-stream")
        for piece in ("Very w", "ell, you are booked.", " Good", "bye."):
            await client.delta(piece)
        await client.delta("", "stop")
        await client.event("[DONE]")
        await client.end()


async def stall_the_model(client: Client, asked: Asked) -> None:
    if asked.path.endswith("/chat/completions"):
        await client.gone()
    else:
        await answer(client, asked)


@contextmanager
def in_a_thread(script: Any) -> Iterator[OpenAIServer]:
    """A server that runs beside the test."""
    ready, stop = threading.Event(), threading.Event()
    found: list[OpenAIServer] = []

    async def main() -> None:
        async with openai_server(script) as server:
            found.append(server)
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
def server_with(script: Any, folder: Path) -> Iterator[tuple[Server, OpenAIServer]]:
    speech()  # before anybody waits for it
    with in_a_thread(script) as services:
        environment = {
            "STROWGER_OPENAI_BASE_URL": services.url,
            "STROWGER_OPENAI_API_KEY": "sk-test-planted-secret",
        }
        with serve(folder, **environment) as server:
            yield server, services


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


def until_analysed(server: Server, id: str) -> dict[str, Any]:
    for _ in range(200):
        call: dict[str, Any] = server.client.get(f"/v1/calls/{id}")
        if call["analysis"]["status"] != "pending":
            return call
        time.sleep(0.1)
    raise AssertionError("the call was not analysed")


def test_an_agent_with_a_model_talks_listens_and_hangs_up(folder: Path, tmp_path: Path) -> None:
    with (
        server_with(answer, folder) as (server, services),
        callee(tmp_path, "agrees") as patient,
    ):
        wanted = {"summary": True, "success": "There is a booking."}
        call = server.wait(server.place(patient.port, {**AGENT, "analysis": wanted}))
        assert "sk-test-planted-secret" not in server.log.read_text()
        analysed = until_analysed(server, call["id"])
    assert (call["status"], call["end_reason"]) == ("completed", "agent_hangup")
    said = [(turn["role"], turn["text"]) for turn in call["transcript"]]
    assert said[0] == ("agent", "Hello, shall I book you for Tuesday?")
    assert said[1] == ("callee", "Yes, that suits me.")
    assert said[2] == ("agent", "Very well, you are booked. Goodbye."), call["transcript"]
    latency = call["transcript"][2]["latency"]
    stages = ("endpointing", "transcription", "model", "speech", "wire")
    assert sum(latency[stage] for stage in stages) == pytest.approx(latency["total"], abs=0.001)
    assert latency["total"] > 0.4

    chats = [asked.json() for asked in services.asked if asked.path.endswith("/chat/completions")]
    messages = chats[0]["messages"]
    assert isinstance(messages, list)
    assert messages[0]["role"] == "system"
    assert "book appointments" in messages[0]["content"]
    assert messages[-1] == {"role": "user", "content": "Yes, that suits me."}

    assert call["analysis"]["status"] in {"pending", "completed"}
    assert (analysed["summary"], analysed["analysis"]["success"]) == (ANALYSIS["summary"], True)
    assert analysed["analysis"]["success_reason"] == "Agreed."
    asked = chats[-1]["messages"]
    assert isinstance(asked, list)
    assert "Callee: Yes, that suits me." in asked[-1]["content"]


def test_a_model_that_stalls_is_apologised_for_and_ends_the_call_with_a_reason(
    folder: Path, tmp_path: Path
) -> None:
    with (
        server_with(stall_the_model, folder) as (server, _),
        callee(tmp_path, "agrees") as patient,
    ):
        call = server.wait(server.place(patient.port, AGENT))
    assert (call["status"], call["end_reason"]) == ("failed", "provider_failed")
    agent = " ".join(turn["text"] for turn in call["transcript"] if turn["role"] == "agent")
    assert "sorry" in agent.lower()
