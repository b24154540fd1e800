"""One conversation: hears events, asks for effects. Pure; the shell carries both.

Joins the turn machine (who speaks), a responder (what the agent says), the agent's speech (what
of it was heard) and the transcript. Whatever happens or fails to happen, the agent does not fall
silent for longer than its limits, and the call ends.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from strowger.agent import AgentDefinition, Expectation, Scalar
from strowger.conversation import phrases
from strowger.conversation.answers import digits_wanted, phrases_for, words_of
from strowger.conversation.decisions import (
    Decision,
    Dismissed,
    Interrupted,
    StayedSilent,
    TurnEnded,
    WordsMissing,
)
from strowger.conversation.events import (
    Answered,
    DigitPressed,
    Effect,
    EndRequested,
    Event,
    HangUp,
    HungUp,
    Listen,
    MediaLost,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    SayRequested,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.flow import FlowRunner, validate_flow
from strowger.conversation.responder import ModelResponder, Responder, Response
from strowger.conversation.speech import AgentSpeech
from strowger.conversation.transcript import AgentTurn, CalleeTurn, Transcript
from strowger.conversation.turn import TurnMachine
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
    closing: EndReason | None = None
    """The agent is saying goodbye; this will have been the reason."""
    end_by: float | None = None
    """When the goodbye is cut short."""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Cut:
    """A turn of the agent's that the callee has interrupted."""

    turn: AgentTurn
    generating: bool
    """The model had not finished it."""
    continues: bool
    """The callee had not heard it yet: he went on with a turn taken for finished."""


