"""The tools of a conversation that a service holds: the same desk, other ways of answering.

The service is answered by its own name for a use, as soon as something came of it. One that asked
over a connection that is gone is told in the background instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strowger.agent import Progress, Tool
from strowger.conversation.events import (
    DropTool,
    FetchAgent,
    FindTools,
    SendDigits,
    ToolRequested,
    UseTool,
)
from strowger.conversation.orders import (
    Goodbye,
    HandOver,
    Keys,
    Order,
    PutThrough,
    Refusal,
    Request,
    TakeWay,
)
from strowger.conversation.speech_to_speech.events import AnswerTool, Inform, SpokenEffect
from strowger.conversation.speech_to_speech.record import Record
from strowger.conversation.tool_desk import ToolDesk
from strowger.conversation.transcript import ToolUse

MOST_ROUNDS = 8
"""Tools in a row without a word of the callee's between them."""
LONGEST_ID = 200
WORKING = Progress(after=3.0, every=4.0)
"""What is said where the service goes from one tool to the next without a word."""


@dataclass(slots=True)
class _Asked:
    """A use as the service knows it."""

    id: str
    connection: int
    name: str


class Acting:
    """What the service has us do."""

    def __init__(self, tools: Sequence[Tool], record: Record) -> None:
        self.desk = ToolDesk(tools)
        self.put_through: tuple[int, PutThrough] | None = None
        """A transfer that waits until what is being said was heard: the use, and where to."""
        self.fillers = 0
        """Said while the tools that run now take their time."""
        self.filler_at = 0.0
        self._record = record
        self._asked: dict[int, _Asked] = {}
        self._rounds = 0
        self._leaving = 0
        """The use that puts the callee through or hands him over, or did last."""

    def find_tools(self) -> list[SpokenEffect]:
        return [FindTools(server) for server in self.desk.servers]

    def callee_spoke(self) -> None:
        self._rounds = 0

    def requested(
        self, event: ToolRequested, connection: int, *, leaving: bool, now: float
    ) -> tuple[ToolUse, Order | Refusal]:
        """Judge and take down a use; `leaving` is whether the call is on its way elsewhere."""
        order = self.desk.judge(event)
        self._rounds += 1
        if self._rounds > MOST_ROUNDS and isinstance(order, Request | Keys | HandOver):
            order = Refusal("that is enough for now: speak to the callee")
        leaving = leaving or self.desk.runs(self._leaving)
        if isinstance(order, Goodbye | PutThrough | HandOver) and leaving:
            order = Refusal("something else was asked for first")
        if isinstance(order, TakeWay):
            order = Refusal("there is no such way")
        use = self.desk.begin(event, order, now=now)
        if isinstance(order, PutThrough | HandOver):
            self._leaving = use.number
        self._asked[use.number] = _Asked(event.id[:LONGEST_ID], connection, event.name)
        self._record.add_use(use)
        return use, order

    def carry_out(
        self, use: ToolUse, order: Request | Keys | HandOver, arguments: str
    ) -> list[SpokenEffect]:
        """What is done at once, whatever is being said."""
        self.fillers = 0
        match order:
            case Request(tool, remote):
                return [UseTool(use.number, tool, remote, arguments)]
            case Keys(digits):
                return [SendDigits(digits)]
            case HandOver(target):
                return [FetchAgent(use.number, target.agent_id)]

    def finish(
        self, number: int, result: str, connection: int, *, ok: bool, now: float
    ) -> list[SpokenEffect]:
        """Something came of a use: the answer to the service; none for one that is over."""
        if not self.desk.finish(number, result, ok=ok, now=now):
            return []
        return self.answer(number, result, connection, ok=ok)

    def answer(self, number: int, result: str, connection: int, *, ok: bool) -> list[SpokenEffect]:
        self.desk.report()
        asked = self._asked.pop(number, None)
        if asked is None:
            return []
        if asked.connection == connection:
            return [AnswerTool(asked.id, ok, result)]
        return [Inform(f"The tool {asked.name} has answered: {result}")]

    def expire(self, connection: int, *, now: float) -> list[SpokenEffect]:
        """Give up the uses that are due."""
        effects: list[SpokenEffect] = []
        for number in self.desk.expire(now=now):
            effects.append(DropTool(number))
            result = "no answer in time; whether it was done is not known"
            effects += self.answer(number, result, connection, ok=False)
        return effects

    def drop_transfer(self, connection: int, *, now: float) -> list[SpokenEffect]:
        """The callee speaks: he is not put through yet."""
        if self.put_through is None:
            return []
        (use, _), self.put_through = self.put_through, None
        return self.finish(use, "the callee spoke before that", connection, ok=False, now=now)

    def filler_due(self, *, since: float, heard_at: float) -> float | None:
        """When a silence over tools has lasted so long that something is to be said.

        `since` is when what is waited for now began, `heard_at` when somebody was heard last.
        """
        progress = self.desk.progress
        if progress is not None:
            since = max(since, self.desk.running_since, self.filler_at)
        elif self._rounds and not self.desk.running:
            progress, since = WORKING, max(heard_at, self.filler_at)
        if progress is None or not progress.texts:
            return None
        return since + (progress.every if self.fillers else progress.after)

    def next_filler(self, *, now: float) -> str:
        texts = (self.desk.progress or WORKING).texts
        self.filler_at = now
        self.fillers += 1
        return texts[min(self.fillers, len(texts)) - 1]
