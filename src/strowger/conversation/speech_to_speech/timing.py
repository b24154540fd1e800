"""What is due in a call that a service holds, and when: its limits, its tools, its silences."""

from strowger.conversation import phrases
from strowger.conversation.speech_to_speech.asking import Asking
from strowger.conversation.speech_to_speech.ending import Ending
from strowger.conversation.speech_to_speech.errands import Errands
from strowger.conversation.speech_to_speech.events import Say, SpokenEffect
from strowger.conversation.speech_to_speech.serving import Serving
from strowger.conversation.speech_to_speech.situation import Situation
from strowger.conversation.template import render_speech
from strowger.lifecycle import EndReason


class Timing:
    def __init__(
        self, call: Situation, asking: Asking, ending: Ending, serving: Serving, errands: Errands
    ) -> None:
        self._call = call
        self._asking = asking
        self._ending = ending
        self._serving = serving
        self._errands = errands

    def next_timer(self) -> float | None:
        call = self._call
        if call.leaving.ended or call.answered_at is None:
            return None
        deadlines = [
            self._ending.duration_due(),
            call.acting.desk.deadline,
            self._ending.silent_due(),
        ]
        if call.closing is not None:
            deadlines.append(call.leaving.due)
        else:
            deadlines += [self._filler_due(), self._service_due(), self._silence_due()]
            deadlines += [call.patience.digits_due(), call.link.apology_due]
        return min(at for at in deadlines if at is not None)

    def handle(self, due: float, *, now: float) -> list[SpokenEffect]:
        """Do what is due then."""
        call, ending = self._call, self._ending
        if due == ending.duration_due():
            return ending.duration_over(now=now)
        if due == call.acting.desk.deadline:
            return self._errands.expire(now=now)
        if due == ending.silent_due():
            return ending.when_silent(now=now)
        if call.closing is not None:
            return ending.goodbye_late(call.closing, now=now)
        if due == self._filler_due():
            filler = Say(call.acting.next_filler(now=now))
            if call.patience.awaited_since is not None:
                return [filler]  # its own deadline goes on
            return self._asking.ask(filler, now=now)
        if due == call.link.apology_due:
            return self._serving.apologise()
        if due == self._service_due():
            return self._serving.late(now=now)
        return self._break_silence(now=now)

    def _service_due(self) -> float | None:
        call = self._call
        if call.link.ready is None:
            return call.link.asked_at + call.patience.deadline
        return None if call.record.playing else call.patience.service_due()

    def _silence_due(self) -> float | None:
        call = self._call
        busy = call.record.playing or call.acting.desk.running or call.link.ready is None
        return None if busy else call.patience.silence_due()

    def _filler_due(self) -> float | None:
        call, ready, patience = self._call, self._call.link.ready, self._call.patience
        if call.record.playing or patience.callee_speaks or ready is None or ready.greets:
            return None
        if call.acting.desk.running is (patience.awaited_since is not None):
            return None  # something is to be said already, or nothing is waited for
        return call.acting.filler_due(since=patience.quiet_since, heard_at=patience.heard_at)

    def _break_silence(self, *, now: float) -> list[SpokenEffect]:
        call, patience = self._call, self._call.patience
        call.callee_has_floor = False  # the service has heard nothing to be answered after all
        if said := self._asking.say_what_waits(now=now):
            return said
        if not call.opened and (effects := self._asking.open(now=now)):
            return effects
        if patience.reprompts >= patience.taking.max_reprompts:
            return self._ending.close(EndReason.SILENCE, phrases.NOBODY_THERE, now=now)
        texts = patience.taking.reprompts or (phrases.ARE_YOU_THERE,)
        text = texts[min(patience.reprompts, len(texts) - 1)]
        patience.reprompts += 1
        call.link.nudged = True  # a service that does not answer this is not asked a third time
        return self._asking.ask(Say(render_speech(text, call.variables)), now=now)
