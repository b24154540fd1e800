"""A finished call's journal, held again by the conversation of today: where it decides otherwise.

Events come at the times they came then. Timers are today's: one that the conversation asks for
fires when it is due, except where the journal tells that the same timer was late then. So the same
conversation decides the same at the same times, to the last bit, however busy the machine was; and
another one shows where it parts. What the providers answered is the journal's: after the first
difference it may not fit any more.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from strowger.conversation.decided import Decision, decision_of
from strowger.conversation.either import (
    AnyConversation,
    AnyEffect,
    AnyEvent,
    conversation_of,
    tell,
)
from strowger.conversation.events import (
    Answered,
    DigitPressed,
    EndRequested,
    HungUp,
    MediaLost,
    ProviderFailed,
    Transcribed,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import Journal, TimerFired
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    CalleeWords,
    ServiceFailed,
    SoundBegan,
)

SAME_MOMENT = 0.0005
"""Seconds by which the moment of a decision may differ without a word about it."""
SAME_TIMER = 1e-6
"""Seconds by which a timer may differ and still be the one that was late."""
MOST_TIMERS = 100
"""Timers between two events; a conversation that wants more wants the same one again and again."""
BEFORE, AFTER = 3, 1
"""Lines of what was said that are shown with a difference."""


@dataclass(frozen=True, slots=True)
class Decided:
    at: float
    """On the call's clock."""
    decision: Decision


class Change(StrEnum):
    MISSING = "missing"
    """Decided then, and not now."""
    NEW = "new"
    """Decided now, and not then."""
    MOVED = "moved"
    """Decided both times, at another moment."""


@dataclass(frozen=True, slots=True)
class Difference:
    change: Change
    at: float
    """Seconds since the answer: when it was decided then, or for what is new when it is now."""
    decision: Decision
    later: float
    """For what has moved, by how many seconds; negative for earlier."""
    around: tuple[str, ...]
    """What was heard and said about then, a line each."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of holding a call again."""

    events: int
    seconds: float
    recorded: tuple[Decided, ...]
    now: tuple[Decided, ...]
    differences: tuple[Difference, ...]


def replay_and_compare(journal: Journal) -> Replay:
    """Hold the call again. Raises DamagedJournal where its agent cannot be run any more."""
    recorded = tuple(
        Decided(journal.entries[place][0], decision)
        for place, decided in sorted(journal.decisions.items())
        for decision in decided
    )
    now = tuple(hold_again(journal, conversation_of(journal.definition, journal.variables)))
    times = [at for at, _ in journal.entries]
    return Replay(
        events=len(times),
        seconds=times[-1] - times[0] if times else 0.0,
        recorded=recorded,
        now=now,
        differences=tuple(_compare(recorded, now, Script(journal))),
    )


def hold_again(journal: Journal, conversation: AnyConversation) -> Iterator[Decided]:
    """What the conversation decides when it is told what the journal's was told."""
    for place, (now, event) in enumerate(journal.entries):
        yield from _fire_timers(conversation, before=now, late=journal.overdue.get(place))
        effects: Sequence[AnyEffect]
        if isinstance(event, TimerFired):
            effects = conversation.handle_timer(now=now)
        else:
            effects = tell(conversation, event, now=now)
        yield from (Decided(now, decision_of(effect)) for effect in effects)


def _fire_timers(
    conversation: AnyConversation, *, before: float, late: float | None
) -> Iterator[Decided]:
    for _ in range(MOST_TIMERS):
        due = conversation.next_timer()
        if due is None or due >= before:
            return
        if late is not None and abs(due - late) < SAME_TIMER:
            return  # it fired later then, or what it waited for came first
        effects = conversation.handle_timer(now=due)
        yield from (Decided(due, decision_of(effect)) for effect in effects)


def _compare(
    recorded: tuple[Decided, ...], now: tuple[Decided, ...], script: "Script"
) -> Iterator[Difference]:
    then_keys, now_keys = ([_key(each.decision) for each in side] for side in (recorded, now))
    matcher = SequenceMatcher(None, then_keys, now_keys, autojunk=False)
    for tag, then_from, then_to, now_from, now_to in matcher.get_opcodes():
        if tag == "equal":
            for before, after in zip(
                recorded[then_from:then_to], now[now_from:now_to], strict=True
            ):
                if abs(after.at - before.at) > SAME_MOMENT:
                    yield script.difference(Change.MOVED, before, later=after.at - before.at)
            continue
        for before in recorded[then_from:then_to]:
            yield script.difference(Change.MISSING, before)
        for after in now[now_from:now_to]:
            yield script.difference(Change.NEW, after)


