"""Vocode's actions, as its clients send them: what an agent may do, and what triggers it."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from strowger.api.dialects.vocode.shapes import Json


def _object_schema(schema: Json) -> Json:
    if schema.get("type", "object") != "object":
        raise PydanticCustomError("value_error", "Input should be the JSON schema of an object")
    return schema


@dataclass(frozen=True, slots=True)
class Nothing:
    """A configuration that has no fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallTrigger:
    """The model decides."""

    type: Literal["action_trigger_function_call"] = "action_trigger_function_call"
    config: Nothing = field(default_factory=Nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseTrigger:
    phrase: str
    conditions: list[Literal["phrase_condition_type_contains"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseTriggers:
    phrase_triggers: list[PhraseTrigger]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseBasedTrigger:
    """The agent has said one of the phrases."""

    type: Literal["action_trigger_phrase_based"]
    config: PhraseTriggers


def _triggered(trigger: object) -> object:
    """The published client sends no type here, unless its user writes it out: `config` tells."""
    if not isinstance(trigger, dict) or "type" in trigger:
        return trigger
    by_phrase = "phrase_triggers" in (trigger.get("config") or {})
    kind = "action_trigger_phrase_based" if by_phrase else "action_trigger_function_call"
    return {**trigger, "type": kind}


OnlyModelTriggers = Annotated[FunctionCallTrigger, BeforeValidator(_triggered)]
Trigger = Annotated[
    Annotated[FunctionCallTrigger | PhraseBasedTrigger, Field(discriminator="type")],
    BeforeValidator(_triggered),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTarget:
    phone_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceTarget:
    phone_number: str
    place_primary_on_hold: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRequest:
    processing_mode: Literal["muted"] = "muted"
    name: str
    description: str
    url: str
    input_schema: Annotated[Json, AfterValidator(_object_schema)]
    speak_on_send: bool
    speak_on_receive: bool
    signature_secret: str = ""
    """Base64 of 32 bytes, made by the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCall:
    type: Literal["action_transfer_call"]
    config: TransferTarget
    action_trigger: Trigger = field(default_factory=FunctionCallTrigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndConversation:
    type: Literal["action_end_conversation"]
    config: Nothing = field(default_factory=Nothing)
    action_trigger: Trigger = field(default_factory=FunctionCallTrigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf:
    type: Literal["action_dtmf"]
    config: Nothing = field(default_factory=Nothing)
    action_trigger: OnlyModelTriggers = field(default_factory=FunctionCallTrigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddToConference:
    type: Literal["action_add_to_conference"]
    config: ConferenceTarget
    action_trigger: Trigger = field(default_factory=FunctionCallTrigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHold:
    type: Literal["action_set_hold"]
    config: Nothing = field(default_factory=Nothing)
    action_trigger: Trigger = field(default_factory=FunctionCallTrigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    type: Literal["action_external"]
    config: ExternalRequest
    action_trigger: OnlyModelTriggers = field(default_factory=FunctionCallTrigger)


Action = Annotated[
    TransferCall | EndConversation | Dtmf | AddToConference | SetHold | External,
    Field(discriminator="type"),
]
