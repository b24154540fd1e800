"""Providers with their fallbacks, as calls ask for them.

Each is asked with those that its settings fall back to; what is known of their health is shared by
all calls. A call that wants to know who answers it has chains of its own.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import LanguageModel, ProviderWatch, SpeechToText, TextToSpeech
from strowger.providers.candidates import Health
from strowger.providers.fallback_ears import FallbackEars
from strowger.providers.fallback_model import FallbackModel
from strowger.providers.fallback_voice import FallbackVoice
from strowger.providers.streamed_ears import StreamedEars
from strowger.providers.streamed_voice import StreamedVoice

TRIES = 2
"""How often what streams is asked itself: a connection may break that the next would not."""


class OwnProviders(Protocol):
    """Those without their fallbacks. An unknown name raises ProviderError."""

    def own_ears(self, name: str) -> SpeechToText: ...
    def own_voice(self, name: str) -> TextToSpeech: ...
    def own_model(self, name: str) -> LanguageModel: ...


class Chains:
    """The port `Providers`."""

    def __init__(self, own: OwnProviders, health: Mapping[ProviderKind, Health]) -> None:
        self._own = own
        self._health = health

    def watched(self, by: ProviderWatch) -> "Chains":
        return Chains(self._own, {kind: of.watched(by) for kind, of in self._health.items()})

    def speech_to_text(self, name: str) -> SpeechToText:
        tries = TRIES if isinstance(self._own.own_ears(name), StreamedEars) else 1
        health = self._health[ProviderKind.SPEECH_TO_TEXT]
        return FallbackEars(name, self._own.own_ears, health, tries=tries)

    def text_to_speech(self, name: str) -> TextToSpeech:
        tries = TRIES if isinstance(self._own.own_voice(name), StreamedVoice) else 1
        health = self._health[ProviderKind.TEXT_TO_SPEECH]
        return FallbackVoice(name, self._own.own_voice, health, tries=tries)

    def language_model(self, name: str) -> LanguageModel:
        self._own.own_model(name)
        return FallbackModel(name, self._own.own_model, self._health[ProviderKind.LANGUAGE_MODEL])

    def fallback_voice(self) -> TextToSpeech | None:
        """A voice that needs no network, where one is installed."""
        for name in ("local", "flite"):
            with suppress(ProviderError):
                return self.text_to_speech(name)
        return None
