"""A stage for conversations that a service holds: a fake clock, a line, a service, a callee.

The stage stands in for the shell: what the service says takes as long as people take to say it,
`StopSpeaking` is answered with what was heard, and everything is written down with its time.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from strowger.agent import (
    AgentDefinition,
    Limits,
    Scalar,
    SpeechToSpeechFallback,
    SpeechToSpeechSettings,
    Tool,
    TurnTaking,
)
from strowger.conversation.events import (
    Answered,
    HangUp,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolRequested,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import Journal
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Connect,
    Connected,
    ItemOver,
    PassOn,
    Respond,
    ResponseOver,
    Say,
    SayPlainly,
    ServiceFailed,
    SoundBegan,
    SpokenEffect,
    SpokenEvent,
)
from strowger.conversation.speech_to_speech.machine import SpokenConversation

START = 1000.0
"""The clock's time of the answer; the times of scripts count from it."""
PER_CHARACTER = 0.0625
CONNECTS_IN = 0.25
SOUNDS_IN = 0.5
"""Seconds from the end of the callee's turn, or from what is asked, to the service's sound."""
NOTICED_IN = 0.5
"""Seconds of silence after which the service takes a turn for finished."""


def spoken(
    first_message: str = "Hello, how can I help?",
    *,
    tools: tuple[Tool, ...] = (),
    turn_taking: TurnTaking | None = None,
    limits: Limits | None = None,
    end_call_phrases: tuple[str, ...] = (),
    fallbacks: tuple[str, ...] = (),
) -> AgentDefinition:
    return AgentDefinition(
        name="desk",
        prompt="Be brief, {{name}}.",
        first_message=first_message,
        speech_to_speech=SpeechToSpeechSettings(
            provider="openai",
            fallbacks=tuple(SpeechToSpeechFallback(provider=each) for each in fallbacks),
        ),
        tools=tools,
        turn_taking=turn_taking or TurnTaking(),
        limits=limits or Limits(),
        end_call_phrases=end_call_phrases,
    )


@dataclass
class Saying:
    utterance: int
    item: str
    begins: float
    ends: float
    over: bool = False


@dataclass(frozen=True)
class Like:
    """What a service is like."""

    greets: bool
    resumes: bool


