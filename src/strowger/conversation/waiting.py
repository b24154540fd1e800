"""What is said to a callee who waits: for a tool, or for the first words of the model."""

from strowger.agent import Progress, TurnTaking
from strowger.conversation.events import Effect
from strowger.conversation.speech import AgentSpeech
from strowger.conversation.tool_desk import ToolDesk
from strowger.conversation.transcript import AgentTurn
from strowger.conversation.turn import Floor, TurnMachine

WORKING = Progress(after=3.0, every=4.0)
"""What is said where the model goes from one tool to the next without a word."""


class Waiting:
    """How long the callee has waited, and what he was told meanwhile.

    `rounds` are the replies asked of the model since he last spoke: beyond the first one it works.
    """

    def __init__(
        self, speech: AgentSpeech, desk: ToolDesk, turns: TurnMachine, taking: TurnTaking
    ) -> None:
        self.taking = taking
        """The agent's own, with what it says in place of the model."""
        self._speech = speech
        self._desk = desk
        self._turns = turns
        self._fillers = 0
        """Said since there was last something else to say."""
        self._filler_at = 0.0
        self._since = 0.0
        """When the callee began to wait for what the agent says now."""
        self._filled = 0
        """Fillers said in place of the model, in the whole call."""
        self._filled_turn: AgentTurn | None = None

    def begin(self, *, now: float) -> None:
        """The callee waits for the agent's next turn."""
        self._fillers, self._since = 0, now

    def deadline(self, rounds: int) -> float | None:
        """When the agent has been silent for so long over something that it says so."""
        if self._turns.floor is not Floor.AGENT:
            return None
        progress, quiet_since = self._desk.progress, self._speech.quiet_since
        if progress is None:
            return self._model_deadline(rounds)
        if quiet_since is None or not progress.texts:
            return None
        began = self._since
        if rounds <= 1:
            began = max(self._desk.running_since, began)
        since = max(quiet_since, began, self._filler_at)
        return since + (progress.every if self._fillers else progress.after)

    def _model_deadline(self, rounds: int) -> float | None:
        """Once a turn, while nothing of the reply is there."""
        turn, quiet_since = self._speech.turn, self._speech.quiet_since
        if rounds > 1 and quiet_since is not None and self._speech.generating:
            since = max(quiet_since, self._since, self._filler_at)
            return since + (WORKING.every if self._fillers else WORKING.after)
        if not self.taking.fillers or not self._speech.generating or turn.utterances:
            return None
        if turn is self._filled_turn:
            return None
        return turn.words_at + self.taking.filler_delay if turn.cause is not None else None

    def say(self, rounds: int, *, now: float) -> list[Effect]:
        """Say the next filler, as a part of the turn that goes on."""
        progress = self._desk.progress
        if progress is None and rounds > 1:
            progress = WORKING
        if progress is None:  # it is the model that takes its time
            text = self.taking.fillers[min(self._filled, len(self.taking.fillers) - 1)]
            self._filled += 1
            self._filled_turn = self._speech.turn
        else:
            text = progress.texts[min(self._fillers, len(progress.texts) - 1)]
            self._fillers += 1
            self._filler_at = now
        return self._speech.say(text, now=now)
