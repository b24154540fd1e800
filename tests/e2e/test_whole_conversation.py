"""One conversation with everything in it, held from the first digit dialled to the transfer.

All is real but the vendors and the callee, and these are told nothing: the callee's side reads the
agent's words out of the RTP packets that reach it, the recognisers read the callee's out of the
sound that the worker sends them.
"""

import asyncio
import json
import threading
import wave
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from strowger.agent import VoiceSettings
from strowger.ports import pcm_of
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.simulate.callee import CalleeSettings
from strowger.simulate.reports import PutThrough
from strowger.simulate.scenario import TransferPlan
from tests.coded_speech import FRAME, CodeBook, Ear, Tongue
from tests.e2e.coded_callee import PARDON, CodedCallee, Cue, answering_calls
from tests.e2e.server import HOST, free_port, run, serve
from tests.providers.openai_server import Asked
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.behaviour import Behaviour
from tests.providers.vendors.deepgram import DeepgramNova
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.openai import OpenAI, Reply
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY, serving
from tests.toolbox.test_box import McpServer, answer
from tests.webhooks.server import Endpoint, Received, listening

BOOKING_KEY = "booking-key-123456"
QUIET: dict[str, Any] = {"texts": []}
"""No fillers: what is said shall not depend on how busy the machine is."""

GREETING = "Hello, this is Bright Optics. How can I help you?"
OFFER = (
    "On Tuesday we could see you at nine or at ten or at half past two in the afternoon."
    " Which one of these times would suit you best on that day if I may ask you right now?"
)
BOOKED = "Friday at noon is yours and your lenses are here. Is there more?"
GOODBYE = "Gladly, one moment."

ASKS = "Please move my visit to Tuesday."
LISTENS = "mhm mhm"
INTERRUPTS = "No take Friday at noon instead."
BREAKS_OFF = frozenset({"Friday", "noon", "instead."})
"""So many that one is heard wherever enough is heard to be understood."""
WANTS_BILLING = "Yes put me through to billing."

PART = (
    Cue("you?", ASKS),
    Cue("could", LISTENS, pause=0),
    Cue("these", INTERRUPTS, pause=0),
    Cue("more?", WANTS_BILLING),
)


def agent(shop: Endpoint, crm: Endpoint) -> dict[str, Any]:
    return {
        "name": "optician",
        "prompt": "You move appointments of {{clinic}}.",
        "first_message": GREETING,
        "default_variables": {"clinic": "Bright Optics"},
        "voice": {"provider": "elevenlabs"},
        "transcriber": {"provider": "deepgram", "fallbacks": [{"provider": "assemblyai"}]},
        "model": {"provider": "openai"},
        "turn_taking": {"endpointing_delay": 0.8, "complete_delay": 0.6},
        "limits": {"max_duration": 120},
        "tools": [
            {
                "type": "http",
                "name": "find_slots",
                "description": "When somebody can come on a day.",
                "method": "GET",
                "url": f"http://{HOST}:{shop.port}/slots/{{{{arguments.day}}}}",
                "query": {"clinic": "{{clinic}}"},
                "parameters": {
                    "type": "object",
                    "properties": {"day": {"type": "string"}},
                    "required": ["day"],
                },
                "progress": QUIET,
            },
            {
                "type": "http",
                "name": "book",
                "description": "Book a time.",
                "url": f"http://{HOST}:{shop.port}/bookings",
                "headers": {"X-Api-Key": "{{secrets.BOOKING_KEY}}"},
                "body": {"when": "{{arguments.day}} {{arguments.time}}", "at": "{{clinic}}"},
                "parameters": {
                    "type": "object",
                    "properties": {"day": {"type": "string"}, "time": {"type": "string"}},
                    "required": ["day", "time"],
                },
                "progress": QUIET,
            },
            {
                "type": "mcp",
                "name": "shop",
                "url": f"http://{HOST}:{crm.port}/mcp",
                "progress": QUIET,
            },
            {
                "type": "transfer",
                "targets": [{"name": "billing", "to": "+14155550123"}],
                "progress": QUIET,
            },
        ],
    }


class Clerk(OpenAI):
    """A model that says what the last words or the last result of a tool call for."""

    def reply_to(self, asked: Asked) -> Reply:
        messages = asked.json()["messages"]
        assert isinstance(messages, list)
        last = messages[-1]
        match last["role"], last["content"]:
            case "user", str(said) if understood(said, ASKS):
                return Reply(tool="find_slots", arguments={"day": "tuesday"})
            case "user", str(said) if understood(said, INTERRUPTS):
                return Reply(tool="book", arguments={"day": "friday", "time": "noon"})
            case "user", str(said) if understood(said, WANTS_BILLING):
                return Reply(GOODBYE, "transfer_call", {"target": "billing"})
            case "tool", str(result) if "nine" in result:
                return Reply(OFFER)
            case "tool", str(result) if "booked" in result:
                return Reply(tool="shop_stock", arguments={"item": "lenses"})
            case "tool", "three":
                return Reply(BOOKED)
        return Reply(PARDON)


