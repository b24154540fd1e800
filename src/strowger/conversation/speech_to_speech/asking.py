"""What is asked of the service while it has the call, and what of the fallback voice instead."""

from strowger.conversation.speech_to_speech.briefing import greeting_of
from strowger.conversation.speech_to_speech.events import (
    PassOn,
    Respond,
    Say,
    SayPlainly,
    SpokenEffect,
)
from strowger.conversation.speech_to_speech.items import PLAIN
from strowger.conversation.speech_to_speech.situation import Situation


class Asking:
    """Nothing is asked of a service that is not there, or that says goodbye."""

    def __init__(self, call: Situation) -> None:
        self._call = call
        self._to_say: list[str] = []
        """Asked for by the customer while it could not be said."""
        self._to_answer: list[PassOn | Respond] = []
        """What the callee did while no service was there that could be told."""
        self._plain = 0

    def ask(self, effect: Respond | Say | PassOn, *, now: float) -> list[SpokenEffect]:
        """Ask the service for something that it has to answer by speaking."""
        call = self._call
        if call.closing is not None:
            return []
        self.awaits(now=now)
        if call.link.ready is not None:
            return [effect]
        if isinstance(effect, PassOn):
            self._to_answer.append(effect)
        else:
            call.link.owed = True
        return []

    def brief(self) -> None:
        """The next service is told with its brief what the callee did; it still has to answer."""
        if self._to_answer:
            self._to_answer = [Respond()]

    def answer_what_waits(self, *, now: float) -> list[SpokenEffect]:
        """Have a service that is ready now answer what the callee did before."""
        waiting, self._to_answer = self._to_answer, []
        return [effect for each in waiting for effect in self.ask(each, now=now)]

    def awaits(self, *, now: float) -> None:
        """It is the service's turn."""
        if self._call.closing is None:
            self._call.patience.await_service(now=now)

    def open(self, *, now: float) -> list[SpokenEffect]:
        """Have the service say the agent's first words, unless it does so by itself."""
        call = self._call
        call.opened = True
        if call.link.ready is not None and call.link.ready.greets:
            return []
        greeting = greeting_of(call.definition, call.variables)
        return self.ask(Say(greeting) if greeting else Respond(), now=now)

    def say_unasked(self, text: str, *, now: float) -> list[SpokenEffect]:
        """The customer wants it said: now, or as soon as it can be."""
        if self._call.closing is not None:
            return []
        self._to_say.append(text)
        return self.say_what_waits(now=now)

    def say_what_waits(self, *, now: float) -> list[SpokenEffect]:
        call = self._call
        if call.link.ready is None or call.closing is not None:
            return []
        if call.patience.callee_speaks or call.callee_has_floor:
            return []
        texts, self._to_say = self._to_say, []
        return [effect for text in texts for effect in self.ask(Say(text), now=now)]

    def say_plainly(self, text: str) -> SayPlainly:
        self._plain += 1
        item = f"{PLAIN}{self._plain}"
        self._call.record.agent(item).text = text
        return SayPlainly(item, text)
