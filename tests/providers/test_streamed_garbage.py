"""Whatever recognisers, voices and models send is a result, a refusal or garbage; never a crash."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.agent import VoiceSettings
from strowger.providers.anthropic import MessagesReply
from strowger.providers.assemblyai import AssemblyAISession
from strowger.providers.cartesia import CartesiaSession, CartesiaSettings
from strowger.providers.deepgram import DeepgramSession
from strowger.providers.deepgram_aura import AuraSession
from strowger.providers.deepgram_flux import FluxSession
from strowger.providers.elevenlabs import ElevenLabsSession
from strowger.providers.google import GeminiReply
from strowger.providers.openai_chat import ChatReply
from strowger.providers.openai_realtime_ears import RealtimeSession
from strowger.providers.soniox import SonioxSession
from strowger.providers.streamed_ears import EarSession
from strowger.providers.streamed_model import ReplyReader
from strowger.providers.streamed_voice import VoiceSession
from strowger.providers.websocket import Garbage, VendorFailed
from tests.providers.test_dialogue_garbage import SOUND, spoilt

Messages = list[dict[str, object]]
WORD = {"text": "so", "word": "so", "start": 0.1, "end": 0.4, "confidence": 0.9}
SPELLED = {"chars": ["s", "o"], "charStartTimesMs": [0, 5], "charDurationsMs": [5, 5]}
TIMES = {"words": ["so"], "start": [0.0], "end": [0.2]}
FUNCTION = {"name": "book", "arguments": "{}"}

EARS: dict[Callable[[], EarSession], Messages] = {
    AssemblyAISession: [
        {
            "type": "Turn", "turn_order": 0, "words": [WORD], "transcript": "so",
            "end_of_turn": True,
        },
        {"error": "no", "error_code": 1008},
    ],
    DeepgramSession: [
        {
            "type": "Results", "start": 0.0, "duration": 1.0, "is_final": True,
            "from_finalize": True, "speech_final": True,
            "channel": {"alternatives": [{"transcript": "so", "words": [WORD]}]},
        },
        {"type": "UtteranceEnd"},
        {"type": "Error", "description": "no"},
    ],
    FluxSession: [
        {
            "type": "TurnInfo", "event": "EndOfTurn", "transcript": "so", "turn_index": 0,
            "audio_window_end": 1.0, "words": [WORD],
        },
        {"type": "Error", "code": "no", "description": "no"},
    ],
    SonioxSession: [
        {"tokens": [{"text": "so", "start_ms": 0, "end_ms": 5, "is_final": True}]},
        {"tokens": [{"text": "<fin>", "is_final": True}]},
        {"error_code": 400, "error_message": "no"},
    ],
    RealtimeSession: [
        {"type": "input_audio_buffer.committed", "item_id": "a"},
        {
            "type": "conversation.item.input_audio_transcription.delta", "item_id": "a",
            "delta": "so",
        },
        {
            "type": "conversation.item.input_audio_transcription.completed", "item_id": "a",
            "transcript": "so",
        },
        {"type": "error", "error": {"type": "server_error", "code": "x", "message": "no"}},
    ],
}  # fmt: skip


def cartesia() -> VoiceSession:
    return CartesiaSession(CartesiaSettings())


VOICES: dict[Callable[[], VoiceSession], Messages] = {
    cartesia: [
        {"type": "chunk", "context_id": "c1", "data": SOUND, "done": False},
        {"type": "timestamps", "context_id": "c1", "word_timestamps": TIMES},
        {"type": "done", "context_id": "c1"},
        {"type": "error", "context_id": "c1", "status_code": 400, "message": "no"},
    ],
    ElevenLabsSession: [
        {"audio": SOUND, "contextId": "1", "alignment": SPELLED},
        {"isFinal": True, "contextId": "1"},
        {"error": "no", "message": "no", "code": 1008},
    ],
    AuraSession: [{"type": "Flushed"}, {"type": "Error", "description": "no"}],
}
MODELS: dict[Callable[[], ReplyReader], Messages] = {
    ChatReply: [
        {"choices": [{"delta": {"content": "so"}, "finish_reason": None}]},
        {
            "choices": [{
                "delta": {"tool_calls": [{"index": 0, "id": "c", "function": FUNCTION}]},
                "finish_reason": "stop",
            }],
        },
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
        {"error": {"message": "no"}},
    ],
    MessagesReply: [
        {"type": "message_start", "message": {"usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
        {
            "type": "content_block_start", "index": 1,
            "content_block": {"type": "tool_use", "id": "c", "name": "book"},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "so"}},
        {
            "type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "message_delta", "delta": {"stop_reason": "x"}, "usage": {"output_tokens": 1}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "no"}},
    ],
    lambda: GeminiReply(1, {}): [
        {
            "candidates": [{
                "content": {"parts": [
                    {"text": "so"},
                    {"functionCall": {"name": "book", "args": {"a": 1}}, "thoughtSignature": "x"},
                ]},
                "finishReason": "STOP",
            }],
            "usageMetadata": {"promptTokenCount": 1},
        },
        {"promptFeedback": {"blockReason": "x"}},
        {"error": {"code": 400, "message": "no"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("make", EARS, ids=lambda make: make.__name__)
@given(data=st.data())
def test_any_message_of_a_recogniser_is_a_result_a_refusal_or_garbage(
    make: Callable[[], EarSession], data: st.DataObject
) -> None:
    session = make()
    session.begin()
    for _ in range(data.draw(st.integers(1, 5))):
        session.audio(bytes(1600))
        session.flush()
        try:
            session.receive(data.draw(spoilt(EARS[make])))
        except (Garbage, VendorFailed):
            return
    session.so_far()


@pytest.mark.parametrize("make", VOICES, ids=lambda make: make.__name__)
@given(data=st.data())
def test_any_message_of_a_voice_is_sound_a_refusal_or_garbage(
    make: Callable[[], VoiceSession], data: st.DataObject
) -> None:
    session = make()
    session.speak("So.", VoiceSettings(), "en-US")
    for _ in range(data.draw(st.integers(1, 5))):
        try:
            session.receive(data.draw(spoilt(VOICES[make])))
        except (Garbage, VendorFailed):
            return


@pytest.mark.parametrize("make", MODELS, ids=["openai", "anthropic", "google"])
@given(data=st.data())
def test_any_message_of_a_model_is_text_a_refusal_or_garbage(
    make: Callable[[], ReplyReader], data: st.DataObject
) -> None:
    reply = make()
    for _ in range(data.draw(st.integers(1, 5))):
        try:
            assert reply.take(data.draw(spoilt(MODELS[make]))).encode() is not None
        except (Garbage, VendorFailed):
            return
    for call in reply.tool_calls():
        assert call.name


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (lambda text: AssemblyAISession().receive(text), '{"error": %s}'),
        (lambda text: MessagesReply().take(text), '{"type": "error", "error": {"message": %s}}'),
        (
            lambda text: GeminiReply(1, {}).take(text),
            '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"a","args":{"a":%s}}}]}}]}',
        ),
        (lambda text: ElevenLabsSession().receive(text), '{"error": %s}'),
    ],
    ids=["assemblyai", "anthropic", "google", "elevenlabs"],
)
def test_what_is_nested_as_deep_as_can_be_read_is_no_crash(
    take: Callable[[str], object], message: str
) -> None:
    for depth in range(900, 1024, 7):
        with suppress(Garbage, VendorFailed):
            take(message % ("[" * depth + "]" * depth))
