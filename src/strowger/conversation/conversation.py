"""One conversation: hears events, asks for effects. Pure; the shell carries both.

Joins the turn machine (who speaks), a responder (what the agent says), the agent's speech (what
of it was heard) and the transcript. Whatever happens or fails to happen, the agent does not fall
silent for longer than its limits, and the call ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from strowger.agent import AgentDefinition, Scalar
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
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    Effect,
    EndRequested,
    Event,
    HungUp,
    MediaLost,
    PauseJudged,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    SayRequested,
    SpeechStarted,
    SpeechStopped,
    ToolEvent,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transcribed,
    TransferAccepted,
    TurnHinted,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.failing import Failing
from strowger.conversation.farewell import is_farewell
from strowger.conversation.flow import FlowRunner, validate_flow
from strowger.conversation.responder import ModelResponder, Responder, Response
from strowger.conversation.sentences import split_sentences
from strowger.conversation.transcript import AgentTurn, CalleeTurn
from strowger.conversation.turn import Heard, TurnMachine
from strowger.errors import InvalidRequest
from strowger.lifecycle import EndReason
from strowger.model import Turn

REACTION = 0.2
"""Seconds in which nobody reacts: who speaks up so soon after the agent goes on with a turn."""
LAST_WORDS = 10.0
"""Seconds a goodbye may take once the longest duration of the call is reached."""

ENDINGS: dict[type[Event], EndReason] = {
    HungUp: EndReason.CALLEE_HANGUP,
    EndRequested: EndReason.API_REQUEST,
    MediaLost: EndReason.MEDIA_LOST,
}
"""Events after which there is nobody to talk to."""
BEFORE_THE_ANSWER = frozenset({Answered, *ENDINGS})


@dataclass(slots=True)
class _Call:
    """How far the call has got."""

    answered_at: float | None = None
    opened: bool = False
    """The agent has said its first words."""
    reprompts: int = 0
    """How often the agent has broken the silence that lasts now."""
    end_by: float | None = None
    """When a goodbye is cut short, once the longest duration is over."""


@dataclass(frozen=True, slots=True)
class _Cut:
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


class Conversation:
    """The agent's side of one call. Raises InvalidRequest for a flow that is not sound."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        patience = definition.limits.provider_deadline
        self._definition = definition
        self._variables = dict(variables)
        self._responder = _responder(definition, {**definition.default_variables, **variables})
        self._turns = TurnMachine(definition.turn_taking, patience, definition.language)
        self._agent = AgentSide(self._turns, definition, self._responder)
        self._call = _Call()
        self._cut: _Cut | None = None
        self._extracted: dict[str, Scalar] = {}
        """By agents that have handed the call on."""
        self._transferring = False
        """The far end is putting the callee through, for all that is known."""
        self._failing = Failing(self._agent, self._turns, self._repeat)

    @property
    def transcript(self) -> tuple[Turn, ...]:
        """The turns so far; each appears once nothing can change it any more."""
        if self._call.answered_at is None:
            return ()
        if self.ended:
            return self._agent.transcript.all(self._call.answered_at)
        return self._agent.transcript.settled(self._call.answered_at)

    @property
    def outcome(self) -> str | None:
        return self._responder.outcome or self._agent.outcome

    @property
    def extracted(self) -> Mapping[str, Scalar]:
        """The variables that the conversation has set."""
        return {**self._extracted, **self._responder.extracted}

    @property
    def ended(self) -> bool:
        return self._agent.ended

    def receive(self, event: Event, *, now: float) -> list[Effect]:
        unanswered = self._call.answered_at is None and type(event) not in BEFORE_THE_ANSWER
        if self.ended or unanswered:
            return []
        match event:
            case Answered():
                return self._answered(now=now)
            case HungUp() if self._transferring:
                return self._agent.hang_up(EndReason.TRANSFERRED, now=now)
            case HungUp() | EndRequested() | MediaLost():
                return self._agent.hang_up(ENDINGS[type(event)], now=now)
            case (
                SpeechStarted()
                | SpeechStopped()
                | DigitPressed()
                | Transcribed()
                | TurnHinted()
                | PauseJudged()
            ):
                return self._hear(event, now=now)
            case SayRequested(text):
                return self._agent.say_unasked(text, now=now)
            case ReplySentence() | ReplyFinished() if self._agent.speech.drafts(event.reply):
                self._agent.speech.note_in_draft(event)
                return []
            case ReplySentence(reply, text):
                return self._agent.speech.sentence(reply, text, now=now)
            case ReplyFinished(reply):
                return self._reply_finished(reply, now=now)
            case (
                ToolRequested()
                | ToolFinished()
                | TransferAccepted()
                | AgentFetched()
                | ToolsFound()
            ):
                return self._use_tools(event, now=now)
            case UtteranceStarted():
                self._agent.speech.started(event)
                return []
            case UtteranceEnded():
                return self._utterance_ended(event, now=now)
            case ProviderFailed():
                return self._failing.told(event, now=now)
            case _:
                assert_never(event)

    def next_timer(self) -> float | None:
        """When `handle_timer` is to be called, unless an event comes first."""
        if self.ended or self._call.answered_at is None:
            return None
        deadlines = (
            self._longest() if self._call.end_by is None else self._call.end_by,
            self._agent.speech.model_deadline,
            self._agent.speech.voice_deadline,
            self._agent.desk.deadline,
            self._agent.filler_deadline,
            None if self._agent.closing else self._turns.deadline,
        )
        return min(at for at in deadlines if at is not None)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Do what is due; of several the first, the others are due again at once."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        if due == self._call.end_by:
            return self._agent.hang_up(self._agent.closing or EndReason.MAX_DURATION, now=now)
        if self._call.end_by is None and due == self._longest():
            self._call.end_by = now + LAST_WORDS
            if self._agent.closing is not None:
                return []
            return self._agent.close(EndReason.MAX_DURATION, phrases.TIME_IS_UP, now=now)
        if due == self._agent.speech.model_deadline:
            return self._failing.failed(ProviderKind.LANGUAGE_MODEL, now=now)
        if due == self._agent.speech.voice_deadline:
            return self._failing.failed(ProviderKind.TEXT_TO_SPEECH, now=now)
        if due == self._agent.desk.deadline:
            return self._agent.tools_expired(now=now)
        if due == self._agent.filler_deadline:
            return self._agent.say_filler(now=now)
        return self._decided(self._turns.handle_timer(now=now), now=now)

    def _repeat(self) -> Response:
        return self._responder.repeat()

    def _longest(self) -> float:
        return (self._call.answered_at or 0.0) + self._definition.limits.max_duration

    # ── the callee ───────────────────────────────────────────────────────────────────────────

    def _answered(self, *, now: float) -> list[Effect]:
        if self._call.answered_at is not None:
            return []
        self._call.answered_at = now
        return self._agent.find_tools() + self._take_the_call(now=now)

    def _take_the_call(self, *, now: float) -> list[Effect]:
        if self._definition.turn_taking.who_speaks_first == "agent":
            return self._open(AgentTurn(words_at=now), now=now)
        self._turns.agent_finished(now=now)
        return [self._agent.listen()]

    def _hear(self, event: Heard, *, now: float) -> list[Effect]:
        if self._agent.closing is not None:
            return []
        if isinstance(event, Transcribed | TurnHinted):
            if event.turn != self._agent.listening:
                return []
            if isinstance(event, Transcribed) and event.final:
                self._failing.succeeded(ProviderKind.SPEECH_TO_TEXT)
            if isinstance(event, Transcribed) and event.text and not self._agent.desk.puts_through:
                self._transferring = False  # it was not done in time, and he is still here
        return self._decided(self._turns.receive(event, now=now), now=now)

    def _decided(self, decision: Decision | None, *, now: float) -> list[Effect]:
        match decision:
            case None:
                return []
            case TurnEnded():
                return self._callee_spoke(decision, now=now)
            case WordsMissing():
                self._cut = None
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
        cut, self._cut = self._cut, None
        if ended.digits:
            self._call.reprompts = 0
            self._agent.transcript.add(CalleeTurn(ended, f"(pressed {ended.digits})"))
            return self._answer(ended, None, question="", now=now)
        question = ended.text
        if cut is not None and cut.continues:
            question = f"{cut.turn.question} {ended.text}".strip()
            ended = self._take_back(cut.turn, ended)
        elif not ended.text:
            return self._heard_no_words(ended, cut, now=now)
        self._call.reprompts = 0
        if ended.text:
            self._agent.transcript.add(CalleeTurn(ended, ended.text))
        if cut is not None and self._only_listens(ended.text, cut):
            return self._agent.resume(cut.turn, AgentTurn(words_at=now), now=now)
        return self._answer(ended, cut, question=question, now=now)

    def _only_listens(self, text: str, cut: _Cut) -> bool:
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
        cut = self._cut
        if not self._call.opened or (cut is not None and self._only_listens(text, cut)):
            return []
        if cut is None or not cut.continues:
            return self._agent.draft(text) if self._responder.drafts else []
        if cut.turn.opens or not self._responder.drafts_again:
            return []
        return self._agent.draft_again(text)

    def _take_back(self, turn: AgentTurn, ended: TurnEnded) -> TurnEnded:
        """Undo the answer to a turn that goes on, and join both parts if no answer was heard."""
        if turn.opens:
            self._call.opened = False
        self._responder.take_back()
        before = self._agent.transcript.take_back()
        if before is None:
            return ended
        return before.continued_by(ended)

    def _heard_no_words(self, ended: TurnEnded, cut: _Cut | None, *, now: float) -> list[Effect]:
        """A sound without words: go on with what it interrupted, or ask again if it was long."""
        if cut is not None and self._goes_on(cut):
            return self._agent.resume(cut.turn, AgentTurn(words_at=now), now=now)
        shortest = self._definition.turn_taking.interruption_delay
        if self._call.opened and ended.ended_at - ended.started_at >= shortest:
            response = self._responder.not_understood()
            if response.texts:
                turn = AgentTurn(cause=ended, words_at=now)
                return self._agent.perform(response, turn, now=now)
        return self._agent.pass_floor(now=now)

    def _goes_on(self, cut: _Cut) -> bool:
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
        self._agent.interrupted(now=now)
        turn.open, turn.interrupted = False, True
        self._cut = _Cut(turn, generating, continues)
        return effects

    def _break_silence(self, *, now: float) -> list[Effect]:
        turn = AgentTurn(words_at=now)
        if not self._call.opened:
            return self._open(turn, now=now)
        if self._call.reprompts >= self._definition.turn_taking.max_reprompts:
            return self._agent.close(EndReason.SILENCE, phrases.NOBODY_THERE, now=now)
        response = self._responder.are_you_there(self._call.reprompts)
        self._call.reprompts += 1
        return self._agent.perform(response, turn, now=now)

    def _open(self, turn: AgentTurn, *, now: float) -> list[Effect]:
        self._call.opened = turn.opens = True
        return self._agent.perform(self._responder.open(), turn, now=now)

    def _answer(
        self, ended: TurnEnded, cut: _Cut | None, *, question: str, now: float
    ) -> list[Effect]:
        turn = AgentTurn(cause=ended, question=question, words_at=now)
        if not self._call.opened:
            return self._open(turn, now=now)
        response = self._responder.answer(question, ended.digits)
        if response.generate:
            begun = self._agent.perform_draft(ended.text, turn, now=now)
            if begun is not None:
                effects, finished = begun
                reply = self._agent.speech.reply
                return effects + (self._reply_finished(reply, now=now) if finished else [])
        if not response.understood and cut is not None and cut.can_be_resumed:
            self._responder.take_back()  # how could he answer what he has not heard
            return self._agent.say_again(cut.turn, turn, now=now)
        return self._agent.perform(response, turn, now=now)

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def _use_tools(self, event: ToolEvent, *, now: float) -> list[Effect]:
        match event:
            case ToolRequested():
                return self._agent.tool_requested(event, now=now)
            case ToolFinished(use, ok, result):
                return self._tool_finished(use, result, ok=ok, now=now)
            case TransferAccepted(use):
                self._transferring = self._agent.desk.runs(use)
                return []
            case AgentFetched(use, definition):
                return self._hand_over(use, definition, now=now)
            case ToolsFound(server, tools):
                self._agent.desk.found(server, tools)
                return []
            case _:
                assert_never(event)

    def _tool_finished(self, use: int, result: str, *, ok: bool, now: float) -> list[Effect]:
        if ok and self._agent.desk.is_transfer(use):
            self._agent.desk.finish(use, result, ok=True, now=now)
            return self._agent.hang_up(EndReason.TRANSFERRED, now=now)
        self._transferring = self._transferring and not self._agent.desk.is_transfer(use)
        return self._agent.tool_finished(use, result, ok=ok, now=now)

    def _hand_over(self, use: int, definition: AgentDefinition, *, now: float) -> list[Effect]:
        """Another agent goes on, with what this one has found out."""
        if not self._agent.desk.runs(use):
            return []
        known = {**self._variables, **self.extracted}
        try:
            responder = _responder(definition, {**definition.default_variables, **known})
        except InvalidRequest as problem:
            return self._agent.tool_finished(use, str(problem), ok=False, now=now)
        self._agent.desk.finish(use, f"{definition.name} goes on", ok=True, now=now)
        self._extracted = dict(self.extracted)
        self._responder, self._cut = responder, None
        effects, _ = self._agent.speech.stop()
        effects += self._agent.become(definition, responder)
        return effects + self._agent.introduce(responder.open(), now=now)

    # ── the providers ────────────────────────────────────────────────────────────────────────

    def _reply_finished(self, reply: int, *, now: float) -> list[Effect]:
        if not self._agent.speech.writes(reply):
            return []
        if self._agent.speech.held:
            self._agent.speech.finish_held()
            return []
        if not self._agent.speech.finish_reply():
            return self._failing.failed(ProviderKind.LANGUAGE_MODEL, now=now)
        self._failing.succeeded(ProviderKind.LANGUAGE_MODEL)
        return self._agent.when_silent(now=now)

    def _utterance_ended(self, event: UtteranceEnded, *, now: float) -> list[Effect]:
        said, effects = self._agent.utterance_ended(event, now=now)
        if said is not None and said.whole and not said.fallback:
            self._failing.succeeded(ProviderKind.TEXT_TO_SPEECH)
        return effects + self._failing.due(now=now)


def first_sentence(definition: AgentDefinition, variables: Mapping[str, Scalar]) -> str | None:
    """What the agent will say first, where no model has to be asked for it.

    Raises InvalidRequest for a flow that is not sound.
    """
    texts = _responder(definition, {**definition.default_variables, **variables}).open().texts
    sentences = (sentence for text in texts for sentence in split_sentences(text))
    return next((one for one in sentences if any(map(str.isalnum, one))), None)


def _responder(definition: AgentDefinition, variables: Mapping[str, Scalar]) -> Responder:
    if definition.flow is None:
        return ModelResponder(definition, variables)
    problems = validate_flow(definition.flow)
    if problems:
        raise InvalidRequest("the flow cannot be run", problems=problems)
    return FlowRunner(definition.flow, variables, definition.prompt)
