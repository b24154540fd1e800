"""A conversation that writes down what it is told and tells of every turn that is settled."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from strowger.agent import AgentDefinition, Scalar
from strowger.calls.deciding import Machine
from strowger.conversation.conversation import Conversation
from strowger.conversation.either import AnyEffect, AnyEvent
from strowger.conversation.events import Effect, Event
from strowger.conversation.journal import Journal
from strowger.conversation.speech_to_speech.events import SpokenEffect, SpokenEvent
from strowger.conversation.speech_to_speech.machine import SpokenConversation
from strowger.model import Turn

E = TypeVar("E", bound=AnyEvent)
F = TypeVar("F", bound=AnyEffect)
E_contra = TypeVar("E_contra", bound=AnyEvent, contravariant=True)


class Conversing(Machine[E_contra, F], Protocol[E_contra, F]):
    """What a conversation of either kind has."""

    @property
    def transcript(self) -> tuple[Turn, ...]: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def extracted(self) -> Mapping[str, Scalar]: ...


class Kept(Generic[E, F]):
    """Its journal replays to the same effects."""

    def __init__(
        self, conversation: Conversing[E, F], journal: Journal, on_turn: Callable[[Turn], None]
    ) -> None:
        self.conversation = conversation
        self.journal = journal
        self._on_turn = on_turn
        self._told = 0

    def receive(self, event: E, *, now: float) -> list[F]:
        self.journal.record(now, event, due=self.conversation.next_timer())
        effects = self.conversation.receive(event, now=now)
        self.journal.record_decisions(effects)
        self._tell()
        return effects

    def handle_timer(self, *, now: float) -> list[F]:
        self.journal.record_timer(now, due=self.conversation.next_timer())
        effects = self.conversation.handle_timer(now=now)
        self.journal.record_decisions(effects)
        self._tell()
        return effects

    def next_timer(self) -> float | None:
        return self.conversation.next_timer()

    def _tell(self) -> None:
        settled = self.conversation.transcript
        for turn in settled[self._told :]:
            self._on_turn(turn)
        self._told = len(settled)


class KeptConversation(Kept[Event, Effect]):
    """A `ConversationMachine`."""

    def __init__(
        self,
        definition: AgentDefinition,
        variables: Mapping[str, Scalar],
        on_turn: Callable[[Turn], None],
    ) -> None:
        journal = Journal(definition, variables)
        super().__init__(Conversation(definition, variables), journal, on_turn)


class KeptSpokenConversation(Kept[SpokenEvent, SpokenEffect]):
    """A `SpokenMachine`."""

    def __init__(
        self,
        definition: AgentDefinition,
        variables: Mapping[str, Scalar],
        on_turn: Callable[[Turn], None],
    ) -> None:
        journal = Journal(definition, variables)
        super().__init__(SpokenConversation(definition, variables), journal, on_turn)
