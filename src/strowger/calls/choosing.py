"""Which providers a call begins with: those that its agent names or, where one of them is not
there, the next of its fallbacks.

Not there is what has no key, no file or no program. What fails when it is asked is not decided
here: that is found out on the call, and the providers themselves go on with the next.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from strowger.agent import (
    AgentDefinition,
    ModelSettings,
    SpeechToSpeechSettings,
    TranscriberSettings,
    VoiceSettings,
)
from strowger.calls.listening import Ear
from strowger.calls.replying import Mind
from strowger.calls.speaking import Voice
from strowger.calls.switching import Switches
from strowger.conversation.events import ProviderKind
from strowger.conversation.flow import needs_model
from strowger.errors import ProviderError
from strowger.ports import LanguageModel, Providers, SpeechServices, TurnJudge

log = structlog.get_logger()

Settings = TypeVar("Settings", TranscriberSettings, ModelSettings, VoiceSettings)
Chained = TypeVar(
    "Chained", TranscriberSettings, ModelSettings, VoiceSettings, SpeechToSpeechSettings
)
Provider = TypeVar("Provider")


def ear_of(
    agent: AgentDefinition,
    providers: Providers,
    judge: TurnJudge | None = None,
    *,
    switches: Switches | None = None,
) -> Ear:
    """Raises ProviderError where no recogniser of the agent's is there."""
    settings = _within_patience(agent.transcriber, agent)
    chain = [settings, *(each.instead_of(settings) for each in settings.fallbacks)]
    kind = ProviderKind.SPEECH_TO_TEXT
    recogniser, settings = _first_there(kind, chain, providers.speech_to_text, switches)
    return Ear(recogniser, settings, agent.language, judge)


def voice_of(
    agent: AgentDefinition, providers: Providers, *, switches: Switches | None = None
) -> Voice:
    """Raises ProviderError where no voice of the agent's is there."""
    settings = _within_patience(agent.voice, agent)
    chain = [settings, *(each.instead_of(settings) for each in settings.fallbacks)]
    kind = ProviderKind.TEXT_TO_SPEECH
    voice, settings = _first_there(kind, chain, providers.text_to_speech, switches)
    fallback, patience = providers.fallback_voice(), agent.limits.provider_deadline
    return Voice(voice, settings, agent.language, fallback, patience)


def mind_of(
    agent: AgentDefinition, providers: Providers, *, switches: Switches | None = None
) -> Mind | None:
    """None for an agent that asks no model. Raises ProviderError where none of its is there."""
    if not needs_model(agent):
        return None
    settings = _within_patience(agent.model, agent)
    model, settings = model_of(settings, providers, switches=switches)
    return Mind(model, settings)


def model_of(
    settings: ModelSettings, providers: Providers, *, switches: Switches | None = None
) -> tuple[LanguageModel, ModelSettings]:
    """Raises ProviderError where neither the model nor one of its fallbacks is there."""
    chain = [settings, *(each.instead_of(settings) for each in settings.fallbacks)]
    return _first_there(ProviderKind.LANGUAGE_MODEL, chain, providers.language_model, switches)


def service_of(
    settings: SpeechToSpeechSettings, services: SpeechServices, *, switches: Switches | None = None
) -> SpeechToSpeechSettings:
    """Who is to hold the call first. Raises ProviderError where none of them is there."""
    chain = [settings, *(each.instead_of(settings) for each in settings.fallbacks)]
    kind = ProviderKind.SPEECH_TO_SPEECH
    return _first_there(kind, chain, services.speech_to_speech, switches)[1]


def _within_patience(settings: Settings, agent: AgentDefinition) -> Settings:
    """With fallbacks that take over before the conversation gives the provider up."""
    patience = agent.limits.provider_deadline
    if settings.fallback_after < patience:
        return settings
    return replace(settings, fallback_after=patience / 2)


def _first_there(
    kind: ProviderKind,
    chain: list[Chained],
    find: Callable[[str], Provider],
    switches: Switches | None,
) -> tuple[Provider, Chained]:
    """The first provider that is there, with those after it as its fallbacks."""
    missing: dict[str, ProviderError] = {}
    if switches is not None:
        switches.begin(kind, chain[0].provider)
    for place, settings in enumerate(chain):
        following = chain[0].fallbacks[place:]
        try:
            provider = find(settings.provider)
        except ProviderError as problem:
            log.warning(
                "call.provider_missing",
                kind=kind.value,
                provider=settings.provider,
                problem=str(problem),
                next=following[0].provider if following else None,
            )
            missing[settings.provider] = problem
        else:
            if switches is not None:
                problems = {name: str(problem) for name, problem in missing.items()}
                switches.provider_used(kind, settings.provider, problems)
            return provider, replace(settings, fallbacks=following)
    if len(missing) == 1:
        raise next(iter(missing.values()))
    told = "; ".join(map(str, missing.values()))
    raise ProviderError(f"no {kind.replace('_', ' ')} provider is there: {told}", retryable=False)
