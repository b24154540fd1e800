"""Who speaks, thinks and listens for an agent, and who in their place where they fail."""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from strowger.agent.tagged import STRICT

Replaced = TypeVar("Replaced", "ModelSettings", "TranscriberSettings")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceFallback:
    """A voice that speaks where the one before it fails; all else stays as it is set."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str
    """Which configured speech provider speaks."""
    voice_id: str | None = None
    """The provider's name for a voice; none for its default."""
    model: str | None = None
    """The provider's name for a speech model; none for its default."""

    def instead_of(self, settings: "VoiceSettings") -> "VoiceSettings":
        """How it is asked in place of the voice with these settings, and of nobody after it."""
        return replace(
            settings,
            provider=self.provider,
            voice_id=self.voice_id,
            model=self.model,
            fallbacks=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A provider that is asked where the one before it fails; all else stays as it is set."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str
    """Which configured provider is asked."""
    model: str | None = None
    """The provider's name for a model; none for its default."""

    def instead_of(self, settings: Replaced) -> Replaced:
        """How it is asked in place of who has these settings, and of nobody after it."""
        return replace(settings, provider=self.provider, model=self.model, fallbacks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """How the agent sounds."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str = "local"
    """Which configured speech provider speaks, such as `local`, `openai` or `elevenlabs`."""
    voice_id: str | None = None
    """The provider's name for a voice; none for its default."""
    model: str | None = None
    """The provider's name for a speech model; none for its default."""
    speed: float = 1.0
    """1.0 is the voice's natural speed; from 0.5 to 2.0."""
    fallbacks: tuple[VoiceFallback, ...] = ()
    """Who says what has not been said when the voice fails, in this order."""
    fallback_after: float = 2.0
    """Seconds without a sound after which a voice counts as failed, where another is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which language model answers, and how."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str = "openai"
    """Which configured language model provider answers."""
    model: str | None = None
    """The provider's name for a model; none for the configured default."""
    temperature: float | None = None
    """0 is the most predictable; up to 2. None for the provider's default."""
    max_tokens: int | None = None
    """Longest reply, in the model's tokens."""
    fallbacks: tuple[Fallback, ...] = ()
    """Who is asked when the model fails before it has said anything, in this order."""
    fallback_after: float = 3.0
    """Seconds without a word after which a model counts as failed, where another is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriberSettings:
    """Who listens, and for what."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    provider: str = "local"
    """Which configured recogniser listens, such as `local`, `openai` or `deepgram`."""
    model: str | None = None
    """The provider's name for a model; none for its default."""
    keywords: tuple[str, ...] = ()
    """Words to expect: names, products, places."""
    fallbacks: tuple[Fallback, ...] = ()
    """Who hears a turn when the recogniser fails, all of it from its beginning, in this order."""
    fallback_after: float = 2.0
    """Seconds without an answer after which a recogniser counts as failed, where one is left."""
