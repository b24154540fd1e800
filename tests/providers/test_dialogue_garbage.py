"""Whatever a speech-to-speech service sends is an event, a refusal or garbage; never a crash."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.agent import SpeechToSpeechSettings
from strowger.conversation.events import ToolRequested
from strowger.conversation.speech_to_speech.events import Brief
from strowger.ports import Sound
from strowger.providers.elevenlabs_agents import AgentsConversation
from strowger.providers.openai_realtime import RealtimeConversation
from strowger.providers.openai_realtime_items import RealtimeConversationSettings
from strowger.providers.streamed_dialogue import DialogueSession
from strowger.providers.websocket import Garbage, VendorFailed

BRIEF = Brief(
    settings=SpeechToSpeechSettings(provider="x", agent_id="a"),
    instructions="",
    first_message="",
    waits_for_callee=False,
    language="en-US",
)
SOUND = "fn5+fg=="
FUNCTION = {"type": "function_call", "call_id": "c", "name": "book", "arguments": "{}"}
OPENAI: list[dict[str, object]] = [
    {"type": "session.updated", "session": {}},
    {"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "y"}},
    {"type": "response.created", "response": {"id": "r", "metadata": {"asked": "asked_1"}}},
    {"type": "response.done", "response": {"status": "failed", "status_details": {"error": {}}}},
    {"type": "response.output_audio.delta", "item_id": "a", "delta": SOUND},
    {"type": "response.output_audio_transcript.delta", "item_id": "a", "delta": "so"},
    {"type": "response.output_audio_transcript.done", "item_id": "a", "transcript": "so"},
    {"type": "response.output_item.done", "item": {"id": "a", "type": "message"}},
    {"type": "response.output_item.done", "item": FUNCTION},
    {"type": "input_audio_buffer.speech_started", "item_id": "b"},
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "b",
        "transcript": "yes",
    },
]
ALIGNMENT = {"chars": ["a", " "], "char_start_times_ms": [0, 5], "char_durations_ms": [5, 5]}
FORMATS = {"agent_output_audio_format": "pcm_16000", "user_input_audio_format": "ulaw_8000"}
ELEVENLABS: list[dict[str, object]] = [
    {
        "type": "conversation_initiation_metadata",
        "conversation_initiation_metadata_event": FORMATS,
    },
    {
        "type": "audio",
        "audio_event": {"audio_base_64": SOUND, "event_id": 3, "alignment": ALIGNMENT},
    },
    {"type": "agent_response", "agent_response_event": {"agent_response": "so", "event_id": 3}},
    {"type": "user_transcript", "user_transcription_event": {"user_transcript": "yes"}},
    {"type": "interruption", "interruption_event": {"event_id": 3}},
    {"type": "ping", "ping_event": {"event_id": 3, "ping_ms": 5}},
    {
        "type": "client_tool_call",
        "client_tool_call": {"tool_name": "book", "tool_call_id": "c", "parameters": {}},
    },
    {"type": "error", "error_event": {"code": 1011, "message": "x"}},
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def openai() -> DialogueSession:
    return RealtimeConversation(BRIEF, RealtimeConversationSettings(base_url="http://x"))


def elevenlabs() -> DialogueSession:
    return AgentsConversation(BRIEF)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*path, number))
    return found


@st.composite
def spoilt(draw: st.DrawFn, messages: list[dict[str, object]]) -> str:
    """A message in which up to two things are something else."""
    message = deepcopy(draw(st.sampled_from(messages)))
    for _ in range(draw(st.integers(0, 2))):
        *way, last = draw(st.sampled_from(places(message)))
        inside: Any = message
        for step in way:
            inside = inside[step]
        inside[last] = draw(ANYTHING)
    return json.dumps(message)


@pytest.mark.parametrize(
    ("make", "messages"), [(openai, OPENAI), (elevenlabs, ELEVENLABS)], ids=["openai", "elevenlabs"]
)
@given(data=st.data())
def test_any_message_is_understood_refused_or_garbage(
    make: Callable[[], DialogueSession], messages: list[dict[str, object]], data: st.DataObject
) -> None:
    session = make()
    session.begin()
    for _ in range(data.draw(st.integers(1, 6))):
        try:
            received = session.receive(data.draw(spoilt(messages)))
        except (Garbage, VendorFailed):
            return
        for event in received.events:
            if isinstance(event, ToolRequested):
                assert isinstance(event.arguments, str)
            if isinstance(event, Sound):
                assert len(event.pcm) % 2 == 0
        session.audio(bytes(960))
