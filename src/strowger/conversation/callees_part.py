"""The callee's part in a finished call, out of its journal: what was said, and when to say it.

Moments are kept as a person would: so long after the agent had finished, or so long after it had
begun to speak, where the callee spoke over it. So the part can be played to another agent, whose
sentences are longer or shorter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from strowger.conversation.either import is_of_cascade
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    EndRequested,
    Event,
    HungUp,
    MediaLost,
    SayRequested,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transcribed,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import Journal, TimerFired
from strowger.errors import DamagedJournal

FROM_OUTSIDE = (SayRequested, EndRequested, MediaLost)
"""What comes at its time, whatever the two are saying."""


class After(StrEnum):
    AGENT_FINISHED = "the agent has finished"
    AGENT_BEGAN = "the agent has begun to speak"


@dataclass(frozen=True, slots=True)
class Act:
    """What the callee does in one go."""

    after: After
    delay: float
    """Seconds after that until the first of `events`."""
    events: tuple[tuple[float, Event], ...]
    """With the seconds since the first. Turns of `Transcribed` are the present one's, and the `at`
    of a sound is the seconds from being heard of back to when it was: voice detection takes its
    time, and the silence that ends a turn counts from the sound."""


@dataclass(frozen=True, slots=True)
class CalleesPart:
    acts: tuple[Act, ...]
    from_outside: tuple[tuple[float, Event], ...]
    """With the seconds since the answer."""
    results: tuple[tuple[str, str, ToolFinished], ...]
    """What tools came to: name and arguments of each use, and its end."""
    found: dict[str, ToolsFound] = field(default_factory=dict)
    """The tools of MCP servers, by server."""
    agents: tuple[AgentFetched, ...] = ()
    """Those that took over, in order."""


def callees_part(journal: Journal) -> CalleesPart:
    """Raises DamagedJournal for a call that a speech-to-speech service held."""
    if journal.definition.speech_to_speech is not None:
        raise DamagedJournal("a service held the conversation, and heard the callee by itself")
    entries = [
        (at, each)
        for at, each in journal.entries
        if not isinstance(each, TimerFired) and is_of_cascade(each)
    ]
    answers = [at for at, event in entries if isinstance(event, Answered)]
    answered_at = answers[0] if answers else 0.0
    return CalleesPart(
        acts=tuple(_acts(entries, answered_at)),
        from_outside=tuple(
            (at - answered_at, event) for at, event in entries if isinstance(event, FROM_OUTSIDE)
        ),
        results=tuple(_results([event for _, event in entries])),
        found={event.server: event for _, event in entries if isinstance(event, ToolsFound)},
        agents=tuple(event for _, event in entries if isinstance(event, AgentFetched)),
    )


def _acts(entries: Sequence[tuple[float, Event]], answered_at: float) -> list[Act]:
    """An act goes on until the agent begins to speak."""
    acts: list[Act] = []
    doing: list[tuple[float, Event]] = []
    finished_at, began_at, speaking = answered_at, None, 0
    since, after = answered_at, After.AGENT_FINISHED

    def done() -> None:
        if doing:
            first = doing[0][0]
            events = tuple((at - first, event) for at, event in doing)
            acts.append(Act(after, max(0.0, first - since), events))
            doing.clear()

    for at, event in entries:
        match event:
            case UtteranceStarted():
                if not speaking and began_at is None:
                    began_at = at
                speaking += 1
                if not _speaks(doing):
                    done()
            case UtteranceEnded():
                speaking = max(0, speaking - 1)
                finished_at = at
            case SpeechStarted() | SpeechStopped() | Transcribed() | DigitPressed() | HungUp():
                if not doing:
                    if isinstance(event, SpeechStopped | Transcribed):
                        continue  # of an act that is over
                    over = bool(speaking) and began_at is not None
                    after = After.AGENT_BEGAN if over else After.AGENT_FINISHED
                    since = began_at if over and began_at is not None else finished_at
                    began_at = None
                doing.append((at, _as_heard(event, at)))
                if isinstance(event, HungUp):
                    done()
            case _:
                pass
    done()
    return acts


def _as_heard(event: Event, at: float) -> Event:
    """A sound's moment as the seconds until it was heard of, at `at`."""
    if isinstance(event, SpeechStarted | SpeechStopped):
        return replace(event, at=min(0.0, event.at - at))
    return event


def _speaks(doing: Sequence[tuple[float, Event]]) -> bool:
    """Whether the callee is in the middle of a sound."""
    starts = sum(isinstance(event, SpeechStarted) for _, event in doing)
    return starts > sum(isinstance(event, SpeechStopped) for _, event in doing)


def _results(events: Sequence[Event]) -> list[tuple[str, str, ToolFinished]]:
    """Uses are numbered in the order they were asked for."""
    asked = [event for event in events if isinstance(event, ToolRequested)]
    return [
        (asked[event.use - 1].name, asked[event.use - 1].arguments, event)
        for event in events
        if isinstance(event, ToolFinished) and event.use <= len(asked)
    ]
