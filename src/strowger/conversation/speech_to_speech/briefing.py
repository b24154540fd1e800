"""What a service is told of an agent and a call, with its variables filled in."""

from collections.abc import Mapping, Sequence

from strowger.agent import AgentDefinition, Scalar, SpeechToSpeechSettings
from strowger.conversation.dialogue import Message, OfferedTool
from strowger.conversation.speech_to_speech.events import Brief
from strowger.conversation.template import render, render_speech


def settings_of(definition: AgentDefinition) -> SpeechToSpeechSettings:
    """Raises ValueError for an agent that no service holds the conversation of."""
    if definition.speech_to_speech is None:
        raise ValueError(f"{definition.name} has no speech_to_speech")
    return definition.speech_to_speech


def greeting_of(definition: AgentDefinition, variables: Mapping[str, Scalar]) -> str:
    return render_speech(definition.first_message, variables)


def brief_of(
    definition: AgentDefinition,
    settings: SpeechToSpeechSettings,
    variables: Mapping[str, Scalar],
    tools: Sequence[OfferedTool],
    dialogue: Sequence[Message],
    *,
    goes_on: bool,
) -> Brief:
    """`settings` are those of the one of the agent's services that is told."""
    return Brief(
        settings=settings,
        instructions=render(definition.prompt, variables),
        first_message=greeting_of(definition, variables),
        waits_for_callee=definition.turn_taking.who_speaks_first == "callee",
        language=definition.language,
        tools=tuple(tools),
        variables={
            name: render(value, variables) if isinstance(value, str) else value
            for name, value in settings.variables.items()
        },
        interruptible=definition.turn_taking.interruptible,
        endpointing_delay=definition.turn_taking.endpointing_delay,
        dialogue=tuple(dialogue),
        goes_on=goes_on,
    )
