"""Acts a persona out on one call. Pure: events and times in, actions out.

At any moment the player waits for at most one thing to do: the rule or the step whose condition
is met, when its reaction time is over. A persona that listens for words does not answer before it
knows what was said, but it does not wait for a slow recogniser for ever: words that come later
than that are lost, because a person has then already answered.
"""

from dataclasses import dataclass
from math import inf
from typing import Literal, assert_never

from strowger.simulate.persona import Persona, Rule, Sound, Step, WaitFor

WORDS_WITHIN = 1.0
"""Seconds beyond its reaction time that a persona waits for words to be recognised."""

# ── what the player hears ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answered:
    """The telephone was taken off the hook, and both sides can hear each other."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The agent began to speak, at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The agent fell silent; its last voiced sound was at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Heard:
    """All that was recognised of the agent's words since the callee last did something."""

    text: str
    final: bool
    """Nothing that was said before the last SpeechStopped is missing."""


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """The last sound of a Say, Play or Press has left, or it was stopped."""

    action: int


@dataclass(frozen=True, slots=True)
class DigitHeard:
    digit: str


@dataclass(frozen=True, slots=True)
class AgentHungUp:
    reason: str
    """As the line tells it."""


Event = Answered | SpeechStarted | SpeechStopped | Heard | ActionEnded | DigitHeard | AgentHungUp


# ── what it does ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class React:
    """What follows is the reaction to this; for the report, and to listen anew."""

    expected: tuple[str, ...]
    recognised: str | None
    """The expected phrase that was recognised; None where the persona goes on all the same."""


@dataclass(frozen=True, slots=True)
class Say:
    action: int
    text: str


@dataclass(frozen=True, slots=True)
class Play:
    action: int
    sound: Sound


@dataclass(frozen=True, slots=True)
class Press:
    action: int
    digits: str


@dataclass(frozen=True, slots=True)
class StopSaying:
    """Fall silent in mid-word; ActionEnded follows."""


@dataclass(frozen=True, slots=True)
class HangUp:
    reason: Literal["script", "patience"]


@dataclass(frozen=True, slots=True)
class Leave:
    """The agent has hung up: there is nothing more to do."""

    reason: str


