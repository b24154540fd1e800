"""A conversation that writes down what it is told and tells of every turn that is settled."""

from collections.abc import Callable, Mapping

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation.conversation import Conversation
from strowger.conversation.events import Effect, Event
from strowger.conversation.journal import Journal
from strowger.model import Turn


class KeptConversation:
    """A `ConversationMachine` whose journal replays to the same effects."""

    def __init__(
        self,
        definition: AgentDefinition,
        variables: Mapping[str, Scalar],
        on_turn: Callable[[Turn], None],
    ) -> None:
        self.conversation = Conversation(definition, variables)
        self.journal = Journal(definition, variables)
        self._on_turn = on_turn
        self._told = 0

    def receive(self, event: Event, *, now: float) -> list[Effect]:
        self.journal.record(now, event, due=self.conversation.next_timer())
        effects = self.conversation.receive(event, now=now)
        self.journal.record_decisions(effects)
        self._tell()
        return effects

    def handle_timer(self, *, now: float) -> list[Effect]:
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
