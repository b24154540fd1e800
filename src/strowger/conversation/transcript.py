"""What both sides said, as the other heard it.

A turn is settled, and shown, once nothing can change it any more: the callee's when the agent is
heard to answer it, the agent's when the last of its utterances has left or was cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from operator import itemgetter

from strowger.agent import Progress
from strowger.conversation.decisions import TurnEnded
from strowger.conversation.dialogue import Message, Role, ToolCall
from strowger.model import Turn, TurnLatency, UsedTool

STILL_RUNNING = "(this still runs: its result will follow)"
"""What a model reads in place of a result that has not come."""
SECONDS_PER_CHARACTER = 0.065
"""How long a voice takes for a character, where the length of an utterance was never told."""


def heard_words(text: str, *, heard: float, duration: float, known: int | None = None) -> str:
    """The words of an utterance of `duration` seconds that are over after `heard` seconds.

    `known` is how many, where the voice has told; else all letters last equally long.
    """
    words = text.split()
    if known is not None:
        return " ".join(words[:known])
    if duration <= 0 or heard >= duration:
        return " ".join(words) if heard > 0 else ""
    spoken = sum(map(len, words)) * heard / duration
    ends = accumulate(map(len, words))
    return " ".join(word for word, end in zip(words, ends, strict=True) if end <= spoken)


@dataclass(frozen=True, slots=True)
class Rest:
    """What was not heard of an utterance."""

    text: str
    after: int
    """The utterance."""
    skip: float
    """Seconds of its sound that were heard."""


@dataclass(slots=True)
class Utterance:
    """One sentence of the agent's, on its way to the callee."""

    number: int
    text: str
    fallback: bool
    asked_at: float
    started_at: float | None = None
    waited: float = 0.0
    """Seconds from the voice's first sound until that left."""
    ended_at: float = 0.0
    heard: str | None = None
    """The words that were heard; None until that is known."""
    whole: bool = False
    played: float = 0.0
    """Seconds of its sound that were heard."""
    failed: bool = False
    """The voice did not speak it."""
    hopeless: bool = False
    """Nor would it, if it were asked again."""

    def start(self, at: float, *, waited: float) -> None:
        self.started_at, self.waited = at, waited

    def end(self, *, heard: float, duration: float, whole: bool, words: int | None = None) -> None:
        self.played = heard
        began = self.asked_at if self.started_at is None else self.started_at
        self.ended_at = began + heard
        self.whole = whole
        self.heard = (
            " ".join(self.text.split())
            if whole
            else heard_words(self.text, heard=heard, duration=duration, known=words)
        )

    def rest(self) -> Rest:
        heard = len((self.heard or "").split())
        return Rest(" ".join(self.text.split()[heard:]), self.number, self.played)

    def end_unheard(self) -> None:
        self.end(heard=0.0, duration=0.0, whole=False)

    def break_off(self, *, now: float) -> None:
        """The call is over and nobody will tell: count the words by the clock."""
        heard = 0.0 if self.started_at is None else now - self.started_at
        self.end(heard=heard, duration=SECONDS_PER_CHARACTER * len(self.text), whole=False)


@dataclass(slots=True)
class CalleeTurn:
    ended: TurnEnded
    text: str
    """What was said, or pressed."""

    def as_turn(self, answered_at: float) -> Turn:
        return Turn(
            role="callee",
            text=self.text,
            started_at=self.ended.started_at - answered_at,
            ended_at=self.ended.ended_at - answered_at,
            confidence=None if self.ended.digits else self.ended.confidence,
        )


