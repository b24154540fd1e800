"""The agent's side of a conversation: taking its turn, using tools, saying goodbye, hanging up.

Does what it is told by the conversation, which decides; keeps the transcript of what came of it.
"""

from dataclasses import fields, replace

from strowger.agent import AgentDefinition, Expectation, TurnOverride, TurnTaking
from strowger.conversation import phrases
from strowger.conversation.answers import phrases_for
from strowger.conversation.dialogue import Message, OfferedTool, Role
from strowger.conversation.errands import Errands
from strowger.conversation.events import (
    Become,
    DropTool,
    Effect,
    FindTools,
    HangUp,
    Listen,
    ToolRequested,
    UtteranceEnded,
)
from strowger.conversation.farewell import LastPhrases
from strowger.conversation.orders import TakeWay
from strowger.conversation.responder import Responder, Response
from strowger.conversation.speech import AgentSpeech
from strowger.conversation.tool_desk import ToolDesk
from strowger.conversation.transcript import AgentTurn, Transcript, Utterance
from strowger.conversation.turn import Floor, TurnMachine
from strowger.conversation.waiting import Waiting
from strowger.lifecycle import EndReason

MOST_ROUNDS = 8
"""Replies of the model's to one turn of the callee's; in the last of them it has no tools."""


class AgentSide:
    """What the agent says and does, one turn at a time."""

    def __init__(
        self, turns: TurnMachine, definition: AgentDefinition, responder: Responder
    ) -> None:
        self.speech = AgentSpeech(definition.limits.provider_deadline)
        self.transcript = Transcript()
        self.desk = ToolDesk(definition.tools)
        self.listening = 0
        """The number of the callee's turn that is recognised now or next."""
        self.errands = Errands(self.speech, self.desk, self.transcript)
        self.ended = False
        self._turns = turns
        self._expect: Expectation | None = None
        self._to_say: list[str] = []
        """Asked for by the customer while the callee had the floor."""
        self._rounds = 0
        """Replies asked of the model since the callee last spoke."""
        self._taking = definition.turn_taking
        self._waiting = Waiting(self.speech, self.desk, turns, self._taking)
        self._last_phrases = LastPhrases(())
        self.responder = responder
        """Of the agent that has the call now."""
        self._take(definition, responder)

    def become(self, definition: AgentDefinition, responder: Responder) -> list[Effect]:
        """Another agent goes on with the call."""
        self._take(definition, responder)
        self.desk.replace(definition.tools)
        self.speech.have_another_voice()
        self.desk.report()  # the other agent begins with words of its own
        self._turns.taking = definition.turn_taking
        return [Become(definition), *self.find_tools()]

    def _take(self, definition: AgentDefinition, responder: Responder) -> None:
        self.responder = responder
        self.errands.way = None
        self.errands.voicemail = definition.voicemail
        self._last_phrases = LastPhrases(definition.end_call_phrases)
        self._taking = self._waiting.taking = definition.turn_taking

    def find_tools(self) -> list[Effect]:
        return [FindTools(server) for server in self.desk.servers]

    def perform(self, response: Response, turn: AgentTurn, *, now: float) -> list[Effect]:
        """Take the agent's next turn."""
        self._expect = response.expect
        self._rounds, self.errands.way = 0, None
        self._waiting.begin(now=now)
        self._turns.taking = _overridden(self._taking, response.turn_taking)
        self._turns.expect(response.expect)
        effects, _ = self.speech.stop()
        if not response.ends:
            effects.append(self.listen())
        dialogue = self.transcript.dialogue()
        self._begin(turn)
        texts, self._to_say = (*self._to_say, *response.texts), []
        for text in texts:
            effects += self.speech.say(text, now=now)
        if response.generate:
            effects += self.generate(dialogue, now=now)
        if response.ends:
            self.errands.closing = EndReason.AGENT_HANGUP
        return effects + self.when_silent(now=now)

    def draft(self, text: str) -> list[Effect]:
        """Have the model begin on a reply to what may be all that the callee says."""
        return self._draft((*self.transcript.dialogue(), Message(Role.USER, text)))

    def draft_again(self, text: str) -> list[Effect]:
        """The same where his words go on with his last turn, whose answer he has not heard out."""
        return self._draft(self.transcript.continued_by(text))

    def _draft(self, dialogue: tuple[Message, ...]) -> list[Effect]:
        told = (*self.responder.instructions(), *dialogue)
        return self.speech.draft(dialogue[-1].text, told, self._offered())

    def perform_draft(
        self, text: str, turn: AgentTurn, *, now: float
    ) -> tuple[list[Effect], bool] | None:
        """Take the agent's turn with the reply that was begun to these words, where one was.

        Also whether the model has finished it.
        """
        adopted = self.speech.adopt_draft(text, now=now)
        if adopted is None:
            return None
        self._expect = None
        self._rounds = 1
        self._waiting.begin(now=now)
        self.desk.report()
        self._turns.expect(None)
        effects: list[Effect] = [self.listen()]
        self._begin(turn)
        said, self._to_say = self._to_say, []
        for words in said:
            effects += self.speech.say(words, now=now)
        reply = self.speech.reply
        for sentence in adopted.sentences:
            effects += self.speech.sentence(reply, sentence, now=now)
        for request in adopted.tools:
            effects += self.tool_requested(request, now=now)
        return effects, adopted.finished

    def introduce(self, response: Response, *, now: float) -> list[Effect]:
        """Begin as another agent, whoever has the floor."""
        self._turns.claim(now=now)
        return self.perform(response, AgentTurn(words_at=now), now=now)

    def say_again(self, cut: AgentTurn, turn: AgentTurn, *, now: float) -> list[Effect]:
        """Say the sentences that were not heard to their end, each from its beginning."""
        turn.resumes = True
        texts = tuple(said.text for said in cut.utterances if not said.whole)
        return self.perform(Response(texts=texts, expect=self._expect), turn, now=now)

    def resume(self, cut: AgentTurn, turn: AgentTurn, *, now: float) -> list[Effect]:
        """Go on from the word on that was cut off, and with what the model has written since."""
        turn.resumes, turn.question, turn.said_before = True, cut.question, cut.whole_text()
        effects: list[Effect] = [*self.speech.drop_draft(), self.listen()]
        self._begin(turn)
        released = self.speech.release(cut.unfinished(), now=now)
        effects += released.effects
        said, self._to_say = self._to_say, []
        for text in said:
            effects += self.speech.say(text, now=now)
        if released.lost:  # what it had asked for as well, it will ask for again
            return effects + self.generate(self.transcript.dialogue(), now=now)
        for request in released.tools:
            effects += self.tool_requested(request, now=now)
        if released.finished:
            self.speech.finish_reply()
        return effects + self.when_silent(now=now)

    def pass_floor(self, *, now: float) -> list[Effect]:
        """Say nothing, but for what the customer wants said and what tools have come to."""
        if self._to_say:
            return self.perform(Response(expect=self._expect), AgentTurn(words_at=now), now=now)
        if self.desk.running or self.desk.unreported:
            return self.when_silent(now=now)
        self._turns.agent_passes(now=now)
        return []

    def listen(self) -> Listen:
        """A new turn of the callee's may begin."""
        self.listening += 1
        self._turns.listen()
        return Listen(self.listening, phrases_for(self._expect))

    def say_unasked(self, text: str, *, now: float) -> list[Effect]:
        """Say it now, or as soon as the callee is done."""
        if self.errands.closing is not None:
            return []
        if self.speech.held:
            self._to_say.append(text)
            return []
        if not self.speech.silent:
            return self.speech.say(text, now=now)
        if not self._turns.claim(now=now):
            self._to_say.append(text)
            return []
        self._begin(AgentTurn(words_at=now))
        return self.speech.say(text, now=now) + self.when_silent(now=now)

    def utterance_ended(
        self, event: UtteranceEnded, *, now: float
    ) -> tuple[Utterance | None, list[Effect]]:
        """Which utterance that was, and what follows if it was the last."""
        awaited = self.speech.waits_for(event.utterance)
        said = self.speech.ended(event, now=now)
        return said, self.when_silent(now=now) if awaited else []

    def when_silent(self, *, now: float) -> list[Effect]:
        """The agent's turn may be over: hang up, act, go on, or leave the floor to the callee."""
        if not self.speech.silent:
            return []
        turn = self.speech.turn
        turn.open = False
        ahead = self.errands
        if ahead.closing is not None:
            return self.hang_up(ahead.closing, now=now)
        if ahead.put_through is not None:
            return ahead.transfer(now=now)
        if self.desk.running:
            return []
        if ahead.way is not None:
            way, ahead.way = ahead.way, None
            return self._take_way(way, now=now)
        if self.desk.unreported:
            if self._rounds < MOST_ROUNDS:
                return self._go_on(now=now)
            self.desk.report()
            if not turn.utterances:  # it was offered none, and still did nothing but ask for tools
                return self.speech.say(phrases.SAY_IT_AGAIN, now=now)
        if self.said_goodbye(turn):
            return self.hang_up(EndReason.AGENT_HANGUP, now=now)
        self._turns.agent_finished(now=now)
        return []

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def tool_requested(self, event: ToolRequested, *, now: float) -> list[Effect]:
        return self.errands.requested(event, enough=self._rounds >= MOST_ROUNDS, now=now)

    def tool_finished(self, use: int, result: str, *, ok: bool, now: float) -> list[Effect]:
        """A reply that was begun early knows nothing of it: it is begun anew."""
        if not self.desk.finish(use, result, ok=ok, now=now):
            return []
        return self.speech.drop_draft() + self.after_tools(now=now)

    def tools_expired(self, *, now: float) -> list[Effect]:
        effects: list[Effect] = [DropTool(use) for use in self.desk.expire(now=now)]
        return effects + self.speech.drop_draft() + self.after_tools(now=now)

    def after_tools(self, *, now: float) -> list[Effect]:
        """Tell the model what has come of tools, as soon as the agent may speak."""
        if self.desk.running or not self.speech.silent:
            return []
        if self._turns.floor in (Floor.AGENT, Floor.OVERLAP):
            return self.when_silent(now=now)
        if self.desk.unreported and self._turns.claim(now=now):
            return self._go_on(now=now)
        return []  # the callee speaks: the model is told when it answers

    @property
    def filler_deadline(self) -> float | None:
        """When the callee has waited for so long that the agent says something meanwhile."""
        return None if self.errands.closing is not None else self._waiting.deadline(self._rounds)

    def say_filler(self, *, now: float) -> list[Effect]:
        if not self.speech.turn.open:
            self._begin(AgentTurn(words_at=now))
        return self._waiting.say(self._rounds, now=now)

    def _go_on(self, *, now: float) -> list[Effect]:
        """Have the model speak to what has come of its tools."""
        before = self.speech.turn
        turn = AgentTurn(question=before.question, words_at=now)
        if not before.utterances:  # nothing was said yet: the callee waits for this
            turn = replace(turn, cause=before.cause, words_at=before.words_at)
        dialogue = self.transcript.dialogue()
        self._begin(turn)
        return self.generate(dialogue, now=now)

    def _take_way(self, way: TakeWay, *, now: float) -> list[Effect]:
        """Go on as the flow says there; as one turn where nothing was said before."""
        before = self.speech.turn
        turn = AgentTurn(words_at=now)
        if not before.utterances:
            turn = replace(turn, cause=before.cause, words_at=before.words_at)
        rounds = self._rounds
        effects = self.perform(self.responder.follow(way.way, way.arguments), turn, now=now)
        self._rounds += rounds  # a model that goes in circles is stopped like any other
        return effects

    def _offered(self) -> tuple[OfferedTool, ...]:
        self.desk.stand_at(self.responder.ways, self.responder.tools)
        return self.desk.offered()

    def generate(self, dialogue: tuple[Message, ...], *, now: float) -> list[Effect]:
        """Have the model write on from this dialogue."""
        self._rounds += 1
        self.desk.report()
        offered = self._offered()
        tools = offered if self._rounds < MOST_ROUNDS else ()
        instructions = self.responder.instructions()
        return self.speech.generate((*instructions, *dialogue), tools, now=now)

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def close(self, reason: EndReason, goodbye: str, *, now: float) -> list[Effect]:
        """Drop everything, say goodbye, and hang up once it was heard."""
        effects, _ = self.speech.stop()
        self.begin_goodbye(reason, now=now)
        return effects + self.speech.say(goodbye, now=now)

    def hang_up(self, reason: EndReason, *, now: float) -> list[Effect]:
        self.ended = True
        self.speech.break_off(now=now)
        self.desk.break_off(now=now)
        return [HangUp(reason.value)]

    def begin_goodbye(self, reason: EndReason, *, now: float) -> None:
        """The agent's last turn; `reason` will have been the call's."""
        self.errands.closing = reason
        self._begin(AgentTurn(words_at=now))

    def said_goodbye(self, turn: AgentTurn) -> bool:
        """Whether a phrase was heard that ends the call."""
        return self._last_phrases.are_in(turn.whole_text())

    def _begin(self, turn: AgentTurn) -> None:
        self.speech.turn.open = False
        self.speech.turn = turn
        self.transcript.add(turn)


def _overridden(taking: TurnTaking, override: TurnOverride | None) -> TurnTaking:
    """The agent's turn-taking with what a node says otherwise."""
    if override is None:
        return taking
    given = {field.name: getattr(override, field.name) for field in fields(override)}
    return replace(taking, **{name: value for name, value in given.items() if value is not None})
