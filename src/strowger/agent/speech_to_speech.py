"""A service that hears, thinks and speaks by itself, in place of three providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from strowger.agent.tagged import STRICT
from strowger.agent.values import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechToSpeechFallback:
    """A service that holds the conversation where the one before it fails."""

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

    def instead_of(self, settings: "SpeechToSpeechSettings") -> "SpeechToSpeechSettings":
        """How it is asked in place of the service with these settings, and of nobody after it."""
        return replace(
            settings,
            provider=self.provider,
            model=self.model,
            voice=self.voice,
            agent_id=self.agent_id,
            variables=self.variables,
            fallbacks=(),
        )


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
    fallbacks: tuple[SpeechToSpeechFallback, ...] = ()
    """Who goes on when the service cannot be connected or fails twice in a row, in this order;
    one that cannot be told a conversation only before anything was said."""

    @property
    def chain(self) -> "tuple[SpeechToSpeechSettings, ...]":
        """The service by itself and each that may take its place, in their order."""
        alone = replace(self, fallbacks=())
        return (alone, *(each.instead_of(self) for each in self.fallbacks))