@dataclass(slots=True)
class ToolUse:
    """One use of a tool."""

    number: int
    reply: int
    """The model's reply that asked for it."""
    call: ToolCall
    started_at: float
    deadline: float
    """When nobody waits for it any more."""
    progress: Progress | None
    """What is said while it runs."""
    ended_at: float | None = None
    result: str = ""
    ok: bool = False

    @property
    def settled(self) -> bool:
        return self.ended_at is not None

    def end(self, result: str, *, ok: bool, now: float) -> None:
        self.result, self.ok, self.ended_at = result, ok, now

    def as_turn(self, answered_at: float) -> Turn:
        ended_at = self.started_at if self.ended_at is None else self.ended_at
        return Turn(
            role="tool",
            text=self.result,
            started_at=self.started_at - answered_at,
            ended_at=ended_at - answered_at,
            tool=UsedTool(name=self.call.name, arguments=self.call.arguments, ok=self.ok),
        )


@dataclass(slots=True)
class AgentTurn:
    """Consecutive utterances of one reply."""

    cause: TurnEnded | None = None
    """The turn of the callee's that it answers."""
    question: str = ""
    """All that the callee has said to be answered now, of this turn and of those it went on."""
    words_at: float = 0.0
    """When the agent knew what it was to answer."""
    generated_at: float | None = None
    """When the model's first sentence was there."""
    opens: bool = False
    """It is the agent's first."""
    resumes: bool = False
    """It says again what was cut off."""
    said_before: str = ""
    """What was heard of the turn that this one goes on with."""
    interrupted: bool = False
    open: bool = True
    """Whether more may be said in this turn."""
    utterances: list[Utterance] = field(default_factory=list)

    @property
    def started_at(self) -> float | None:
        """When the callee began to hear it."""
        times = [said.started_at for said in self.utterances if said.started_at is not None]
        return min(times, default=None)

    @property
    def settled(self) -> bool:
        return not self.open and all(said.heard is not None for said in self.utterances)

    def unfinished(self) -> list[Rest]:
        """What of it was not heard."""
        rests = (said.rest() for said in self.utterances if not said.whole)
        return [rest for rest in rests if rest.text]

    @property
    def cut_short(self) -> bool:
        """A sentence broke off in the middle, also where it was the end of the call."""
        return any(said.heard and not said.whole for said in self.utterances)

    def whole_text(self) -> str:
        """The words heard, with those of the turn that it goes on with."""
        return f"{self.said_before} {self.text()}".strip()

    def text(self, *, meant: bool = False) -> str:
        """The words heard; with `meant`, also those on their way."""
        parts = (
            said.text if said.heard is None and meant else said.heard for said in self.utterances
        )
        return " ".join(part for part in parts if part)

    def as_turn(self, answered_at: float) -> Turn | None:
        """None where the callee heard no word of it."""
        text, began = self.text(), self.started_at
        if not text or began is None:
            return None
        return Turn(
            role="agent",
            text=text,
            started_at=began - answered_at,
            ended_at=max(said.ended_at for said in self.utterances if said.heard) - answered_at,
            interrupted=self.interrupted or self.cut_short,
            latency=self._latency(),
        )

    def _latency(self) -> TurnLatency | None:
        """Each stage begins where the one before it ends, so that together they are the whole."""
        heard = [(said.started_at, said) for said in self.utterances if said.started_at is not None]
        if self.cause is None or not heard:
            return None
        began, first_heard = min(heard, key=itemgetter(0))
        cause, asked_at = self.cause, self.utterances[0].asked_at
        by_voice, thought = not cause.digits, asked_at - self.words_at
        waited = min(first_heard.waited, began - asked_at)
        return TurnLatency(
            endpointing=cause.decided_at - cause.ended_at if by_voice else None,
            transcription=self.words_at - cause.decided_at if by_voice else None,
            model=thought if thought > 0 or self.generated_at is not None else None,
            speech=began - waited - asked_at,
            wire=waited,
            total=began - cause.ended_at if by_voice else None,
        )


Entry = CalleeTurn | AgentTurn | ToolUse


