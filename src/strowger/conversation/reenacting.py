"""Another agent on a finished call: the callee says what was said then, and it is seen what comes.

Held without sound, in virtual time: voices take as long as their texts are long, models and
recognisers answer after a fixed moment. What tools came to is taken from the call.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import assert_never

from strowger.conversation.callees_part import Act, After, CalleesPart
from strowger.conversation.conversation import Conversation
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    Become,
    CancelReply,
    DigitPressed,
    DropTool,
    Effect,
    Event,
    FetchAgent,
    FindTools,
    Generate,
    HangUp,
    HungUp,
    Listen,
    ReplyFinished,
    SendDigits,
    Speak,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolFinished,
    ToolsFound,
    Transcribed,
    Transfer,
    TransferAccepted,
    UseTool,
    UtteranceEnded,
    UtteranceStarted,
)

VOICE_DELAY = 0.15
"""Seconds from a text to its first sound."""
SECONDS_PER_CHARACTER = 0.065
MODEL_DELAY = 0.5
"""Seconds until a model's reply begins."""
TOOL_DELAY = 0.3
PATIENCE = 3600.0
"""Seconds after which a call that nobody ends is left."""

Answers = Callable[[Generate], Sequence[Event]]
"""The events of a reply, without its end. Raises ProviderError where there is none."""


@dataclass(slots=True)
class _Saying:
    number: int
    starts: float
    ends: float


