"""The callee's part in a call that a service holds: his voice, his turns, his keys.

That he speaks the line says, and the service; that he has a turn or interrupts, only the service.
"""

from strowger.conversation.events import DigitPressed, SpeechStarted, SpeechStopped, StopSpeaking
from strowger.conversation.speech_to_speech.asking import Asking
from strowger.conversation.speech_to_speech.events import (
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Hush,
    PassOn,
    SpokenEffect,
)
from strowger.conversation.speech_to_speech.items import CalleeItem
from strowger.conversation.speech_to_speech.situation import Situation


class Hearing:
    def __init__(self, call: Situation, asking: Asking) -> None:
        self._call = call
        self._asking = asking
        self._last_callee: CalleeItem | None = None
        self._keys = 0

    def on_the_line(
        self, event: SpeechStarted | SpeechStopped | DigitPressed, *, now: float
    ) -> list[SpokenEffect]:
        patience = self._call.patience
        match event:
            case SpeechStarted(at):
                patience.speech_started(at)
                return []
            case SpeechStopped(at):
                patience.speech_stopped(at, now=now)
                last = self._last_callee
                if last is not None and last.started_at <= at < last.ended_at:
                    last.ended_at = at
                return self._asking.say_what_waits(now=now)
            case DigitPressed(digit):
                return self._pressed(digit, now=now)

    def _pressed(self, digit: str, *, now: float) -> list[SpokenEffect]:
        call = self._call
        if call.closing is not None:
            return []
        effects: list[SpokenEffect] = []
        if not call.patience.digits:
            effects = self._interrupt(now=now)
            effects += [Hush()] if effects else []
        call.patience.digits += digit
        call.patience.digits_at = now
        return effects + (self.digits_over(now=now) if digit == "#" else [])

    def digits_over(self, *, now: float) -> list[SpokenEffect]:
        call = self._call
        began = call.patience.digits_at
        digits = call.patience.take_digits()
        if not digits:
            return []
        self._keys += 1
        entry = call.record.callee(f"keys {self._keys}", started_at=began, ended_at=began)
        entry.text, entry.done_at = f"(pressed {digits})", now
        self._callee_acts()
        return self._asking.ask(PassOn(entry.text), now=now)

    def of_callee(
        self, event: CalleeBegan | CalleeDone | CalleeWords, *, now: float
    ) -> list[SpokenEffect]:
        call = self._call
        entry = self._callee_item(event.item, now=now)
        match event:
            case CalleeBegan():
                self._last_callee = entry
                call.callee_has_floor = True
                call.patience.service_heard()
                call.patience.sounded(now=now)
                if call.closing is not None or not call.patience.taking.interruptible:
                    return []
                return self._interrupt(now=now)
            case CalleeDone():
                if entry.done_at is None:
                    entry.done_at = now
                    until = call.patience.spoke_until(since=entry.started_at, now=now)
                    entry.ended_at = max(entry.started_at, until)
                    self._last_callee = call.unanswered = entry
                    self._callee_acts()
                call.callee_has_floor = False
                self._asking.awaits(now=now)
                return self._asking.say_what_waits(now=now)
            case CalleeWords(_, text):
                if entry.text is None:
                    entry.text = " ".join(text.split())
                    if entry.text:
                        self._callee_acts()
                        if not call.acting.desk.puts_through:
                            call.transferring = None  # not done in time, and he is still here
                return []

    def _callee_item(self, item: str, *, now: float) -> CalleeItem:
        known = self._call.record.known_callee(item)
        if known is not None:
            return known
        began = self._call.patience.spoke_from(now=now)
        return self._call.record.callee(item, started_at=began, ended_at=now)

    def _callee_acts(self) -> None:
        # Where nobody was there to be told, the first words are still to be said.
        self._call.opened = self._call.opened or self._call.link.ready is not None
        self._call.patience.reprompts = 0
        self._call.acting.callee_spoke()

    def _interrupt(self, *, now: float) -> list[SpokenEffect]:
        """The callee takes the floor: what the agent says is cut, and what was to follow."""
        call = self._call
        effects = call.acting.drop_transfer(call.link.number, now=now)
        if call.record.cut():
            effects.append(StopSpeaking())
        return effects
