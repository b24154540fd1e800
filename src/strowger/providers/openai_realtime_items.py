"""What OpenAI's Realtime API is told: its session, and the items of a conversation. Pure.

https://developers.openai.com/api/reference/resources/realtime/client-events
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from strowger.conversation.dialogue import Message, OfferedTool, Role
from strowger.conversation.speech_to_speech.events import Brief
from strowger.providers.openai_hints import hints
from strowger.providers.websocket import Frame, to_json

DEFAULT_MODEL = "gpt-realtime-2.1"
DEFAULT_VOICE = "marin"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeConversationSettings:
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    model: str = DEFAULT_MODEL
    voice: str = DEFAULT_VOICE
    transcription_model: str = "gpt-transcribe"
    """What tells the callee's words: the model itself hears sound."""


def session_of(brief: Brief, settings: RealtimeConversationSettings) -> Mapping[str, object]:
    """µ-law both ways; the service detects turns, answers them, and may be interrupted."""
    instructions = _instructions(brief)
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        **({"instructions": instructions} if instructions else {}),
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {
                    "model": settings.transcription_model,
                    **hints(settings.transcription_model, brief.language),
                },
                "turn_detection": {
                    "type": "server_vad",
                    "silence_duration_ms": round(1000 * brief.endpointing_delay),
                    "create_response": True,
                    "interrupt_response": brief.interruptible,
                },
            },
            "output": {
                "format": {"type": "audio/pcmu"},
                "voice": brief.settings.voice or settings.voice,
            },
        },
        "tools": [tool_of(tool) for tool in brief.tools],
        "tool_choice": "auto",
    }


def _instructions(brief: Brief) -> str:
    if not (brief.waits_for_callee and brief.first_message):
        return brief.instructions
    opening = "When the caller has said hello, begin with exactly these words: "
    return f"{brief.instructions}\n\n{opening}{brief.first_message}".strip()


def tool_of(tool: OfferedTool) -> Mapping[str, object]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def created(item: Mapping[str, object]) -> Frame:
    return to_json(type="conversation.item.create", item=item)


def text_item(role: Role, text: str) -> Mapping[str, object]:
    kind = "output_text" if role is Role.ASSISTANT else "input_text"
    return {"type": "message", "role": role.value, "content": [{"type": kind, "text": text}]}


def output(call: str, result: str) -> Mapping[str, object]:
    return {"type": "function_call_output", "call_id": call, "output": result}


def items_of(message: Message) -> list[Mapping[str, object]]:
    """How a message of an earlier connection's dialogue is told."""
    if message.role is Role.TOOL:
        return [output(message.tool_call_id or "", message.text)]
    items = [text_item(message.role, message.text)] if message.text else []
    for call in message.tool_calls:
        items.append(
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return items
