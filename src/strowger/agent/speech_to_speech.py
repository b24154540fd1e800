"""A service that hears, thinks and speaks by itself, in place of three providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from strowger.agent.tagged import STRICT
from strowger.agent.values import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechToSpeechSettings:
    """Who holds the conversation, sound in and sound out."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str
    """Which configured service holds the conversation: `openai` or `elevenlabs`."""
    model: str | None = None
    """The service's name for a model; none for the configured default."""
    voice: str | None = None
    """The service's name for a voice; none for its default."""
    agent_id: str | None = None
    """For `elevenlabs`: the agent kept there."""
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    """For `elevenlabs`: its agent's dynamic variables; texts may hold `{{name}}`."""
