"""Who has the floor: the callee, the agent, or nobody.

Pure: what is heard and the time go in, at most one decision comes out. The machine decides when
a turn begins and ends; what the agent then says is not its business. After every decision but
`Interrupted` and `Dismissed` the floor is the agent's, until `agent_finished` or `agent_passes`.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from strowger.agent import Expectation, TurnTaking
from strowger.conversation.answers import digits_wanted
from strowger.conversation.decisions import (
    Decision,
    Dismissed,
    Interrupted,
    LikelyEnded,
    StayedSilent,
    TurnEnded,
    TurnSoFar,
    WentOn,
    WordsMissing,
)
from strowger.conversation.endpointing import (
    delay_of,
    finished_by_words,
    is_backchannel,
    words_that_count,
)
from strowger.conversation.events import (
    DigitPressed,
    PauseJudged,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnHinted,
)

DIGIT_PAUSE = 3.0
"""Seconds after which no further digit is expected."""


class Floor(StrEnum):
    OPEN = "open"
    """Nobody speaks; whoever begins has the floor."""
    CALLEE = "callee"
    PAUSE = "pause"
    """The callee fell silent, perhaps only for breath."""
    WORDS = "words"
    """The callee's turn is over; the recogniser still owes its words."""
    KEYS = "keys"
    """The callee presses digits."""
    AGENT = "agent"
    OVERLAP = "overlap"
    """The callee makes a sound while the agent has the floor: a cough, or an interruption."""


class Input(StrEnum):
    VOICE = "the callee begins to speak"
    HUSH = "the callee falls silent"
    WORDS = "all words of the turn are there"
    KEY = "the callee presses a digit"
    EXPIRED = "the floor's deadline passes"
    CLAIMED = "the agent begins unasked"
    YIELDED = "the agent has nothing more to say"


TRANSITIONS: dict[Floor, dict[Input, Floor]] = {
    Floor.OPEN: {
        Input.VOICE: Floor.CALLEE,
        Input.WORDS: Floor.AGENT,  # they came after the silence was judged to be one
        Input.KEY: Floor.KEYS,
        Input.EXPIRED: Floor.AGENT,
        Input.CLAIMED: Floor.AGENT,
    },
    Floor.CALLEE: {Input.HUSH: Floor.PAUSE, Input.KEY: Floor.KEYS},
    Floor.PAUSE: {
        Input.VOICE: Floor.CALLEE,
        Input.KEY: Floor.KEYS,
        Input.EXPIRED: Floor.WORDS,
    },
    Floor.WORDS: {
        Input.VOICE: Floor.CALLEE,
        Input.WORDS: Floor.AGENT,
        Input.KEY: Floor.KEYS,
        Input.EXPIRED: Floor.AGENT,
    },
    Floor.KEYS: {Input.KEY: Floor.KEYS, Input.EXPIRED: Floor.AGENT},
    Floor.AGENT: {
        Input.VOICE: Floor.OVERLAP,
        Input.KEY: Floor.KEYS,
        Input.YIELDED: Floor.OPEN,
    },
    Floor.OVERLAP: {
        Input.HUSH: Floor.AGENT,
        Input.KEY: Floor.KEYS,
        Input.EXPIRED: Floor.CALLEE,
        Input.YIELDED: Floor.CALLEE,
    },
}


Heard = SpeechStarted | SpeechStopped | Transcribed | TurnHinted | PauseJudged | DigitPressed