@dataclass
class SpokenStage:
    """What becomes of a call."""

    definition: AgentDefinition
    replies: list[str] = field(default_factory=lambda: ["Very well."])
    """What the service answers: words, `call NAME ARGUMENTS`, or nothing at all; the last stays."""
    greets: bool = False
    resumes: bool = True
    others: dict[str, "Like | None"] = field(default_factory=dict)
    """What services are like that are not as the two above say; None for one that is not there."""
    variables: dict[str, Scalar] = field(default_factory=lambda: {"name": "Ann"})
    effects: list[tuple[float, SpokenEffect]] = field(default_factory=list)
    heard: list[tuple[float, float]] = field(default_factory=list)
    """When somebody could be heard, the callee by himself included."""

    def __post_init__(self) -> None:
        self.conversation = SpokenConversation(self.definition, self.variables)
        self.journal = Journal(self.definition, self.variables)
        self.now = START
        self.connection = 0
        self.reason: str | None = None
        self._queue: list[tuple[float, int, SpokenEvent | Callable[[], None]]] = []
        self._order = count()
        self._items = count(1)
        self._utterances = count(1)
        self._sayings: list[Saying] = []
        self._speaks_from: float | None = None

    # ── what happens ─────────────────────────────────────────────────────────────────────────

    def at(self, time: float, what: SpokenEvent | Callable[[], None]) -> None:
        """Seconds since the answer."""
        heapq.heappush(self._queue, (START + time, next(self._order), what))

    def soon(self, delay: float, what: SpokenEvent | Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._order), what))

    def callee(self, at: float, text: str, *, seconds: float = 1.0) -> None:
        """The callee says something, and the service hears and answers it."""
        item = f"1.callee {at:g}"
        self.at(at, SpeechStarted(START + at))
        self.at(at + 0.1, lambda: self.tell(CalleeBegan(item)))
        self.at(at + seconds + 0.2, SpeechStopped(START + at + seconds))
        self.at(at + seconds + NOTICED_IN, lambda: self.tell(CalleeDone(item)))
        self.at(at + seconds + NOTICED_IN + 0.3, lambda: self.tell(CalleeWords(item, text)))
        self.at(at + seconds + NOTICED_IN, self.answer)

    def tell(self, event: SpokenEvent) -> None:
        self.soon(0.0, event)

    def answer(self) -> None:
        """The service speaks, or asks for a tool."""
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        for part in filter(None, reply.split("\n")):
            if part.startswith("call "):
                name, _, arguments = part.removeprefix("call ").partition(" ")
                request = ToolRequested(0, f"use {next(self._items)}", name, arguments)
                self.soon(SOUNDS_IN, partial(self.tell, request))
            else:
                self.say(part)
        if reply:
            self.soon(SOUNDS_IN, partial(self.tell, ResponseOver()))

    def say(self, text: str, *, item: str | None = None, after: float = SOUNDS_IN) -> None:
        item = item or f"{self.connection}.item {next(self._items)}"
        self.soon(after, lambda: self._sound(item, text))

    def _sound(self, item: str, text: str) -> None:
        utterance = next(self._utterances)
        begins = max([self.now + 0.05, *(saying.ends for saying in self._sayings)])
        saying = Saying(utterance, item, begins, begins + PER_CHARACTER * len(text))
        self._sayings.append(saying)
        self.tell(AgentWords(item, text, True))
        self.tell(SoundBegan(utterance, item))
        self.tell(ItemOver(item))
        self.soon(begins - self.now, lambda: self._started(saying))
        self.soon(saying.ends - self.now, lambda: self._ended(saying))

    def _started(self, saying: Saying) -> None:
        if not saying.over:
            self.tell(UtteranceStarted(saying.utterance, saying.begins, 0.02))

    def _ended(self, saying: Saying) -> None:
        if not saying.over:
            saying.over = True
            self.heard.append((saying.begins, saying.ends))
            lasts = saying.ends - saying.begins
            self.tell(UtteranceEnded(saying.utterance, lasts, lasts, True))

    def _stop(self) -> None:
        for saying in self._sayings:
            if not saying.over:
                saying.over = True
                heard = max(0.0, self.now - saying.begins)
                lasts = saying.ends - saying.begins
                saying.ends = self.now
                if heard:
                    self.heard.append((saying.begins, self.now))
                self.tell(UtteranceEnded(saying.utterance, heard, lasts, False))

    # ── what is asked for ────────────────────────────────────────────────────────────────────

    def carry_out(self, effect: SpokenEffect) -> None:
        match effect:
            case Connect(connection):
                self.connection = connection
                self.connects(effect)
            case Say(text):
                self.say(text)
                self.soon(SOUNDS_IN, partial(self.tell, ResponseOver()))
            case Respond() | PassOn():
                self.answer()
            case SayPlainly(item, text):
                self.say(text, item=item, after=0.1)
            case StopSpeaking():
                self._stop()
            case HangUp(reason):
                self.reason = reason
            case _:
                self.acts(effect)

    def connects(self, effect: Connect) -> None:
        ours = Like(self.greets, self.resumes)
        like = self.others.get(effect.brief.settings.provider, ours)
        if like is None or (effect.brief.goes_on and not like.resumes):
            self.soon(0.0, ServiceFailed(effect.connection, "cannot", False))
        else:
            self.soon(CONNECTS_IN, Connected(effect.connection, like.greets, like.resumes))

    def acts(self, effect: SpokenEffect) -> None:
        """What tools and the rest come to, for a stage that has them."""

    def fail(self, *, retryable: bool = True) -> None:
        """The connection that stands breaks off."""
        self.tell(ServiceFailed(self.connection, "broke off", retryable))

    # ── the call ─────────────────────────────────────────────────────────────────────────────

    def run(self, *events: tuple[float, SpokenEvent], until: float = 3600.0) -> "SpokenStage":
        """Answer, and go on until somebody hangs up, or so many seconds after."""
        for time, event in events:
            self.at(time, event)
        heapq.heappush(self._queue, (START, -1, Answered()))
        end, in_a_row = START + until, 0
        while self.reason is None:
            due = self.conversation.next_timer()
            first = self._queue[0][0] if self._queue else None
            if due is not None and (first is None or due < first):
                if due > end:
                    break
                in_a_row = in_a_row + 1 if due <= self.now else 0
                assert in_a_row < 20, "a timer that is due again and again"
                self.now = max(self.now, due)
                self.journal.record_timer(self.now, due=due)
                self._decided(self.conversation.handle_timer(now=self.now))
                continue
            if first is None or first > end:
                break
            self.now, _, what = heapq.heappop(self._queue)
            if callable(what):
                what()
                continue
            if isinstance(what, SpeechStarted):
                self._speaks_from = what.at
            elif isinstance(what, SpeechStopped) and self._speaks_from is not None:
                self.heard.append((self._speaks_from, what.at))
                self._speaks_from = None
            self.journal.record(self.now, what, due=due)
            self._decided(self.conversation.receive(what, now=self.now))
        return self

    def _decided(self, effects: list[SpokenEffect]) -> None:
        self.journal.record_decisions(effects)
        for effect in effects:
            self.effects.append((round(self.now - START, 6), effect))
            self.carry_out(effect)

    # ── what is looked at ────────────────────────────────────────────────────────────────────

    def asked(self, *kinds: type[SpokenEffect]) -> list[SpokenEffect]:
        return [effect for _, effect in self.effects if isinstance(effect, kinds)]

    @property
    def lasted(self) -> float:
        return self.now - START

    @property
    def transcript(self) -> list[tuple[str, str]]:
        return [(turn.role, turn.text) for turn in self.conversation.transcript]

    def longest_silence(self) -> float:
        """Seconds in which neither side could be heard."""
        longest, since = 0.0, START
        sayings = [(each.begins, min(each.ends, self.now)) for each in self._sayings]
        for begins, ends in sorted([*self.heard, *sayings]):
            longest = max(longest, min(begins, self.now) - since)
            since = max(since, ends)
        return max(longest, self.now - since)


def texts(effects: Iterable[SpokenEffect]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Say | SayPlainly | PassOn)]
