"""How a call comes to its end, or to another telephone: once what is being said was heard."""

from strowger.conversation import phrases
from strowger.conversation.answers import words_of
from strowger.conversation.events import HangUp, StopSpeaking, Transfer
from strowger.conversation.speech_to_speech.asking import Asking
from strowger.conversation.speech_to_speech.events import Hush, Say, SpokenEffect
from strowger.conversation.speech_to_speech.situation import Situation
from strowger.lifecycle import EndReason

STALL = 2.0
"""Seconds without sound after which what a service has begun to say counts as said."""
LAST_WORDS = 10.0
"""Seconds a goodbye may take once the longest duration of the call is reached."""


class Ending:
    def __init__(self, call: Situation, asking: Asking) -> None:
        self._call = call
        self._asking = asking

    def hang_up(self, reason: EndReason, *, now: float) -> list[SpokenEffect]:
        call = self._call
        call.leaving.ended = True
        call.record.break_off(now=now)
        call.acting.desk.break_off(now=now)
        return [HangUp(reason.value)]

    def close(self, reason: EndReason, text: str, *, now: float) -> list[SpokenEffect]:
        """Drop everything, say goodbye, and hang up once it was heard."""
        call = self._call
        plain = call.link.ready is None
        # It may have sent a little more of it before it hears that it is to say something else.
        at_something_else = call.patience.awaited_since is not None or call.record.service_speaks
        effects: list[SpokenEffect] = [StopSpeaking()] if call.record.cut() else []
        call.patience.service_heard()
        due = now + call.patience.deadline
        saying, within = call.record.being_said, at_something_else and not plain
        call.leaving.begin(reason, saying, text=text, due=due, plain=plain, within=within)
        return effects + ([self._asking.say_plainly(text)] if plain else [Hush(), Say(text)])

    def close_with(self, text: str, reason: EndReason, *, now: float) -> None:
        """Hang up once the service was heard to say this, which it is asked to."""
        call = self._call
        due = now + call.patience.deadline
        call.leaving.begin(reason, call.record.being_said, text=text, due=due, within=True)

    def close_when_silent(self, reason: EndReason, *, wait: float, now: float) -> None:
        """Hang up once what is said now was heard; `wait` for that to begin."""
        call, due = self._call, now + wait if wait else None
        call.leaving.begin(reason, call.record.being_said, due=due)

    def give_up(self, *, now: float) -> list[SpokenEffect]:
        """No service holds the call any more."""
        call, text = self._call, phrases.LAST_APOLOGY
        saying, due = call.record.being_said, now + call.patience.deadline
        call.leaving.begin(EndReason.PROVIDER_FAILED, saying, text=text, due=due, plain=True)
        return [self._asking.say_plainly(text)]

    # ── what was heard ───────────────────────────────────────────────────────────────────────

    def when_silent(self, *, now: float) -> list[SpokenEffect]:
        """Hang up or put through what waits for the agent to be heard, if he was."""
        call, due = self._call, self.silent_due()
        if due is None or now < due:
            return []
        if call.closing is not None:
            return self.hang_up(call.closing, now=now)
        if call.acting.put_through is None:
            return []
        (use, order), call.acting.put_through = call.acting.put_through, None
        restarted = call.acting.desk.restart(use, now=now)
        return [Transfer(use, order.target.to, order.briefing)] if restarted else []

    def silent_due(self) -> float | None:
        """When what waits for the agent's silence is done; None while it is not to be."""
        call = self._call
        items = call.record.agents(None if call.closing is None else call.leaving.items)
        if any(entry.playing for entry in items):
            return None
        if call.closing is not None:
            if call.leaving.due is not None:
                return None
        elif call.acting.put_through is None or call.patience.awaited_since is not None:
            return None
        unfinished = any(entry.unfinished for entry in items)
        return call.patience.quiet_since + (STALL if unfinished else 0.0)

    def response_over(self, *, now: float) -> list[SpokenEffect]:
        leaving = self._call.leaving
        if leaving.goodbye is not None and leaving.text is not None:
            wanted = " ".join(words_of(leaving.text))
            if wanted in " ".join(words_of(self._call.record.agent(leaving.goodbye).text)):
                leaving.said()
        leaving.service_done()
        return self.when_silent(now=now)

    def never_sounded(self, *, plain: bool, now: float) -> list[SpokenEffect]:
        """Something was to be said and was not."""
        if plain:
            self._call.leaving.plainly_done()
        return self.when_silent(now=now)

    def goodbye_lost(self, *, now: float) -> list[SpokenEffect]:
        """The service will not say goodbye any more."""
        text = self._call.leaving.lose(until=now + self._call.patience.deadline)
        if text is None:
            return self.when_silent(now=now)
        return [self._asking.say_plainly(text)]

    def goodbye_late(self, reason: EndReason, *, now: float) -> list[SpokenEffect]:
        """It was waited for long enough."""
        if self._call.leaving.plain:  # neither voice has said goodbye
            return self.hang_up(reason, now=now)
        return self.goodbye_lost(now=now)

    # ── the longest duration ─────────────────────────────────────────────────────────────────

    def duration_due(self) -> float:
        over = (self._call.answered_at or 0.0) + self._call.longest
        return over if self._call.leaving.end_by is None else self._call.leaving.end_by

    def duration_over(self, *, now: float) -> list[SpokenEffect]:
        call = self._call
        if call.leaving.end_by is not None:
            return self.hang_up(call.closing or EndReason.MAX_DURATION, now=now)
        call.leaving.end_by = now + LAST_WORDS
        if call.closing is not None:
            return []
        return self.close(EndReason.MAX_DURATION, phrases.TIME_IS_UP, now=now)