@dataclass(slots=True)
class TurnMachine:
    """Decides when the callee's turn is over, and when the agent must stop."""

    taking: TurnTaking
    patience: float
    """Seconds the recogniser may take for the last words of a turn."""
    language: str = "en-US"
    digits_wanted: int | None = None
    """How many digits make a whole answer, where that is known."""
    digits_spoken: int | None = None
    """The same for digits that are spoken."""
    answers: bool = False
    """Whether a question is open, so that a word such as `yes` says something."""
    floor: Floor = Floor.AGENT
    deadline: float | None = None
    """When `handle_timer` is to be called."""
    _turn: TurnSoFar = field(default_factory=TurnSoFar)
    _speaking_since: float | None = None
    """When the sound began that the callee is making now; counted anew once it is dealt with."""
    _decided_at: float = -math.inf
    """When the callee's last turn was taken for over."""
    _quiet_since: float = 0.0
    """When the agent fell silent; sounds without words do not count as speech."""

    def receive(self, event: Heard, *, now: float) -> Decision | None:
        match event:
            case SpeechStarted(at):
                return self._voice(at, now=now)
            case SpeechStopped(at):
                return self._hush(at, now=now)
            case Transcribed(_, text, final, confidence):
                return self._words(text, final, confidence, now=now)
            case TurnHinted(_, hint):
                self._turn.hint = hint
                return self._reconsider(now=now)
            case PauseJudged(at, over):
                if self.floor is Floor.PAUSE and at == self._turn.ended_at:
                    self._turn.likely = over
                return self._reconsider(now=now)
            case DigitPressed(digit):
                return self._key(digit, now=now)
            case _:
                assert_never(event)

    def handle_timer(self, *, now: float) -> Decision | None:
        if self.deadline is None or now < self.deadline:
            return None
        expired = self.floor
        if expired is Floor.OVERLAP and not self._says_enough():
            self.deadline = None  # until there are words
            return None
        self._step(Input.EXPIRED, now=now)
        match expired:
            case Floor.OPEN:
                return StayedSilent()
            case Floor.OVERLAP if self._speaking_since is not None:
                return Interrupted(self._speaking_since)
            case Floor.PAUSE:
                self._turn.decided_at = now
                if self._turn.complete and self._step(Input.WORDS, now=now):
                    return self._ended(now=now)
                return None
            case Floor.KEYS:
                self._turn.decided_at = now
                return self._turn.ended(now=now)
            case Floor.WORDS:  # words that were not final are better than none
                return self._ended(now=now) if self._turn.text else WordsMissing()
            case _:
                return None

    def expect(self, expectation: Expectation | None) -> None:
        """What the agent's next question can be answered with."""
        self.digits_wanted = digits_wanted(expectation)
        by_digits = expectation is not None and expectation.type == "digits"
        self.digits_spoken = self.digits_wanted if by_digits else None
        self.answers = expectation is not None

    def listen(self) -> None:
        """A new turn of the callee's may begin: what came before belongs to none."""
        self._turn = TurnSoFar()

    def claim(self, *, now: float) -> bool:
        """Take the floor for the agent unasked; not where the callee has it."""
        return self._step(Input.CLAIMED, now=now)

    def agent_finished(self, *, now: float) -> None:
        """The agent has said all it had to say."""
        self._quiet_since = now
        self.agent_passes(now=now)

    def agent_passes(self, *, now: float) -> None:
        """The agent gives the floor back without having said anything."""
        waiting = self.floor in (Floor.AGENT, Floor.OVERLAP) and self._turn.digits
        self._step(Input.YIELDED, now=now)
        if waiting:  # pressed while the agent could not be interrupted
            self._step(Input.KEY, now=now)

    def words_lost(self) -> bool:
        """The recogniser has failed in this turn; whether the callee is in the midst of it."""
        self._turn.lost = True
        if self.floor is Floor.WORDS:
            self.deadline = self._turn.decided_at
        return self.floor not in (Floor.OPEN, Floor.AGENT)

    def _voice(self, at: float, *, now: float) -> Decision | None:
        if self._speaking_since is not None:
            return None
        turn = self._turn
        self._speaking_since = at
        if self.floor in (Floor.OPEN, Floor.AGENT):
            turn.started_at = at
        begun, turn.begun = turn.begun, None
        turn.complete, turn.likely, turn.hint = False, None, None
        self._step(Input.VOICE, now=now)
        if self.floor is Floor.OVERLAP and at <= self._decided_at and self.taking.interruptible:
            self._step(Input.EXPIRED, now=now)  # he had gone on before his turn was taken for over
            return Interrupted(at)
        return None if begun is None else WentOn()

    def _hush(self, at: float, *, now: float) -> Decision | None:
        if self._speaking_since is None:
            return None
        decision: Decision | None = None
        if self.floor is Floor.OVERLAP:
            # The sound may have been long enough though its end is heard of before the deadline is.
            long_enough = self.deadline is not None and at >= self.deadline
            decision = (self.handle_timer(now=now) if long_enough else None) or Dismissed()
        self._speaking_since = None
        self._turn.ended_at = at
        self._turn.complete = False
        self._step(Input.HUSH, now=now)
        return decision

    def _words(
        self, text: str, final: bool, confidence: float | None, *, now: float
    ) -> Decision | None:
        turn = self._turn
        silent = self._speaking_since is None
        if not final and turn.complete and silent and len(text.strip()) <= len(turn.text):
            return None  # on its way since before the words that were final
        turn.text, turn.confidence = text.strip(), confidence
        turn.complete = final  # for now: a sound that follows undoes it
        if self.floor is Floor.OVERLAP:
            return self._overheard(now=now)
        if self.floor is Floor.PAUSE:
            return self._reconsider(now=now)
        awaited = self.floor is Floor.WORDS or (self.floor is Floor.OPEN and turn.text)
        if turn.complete and awaited and self._step(Input.WORDS, now=now):
            return self._ended(now=now)
        return None

    def _ended(self, *, now: float) -> TurnEnded:
        ended = self._turn.ended(now=now)
        self._decided_at = now
        return ended

    def _overheard(self, *, now: float) -> Decision | None:
        """Words over the agent: they may be what it took to make this an interruption."""
        since = self._speaking_since
        if since is None or self.deadline is not None or not self.taking.interruptible:
            return None  # its duration is still to be waited for, or nothing counts
        if not self._says_enough():
            return None
        self._step(Input.EXPIRED, now=now)
        return Interrupted(since)

    def _says_enough(self) -> bool:
        """Whether the words over the agent, as far as they are known, can be an interruption."""
        text, wanted = self._turn.text, self.taking.interruption_words
        if self.answers and not wanted:
            return True
        count = words_that_count(text, self.language)
        if wanted:
            return count >= wanted
        return count > 0 or not is_backchannel(text, self.language)

    def _reconsider(self, *, now: float) -> Decision | None:
        """The length of the pause that is waited for, by all that is known; a draft of a reply."""
        turn = self._turn
        if self.floor is not Floor.PAUSE:
            return None
        self.deadline = max(now, self._deadline_of(Floor.PAUSE, now=now) or now)
        if self.deadline <= now:
            return self.handle_timer(now=now)
        if not self.taking.preemptive or not turn.text or turn.text == turn.begun:
            return None
        words = finished_by_words(turn.text, self.language, digits_wanted=self.digits_spoken)
        if not turn.complete or words < 0:
            return None
        turn.begun = turn.text
        return LikelyEnded(turn.text)

    def _key(self, digit: str, *, now: float) -> Decision | None:
        turn = self._turn
        over_agent = self.floor in (Floor.AGENT, Floor.OVERLAP)
        if not turn.digits:
            turn.started_at = now
        turn.digits += digit
        turn.ended_at = now
        if over_agent and not self.taking.interruptible:
            return None
        self._step(Input.KEY, now=now)
        return Interrupted(now) if over_agent else None

    def _step(self, input: Input, *, now: float) -> bool:
        """Take the transition for `input`; what the floor has no place for is ignored."""
        floor = TRANSITIONS[self.floor].get(input)
        if floor is None:
            return False
        if floor is Floor.AGENT and self._speaking_since is not None:
            floor, self._speaking_since = Floor.OVERLAP, now
        self.floor, self.deadline = floor, self._deadline_of(floor, now=now)
        return True

    def _deadline_of(self, floor: Floor, *, now: float) -> float | None:
        match floor:
            case Floor.OPEN:
                return self._quiet_since + self.taking.silence_timeout
            case Floor.PAUSE:
                turn = self._turn
                words = finished_by_words(
                    turn.text, self.language, digits_wanted=self.digits_spoken
                )
                return turn.ended_at + delay_of(self.taking, words, turn.hint, turn.likely)
            case Floor.WORDS:
                return now if self._turn.lost else now + self.patience
            case Floor.KEYS:
                digits, wanted = self._turn.digits, self.digits_wanted
                whole = "#" in digits or (wanted is not None and len(digits) >= wanted)
                return now if whole else now + DIGIT_PAUSE
            case Floor.OVERLAP if self.taking.interruptible and self._speaking_since is not None:
                return self._speaking_since + self.taking.interruption_delay
            case _:
                return None
