"""What both sides said where a service holds the conversation, as the other heard it.

The words of the callee come from the service, mostly after it has begun to answer them: their
place is where he spoke. Those of the agent are cut at what the line has played.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import UtteranceEnded, UtteranceStarted
from strowger.conversation.transcript import (
    SECONDS_PER_CHARACTER,
    STILL_RUNNING,
    ToolUse,
    heard_words,
)
from strowger.model import Turn, TurnLatency

PLAIN = "plain "
"""How the names of items begin that the fallback voice says."""
WORDS_WITHIN = 10.0
"""Seconds after a turn of the callee's in which its words have to come, or it is left out."""
LONGEST_TURN = 120.0
"""Seconds after which a turn of the callee's that nobody ends is left out."""


@dataclass(slots=True)
class CalleeItem:
    item: str
    started_at: float
    ended_at: float
    done_at: float | None = None
    """When the service took it for finished."""
    text: str | None = None
    """None until it is told; empty where there are no words."""

    @property
    def settled(self) -> bool:
        return self.text is not None

    def as_turn(self, answered_at: float) -> Turn | None:
        if not self.text:
            return None
        return Turn(
            role="callee",
            text=self.text,
            started_at=max(0.0, self.started_at - answered_at),
            ended_at=max(0.0, self.ended_at - answered_at),
        )


@dataclass(slots=True)
class AgentItem:
    item: str
    text: str = ""
    over: bool = False
    """No more sound of it comes."""
    broken_off: bool = False
    """It is over before all of its words had sounded, as far as is known."""
    interrupted: bool = False
    cause: CalleeItem | None = None
    """The turn of the callee's that it answers first."""
    started_at: float | None = None
    ended_at: float = 0.0
    waited: float = 0.0
    playing: set[int] = field(default_factory=set)
    """Utterances of the line that are not over."""
    plays: tuple[int, float] | None = None
    """The one that is being heard, and since when."""
    heard: float = 0.0
    sound: float = 0.0
    """Seconds: played, and all that came."""
    words: int | None = 0
    """How many were played to their end; None where that is not told."""

    @property
    def plain(self) -> bool:
        """The fallback voice says it."""
        return self.item.startswith(PLAIN)

    @property
    def unfinished(self) -> bool:
        """More of it may come."""
        return not self.over and not self.interrupted

    @property
    def settled(self) -> bool:
        return not self.playing and not self.unfinished

    @property
    def whole(self) -> bool:
        complete = self.over and not self.broken_off
        return complete and not self.playing and self.heard >= self.sound

    def spoken(self) -> str:
        """The words heard."""
        if self.started_at is None or not self.heard:
            return ""
        if self.whole:
            return " ".join(self.text.split())
        duration = self.sound
        if not self.over or self.broken_off:
            duration = max(duration, SECONDS_PER_CHARACTER * len(self.text))
        return heard_words(self.text, heard=self.heard, duration=duration, known=self.words)

    def will_have_spoken(self, *, now: float) -> str:
        """The words heard once what is played now is over, all of it unless it was cut."""
        if self.playing and not self.interrupted:
            return " ".join(self.text.split())
        left = replace(self, playing=set(self.playing))
        left.break_off(now=now)
        return left.spoken()

    def started(self, event: UtteranceStarted) -> None:
        self.plays = event.utterance, event.at
        if self.started_at is None:
            self.started_at, self.waited = event.at, event.waited

    def ended(self, event: UtteranceEnded, *, now: float) -> None:
        self.playing.discard(event.utterance)
        if self.plays is not None and self.plays[0] == event.utterance:
            self.plays = None
        self.heard += event.heard
        self.sound += event.duration
        self.ended_at = now
        known = event.words
        self.words = None if self.words is None or known is None else self.words + known

    def break_off(self, *, now: float) -> None:
        """The call is over: what plays now is heard as far as the clock tells."""
        if self.playing and self.started_at is not None:
            heard = 0.0 if self.plays is None else max(0.0, now - self.plays[1])
            self.heard += heard
            self.sound += max(heard, SECONDS_PER_CHARACTER * len(self.text) - self.sound)
            self.ended_at, self.words = now, None
        self.playing.clear()

    def as_turn(self, answered_at: float) -> Turn | None:
        text = self.spoken()
        if not text or self.started_at is None:
            return None
        return Turn(
            role="agent",
            text=text,
            started_at=self.started_at - answered_at,
            ended_at=max(self.started_at, self.ended_at) - answered_at,
            interrupted=self.interrupted or self.heard < self.sound,
            latency=self._latency(self.started_at),
        )

    def _latency(self, began: float) -> TurnLatency | None:
        """What can be known: recognition, thought and speech are one at the service."""
        cause = self.cause
        if cause is None or began < cause.ended_at:
            return None
        done = cause.ended_at if cause.done_at is None else max(cause.done_at, cause.ended_at)
        done = min(done, began)
        wire = min(self.waited, began - done)
        return TurnLatency(
            endpointing=done - cause.ended_at,
            model=began - done - wire,
            wire=wire,
            total=began - cause.ended_at,
        )


Entry = CalleeItem | AgentItem | ToolUse