class Conversation:
    """The agent's side of one call. Raises InvalidRequest for a flow that is not sound."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        patience = definition.limits.provider_deadline
        self._definition = definition
        self._responder = _responder(definition, {**definition.default_variables, **variables})
        self._turns = TurnMachine(definition.turn_taking, patience)
        self._speech = AgentSpeech(patience)
        self._transcript = Transcript()
        self._call = _Call()
        self._listening = 0
        """The number of the callee's turn that is recognised now or next."""
        self._expect: Expectation | None = None
        self._cut: _Cut | None = None
        self._to_say: list[str] = []
        """Asked for by the customer while the callee had the floor."""
        self._failures: Counter[ProviderKind] = Counter()
        """In a row, without a success between them."""

    @property
    def transcript(self) -> tuple[Turn, ...]:
        """The turns so far; each appears once nothing can change it any more."""
        if self._call.answered_at is None:
            return ()
        if self._call.ended:
            return self._transcript.all(self._call.answered_at)
        return self._transcript.settled(self._call.answered_at)

    @property
    def outcome(self) -> str | None:
        return self._responder.outcome

    @property
    def extracted(self) -> Mapping[str, Scalar]:
        """The variables that the conversation has set."""
        return self._responder.extracted

    @property
    def ended(self) -> bool:
        return self._call.ended

    def receive(self, event: Event, *, now: float) -> list[Effect]:
        unanswered = self._call.answered_at is None and type(event) not in BEFORE_THE_ANSWER
        if self._call.ended or unanswered:
            return []
        match event:
            case Answered():
                return self._answered(now=now)
            case HungUp() | EndRequested() | MediaLost():
                return self._hang_up(ENDINGS[type(event)], now=now)
            case SpeechStarted() | SpeechStopped() | DigitPressed() | Transcribed():
                return self._hear(event, now=now)
            case SayRequested(text):
                return self._say_unasked(text, now=now)
            case ReplySentence(reply, text):
                return self._speech.sentence(reply, text, now=now)
            case ReplyFinished(reply):
                return self._reply_finished(reply, now=now)
            case UtteranceStarted():
                self._speech.started(event)
                return []
            case UtteranceEnded():
                return self._utterance_ended(event, now=now)
            case ProviderFailed(kind, _, retryable, reference):
                if not self._concerns_us(kind, reference):
                    return []
                return self._provider_failed(kind, now=now, retryable=retryable)
            case _:
                assert_never(event)

    def next_timer(self) -> float | None:
        if self._call.ended or self._call.answered_at is None:
            return None
        deadlines = (
            self._call.end_by,
            self._longest() if self._call.end_by is None else None,
            self._speech.model_deadline,
            self._speech.voice_deadline,
            None if self._call.closing else self._turns.deadline,
        )
        return min((at for at in deadlines if at is not None), default=None)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Do what is due; the first of several, the others are due again at once."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        if due == self._call.end_by:
            return self._hang_up(self._call.closing or EndReason.MAX_DURATION, now=now)
        if self._call.end_by is None and due == self._longest():
            self._call.end_by = now + LAST_WORDS
            if self._call.closing is not None:
                return []
            return self._close(EndReason.MAX_DURATION, phrases.TIME_IS_UP, now=now)
        if due == self._speech.model_deadline:
            return self._failed(ProviderKind.LANGUAGE_MODEL, now=now)
        if due == self._speech.voice_deadline:
            return self._failed(ProviderKind.TEXT_TO_SPEECH, now=now)
        return self._decided(self._turns.handle_timer(now=now), now=now)

    def _longest(self) -> float:
        return (self._call.answered_at or 0.0) + self._definition.limits.max_duration

    # ── the callee ───────────────────────────────────────────────────────────────────────────

    def _answered(self, *, now: float) -> list[Effect]:
        if self._call.answered_at is not None:
            return []
        self._call.answered_at = now
        if self._definition.turn_taking.who_speaks_first == "agent":
            return self._open(AgentTurn(words_at=now), now=now)
        self._turns.agent_finished(now=now)
        return [self._listen()]

    def _hear(
        self, event: SpeechStarted | SpeechStopped | DigitPressed | Transcribed, *, now: float
    ) -> list[Effect]:
        if self._call.closing is not None:
            return []
        if isinstance(event, Transcribed):
            if event.turn != self._listening:
                return []
            if event.final:
                self._failures[ProviderKind.SPEECH_TO_TEXT] = 0
        return self._decided(self._turns.receive(event, now=now), now=now)

    def _decided(self, decision: Decision | None, *, now: float) -> list[Effect]:
        match decision:
            case None:
                return []
            case TurnEnded():
                return self._callee_spoke(decision, now=now)
            case WordsMissing():
                return self._failed(ProviderKind.SPEECH_TO_TEXT, now=now)
            case Interrupted(at):
                return self._yield_to_callee(at)
            case Dismissed():
                return [self._listen()]
            case StayedSilent():
                return self._break_silence(now=now)
            case _:
                assert_never(decision)

    def _callee_spoke(self, ended: TurnEnded, *, now: float) -> list[Effect]:
        cut, self._cut = self._cut, None
        if ended.digits:
            self._call.reprompts = 0
            self._transcript.add(CalleeTurn(ended, f"(pressed {ended.digits})"))
            return self._answer(ended, question="", now=now)
        question = ended.text
        if cut is not None and cut.continues:
            question = f"{cut.turn.question} {ended.text}".strip()
            ended = self._take_back(cut.turn, ended)
        elif not ended.text:
            return self._heard_no_words(ended, cut, now=now)
        self._call.reprompts = 0
        if ended.text:
            self._transcript.add(CalleeTurn(ended, ended.text))
        return self._answer(ended, question=question, now=now)

    def _take_back(self, turn: AgentTurn, ended: TurnEnded) -> TurnEnded:
        """Undo the answer to a turn that goes on, and join both parts if no answer was heard."""
        if turn.opens:
            self._call.opened = False
        self._responder.take_back()
        before = self._transcript.take_back()
        if before is None:
            return ended
        return before.continued_by(ended)

    def _heard_no_words(self, ended: TurnEnded, cut: _Cut | None, *, now: float) -> list[Effect]:
        """A sound without words: go on with what it interrupted, or ask again if it was long."""
        if cut is not None:
            resumed = cut.turn.unfinished()
            if cut.generating or resumed:
                response = Response(
                    texts=() if cut.generating else tuple(resumed),
                    generate=cut.generating,
                    expect=self._expect,
                )
                return self._perform(response, AgentTurn(words_at=now), now=now)
        long_enough = (
            ended.ended_at - ended.started_at >= self._definition.turn_taking.interruption_delay
        )
        response = Response(expect=self._expect)
        if long_enough and self._call.opened:
            response = self._responder.not_understood()
        if not (response.texts or response.ends or self._to_say):
            self._turns.agent_passes(now=now)
            return []
        return self._perform(response, AgentTurn(cause=ended, words_at=now), now=now)

    def _yield_to_callee(self, at: float) -> list[Effect]:
        turn, generating = self._speech.turn, self._speech.generating
        began = turn.started_at
        continues = (
            turn.cause is not None
            and bool(turn.question)
            and (began is None or at < began + REACTION)
        )
        effects, _ = self._speech.stop()
        turn.open, turn.interrupted = False, True
        self._cut = _Cut(turn, generating, continues)
        return effects

    def _break_silence(self, *, now: float) -> list[Effect]:
        turn = AgentTurn(words_at=now)
        if not self._call.opened:
            return self._open(turn, now=now)
        if self._call.reprompts >= self._definition.turn_taking.max_reprompts:
            return self._close(EndReason.SILENCE, phrases.NOBODY_THERE, now=now)
        self._call.reprompts += 1
        return self._perform(self._responder.are_you_there(), turn, now=now)

    # ── the agent ────────────────────────────────────────────────────────────────────────────

    def _open(self, turn: AgentTurn, *, now: float) -> list[Effect]:
        self._call.opened = turn.opens = True
        return self._perform(self._responder.open(), turn, now=now)

    def _answer(self, ended: TurnEnded, *, question: str, now: float) -> list[Effect]:
        turn = AgentTurn(cause=ended, question=question, words_at=now)
        if not self._call.opened:
            return self._open(turn, now=now)
        return self._perform(self._responder.answer(question, ended.digits), turn, now=now)

    def _perform(self, response: Response, turn: AgentTurn, *, now: float) -> list[Effect]:
        """Give the agent's next turn."""
        self._expect = response.expect
        self._turns.digits_wanted = digits_wanted(response.expect)
        effects: list[Effect] = [] if response.ends else [self._listen()]
        dialogue = self._transcript.dialogue()
        self._begin(turn)
        texts, self._to_say = (*self._to_say, *response.texts), []
        for text in texts:
            effects += self._speech.say(text, now=now)
        if response.generate:
            effects += self._generate(dialogue, now=now)
        if response.ends:
            self._call.closing = EndReason.AGENT_HANGUP
        return effects + self._when_silent(now=now)

    def _begin(self, turn: AgentTurn) -> None:
        self._speech.turn.open = False
        self._speech.begin(turn)
        self._transcript.add(turn)

    def _generate(self, dialogue: tuple[tuple[str, str], ...], *, now: float) -> list[Effect]:
        return self._speech.generate((*self._responder.instructions(), *dialogue), now=now)

    def _listen(self) -> Listen:
        self._listening += 1
        self._turns.listen()
        return Listen(self._listening, phrases_for(self._expect))

    def _say_unasked(self, text: str, *, now: float) -> list[Effect]:
        """Say it now, or as soon as the callee is done."""
        if self._call.closing is not None:
            return []
        if not self._speech.silent:
            return self._speech.say(text, now=now)
        if not self._turns.claim(now=now):
            self._to_say.append(text)
            return []
        self._begin(AgentTurn(words_at=now))
        return self._speech.say(text, now=now) + self._when_silent(now=now)

    def _reply_finished(self, reply: int, *, now: float) -> list[Effect]:
        if not self._speech.writes(reply):
            return []
        if not self._speech.finish_reply():
            return self._failed(ProviderKind.LANGUAGE_MODEL, now=now)
        self._failures[ProviderKind.LANGUAGE_MODEL] = 0
        return self._when_silent(now=now)

    def _utterance_ended(self, event: UtteranceEnded, *, now: float) -> list[Effect]:
        awaited = self._speech.waits_for(event.utterance)
        said = self._speech.ended(event, now=now)
        if said is not None and said.whole and not said.fallback:
            self._failures[ProviderKind.TEXT_TO_SPEECH] = 0
        return self._when_silent(now=now) if awaited else []

    def _when_silent(self, *, now: float) -> list[Effect]:
        """The agent's turn may be over: hang up, or leave the floor to the callee."""
        if not self._speech.silent:
            return []
        turn = self._speech.turn
        turn.open = False
        if self._call.closing is not None:
            return self._hang_up(self._call.closing, now=now)
        if self._says_goodbye(turn.text()):
            return self._hang_up(EndReason.AGENT_HANGUP, now=now)
        self._turns.agent_finished(now=now)
        return []

    def _says_goodbye(self, text: str) -> bool:
        said = f" {' '.join(words_of(text))} "
        return any(
            words and f" {' '.join(words)} " in said
            for words in map(words_of, self._definition.end_call_phrases)
        )

    # ── failures and the end ─────────────────────────────────────────────────────────────────

    def _concerns_us(self, kind: ProviderKind, reference: int) -> bool:
        match kind:
            case ProviderKind.SPEECH_TO_TEXT:
                return reference == self._listening and self._call.closing is None
            case ProviderKind.LANGUAGE_MODEL:
                return self._speech.writes(reference)
            case ProviderKind.TEXT_TO_SPEECH:
                return self._speech.waits_for(reference)
            case _:
                assert_never(kind)

    def _provider_failed(self, kind: ProviderKind, *, now: float, retryable: bool) -> list[Effect]:
        if kind is not ProviderKind.SPEECH_TO_TEXT:
            return self._failed(kind, now=now, retryable=retryable)
        if self._turns.words_lost():
            return []  # said once the callee is done
        self._failures[kind] += 1
        if not retryable or self._failures[kind] > 1:
            return self._give_up(kind, now=now)
        return [self._listen()]

    def _failed(self, kind: ProviderKind, *, now: float, retryable: bool = True) -> list[Effect]:
        """Apologise and try once more; the second time in a row, apologise and hang up."""
        if self._call.closing is not None:
            return self._say_goodbye_otherwise(now=now)
        self._failures[kind] += 1
        if not retryable or self._failures[kind] > 1:
            return self._give_up(kind, now=now)
        match kind:
            case ProviderKind.SPEECH_TO_TEXT:
                response = self._responder.repeat()
                response = replace(response, texts=(phrases.APOLOGY, *response.texts))
                return self._perform(response, AgentTurn(words_at=now), now=now)
            case ProviderKind.LANGUAGE_MODEL:
                dialogue = self._transcript.dialogue()
                apology = self._speech.say(phrases.APOLOGY, now=now)
                return apology + self._generate(dialogue, now=now)
            case ProviderKind.TEXT_TO_SPEECH:
                effects, unheard = self._speech.silence()
                effects += self._speech.say_in_fallback_voice(phrases.APOLOGY, now=now)
                for text in unheard:
                    effects += self._speech.say(text, now=now)
                return effects
            case _:
                assert_never(kind)

    def _give_up(self, kind: ProviderKind, *, now: float) -> list[Effect]:
        effects, _ = self._speech.stop()
        self._begin_goodbye(EndReason.PROVIDER_FAILED, now=now)
        if kind is ProviderKind.TEXT_TO_SPEECH:
            effects += self._speech.say_in_fallback_voice(phrases.LAST_APOLOGY, now=now)
        else:
            effects += self._speech.say(phrases.LAST_APOLOGY, now=now)
        return effects

    def _close(self, reason: EndReason, goodbye: str, *, now: float) -> list[Effect]:
        effects, _ = self._speech.stop()
        self._begin_goodbye(reason, now=now)
        return effects + self._speech.say(goodbye, now=now)

    def _begin_goodbye(self, reason: EndReason, *, now: float) -> None:
        self._call.closing = reason
        self._begin(AgentTurn(words_at=now))

    def _say_goodbye_otherwise(self, *, now: float) -> list[Effect]:
        """The voice failed at the last words: try the other one, and then let it be."""
        assert self._call.closing is not None, "only a goodbye can fail to be said"
        if self._speech.in_fallback_voice():
            return self._hang_up(self._call.closing, now=now)
        effects, unheard = self._speech.silence()
        for text in unheard:
            effects += self._speech.say_in_fallback_voice(text, now=now)
        return effects

    def _hang_up(self, reason: EndReason, *, now: float) -> list[Effect]:
        self._call.ended = True
        self._speech.break_off(now=now)
        return [HangUp(reason.value)]


def _responder(definition: AgentDefinition, variables: Mapping[str, Scalar]) -> Responder:
    if definition.flow is None:
        return ModelResponder(definition, variables)
    problems = validate_flow(definition.flow)
    if problems:
        raise InvalidRequest("the flow cannot be run", problems=problems)
    return FlowRunner(definition.flow, variables)
