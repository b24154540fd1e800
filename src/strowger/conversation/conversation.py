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
from strowger.conversation.callee_side import CalleeSide
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
from strowger.conversation.flow import FlowRunner, validate_flow
from strowger.conversation.responder import ModelResponder, Responder
from strowger.conversation.sentences import split_sentences
from strowger.conversation.turn import TurnMachine
from strowger.errors import InvalidRequest
from strowger.lifecycle import EndReason
from strowger.model import Turn

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
    end_by: float | None = None
    """When a goodbye is cut short, once the longest duration is over."""


class Conversation:
    """The agent's side of one call. Raises InvalidRequest for a flow that is not sound."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        patience = definition.limits.provider_deadline
        self._definition = definition
        self._variables = dict(variables)
        responder = _responder(definition, {**definition.default_variables, **variables})
        self._turns = TurnMachine(definition.turn_taking, patience, definition.language)
        self._agent = AgentSide(self._turns, definition, responder)
        self._failing = Failing(self._agent, self._turns)
        self._callee = CalleeSide(definition, self._turns, self._agent, self._failing)
        self._call = _Call()
        self._extracted: dict[str, Scalar] = {}
        """By agents that have handed the call on."""

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
        return self._agent.responder.outcome or self._agent.errands.outcome

    @property
    def extracted(self) -> Mapping[str, Scalar]:
        """The variables that the conversation has set."""
        return {**self._extracted, **self._agent.responder.extracted}

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
            case HungUp() if self._callee.transferring is not None:
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
                return self._callee.hear(event, now=now)
            case SayRequested(text):
                return self._agent.say_unasked(text, now=now)
            case ReplySentence() | ReplyFinished() if self._agent.speech.drafts(event.reply):
                self._agent.speech.note_in_draft(event)
                return []
            case ReplySentence(reply, text):
                return self._agent.speech.sentence(reply, text, now=now)
            case ReplyFinished(reply):
                return self._failing.reply_finished(reply, now=now)
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
                return self._failing.utterance_ended(event, now=now)
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
            None if self._agent.errands.closing else self._turns.deadline,
        )
        return min(at for at in deadlines if at is not None)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Do what is due; of several the first, the others are due again at once."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        if due == self._call.end_by:
            reason = self._agent.errands.closing or EndReason.MAX_DURATION
            return self._agent.hang_up(reason, now=now)
        if self._call.end_by is None and due == self._longest():
            self._call.end_by = now + LAST_WORDS
            if self._agent.errands.closing is not None:
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
        return self._callee.decided(self._turns.handle_timer(now=now), now=now)

    def _longest(self) -> float:
        return (self._call.answered_at or 0.0) + self._definition.limits.max_duration

    def _answered(self, *, now: float) -> list[Effect]:
        if self._call.answered_at is not None:
            return []
        self._call.answered_at = now
        return self._agent.find_tools() + self._callee.begin(now=now)

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def _use_tools(self, event: ToolEvent, *, now: float) -> list[Effect]:
        match event:
            case ToolRequested():
                return self._agent.tool_requested(event, now=now)
            case ToolFinished(use, ok, result):
                return self._tool_finished(use, result, ok=ok, now=now)
            case TransferAccepted(use):
                if self._agent.desk.runs(use):
                    self._callee.transferring = use
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
        if self._callee.transferring == use:
            self._callee.transferring = None
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
        self._callee.cut = None
        effects, _ = self._agent.speech.stop()
        effects += self._agent.become(definition, responder)
        return effects + self._agent.introduce(responder.open(), now=now)


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