def understood(heard: str, said: str) -> bool:
    """Whether most words came through, in order: a busy machine drops some of a line's sound."""
    return len(common(heard.split(), said.split())) > len(said.split()) / 2


def common(heard: Sequence[str], said: Sequence[str]) -> list[str]:
    """The words of both that are in the same order."""
    matcher = SequenceMatcher(None, heard, said, autojunk=False)
    return [
        heard[at] for at, _, size in matcher.get_matching_blocks() for at in range(at, at + size)
    ]


async def keep_shop(received: Received, writer: asyncio.StreamWriter) -> None:
    """The customer's server, which both HTTP tools ask."""
    slots = received.request_line.startswith("GET")
    result: dict[str, object] = {"free": ["nine", "ten"]} if slots else {"booked": True}
    writer.write(answer(200, json.dumps(result).encode()))


async def spoken(text: str) -> bytes:
    """Real speech, which a line takes for a voice."""
    async with ConfiguredProviders(ProviderSettings()) as providers:
        voice = providers.text_to_speech("local")
        pieces = [
            piece async for piece in pcm_of(voice.speak(text, VoiceSettings(), language="en"))
        ]
    loud = np.abs(np.frombuffer(b"".join(pieces), "<i2")) > 200
    first, last = np.flatnonzero(loud)[[0, -1]]
    return b"".join(pieces)[2 * first : 2 * last]


@dataclass
class World:
    """All that is outside of Strowger."""

    callee: CodedCallee
    agents_tongue: Tongue
    callees_tongue: Tongue
    port: int = field(default_factory=free_port)
    """Of the callee's telephone."""
    environment: dict[str, str] = field(default_factory=dict)
    deepgram: DeepgramNova = field(default_factory=DeepgramNova)
    assemblyai: AssemblyAI = field(default_factory=AssemblyAI)
    model: Clerk = field(default_factory=Clerk)
    mcp: McpServer = field(default_factory=McpServer)
    shop: Endpoint = field(default_factory=Endpoint)
    crm: Endpoint = field(default_factory=Endpoint)

    async def live(self, ready: threading.Event, stop: threading.Event) -> None:
        hearing = Behaviour(ear=lambda: Ear(self.callees_tongue), interim_every=1.0)
        speaking = Behaviour(speak=self.agents_tongue.speak, timing=self.agents_tongue.timing)
        self.deepgram.behaviour = replace(hearing, cut_at=BREAKS_OFF)
        self.assemblyai.behaviour = hearing
        settings = CalleeSettings(
            listen=(HOST, self.port), rtp_ports=(20000, 20098), transfer=TransferPlan(after=0.3)
        )
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            ears = await enter(serving(self.deepgram, self.assemblyai, ElevenLabs(speaking)))
            model = await enter(answering(self.model))
            self.shop = await enter(listening(keep_shop))
            self.crm = await enter(listening(self.mcp))
            await enter(answering_calls(self.callee, settings))
            addresses = {
                "DEEPGRAM": ears, "ASSEMBLYAI": ears, "ELEVENLABS": ears, "OPENAI": f"{model}/v1",
            }  # fmt: skip
            for name, address in addresses.items():
                self.environment[f"STROWGER_{name}_BASE_URL"] = address
                self.environment[f"STROWGER_{name}_API_KEY"] = KEY
            ready.set()
            await asyncio.to_thread(stop.wait)


@contextmanager
def world() -> Iterator[World]:
    """Lives in a thread beside the test."""
    book = CodeBook()
    agents = Tongue(book)
    under = asyncio.run(spoken("I would rather like to move along now and hear all of you again"))
    callees = Tongue(book, symbol=4 * FRAME, under=under)
    made = World(CodedCallee(callees, agents, PART), agents, callees)
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(made.live(ready, stop)))
    thread.start()
    try:
        assert ready.wait(20)
        yield made
    finally:
        stop.set()
        thread.join(20)


