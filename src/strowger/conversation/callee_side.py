"""The callee's side of a conversation: what the agent does about each thing that he says or does.

The turn machine decides when he has said or done something; here is decided what follows, above all
when he has spoken over the agent.
"""

from dataclasses import dataclass
from typing import assert_never

from strowger.agent import AgentDefinition
from strowger.conversation import phrases
from strowger.conversation.agent_side import AgentSide
from strowger.conversation.decisions import (
    Decision,
    Dismissed,
    Interrupted,
    LikelyEnded,
    StayedSilent,
    TurnEnded,
    WentOn,
    WordsMissing,
)
from strowger.conversation.endpointing import is_backchannel
from strowger.conversation.events import Effect, ProviderKind, Transcribed, TurnHinted
from strowger.conversation.failing import Failing
from strowger.conversation.farewell import is_farewell
from strowger.conversation.transcript import AgentTurn, CalleeTurn
from strowger.conversation.turn import Heard, TurnMachine
from strowger.lifecycle import EndReason

REACTION = 0.2
"""Seconds in which nobody reacts: who speaks up so soon after the agent goes on with a turn."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A turn of the agent's that the callee has interrupted."""

    turn: AgentTurn
    generating: bool
    """The model had not finished it."""
    continues: bool
    """The callee had not heard it yet: he went on with a turn taken for finished."""

    @property
    def can_be_resumed(self) -> bool:
        """Once: who interrupts again means something else."""
        return not self.continues and not self.turn.resumes and bool(self.turn.unfinished())