Action = React | Say | Play | Press | StopSaying | HangUp | Leave


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be done next, unless something comes between."""

    due: float
    what: Step | Rule
    recognised: str | None
    rule: int = -1
    """Which rule, where it is one."""


class Player:
    """One persona on one call."""

    def __init__(self, persona: Persona) -> None:
        self._persona = persona
        self._script = list(persona.script)
        self._repeats = 0
        """How often the first step of `_script` has been done."""
        self._rules_used = [0] * len(persona.rules)
        self._listens = bool(persona.phrases())
        self._heard = ""
        self._heard_all = False
        """What was said in the turn that just ended is known."""
        self._digits = ""
        self._digit_at = 0.0
        self._actions = 0
        self._acting: int | None = None
        self._free_since: float | None = None
        """Since when the player has had nothing to do; None before the answer and while acting."""
        self._speech_began: float | None = None
        """When the agent began to speak after the player became free."""
        self._agent_speaks_since: float | None = None
        self._agent_finished: float | None = None
        self._yields_at: float | None = None
        self._patience_ends: float | None = None

    def receive(self, event: Event, *, now: float) -> list[Action]:
        """Take notice. Nothing is done at once, but for leaving when the agent has hung up."""
        match event:
            case Answered():
                self._patience_ends = now + self._persona.patience
                self._free(now)
            case SpeechStarted(at):
                self._agent_speaks_since, self._agent_finished = at, None
                self._heard_all = False
                if self._speech_began is None:
                    self._speech_began = at
                self._bear_being_talked_over(at)
            case SpeechStopped(at):
                self._agent_speaks_since = self._yields_at = None
                self._agent_finished = self._counts(at)
            case Heard(text, final):
                self._heard = text
                self._heard_all = final and self._agent_speaks_since is None
            case ActionEnded(action):
                if action == self._acting:
                    self._free(now)
            case DigitHeard(digit):
                self._digits += digit
                self._digit_at = now
            case AgentHungUp(reason):
                self._be_over()
                return [Leave(reason)]
            case _:
                assert_never(event)
        return []

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called."""
        plan = self._plan()
        times = [self._patience_ends, self._yields_at, None if plan is None else plan.due]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, *, now: float) -> list[Action]:
        """Do what is due by now."""
        if self._patience_ends is not None and now >= self._patience_ends:
            return self._leave("patience")
        if self._yields_at is not None and now >= self._yields_at:
            self._yields_at = None
            return [StopSaying()]
        plan = self._plan()
        if plan is None or now < plan.due:
            return []
        return self._carry_out(plan, now)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _free(self, now: float) -> None:
        self._acting = self._yields_at = None
        self._free_since = now
        self._speech_began = self._agent_speaks_since
        self._agent_finished = None

    def _counts(self, silent_since: float) -> float | None:
        """Speech that ended before the callee did was an interruption, not an answer to it."""
        if self._free_since is None or silent_since <= self._free_since:
            return None
        return silent_since

    def _bear_being_talked_over(self, since: float) -> None:
        """From `since` on both speak; the polite one gives way after a while."""
        if self._acting is not None and self._persona.yields_after is not None:
            self._yields_at = since + self._persona.yields_after

    def _plan(self) -> _Plan | None:
        if self._free_since is None:
            return None
        return self._planned_rule() or self._planned_step()

    def _planned_rule(self) -> _Plan | None:
        for number, rule in enumerate(self._persona.rules):
            if self._rules_used[number] >= _count(rule.times):
                continue
            if rule.digits is not None:
                if self._digits.endswith(rule.digits):
                    return _Plan(self._digit_at + rule.delay, rule, rule.digits, number)
            elif self._agent_finished is not None:
                phrase = _first_heard(rule.hears, self._heard)
                if phrase is not None:
                    due = self._after_the_words(self._agent_finished + rule.delay)
                    return _Plan(due, rule, phrase, number)
        return None

    def _planned_step(self) -> _Plan | None:
        if not self._script:
            return None
        step = self._script[0]
        since = self._condition_met(step)
        if since is None:
            return None
        due = since + step.delay
        if step.wait_for in (WaitFor.AGENT_FINISHED, WaitFor.WORDS):
            due = self._after_the_words(due)
        return _Plan(due, step, _first_heard(step.hears, self._heard))

    def _after_the_words(self, due: float) -> float:
        return due if self._heard_all or not self._listens else due + WORDS_WITHIN

    def _condition_met(self, step: Step) -> float | None:
        match step.wait_for:
            case WaitFor.NOTHING:
                return self._free_since
            case WaitFor.AGENT_FINISHED:
                return self._agent_finished
            case WaitFor.WORDS:
                heard = _first_heard(step.hears, self._heard) is not None
                return self._agent_finished if heard else None
            case WaitFor.AGENT_SPEAKING:
                return None if self._agent_speaks_since is None else self._speech_began
            case _:
                assert_never(step.wait_for)

    def _carry_out(self, plan: _Plan, now: float) -> list[Action]:
        what = plan.what
        if isinstance(what, Step):
            self._repeats += 1
            if self._repeats >= _count(what.repeat):
                self._script.pop(0)
                self._repeats = 0
        else:
            self._rules_used[plan.rule] += 1
        expected = what.hears or ((plan.recognised,) if plan.recognised else ())
        reaction = React(expected, plan.recognised)
        self._heard = self._digits = ""
        self._agent_finished = self._free_since = None
        return [reaction, *self._perform(what, now)]

    def _perform(self, what: Step | Rule, now: float) -> list[Action]:
        if what.hang_up:
            return self._leave("script")
        self._actions += 1
        self._acting = number = self._actions
        if self._agent_speaks_since is not None:
            self._bear_being_talked_over(now)
        if what.say is not None:
            return [Say(number, what.say)]
        if what.press is not None:
            return [Press(number, what.press)]
        assert what.play is not None, "a persona was checked before it is played"
        return [Play(number, what.play)]

    def _leave(self, reason: Literal["script", "patience"]) -> list[Action]:
        self._be_over()
        return [HangUp(reason)]

    def _be_over(self) -> None:
        self._acting = None
        self._free_since = self._patience_ends = self._yields_at = None


def words(text: str) -> list[str]:
    """Words as a recogniser writes them: lower case, no punctuation."""
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text.lower())
    return kept.split()


def _first_heard(phrases: tuple[str, ...], text: str) -> str | None:
    """The first of the phrases whose words occur in the text, one after another."""
    heard = f" {' '.join(words(text))} "
    return next((p for p in phrases if f" {' '.join(words(p))} " in heard), None)


def _count(count: int | Literal["forever"]) -> float:
    return inf if count == "forever" else count
