"""Both kinds of conversation, for what does not care which: journals, and what holds them again."""

from collections.abc import Mapping
from typing import TypeGuard, get_args

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation.conversation import Conversation
from strowger.conversation.events import Effect, Event
from strowger.conversation.speech_to_speech.events import SpokenEffect, SpokenEvent
from strowger.conversation.speech_to_speech.machine import SpokenConversation
from strowger.errors import DamagedJournal, InvalidRequest

AnyEvent = Event | SpokenEvent
AnyEffect = Effect | SpokenEffect
AnyConversation = Conversation | SpokenConversation

_CASCADE, _SPOKEN = frozenset(get_args(Event)), frozenset(get_args(SpokenEvent))


def events_of(definition: AgentDefinition) -> Mapping[str, type[AnyEvent]]:
    """By name, what the conversations of such an agent are told."""
    kinds: tuple[type[AnyEvent], ...] = (
        get_args(Event) if definition.speech_to_speech is None else get_args(SpokenEvent)
    )
    return {kind.__name__: kind for kind in kinds}


def conversation_of(
    definition: AgentDefinition, variables: Mapping[str, Scalar]
) -> AnyConversation:
    """Raises DamagedJournal for an agent that cannot be run."""
    if definition.speech_to_speech is not None:
        return SpokenConversation(definition, variables)
    try:
        return Conversation(definition, variables)
    except InvalidRequest as problem:
        raise DamagedJournal(f"the journal's agent cannot be run: {problem}") from problem


def tell(conversation: AnyConversation, event: AnyEvent, *, now: float) -> list[AnyEffect]:
    """Raises DamagedJournal for what this kind of conversation is never told."""
    if isinstance(conversation, Conversation):
        if is_of_cascade(event):
            return [*conversation.receive(event, now=now)]
    elif _is_of_service(event):
        return [*conversation.receive(event, now=now)]
    raise DamagedJournal(f"the journal's agent is not told of {type(event).__name__}")


def is_of_cascade(event: AnyEvent) -> TypeGuard[Event]:
    """Whether a conversation with three providers can be told of it."""
    return type(event) in _CASCADE


def _is_of_service(event: AnyEvent) -> TypeGuard[SpokenEvent]:
    return type(event) in _SPOKEN
