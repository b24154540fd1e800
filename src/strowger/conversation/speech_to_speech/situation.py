"""What is known of a call that a service holds: shared by those who decide about its parts."""

from collections.abc import Mapping

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation.answers import words_of
from strowger.conversation.speech_to_speech.acting import Acting
from strowger.conversation.speech_to_speech.briefing import settings_of
from strowger.conversation.speech_to_speech.items import CalleeItem
from strowger.conversation.speech_to_speech.leaving import Leaving
from strowger.conversation.speech_to_speech.linking import Linking
from strowger.conversation.speech_to_speech.patience import Patience
from strowger.conversation.speech_to_speech.record import Record
from strowger.lifecycle import EndReason


class Situation:
    """How far a call has got. Raises ValueError for an agent that no service speaks for."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        self.definition = definition
        """Of the agent that has the call."""
        self.answered_at: float | None = None
        self.opened = False
        """Somebody has said the first words, or is asked to."""
        self.outcome: str | None = None
        self.callee_has_floor = False
        """The service hears a turn of the callee's that it will answer."""
        self.unanswered: CalleeItem | None = None
        """The turn of the callee's that nobody was heard to answer yet."""
        self.transferring: int | None = None
        """The use by which the far end is putting the callee through, for all that is known."""
        self.longest = definition.limits.max_duration
        self.record = Record()
        self.acting = Acting(definition.tools, self.record)
        self.patience = Patience(definition.turn_taking, definition.limits.provider_deadline)
        self.link = Linking(settings_of(definition).chain)
        self.leaving = Leaving()
        self._variables = dict(variables)

    @property
    def closing(self) -> EndReason | None:
        return self.leaving.closing

    @property
    def variables(self) -> Mapping[str, Scalar]:
        """With what the agent has in place of those that are not given."""
        return {**self.definition.default_variables, **self._variables}

    @property
    def last_phrases(self) -> tuple[tuple[str, ...], ...]:
        """The words of what the agent says before it hangs up."""
        return tuple(filter(None, map(words_of, self.definition.end_call_phrases)))

    def hand_over(self, definition: AgentDefinition) -> None:
        """Another agent has the call, whose service begins anew with it."""
        self.definition = definition
        self.patience.taking = definition.turn_taking
        self.acting.desk.replace(definition.tools)
        self.callee_has_floor = self.opened = False
        self.record.finish_all(in_order=False)
        self.record.begin_anew()
        self.link.hand_over(settings_of(definition).chain)
