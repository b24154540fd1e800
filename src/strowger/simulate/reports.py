"""What a simulated callee tells of its calls: for the terminal, the log and the tests."""

import re
from dataclasses import asdict, dataclass
from typing import Literal, assert_never

from strowger.simulate.persona import Sound


@dataclass(frozen=True, slots=True)
class Rang:
    """An INVITE that began a new call has come."""

    number: str
    """Whom the caller wants: the user part of the request URI."""
    caller: str
    source: str
    """`address:port` the INVITE came from."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The caller has acknowledged our answer; both sides can speak."""


@dataclass(frozen=True, slots=True)
class Refused:
    """We did not take the call."""

    status: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The caller did, before the call was set up."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of the agent were recognised; more may follow in the same turn."""

    text: str


@dataclass(frozen=True, slots=True)
class Reacted:
    """The agent's turn is over, and the persona acts."""

    expected: tuple[str, ...]
    """What the agent should have said; empty where the persona expects nothing."""
    recognised: str | None
    """The phrase of these that was recognised, honestly: None where none was."""


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    complete: bool
    """False where the callee was stopped, or the call ended in mid-sentence."""


@dataclass(frozen=True, slots=True)
class Played:
    sound: Sound
    complete: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    digits: str


@dataclass(frozen=True, slots=True)
class DigitHeard:
    digit: str


@dataclass(frozen=True, slots=True)
class Consulted:
    """Somebody whom the callee is to be put through to has answered the agent."""

    to: str


@dataclass(frozen=True, slots=True)
class PutThrough:
    """The agent has asked to have the callee put through, and this came of it."""

    to: str
    status: int
    """200 where somebody has answered."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A recogniser or voice failed; the persona goes on as if it were deaf or dumb."""

    message: str


@dataclass(frozen=True, slots=True)
class HungUp:
    by: Literal["agent", "callee"]
    reason: str


Happening = (
    Rang
    | Answered
    | Refused
    | GivenUp
    | Heard
    | Reacted
    | Said
    | Played
    | Pressed
    | DigitHeard
    | Consulted
    | PutThrough
    | Trouble
    | HungUp
)


@dataclass(frozen=True, slots=True)
class Report:
    call: str
    """Call-ID of the INVITE."""
    at: float
    """Unix seconds."""
    what: Happening


def record(report: Report) -> dict[str, object]:
    """The report as a log line has it: `event`, `call`, `at`, and the fields of what happened."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(report.what).__name__).lower()
    return {"event": name, "call": report.call, "at": report.at, **asdict(report.what)}


def describe(what: Happening) -> str:
    """One line for a person to read."""
    match what:
        case Rang(number, caller):
            return f"{number} rings, called by {caller or 'nobody known'}"
        case Answered():
            return "answered"
        case Refused(status):
            return f"refused with {status}"
        case GivenUp():
            return "the caller gave up"
        case Heard(text):
            return f"hears: {text}"
        case Reacted(expected, recognised):
            return _reaction(expected, recognised)
        case Said(text, complete):
            return f"says: {text}{_cut(complete)}"
        case Played(sound, complete):
            return f"makes a sound: {sound}{_cut(complete)}"
        case Pressed(digits):
            return f"presses {digits}"
        case DigitHeard(digit):
            return f"hears the key {digit}"
        case Consulted() | PutThrough():
            return _transfer(what)
        case Trouble(message):
            return f"has trouble: {message}"
        case HungUp(by, reason):
            return _farewell(by, reason)
        case _:
            assert_never(what)


def _transfer(what: Consulted | PutThrough) -> str:
    match what:
        case Consulted(to):
            return f"waits while the agent talks to {to}"
        case PutThrough(to, 200):
            return f"is put through to {to}"
        case PutThrough(_, status):
            return f"is not put through ({status})"


def _farewell(by: Literal["agent", "callee"], reason: str) -> str:
    who = "hangs up" if by == "callee" else "is hung up on"
    return f"{who} ({reason})" if reason else who


def _cut(complete: bool) -> str:
    return "" if complete else " —cut off"


def _reaction(expected: tuple[str, ...], recognised: str | None) -> str:
    if recognised is not None:
        return f"understood “{recognised}”"
    if not expected:
        return "takes its turn"
    wanted = " or ".join(f"“{phrase}”" for phrase in expected)
    return f"did not make out {wanted}, and goes on all the same"