class CalleeSide:
    """What the agent does about the callee's turns, interruptions and silences."""

    def __init__(
        self,
        definition: AgentDefinition,
        turns: TurnMachine,
        agent: AgentSide,
        failing: Failing,
    ) -> None:
        self.cut: Cut | None = None
        self.transferring: int | None = None
        """The use by which the far end is putting him through, for all that is known."""
        self._definition = definition
        self._turns = turns
        self._agent = agent
        self._failing = failing
        self._opened = False
        """The agent has said its first words."""
        self._reprompts = 0
        """How often the agent has broken the silence that lasts now."""

    def begin(self, *, now: float) -> list[Effect]:
        """The call was answered: open it, or leave that to the callee."""
        if self._definition.turn_taking.who_speaks_first == "agent":
            return self._open(AgentTurn(words_at=now), now=now)
        self._turns.agent_finished(now=now)
        return [self._agent.listen()]

    def hear(self, event: Heard, *, now: float) -> list[Effect]:
        if self._agent.errands.closing is not None:
            return []
        if isinstance(event, Transcribed | TurnHinted):
            if event.turn != self._agent.listening:
                return []
            if isinstance(event, Transcribed) and event.final:
                self._failing.succeeded(ProviderKind.SPEECH_TO_TEXT)
            if isinstance(event, Transcribed) and event.text and not self._agent.desk.puts_through:
                self.transferring = None  # it was not done in time, and he is still here
        return self.decided(self._turns.receive(event, now=now), now=now)

    def decided(self, decision: Decision | None, *, now: float) -> list[Effect]:
        """Do what follows from a decision of the turn machine's."""
        match decision:
            case None:
                return []
            case TurnEnded():
                return self._callee_spoke(decision, now=now)
            case WordsMissing():
                self.cut = None
                return self._failing.failed(ProviderKind.SPEECH_TO_TEXT, now=now)
            case Interrupted(at):
                return self._yield_to_callee(at, now=now)
            case Dismissed():
                return [self._agent.listen()]
            case LikelyEnded(text):
                return self._draft(text)
            case WentOn():
                return self._agent.speech.drop_draft()
            case StayedSilent():
                return self._break_silence(now=now)
            case _:
                assert_never(decision)

    def _callee_spoke(self, ended: TurnEnded, *, now: float) -> list[Effect]:
        cut, self.cut = self.cut, None
        if ended.digits:
            self._reprompts = 0
            self._agent.transcript.add(CalleeTurn(ended, f"(pressed {ended.digits})"))
            return self._answer(ended, None, question="", now=now)
        question = ended.text
        if cut is not None and cut.continues:
            question = f"{cut.turn.question} {ended.text}".strip()
            ended = self._take_back(cut.turn, ended)
        elif not ended.text:
            return self._heard_no_words(ended, cut, now=now)
        self._reprompts = 0
        if ended.text:
            self._agent.transcript.add(CalleeTurn(ended, ended.text))
        if cut is not None and self._only_listens(ended.text, cut):
            return self._agent.resume(cut.turn, AgentTurn(words_at=now), now=now)
        return self._answer(ended, cut, question=question, now=now)

    def _only_listens(self, text: str, cut: Cut) -> bool:
        """Whether the callee only showed that he listens, and the agent was not done; or answered
        a goodbye, which then stands."""
        if self._turns.answers or cut.continues:
            return False
        if self._agent.said_goodbye(cut.turn) and is_farewell(text, self._definition.language):
            return True
        if not (cut.can_be_resumed or cut.generating):
            return False
        return is_backchannel(text, self._definition.language)

    def _draft(self, text: str) -> list[Effect]:
        """Begin on a reply, where it will be the model's."""
        cut = self.cut
        if not self._opened or (cut is not None and self._only_listens(text, cut)):
            return []
        if cut is None or not cut.continues:
            return self._agent.draft(text) if self._agent.responder.drafts else []
        if cut.turn.opens or not self._agent.responder.drafts_again:
            return []
        return self._agent.draft_again(text)

    def _take_back(self, turn: AgentTurn, ended: TurnEnded) -> TurnEnded:
        """Undo the answer to a turn that goes on, and join both parts if no answer was heard."""
        if turn.opens:
            self._opened = False
        self._agent.responder.take_back()
        before = self._agent.transcript.take_back()
        if before is None:
            return ended
        return before.continued_by(ended)

    def _heard_no_words(self, ended: TurnEnded, cut: Cut | None, *, now: float) -> list[Effect]:
        """A sound without words: go on with what it interrupted, or ask again if it was long."""
        if cut is not None and self._goes_on(cut):
            return self._agent.resume(cut.turn, AgentTurn(words_at=now), now=now)
        shortest = self._definition.turn_taking.interruption_delay
        if self._opened and ended.ended_at - ended.started_at >= shortest:
            response = self._agent.responder.not_understood()
            if response.texts:
                turn = AgentTurn(cause=ended, words_at=now)
                return self._agent.perform(response, turn, now=now)
        return self._agent.pass_floor(now=now)

    def _goes_on(self, cut: Cut) -> bool:
        """Whether more was to come of the turn, if only the end of the call."""
        more = cut.generating or bool(cut.turn.unfinished())
        return more or (not cut.continues and self._agent.said_goodbye(cut.turn))

    def _yield_to_callee(self, at: float, *, now: float) -> list[Effect]:
        turn, generating = self._agent.speech.turn, self._agent.speech.generating
        began = turn.started_at
        unheard = began is None or at < began + REACTION
        continues = unheard and (turn.opens or bool(turn.question))
        continues = continues and not self._agent.transcript.acted()
        speech = self._agent.speech
        effects = speech.stop()[0] if continues else speech.hold()
        self._agent.errands.interrupted(now=now)
        turn.open, turn.interrupted = False, True
        self.cut = Cut(turn, generating, continues)
        return effects

    def _break_silence(self, *, now: float) -> list[Effect]:
        turn = AgentTurn(words_at=now)
        if not self._opened:
            return self._open(turn, now=now)
        if self._reprompts >= self._definition.turn_taking.max_reprompts:
            return self._agent.close(EndReason.SILENCE, phrases.NOBODY_THERE, now=now)
        response = self._agent.responder.are_you_there(self._reprompts)
        self._reprompts += 1
        return self._agent.perform(response, turn, now=now)

    def _open(self, turn: AgentTurn, *, now: float) -> list[Effect]:
        self._opened = turn.opens = True
        return self._agent.perform(self._agent.responder.open(), turn, now=now)

    def _answer(
        self, ended: TurnEnded, cut: Cut | None, *, question: str, now: float
    ) -> list[Effect]:
        turn = AgentTurn(cause=ended, question=question, words_at=now)
        if not self._opened:
            return self._open(turn, now=now)
        response = self._agent.responder.answer(question, ended.digits)
        if response.generate:
            begun = self._agent.perform_draft(ended.text, turn, now=now)
            if begun is not None:
                effects, finished = begun
                reply = self._agent.speech.reply
                return effects + (self._failing.reply_finished(reply, now=now) if finished else [])
        if not response.understood and cut is not None and cut.can_be_resumed:
            self._agent.responder.take_back()  # how could he answer what he has not heard
            return self._agent.say_again(cut.turn, turn, now=now)
        return self._agent.perform(response, turn, now=now)
