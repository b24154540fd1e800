"""Checks of agents that a speech-to-speech service speaks for."""

from collections.abc import Iterator, Mapping

from strowger.agent import (
    AgentDefinition,
    ModelSettings,
    Scalar,
    SpeechToSpeechFallback,
    SpeechToSpeechSettings,
    TranscriberSettings,
    VoiceSettings,
)
from strowger.conversation.template import malformed_in

LONGEST_NAME = 200
MOST_VARIABLES = 200
MOST_FALLBACKS = 5
"""Of each kind of provider."""
EXCLUDED = "expected nothing beside speech_to_speech: the service hears, thinks and speaks"


def nothing_to_say(definition: AgentDefinition) -> bool:
    """Whether nothing tells the agent what to say: an agent kept at a service is told there."""
    if definition.flow is not None:
        return False
    service = definition.speech_to_speech
    if service is not None and all(each.agent_id is not None for each in service.chain):
        return False
    return not (definition.prompt or definition.first_message).strip()


def spoken_problems(
    definition: AgentDefinition, services: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """(field, message) for each thing that is wrong."""
    service = definition.speech_to_speech
    if service is None:
        return
    for field, given, default in (
        ("voice", definition.voice, VoiceSettings()),
        ("model", definition.model, ModelSettings()),
        ("transcriber", definition.transcriber, TranscriberSettings()),
        ("flow", definition.flow, None),
    ):
        if given != default:
            yield field, EXCLUDED
    for field, message in _service_problems(service, services):
        yield f"speech_to_speech.{field}", message
    if len(service.fallbacks) > MOST_FALLBACKS:
        problem = f"expected at most {MOST_FALLBACKS}, got {len(service.fallbacks)}"
        yield "speech_to_speech.fallbacks", problem
    for place, fallback in enumerate(service.fallbacks):
        for field, message in _service_problems(fallback, services):
            yield f"speech_to_speech.fallbacks.{place}.{field}", message


def _service_problems(
    service: SpeechToSpeechSettings | SpeechToSpeechFallback, services: frozenset[str]
) -> Iterator[tuple[str, str]]:
    if service.provider not in services:
        yield "provider", f"expected one of {', '.join(sorted(services))}"
    for field in ("model", "voice", "agent_id"):
        given: str | None = getattr(service, field)
        if given is not None and not (0 < len(given) <= LONGEST_NAME and given.isprintable()):
            yield field, f"expected a name of 1 to {LONGEST_NAME} characters"
    if service.provider == "elevenlabs":
        if service.agent_id is None:
            yield "agent_id", "expected the id of the agent that is kept at elevenlabs"
        if service.model is not None:
            yield "model", "expected none: it is the agent's at elevenlabs"
    else:
        if service.agent_id is not None:
            yield "agent_id", f"expected none: {service.provider} keeps no agents"
        if service.variables:
            yield "variables", f"expected none: {service.provider} keeps no agents"
    yield from _variable_problems(service.variables)


def _variable_problems(variables: Mapping[str, Scalar]) -> Iterator[tuple[str, str]]:
    if len(variables) > MOST_VARIABLES:
        yield "variables", f"expected at most {MOST_VARIABLES} variables, got {len(variables)}"
    for name, value in variables.items():
        for place in malformed_in(value) if isinstance(value, str) else ():
            yield f"variables.{name}", f"{place!r} names no variable: expected {{{{name}}}}"