class Record:
    """Everything said and done, in order."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._agents: dict[str, AgentItem] = {}
        self._callees: dict[str, CalleeItem] = {}
        self._utterances: dict[int, AgentItem] = {}
        self._agents_own = 0
        """How many entries are of the time before this agent had the call."""

    def agent(self, item: str) -> AgentItem:
        """The agent's item of that name; a new one stands at the end."""
        found = self._agents.get(item)
        if found is None:
            found = self._agents[item] = AgentItem(item)
            self._entries.append(found)
        return found

    def known_agent(self, item: str) -> AgentItem | None:
        return self._agents.get(item)

    def known_callee(self, item: str) -> CalleeItem | None:
        return self._callees.get(item)

    def callee(self, item: str, *, started_at: float, ended_at: float) -> CalleeItem:
        """The callee's item of that name; a new one stands at the end."""
        found = self._callees.get(item)
        if found is None:
            found = self._callees[item] = CalleeItem(item, started_at, ended_at)
            self._entries.append(found)
        return found

    def add_use(self, use: ToolUse) -> None:
        self._entries.append(use)

    def sounds(self, utterance: int, item: str) -> AgentItem:
        """The line is to play, or plays, this utterance of the item."""
        entry = self.agent(item)
        entry.playing.add(utterance)
        self._utterances[utterance] = entry
        return entry

    def of_utterance(self, utterance: int) -> AgentItem | None:
        return self._utterances.get(utterance)

    @property
    def playing(self) -> list[AgentItem]:
        return [entry for entry in self._agents.values() if entry.playing]

    @property
    def unfinished(self) -> bool:
        """Whether more of what was begun may come."""
        return any(entry.unfinished for entry in self._agents.values())

    @property
    def being_said(self) -> list[str]:
        """Items that were begun, and not cut, and of which not all was heard."""
        return [
            entry.item
            for entry in self._agents.values()
            if entry.unfinished or (entry.playing and not entry.interrupted)
        ]

    def agents(self, items: Iterable[str] | None = None) -> list[AgentItem]:
        """What the agent says; all of it where no items are named."""
        if items is None:
            return list(self._agents.values())
        return [self._agents[item] for item in items if item in self._agents]

    def cut(self) -> list[AgentItem]:
        """All that the agent has not finished is interrupted; the items that this stops."""
        stopped = self.playing
        for entry in self._agents.values():
            entry.broken_off = entry.broken_off or not entry.over
            if entry.playing or not entry.over:
                entry.interrupted = entry.over = True
        return stopped

    @property
    def begun(self) -> bool:
        """Whether anything was said or done that who goes on with the call has to know."""
        return any(_counts(entry) for entry in self._entries[self._agents_own :])

    def begin_anew(self) -> None:
        """From here on another agent has the call."""
        self._agents_own = len(self._entries)

    def finish_all(self, *, in_order: bool) -> None:
        """Nothing more of what the service has begun will come."""
        for entry in self._agents.values():
            if entry.plain:
                continue
            entry.broken_off = entry.broken_off or not (entry.over or in_order)
            entry.over = True
        for callee in self._callees.values():
            if callee.text is None:
                callee.text = ""

    def give_up(self, *, now: float) -> None:
        """Leave out turns of the callee's whose words do not come."""
        for entry in self._callees.values():
            done = entry.started_at + LONGEST_TURN
            if entry.done_at is not None:
                done = entry.done_at + WORDS_WITHIN
            if entry.text is None and now > done:
                entry.text = ""

    def break_off(self, *, now: float) -> None:
        for entry in self._agents.values():
            entry.break_off(now=now)

    def settled(self, answered_at: float) -> tuple[Turn, ...]:
        """The turns that nothing can change any more."""
        turns: list[Turn] = []
        for entry in self._entries:
            if not entry.settled:
                break
            if (turn := entry.as_turn(answered_at)) is not None:
                turns.append(turn)
        return tuple(turns)

    def all(self, answered_at: float) -> tuple[Turn, ...]:
        turns = (entry.as_turn(answered_at) for entry in self._entries)
        return tuple(turn for turn in turns if turn is not None)

    def dialogue(self, *, now: float) -> tuple[Message, ...]:
        """What was heard, is being heard and was done, for a service that is to go on with it."""
        messages: list[Message] = []
        for entry in self._entries:
            match entry:
                case CalleeItem(text=str(text)) if text:
                    messages.append(Message(Role.USER, text))
                case AgentItem() if text := entry.will_have_spoken(now=now):
                    messages.append(Message(Role.ASSISTANT, text))
                case ToolUse():
                    result = entry.result if entry.settled else STILL_RUNNING
                    messages.append(Message(Role.ASSISTANT, "", (entry.call,)))
                    messages.append(Message(Role.TOOL, result, tool_call_id=entry.call.id))
                case _:
                    pass
        return tuple(messages)


def _counts(entry: Entry) -> bool:
    match entry:
        case CalleeItem():
            return bool(entry.text)
        case AgentItem():
            return not entry.plain and (bool(entry.playing) or entry.started_at is not None)
        case ToolUse():
            return True