@dataclass
class Held:
    """The conversation, once it is over."""

    call: dict[str, Any]
    world: World
    recording: bytes
    replayed: dict[str, Any]
    """What `strowger replay --json` says."""
    log: str

    def said_by(self, role: str) -> list[str]:
        return [turn["text"] for turn in self.call["transcript"] if turn["role"] == role]

    def channel(self, number: int) -> bytes:
        with wave.open(BytesIO(self.recording)) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 8000)
            both = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return both[number::2].tobytes()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("server")
    with world() as outside, serve(folder, **outside.environment) as server:
        server.client.post("/v1/secrets", {"name": "BOOKING_KEY", "value": BOOKING_KEY})
        id = server.place(outside.port, agent(outside.shop, outside.crm))
        call = server.wait(id)
        recording = server.client.download(f"/v1/calls/{id}/recording")
        replayed = run("replay", id, "--json", "--data", str(server.data), cwd=folder)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        log = server.log.read_text()
        return Held(call, outside, recording, json.loads(replayed.stdout), log)


def test_the_transcript_is_word_for_word_what_the_callee_heard(held: Held) -> None:
    heard = held.world.callee.heard()
    assert not held.world.callee.lost, "of packets that were lost nobody knows what they said"
    assert " ".join(held.said_by("agent")).split() == heard
    assert heard[: len(GREETING.split())] == GREETING.split()


def test_a_true_interruption_cuts_the_reply_and_a_false_one_neither_loses_nor_doubles_a_word(
    held: Held,
) -> None:
    turns = [turn for turn in held.call["transcript"] if turn["role"] == "agent"]
    places = [place for place, turn in enumerate(turns) if turn["interrupted"]]
    assert places == [1, 2], [turn["text"] for turn in turns]
    before, after = (turns[place]["text"].split() for place in places)
    offered = OFFER.split()
    assert before + after == offered[: len(before + after)]
    assert "could" in before, "the callee had heard this word when he made his first sound"
    assert "these" in after
    assert "now?" not in after, "the reply was cut in the middle of a sentence"
    assert turns[3]["text"].startswith("Friday at noon is yours")


def test_the_callee_was_heard_also_in_the_turn_that_lost_its_first_recogniser(held: Held) -> None:
    heard = held.said_by("callee")
    for said in (ASKS, INTERRUPTS, WANTS_BILLING):
        assert any(understood(text, said) for text in heard), heard
    for text in heard:
        assert any(common(text.split(), cue.says.split()) == text.split() for cue in PART), text
    assert any(set(text.split()) <= set(LISTENS.split()) for text in heard), heard
    assert "'deepgram broke off'" in held.log
    assert "next=assemblyai" in held.log
    assert held.world.deepgram.visits
    assert held.world.assemblyai.visits


def test_tools_are_asked_with_what_they_want_and_stand_in_the_transcript(held: Held) -> None:
    looked, booked = held.world.shop.received
    assert looked.request_line == "GET /slots/tuesday?clinic=Bright+Optics HTTP/1.1"
    assert booked.request_line == "POST /bookings HTTP/1.1"
    assert json.loads(booked.body) == {"when": "friday noon", "at": "Bright Optics"}
    assert booked.headers["x-api-key"] == BOOKING_KEY
    assert [(use["name"], use["arguments"]) for use in held.world.mcp.called] == [
        ("stock", {"item": "lenses"})
    ]
    used = [turn for turn in held.call["transcript"] if turn["tool"] is not None]
    assert [(turn["tool"]["name"], turn["tool"]["ok"], turn["text"]) for turn in used] == [
        ("find_slots", True, '{"free": ["nine", "ten"]}'),
        ("book", True, '{"booked": true}'),
        ("shop_stock", True, "three"),
        ("transfer_call", True, "put through"),
    ]
    assert BOOKING_KEY not in json.dumps(held.call) + held.log


def test_the_callee_is_put_through(held: Held) -> None:
    assert (held.call["status"], held.call["end_reason"]) == ("completed", "transferred")
    (through,) = (what for what in held.world.callee.happened if isinstance(what, PutThrough))
    assert through == PutThrough(f"sip:+14155550123@{HOST}:{held.world.port}", 200)


def test_the_journal_replays_without_a_difference(held: Held) -> None:
    assert held.replayed["same"]
    assert held.replayed["differences"] == []
    assert held.replayed["decisions"]["then"] > 20


def test_the_recording_has_both_sides_word_for_word(held: Held) -> None:
    assert held.call["recording"]["available"]
    assert held.world.agents_tongue.hear(held.channel(1)) == held.world.callee.heard()
    callee = held.world.callees_tongue.hear(held.channel(0))
    said = " ".join(cue.says for cue in PART).split()
    assert understood(" ".join(callee), " ".join(said)), callee


def test_the_stages_of_each_answer_add_up_to_what_the_callee_waited(held: Held) -> None:
    stages = ("endpointing", "transcription", "model", "speech", "wire")
    answers = [turn["latency"] for turn in held.call["transcript"] if turn["latency"]]
    assert len(answers) >= 3
    for latency in answers:
        assert sum(latency[stage] for stage in stages) == pytest.approx(latency["total"], abs=0.003)
