"""What a simulated callee is like: plain records, written by people in YAML.

`simulate/library.py` reads them; `simulate/player.py` acts them out.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.errors import FieldProblem

_STRICT: dict[str, object] = {"extra": "forbid", "use_attribute_docstrings": True}

DIGITS = frozenset("0123456789*#ABCD")


class Sound(StrEnum):
    """What a telephone carries that is not speech."""

    BEEP = "beep"
    """The tone of an answering machine."""
    COUGH = "cough"
    NOISE = "noise"
    """A second of street."""


class WaitFor(StrEnum):
    """What a step waits for; its `delay` is counted from there."""

    AGENT_FINISHED = "agent_finished"
    """The agent has spoken and fallen silent."""
    WORDS = "words"
    """The agent has said one of the phrases of `hears` and fallen silent."""
    AGENT_SPEAKING = "agent_speaking"
    """The agent is in the middle of speaking: the step talks over it."""
    NOTHING = "nothing"
    """The step before is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the telephone does when it is called."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    after: float | None = 1.0
    """Seconds of ringing; none rings until the caller gives up."""
    status: int = 200
    """200 takes the call; 300 to 699 refuses it with that SIP status."""
    reason: str | None = None
    """Reason phrase of a refusal; none for the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing the callee does, in its turn. Exactly one of the last four is given."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    wait_for: WaitFor = WaitFor.AGENT_FINISHED
    hears: tuple[str, ...] = ()
    """Phrases the agent is expected to say before. Only `words` waits for them; the other ways
    take the step in any case, and the report says whether they were recognised."""
    delay: float = 0.6
    """Seconds from what the step waits for until it is done: the reaction time."""
    repeat: int | Literal["forever"] = 1
    """How many times the step is done before the next one has its turn."""
    say: str | None = None
    press: str | None = None
    """Digits for RFC 4733 events."""
    play: Sound | None = None
    hang_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the callee does whenever it hears certain words, or digits; goes before the script."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    hears: tuple[str, ...] = ()
    digits: str | None = None
    """Digits the caller presses, for personas that are telephone menus."""
    delay: float = 0.6
    """Seconds after the agent fell silent, or after the last digit."""
    times: int | Literal["forever"] = "forever"
    """How often the rule works in one call."""
    say: str | None = None
    press: str | None = None
    play: Sound | None = None
    hang_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairments:
    """What the network does to packets on the way to the callee, and on the way from it."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    loss: float = 0.0
    """Share of packets that never arrive, 0 to 1."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Further delay, anew for each packet, between nothing and this; order is kept."""
    duplicate: float = 0.0
    """Share of packets that arrive twice."""
    reorder: float = 0.0
    """Share of packets that are overtaken by the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Somebody, or something, that answers the telephone."""

    __pydantic_config__: ClassVar[dict[str, object]] = _STRICT

    name: str
    description: str = ""
    answer: Answer = field(default_factory=Answer)
    script: tuple[Step, ...] = ()
    rules: tuple[Rule, ...] = ()
    language: str = "en-US"
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    transcriber: TranscriberSettings = field(default_factory=TranscriberSettings)
    yields_after: float | None = None
    """Seconds the agent has to talk over the callee before the callee stops; none never stops."""
    patience: float = 120.0
    """Seconds after which the callee hangs up, whatever goes on."""
    echo: bool = False
    """Play back everything that is heard, at once; for measuring."""
    seed: int = 0
    """Where chance is asked (noises, the network), the same seed gives the same call."""
    impairments: Impairments = field(default_factory=Impairments)

    def phrases(self) -> tuple[str, ...]:
        """Everything the persona listens for, once each."""
        wanted = [phrase for step in self.script for phrase in step.hears]
        wanted += [phrase for rule in self.rules for phrase in rule.hears]
        return tuple(dict.fromkeys(wanted))


def problems_of(persona: Persona) -> list[FieldProblem]:
    """What has the right shape and yet makes no sense, all of it."""
    found: list[FieldProblem] = []

    def check(good: bool, where: str, message: str) -> None:
        if not good:
            found.append(FieldProblem(where, message))

    answer = persona.answer
    check(bool(persona.name), "name", "must not be empty")
    status_fits = answer.status == 200 or 300 <= answer.status <= 699
    check(status_fits, "answer.status", "must be 200, or 300 to 699 to refuse")
    check((answer.after or 0) >= 0, "answer.after", "must not be negative")
    check(persona.patience > 0, "patience", "must be more than 0")
    check((persona.yields_after or 0) >= 0, "yields_after", "must not be negative")
    check(not (persona.echo and persona.script), "script", "an echo has none")
    for number, step in enumerate(persona.script):
        where = f"script.{number}"
        found += _action_problems(where, step)
        check(_is_count(step.repeat), f"{where}.repeat", "must be 1 or more, or forever")
        needs_words = step.wait_for is WaitFor.WORDS
        check(not needs_words or bool(step.hears), f"{where}.hears", "words to wait for are needed")
    for number, rule in enumerate(persona.rules):
        where = f"rules.{number}"
        found += _action_problems(where, rule)
        check(_is_count(rule.times), f"{where}.times", "must be 1 or more, or forever")
        one = bool(rule.hears) != bool(rule.digits)
        check(one, where, "needs either hears or digits")
        check(set(rule.digits or "") <= DIGITS, f"{where}.digits", "may hold 0-9, *, # and A-D")
    for name in ("loss", "duplicate", "reorder"):
        share: float = getattr(persona.impairments, name)
        check(0 <= share <= 1, f"impairments.{name}", "must be between 0 and 1")
    for name in ("delay_ms", "jitter_ms"):
        time: float = getattr(persona.impairments, name)
        check(0 <= time <= 10_000, f"impairments.{name}", "must be between 0 and 10000")
    return found


def _action_problems(where: str, action: Step | Rule) -> list[FieldProblem]:
    given = [action.say, action.press, action.play, action.hang_up or None]
    found = []
    if sum(one is not None for one in given) != 1:
        found.append(FieldProblem(where, "needs exactly one of say, press, play and hang_up"))
    if action.say is not None and not action.say.strip():
        found.append(FieldProblem(f"{where}.say", "must not be empty"))
    if action.press is not None and not (action.press and set(action.press) <= DIGITS):
        found.append(FieldProblem(f"{where}.press", "needs digits: 0-9, *, # and A-D"))
    if not 0 <= action.delay <= 3600:
        found.append(FieldProblem(f"{where}.delay", "must be between 0 and 3600"))
    if any(not phrase.strip() for phrase in action.hears):
        found.append(FieldProblem(f"{where}.hears", "a phrase must not be empty"))
    return found


def _is_count(count: int | str) -> bool:
    return isinstance(count, str) or count >= 1