def _key(decision: Decision) -> str:
    return json.dumps(decision, sort_keys=True)


class Script:
    """What was heard and said on a call, for people to find their way by."""

    def __init__(self, journal: Journal) -> None:
        answers = [at for at, event in journal.entries if isinstance(event, Answered)]
        self.answered_at = answers[0] if answers else 0.0
        self._sentences: dict[object, str] = {}
        for decided in journal.decisions.values():
            for decision in decided:
                if decision["type"] == "Speak":
                    self._sentences[decision.get("utterance")] = str(decision.get("text"))
        self._sentences |= _said_by_service(journal)
        self._lines: list[tuple[float, str]] = []
        for at, event in journal.entries:
            if not isinstance(event, TimerFired) and (line := self._line_of(event)) is not None:
                self._lines.append((at, f"{at - self.answered_at:7.3f} s  {line}"))

    def difference(self, change: Change, decided: Decided, *, later: float = 0.0) -> Difference:
        at = decided.at
        before = [line for when, line in self._lines if when <= at][-BEFORE:]
        after = [line for when, line in self._lines if when > at][:AFTER]
        around = (*before, *after)
        return Difference(change, at - self.answered_at, decided.decision, later, around)

    def _line_of(self, event: AnyEvent) -> str | None:
        match event:
            case Transcribed(_, text, True) if text:
                return f"callee  {text}"
            case CalleeWords(_, text) if text:
                return f"callee  {text}"
            case ServiceFailed(_, message):
                return f"        the service failed: {message}"
            case DigitPressed(digit):
                return f"callee  presses {digit}"
            case UtteranceStarted(utterance):
                return f"agent   {self._sentence(utterance)}"
            case UtteranceEnded(utterance, heard, _, False):
                return f"agent   (cut off after {heard:.1f} s of “{self._sentence(utterance)}”)"
            case ProviderFailed(kind, message):
                return f"        the {kind.replace('_', ' ')} provider failed: {message}"
            case HungUp():
                return "callee  hangs up"
            case EndRequested():
                return "        the end of the call was requested"
            case MediaLost():
                return "        the callee's sound was lost"
            case _:
                return None

    def _sentence(self, utterance: int) -> str:
        return self._sentences.get(utterance, f"utterance {utterance}")


def _said_by_service(journal: Journal) -> dict[object, str]:
    """What each utterance says that a speech-to-speech service spoke."""
    words: dict[str, str] = {}
    items: dict[object, str] = {}
    for _, event in journal.entries:
        if isinstance(event, AgentWords):
            words[event.item] = (
                event.text if event.whole else words.get(event.item, "") + event.text
            )
        elif isinstance(event, SoundBegan):
            items[event.utterance] = event.item
    return {utterance: words[item] for utterance, item in items.items() if item in words}


def describe_decision(decision: Decision) -> str:
    """One line for a person to read."""
    fields = {name: value for name, value in decision.items() if name != "type"}
    match decision["type"], fields:
        case "Speak", {"utterance": number, "text": text}:
            voice = ", fallback voice" if fields.get("fallback") else ""
            return f"say ({number}{voice}): {_shown(text)}"
        case "HangUp", {"reason": reason}:
            return f"hang up: {reason}"
        case "StopSpeaking", _:
            return "stop speaking"
        case "Generate", {"reply": number, "dialogue": dialogue}:
            return f"ask the model for reply {number}, with a dialogue {_shown(dialogue)}"
        case "Listen", {"turn": number, "phrases": phrases}:
            expected = f", expecting {_shown(phrases)}" if phrases else ""
            return f"listen to turn {number}{expected}"
        case name, _:
            said = ", ".join(f"{field} {_shown(value)}" for field, value in fields.items())
            return f"{name}({said})"


def _shown(value: object) -> str:
    if isinstance(value, dict) and set(value) == {"length", "sha256"}:
        return f"of {value['length']} parts, {str(value['sha256'])[:8]}"
    if isinstance(value, list):
        return ", ".join(f"“{each}”" for each in value)
    return str(value)