class Reenactment:
    """One conversation against a callee's part."""

    def __init__(self, conversation: Conversation, part: CalleesPart, answers: Answers) -> None:
        self.conversation = conversation
        self.reason: str | None = None
        """Why the call was ended; None where nobody did."""
        self._answers = answers
        self._acts = list(part.acts)
        self._part = part
        self._results = list(part.results)
        self._agents = list(part.agents)
        self._now = 0.0
        self._queue: list[tuple[float, int, Event]] = []
        self._order = count()
        self._listening = 0
        self._reply: int | None = None
        """The reply that is being written."""
        self._saying: list[_Saying] = []
        self._voice_free = 0.0
        self._due: tuple[Act, float] | None = None
        """The act that is going to be done, and when."""

    def run(self) -> None:
        """Hold the call to its end."""
        self._plan(0.0, Answered())
        for at, event in self._part.from_outside:
            self._plan(at, event)
        while self.reason is None and not self.conversation.ended:
            self._look_for_cue()
            if (step := self._next()) is None or step[0] > PATIENCE:
                return
            self._now = max(self._now, step[0])
            self._handle(step[1])

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def _plan(self, at: float, event: Event) -> None:
        heapq.heappush(self._queue, (at, next(self._order), event))

    def _next(self) -> tuple[float, Event | Act | None] | None:
        """What comes first: an event, an act of the callee's, or the conversation's timer."""
        steps: list[tuple[float, int, Event | Act | None]] = []
        if self._queue:
            steps.append((self._queue[0][0], 0, self._queue[0][2]))
        if self._due is not None:
            steps.append((self._due[1], 1, self._due[0]))
        if (timer := self.conversation.next_timer()) is not None:
            steps.append((max(timer, self._now), 2, None))
        if not steps:
            return None
        at, kind, what = min(steps, key=lambda step: step[:2])
        if kind == 0:
            heapq.heappop(self._queue)
        return at, what

    def _handle(self, what: Event | Act | None) -> None:
        if isinstance(what, Act):
            self._due = None
            self._acts.pop(0)
            for after, event in what.events:
                self._plan(self._now + after, event)
            return
        if what is None:
            effects = self.conversation.handle_timer(now=self._now)
        else:
            wanted = self._as_of_now(what)
            if wanted is None:
                return
            effects = self.conversation.receive(wanted, now=self._now)
        for effect in effects:
            self._apply(effect)

    def _as_of_now(self, event: Event) -> Event | None:
        """The event with the numbers and times of this call; None where it is not wanted."""
        match event:
            case SpeechStarted() | SpeechStopped():
                return replace(event, at=self._now + event.at)
            case Transcribed():
                return replace(event, turn=self._listening)
            case UtteranceStarted(utterance):
                return event if any(each.number == utterance for each in self._saying) else None
            case UtteranceEnded(utterance):
                known = [each for each in self._saying if each.number == utterance]
                self._saying = [each for each in self._saying if each.number != utterance]
                return event if known else None
            case ReplyFinished(reply):
                if reply == self._reply:
                    self._reply = None
                return event
            case _:
                return event

    # ── the callee ───────────────────────────────────────────────────────────────────────────

    def _look_for_cue(self) -> None:
        """The next act is due so long after its cue; who is spoken over waits for no end."""
        if not self._acts or self._busy_with_act():
            return
        act = self._acts[0]
        begun = [each.starts for each in self._saying if each.starts <= self._now]
        silent = not self._saying and self._reply is None
        match act.after:
            case After.AGENT_FINISHED:
                if not silent:
                    self._due = None
                elif self._due is None:
                    self._due = act, self._now + act.delay
            case After.AGENT_BEGAN:
                if self._due is None and begun:
                    self._due = act, max(self._now, min(begun) + act.delay)
            case _:
                assert_never(act.after)

    def _busy_with_act(self) -> bool:
        callees = (SpeechStarted, SpeechStopped, Transcribed, DigitPressed, HungUp, Answered)
        return any(isinstance(event, callees) for _, _, event in self._queue)

    # ── the world ────────────────────────────────────────────────────────────────────────────

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Listen(turn):
                self._listening = turn
            case Speak(utterance, text):
                self._speak(utterance, text)
            case StopSpeaking():
                self._stop()
            case Generate(reply):
                self._generate(effect)
            case CancelReply(reply):
                self._reply = None if self._reply == reply else self._reply
            case UseTool(use, tool, remote, arguments):
                name = f"{tool.name}_{remote}" if remote else tool.name
                self._plan(self._now + TOOL_DELAY, self._result(use, name, arguments))
            case FindTools(server):
                found = self._part.found.get(server.name, ToolsFound(server.name, ()))
                self._plan(self._now + TOOL_DELAY, found)
            case FetchAgent(use):
                self._plan(self._now + TOOL_DELAY, self._fetched(use))
            case Transfer(use):
                self._plan(self._now + TOOL_DELAY, TransferAccepted(use))
                self._plan(self._now + 2 * TOOL_DELAY, ToolFinished(use, True, "put through"))
                self._plan(self._now + 3 * TOOL_DELAY, HungUp())
            case HangUp(reason):
                self.reason = reason
            case DropTool() | Become() | SendDigits():
                pass
            case _:
                assert_never(effect)

    def _generate(self, effect: Generate) -> None:
        self._reply = effect.reply
        at = self._now + MODEL_DELAY
        for event in self._answers(effect):
            self._plan(at, event)
        self._plan(at, ReplyFinished(effect.reply))

    def _speak(self, utterance: int, text: str) -> None:
        starts = max(self._now + VOICE_DELAY, self._voice_free)
        seconds = SECONDS_PER_CHARACTER * max(1, len(text))
        self._voice_free = starts + seconds
        self._saying.append(_Saying(utterance, starts, starts + seconds))
        self._plan(starts, UtteranceStarted(utterance, starts))
        self._plan(starts + seconds, UtteranceEnded(utterance, seconds, seconds, True))

    def _stop(self) -> None:
        """Each that was not over is answered for; its planned end is of the past then."""
        self._voice_free = self._now
        for each in self._saying:
            heard = min(max(0.0, self._now - each.starts), each.ends - each.starts)
            ended = UtteranceEnded(each.number, heard, each.ends - each.starts, False)
            self._plan(self._now, ended)
        # The planned ends come later than these, and find that nobody waits for them.

    def _result(self, use: int, name: str, arguments: str) -> ToolFinished:
        same = [each for each in self._results if each[:2] == (name, arguments)]
        like = same or [each for each in self._results if each[0] == name]
        if not like:
            return ToolFinished(use, False, f"{name} was not used on the recorded call")
        self._results.remove(like[0])
        return replace(like[0][2], use=use)

    def _fetched(self, use: int) -> Event:
        if not self._agents:
            return ToolFinished(use, False, "no agent took over on the recorded call")
        return AgentFetched(use, self._agents.pop(0).definition)
