"""What speech and language services offer."""

from typing import Literal

from strowger.api.shapes import Strict


class Voice(Strict):
    """A voice that agents can have."""

    provider: str
    """For `voice.provider` of an agent."""
    voice_id: str
    """For `voice.voice_id` of an agent."""
    default: bool
    """Whether agents have it that name the provider only."""


class VoiceList(Strict):
    """Every voice of the providers that can be used here."""

    data: tuple[Voice, ...]
    """The voices."""


class Model(Strict):
    """A provider of speech, recognition or language."""

    kind: Literal["speech_to_text", "language_model", "text_to_speech", "speech_to_speech"]
    """What it does."""
    provider: str
    """Its name, for `model.provider` and the like of an agent."""
    available: bool
    """Whether it can be used here."""
    problem: str | None
    """Why it cannot."""
    default: str | None
    """The model or voice of agents that name none."""


class ModelList(Strict):
    """The providers that this server knows."""

    data: tuple[Model, ...]
    """The providers."""
