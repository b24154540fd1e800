"""The agent's side of a conversation: taking its turn, saying goodbye, hanging up.

Does what it is told by the conversation, which decides; keeps the transcript of what came of it.
"""

from strowger.agent import Expectation
from strowger.conversation import phrases
from strowger.conversation.answers import digits_wanted, phrases_for, words_of
from strowger.conversation.events import Effect, HangUp, Listen, UtteranceEnded
from strowger.conversation.responder import Response
from strowger.conversation.speech import AgentSpeech
from strowger.conversation.transcript import AgentTurn, Transcript, Utterance
from strowger.conversation.turn import TurnMachine
from strowger.lifecycle import EndReason


class AgentSide:
    """What the agent says and does, one turn at a time."""

    def __init__(
        self,
        turns: TurnMachine,
        *,
        patience: float,
        instructions: tuple[tuple[str, str], ...],
        end_call_phrases: tuple[str, ...],
    ) -> None:
        self.speech = AgentSpeech(patience)
        self.transcript = Transcript()
        self.listening = 0
        """The number of the callee's turn that is recognised now or next."""
        self.closing: EndReason | None = None
        """The agent is saying goodbye; this will have been the reason."""
        self.ended = False
        self._turns = turns
        self._instructions = instructions
        self._last_phrases = tuple(filter(None, map(words_of, end_call_phrases)))
        self._expect: Expectation | None = None
        self._to_say: list[str] = []
        """Asked for by the customer while the callee had the floor."""

    def perform(self, response: Response, turn: AgentTurn, *, now: float) -> list[Effect]:
        """Take the agent's next turn."""
        self._expect = response.expect
        self._turns.digits_wanted = digits_wanted(response.expect)
        effects: list[Effect] = [] if response.ends else [self.listen()]
        dialogue = self.transcript.dialogue()
        self._begin(turn)
        texts, self._to_say = (*self._to_say, *response.texts), []
        for text in texts:
            effects += self.speech.say(text, now=now)
        if response.generate:
            effects += self.speech.generate((*self._instructions, *dialogue), now=now)
        if response.ends:
            self.closing = EndReason.AGENT_HANGUP
        return effects + self.when_silent(now=now)

    def resume(self, cut: AgentTurn, turn: AgentTurn, *, now: float) -> list[Effect]:
        """Say again, from the sentence on that was cut off, what the callee has not heard."""
        turn.resumes = True
        response = Response(texts=tuple(cut.unfinished()), expect=self._expect)
        return self.perform(response, turn, now=now)

    def pass_floor(self, *, now: float) -> list[Effect]:
        """Say nothing, but for what the customer wants said."""
        if self._to_say:
            return self.perform(Response(expect=self._expect), AgentTurn(words_at=now), now=now)
        self._turns.agent_passes(now=now)
        return []

    def listen(self) -> Listen:
        """A new turn of the callee's may begin."""
        self.listening += 1
        self._turns.listen()
        return Listen(self.listening, phrases_for(self._expect))

    def say_unasked(self, text: str, *, now: float) -> list[Effect]:
        """Say it now, or as soon as the callee is done."""
        if self.closing is not None:
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
        """The agent's turn may be over: hang up, or leave the floor to the callee."""
        if not self.speech.silent:
            return []
        turn = self.speech.turn
        turn.open = False
        if self.closing is not None:
            return self.hang_up(self.closing, now=now)
        if self._says_goodbye(turn.text()):
            return self.hang_up(EndReason.AGENT_HANGUP, now=now)
        self._turns.agent_finished(now=now)
        return []

    def generate_again(self, *, now: float) -> list[Effect]:
        """Apologise, and have the model go on from what it has said."""
        dialogue = self.transcript.dialogue()
        apology = self.speech.say(phrases.APOLOGY, now=now)
        return apology + self.speech.generate((*self._instructions, *dialogue), now=now)

    def speak_again(self, *, now: float) -> list[Effect]:
        """Apologise in the fallback voice, and try the agent's own once more."""
        effects, unheard = self.speech.silence()
        effects += self.speech.say_in_fallback_voice(phrases.APOLOGY, now=now)
        for text in unheard:
            effects += self.speech.say(text, now=now)
        return effects

    def close(self, reason: EndReason, goodbye: str, *, now: float) -> list[Effect]:
        """Drop everything, say goodbye, and hang up once it was heard."""
        effects, _ = self.speech.stop()
        self._begin_goodbye(reason, now=now)
        return effects + self.speech.say(goodbye, now=now)

    def give_up_speaking(self, *, now: float) -> list[Effect]:
        """The agent's own voice is lost: say goodbye in the other."""
        effects, _ = self.speech.stop()
        self._begin_goodbye(EndReason.PROVIDER_FAILED, now=now)
        return effects + self.speech.say_in_fallback_voice(phrases.LAST_APOLOGY, now=now)

    def goodbye_failed(self, reason: EndReason, *, now: float) -> list[Effect]:
        """Try the other voice, and then let it be."""
        if self.speech.in_fallback_voice():
            return self.hang_up(reason, now=now)
        effects, unheard = self.speech.silence()
        for text in unheard:
            effects += self.speech.say_in_fallback_voice(text, now=now)
        return effects

    def hang_up(self, reason: EndReason, *, now: float) -> list[Effect]:
        self.ended = True
        self.speech.break_off(now=now)
        return [HangUp(reason.value)]

    def _begin(self, turn: AgentTurn) -> None:
        self.speech.turn.open = False
        self.speech.turn = turn
        self.transcript.add(turn)

    def _begin_goodbye(self, reason: EndReason, *, now: float) -> None:
        self.closing = reason
        self._begin(AgentTurn(words_at=now))

    def _says_goodbye(self, text: str) -> bool:
        said = f" {' '.join(words_of(text))} "
        return any(f" {' '.join(words)} " in said for words in self._last_phrases)