class Transcript:
    """All turns in order."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._settled: tuple[Turn, ...] = ()
        """Kept, as it is asked for after every event."""
        self._settled_until = 0
        """The first entry that may still change."""

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def take_back(self) -> TurnEnded | None:
        """Remove the callee's last turn, where the agent was not yet heard to answer it."""
        place = self._unanswered()
        if place is None:
            return None
        entry = self._entries.pop(place)
        return entry.ended if isinstance(entry, CalleeTurn) else None

    def continued_by(self, text: str) -> tuple[Message, ...]:
        """The dialogue up to these words, were they to go on with a turn that can be taken back."""
        place = self._unanswered()
        if place is None:
            return (*self.dialogue(), Message(Role.USER, text))
        entry = self._entries[place]
        before = f"{entry.text} " if isinstance(entry, CalleeTurn) else ""
        return (*_dialogue(self._entries[:place]), Message(Role.USER, f"{before}{text}".strip()))

    def _unanswered(self) -> int | None:
        """Where the callee's last turn is, if he has heard no answer to it."""
        for place in reversed(range(len(self._entries))):
            entry = self._entries[place]
            if isinstance(entry, CalleeTurn):
                return place
            if isinstance(entry, ToolUse) or entry.started_at is not None:
                return None
        return None

    def acted(self) -> bool:
        """Whether the agent has used a tool since the callee's last turn."""
        for entry in reversed(self._entries):
            if isinstance(entry, CalleeTurn):
                return False
            if isinstance(entry, ToolUse):
                return True
        return False

    def settled(self, answered_at: float) -> tuple[Turn, ...]:
        """The turns that nothing can change any more. `answered_at` is the same for all calls."""
        while self._settled_until < len(self._entries):
            place = self._settled_until
            entry = self._entries[place]
            if not (self._answered(place) if isinstance(entry, CalleeTurn) else entry.settled):
                break
            self._settled_until += 1
            if (turn := entry.as_turn(answered_at)) is not None:
                self._settled += (turn,)
        return self._settled

    def _answered(self, place: int) -> bool:
        """Whether the agent has done anything since, or was heard to say anything."""
        return any(
            isinstance(entry, ToolUse)
            or (isinstance(entry, AgentTurn) and entry.started_at is not None)
            for entry in islice(self._entries, place + 1, None)
        )

    def all(self, answered_at: float) -> tuple[Turn, ...]:
        """Every turn as far as it has got."""
        turns = (entry.as_turn(answered_at) for entry in self._entries)
        return tuple(turn for turn in turns if turn is not None)

    def dialogue(self) -> tuple[Message, ...]:
        """What was heard, what is being said, and what came of tools."""
        return _dialogue(self._entries)


def _dialogue(entries: Sequence[Entry]) -> tuple[Message, ...]:
    messages: list[Message] = []
    waiting: list[ToolUse] = []
    for entry in entries:
        if isinstance(entry, ToolUse):
            if waiting and waiting[0].reply != entry.reply:
                _add_uses(messages, waiting)
            waiting.append(entry)
            continue
        _add_uses(messages, waiting)
        if isinstance(entry, CalleeTurn):
            _add_text(messages, Role.USER, entry.text)
        else:
            _add_text(messages, Role.ASSISTANT, entry.text(meant=True))
    _add_uses(messages, waiting)
    return tuple(messages)


def _add_text(messages: list[Message], role: Role, text: str) -> None:
    if not text:
        return
    last = messages[-1] if messages else None
    if last is not None and last.role is role is Role.ASSISTANT and not last.tool_calls:
        messages[-1] = Message(role, f"{last.text} {text}")
    else:
        messages.append(Message(role, text))


def _add_uses(messages: list[Message], uses: list[ToolUse]) -> None:
    """The tools of one reply beside its text, and what came of each; empties `uses`."""
    if not uses:
        return
    text = ""
    if messages and messages[-1].role is Role.ASSISTANT and not messages[-1].tool_calls:
        text = messages.pop().text
    messages.append(Message(Role.ASSISTANT, text, tuple(use.call for use in uses)))
    for use in uses:
        result = use.result if use.settled else STILL_RUNNING
        messages.append(Message(Role.TOOL, result, tool_call_id=use.call.id))
    uses.clear()
