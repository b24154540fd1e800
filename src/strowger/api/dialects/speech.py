"""Vendors' names of voices and models, as settings of providers that are here.

A vendor's client names voices of that vendor, which Strowger has not. A name that one of the
configured providers knows is taken, `PROVIDER/VOICE` as well; any other leaves the choice to the
server's default, and comes back to the client as it was given.
"""

from strowger.agent import ModelSettings, VoiceSettings
from strowger.api.dialects.endpoints import Asked
from strowger.ports import ProviderDescription

MAKERS = (
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("chatgpt", "openai"),
    ("claude", "anthropic"),
    ("gemini", "google"),
)
"""How the names of a maker's models begin."""


async def voice_named(asked: Asked, name: str | None) -> VoiceSettings:
    """The voice of this name, or the default one."""
    if not name:
        return VoiceSettings()
    provider, slash, voice = name.partition("/")
    for offer in await _offers(asked, "text_to_speech"):
        if name in offer.voices:
            return VoiceSettings(provider=offer.name, voice_id=name)
        if slash and provider == offer.name:
            return VoiceSettings(provider=offer.name, voice_id=voice)
    return VoiceSettings()


async def model_named(asked: Asked, name: str | None) -> ModelSettings:
    """The model of this name where its maker is configured here, or the default one."""
    if not name:
        return ModelSettings()
    bare = name.rpartition("/")[2]
    maker = next((maker for begins, maker in MAKERS if bare.lower().startswith(begins)), None)
    for offer in await _offers(asked, "language_model"):
        if offer.name == maker:
            return ModelSettings(provider=offer.name, model=bare)
    return ModelSettings()


async def _offers(asked: Asked, kind: str) -> list[ProviderDescription]:
    described = await asked.services.catalogue.describe()
    return [offer for offer in described if offer.kind.value == kind and offer.available]
