"""What Vocode's clients send, by the specification of 2024-08-27, and by that of 2023-08-22.

Numbers may come as text, unknown fields are ignored, and every field has the default that the
vendor documents: so a thing that was read is the thing as it is answered, all but its ids.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

Json = dict[str, object]


def _uuid(text: str) -> str:
    """The canonical form of a UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise PydanticCustomError("uuid_parsing", "Input should be a valid UUID") from error


def _written(value: object) -> object:
    """Values of contexts are texts; other scalars become some."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value) if isinstance(value, int | float) else value


def _unless_undefined(value: object) -> object:
    """`{}` is the clients' word for nothing given."""
    return None if value == {} else value


Reference = Annotated[str, AfterValidator(_uuid)]
Text = Annotated[str, BeforeValidator(_written)]


# ── prompts ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectField:
    field_type: Literal["field_type_email"]
    label: str
    name: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    id: Reference
    user_id: Reference
    required_context_keys: list[str]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    content: str = ""
    collect_fields: list[CollectField] | None = None
    context_endpoint: str | None = None
    prompt_template: PromptTemplate | None = None


# ── voices ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureVoice:
    type: Literal["voice_azure"]
    voice_name: str
    pitch: int = 0
    rate: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class RimeVoice:
    type: Literal["voice_rime"]
    speaker: str
    speed_alpha: float | None = None
    model_id: Annotated[Literal["mist", "v1"] | None, BeforeValidator(_unless_undefined)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevenLabsVoice:
    type: Literal["voice_eleven_labs"]
    voice_id: str
    stability: float | None = None
    similarity_boost: float | None = None
    api_key: str | None = None
    optimize_streaming_latency: int | None = None
    model_id: str | None = None
    experimental_input_streaming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayHtVoice:
    type: Literal["voice_play_ht"]
    voice_id: str
    api_user_id: str | None = None
    api_key: str | None = None
    version: Literal["1", "2"] = "2"
    speed: float | None = None
    quality: Literal["faster", "draft", "low", "medium", "high", "premium"] | None = None
    temperature: float | None = None
    top_p: float | None = None
    text_guidance: float | None = None
    voice_guidance: float | None = None
    experimental_remove_silence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VocodeVoice:
    type: Literal["voice_vocode"]
    voice_id: Literal["joe"]


Voice = Annotated[
    AzureVoice | RimeVoice | ElevenLabsVoice | PlayHtVoice | VocodeVoice,
    Field(discriminator="type"),
]
HOUSE_VOICE: Mapping[str, object] = {"type": "voice_vocode", "voice_id": "joe"}
"""The vendor's own voice, which stands for the server's default."""


# ── webhooks, connections, vector databases ──────────────────────────────────────────────────

EventType = Literal[
    "event_message",
    "event_action",
    "event_phone_call_connected",
    "event_phone_call_ended",
    "event_phone_call_did_not_connect",
    "event_transcript",
    "event_recording",
    "event_human_detection",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    subscriptions: list[EventType]
    url: str
    method: Literal["GET", "POST"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioCredentials:
    twilio_account_sid: str
    twilio_auth_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioConnection:
    type: Literal["account_connection_twilio"]
    credentials: TwilioCredentials
    steering_pool: list[str] = field(default_factory=list)
    account_supports_any_caller_id: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICredentials:
    openai_api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIConnection:
    type: Literal["account_connection_openai"]
    credentials: OpenAICredentials


AccountConnection = Annotated[TwilioConnection | OpenAIConnection, Field(discriminator="type")]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorDatabase:
    type: Literal["vector_database_pinecone"]
    index: str
    api_key: str
    api_environment: str


# ── agents, numbers, calls ───────────────────────────────────────────────────────────────────

Language = Literal["en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmFallback:
    provider: Literal["openai", "azure"]
    model_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent whose parts are kept already and named by their ids, as lists show it."""

    name: str | None = None
    prompt: Reference
    language: Language = "en"
    actions: list[Reference] = field(default_factory=list)
    voice: Reference
    initial_message: str | None = None
    webhook: Reference | None = None
    vector_database: Reference | None = None
    interrupt_sensitivity: Literal["low", "high"] = "low"
    context_endpoint: str | None = None
    noise_suppression: bool = False
    endpointing_sensitivity: Literal["auto", "relaxed", "sensitive"] = "auto"
    ivr_navigation_mode: Literal["default", "off"] = "off"
    conversation_speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    initial_message_delay: Annotated[float, Field(ge=0.0)] = 0.0
    openai_model_name_override: str | None = None
    ask_if_human_present_on_idle: bool = False
    openai_account_connection: Reference | None = None
    run_do_not_call_detection: bool = False
    llm_fallback: LlmFallback | None = None
    deepgram_keywords: dict[str, float] | None = None
    idle_time_seconds: Annotated[int, Field(ge=1)] | None = None
    llm_temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNumber:
    """`POST /v1/numbers/link`."""

    phone_number: str
    telephony_account_connection: Reference
    outbound_only: bool = False
    inbound_agent: str | Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRest:
    """What of a number Strowger has no place for."""

    outbound_only: bool = False
    example_context: dict[str, Text] | None = None
    label: str = ""
    inbound_agent: str | Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """`POST /v1/calls/create`."""

    from_number: str
    to_number: str
    agent: str | Json
    on_no_human_answer: Literal["continue", "hangup"] = "continue"
    run_do_not_call_detection: bool | None = None
    hipaa_compliant: bool = False
    context: dict[str, Text] | None = None
    telephony_params: dict[str, Text] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringNumber:
    phone_number: str


# ── queries ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ById:
    id: Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ByNumber:
    phone_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    size: Annotated[int, Field(ge=1)] = 10
    sort_column: str | None = None
    sort_desc: bool = False
