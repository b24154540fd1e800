"""What both sides said where a service holds the conversation, as the other heard it.

The words of the callee come from the service, mostly after it has begun to answer them: their
place is where he spoke. Those of the agent are cut at what the line has played.
"""

from collections.abc import Iterable

from strowger.conversation.dialogue import Message, Role
from strowger.conversation.speech_to_speech.items import AgentItem, CalleeItem
from strowger.conversation.transcript import STILL_RUNNING, ToolUse
from strowger.model import Turn

WORDS_WITHIN = 10.0
"""Seconds after a turn of the callee's in which its words have to come, or it is left out."""
LONGEST_TURN = 120.0
"""Seconds after which a turn of the callee's that nobody ends is left out."""


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
    def unheard(self) -> bool:
        """Whether the callee's last turn is over and its words are not told."""
        callees = [entry for entry in self._callees.values() if entry.done_at is not None]
        return bool(callees) and callees[-1].text is None

    @property
    def service_speaks(self) -> bool:
        """Whether more may come of what the service has begun."""
        return any(entry.unfinished and not entry.plain for entry in self._agents.values())

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
