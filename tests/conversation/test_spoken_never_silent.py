"""Whatever a speech-to-speech service does, nobody is left in silence, and the call ends.

A callee who speaks now and then, a fallback voice that works, and a service that hangs, breaks
off, leaves, says half a sentence, tells things out of order, and asks for broken, forbidden and
made-up tools, whose servers hang too.
"""

from dataclasses import dataclass, replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.agent import Limits, Progress, TurnTaking
from strowger.conversation.events import (
    AgentFetched,
    FetchAgent,
    HangUp,
    HungUp,
    ToolFinished,
    ToolRequested,
    Transfer,
    TransferAccepted,
    UseTool,
)
from strowger.conversation.journal import parse_journal, replay
from strowger.conversation.replaying import replay_and_compare
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Connect,
    Connected,
    ItemOver,
    ResponseOver,
    ServiceFailed,
    ServiceLeft,
    SpokenEffect,
    SpokenEvent,
)
from strowger.conversation.speech_to_speech.linking import MOST_CONNECTIONS
from strowger.lifecycle import EndReason
from tests.conversation.spoken_stage import START, Like, SpokenStage, spoken
from tests.conversation.test_spoken import BOOK, COLLEAGUES, END, SALES, SHOP

LIMITS = Limits(max_duration=60.0, provider_deadline=2.0)
TAKING = TurnTaking(silence_timeout=4.0)
SLOW = replace(BOOK, deadline=4.0)
SOON = Progress(after=1.0, every=3.0, texts=("One moment.",))
TRANSFER = replace(SALES, deadline=4.0, progress=SOON)
TOOLS = (SLOW, TRANSFER, COLLEAGUES, END, SHOP)
ASKED = [
    'book {"day": 2}',
    'book {"day": "never"}',
    'book {"day',
    "book [1]",
    "sell {}",
    'transfer_call {"target": "sales"}',
    'transfer_call {"target": "+15005550006"}',
    'hand_off {"agent": "billing"}',
    'end_call {"outcome": "booked"}',
    'end_call {"outcome": "elsewhere"}',
    "shop_buy {}",
]
OUT_OF_ORDER: list[SpokenEvent] = [
    ItemOver("1.nothing"),
    ItemOver("plain 1"),
    ResponseOver(),
    AgentWords("1.silent", "never heard", True),
    AgentWords("1.silent", "", False),
    CalleeWords("1.unknown", "hm"),
    CalleeWords("1.unknown", ""),
    CalleeDone("1.unknown"),
    CalleeBegan("1.other"),
    Connected(1, False, True),
    Connected(9, True, False),
    ServiceFailed(9, "of another", True),
    ServiceLeft(9),
    ToolFinished(7, True, "nobody asked"),
    TransferAccepted(7),
]
SERVICES = {"kept": Like(greets=True, resumes=False), "absent": None}
"""Fallbacks that are not like the first; `second` is."""
UNTOLD = 4.0
"""Seconds more with a service that cannot be asked to speak while a tool runs."""
LONGEST = 4.0 + 2.0 + 0.6
"""Seconds nobody may have to listen to nothing: a silence is broken after its timeout, and who is
asked to break it has the deadline for that; the fallback voice takes its time."""


@dataclass(frozen=True)
class Turn:
    """What the service does when it is to speak."""

    says: tuple[str, ...]
    asks: tuple[int, ...]
    """Which of ASKED."""
    ends: str
    delay: float


TURNS = st.builds(
    Turn,
    says=st.lists(st.sampled_from(["Well.", "Let me see what I can do.", "Yes?"]), max_size=2)
    .map(tuple),
    asks=st.lists(st.integers(0, len(ASKED) - 1), max_size=2).map(tuple),
    ends=st.sampled_from(
        ["finished", "finished", "finished", "unfinished", "fails", "fails for good", "leaves"]
    ),
    delay=st.floats(0.0, 2.5),
)  # fmt: skip


class Theatre(SpokenStage):
    """A stage whose service and tools behave as they are told."""

    turns: list[Turn]
    tool: str
    connection_fails: list[bool]

    def answer(self) -> None:
        turn = self.turns.pop(0) if self.turns else Turn(("Well.",), (), "finished", 0.1)
        for text in turn.says:
            self.say(text, after=turn.delay)
        for number in turn.asks:
            name, _, arguments = ASKED[number].partition(" ")
            request = ToolRequested(0, f"use {number}", name, arguments)
            self.soon(turn.delay, partial(self.tell, request))
        if turn.ends != "unfinished":
            self.soon(turn.delay, partial(self.tell, ResponseOver()))
        if turn.ends.startswith("fails"):
            retryable = turn.ends == "fails"
            self.soon(turn.delay, lambda: self.fail(retryable=retryable))
        elif turn.ends == "leaves":
            self.soon(turn.delay, lambda: self.tell(ServiceLeft(self.connection)))

    def connects(self, effect: Connect) -> None:
        fails = self.connection_fails.pop(0) if self.connection_fails else False
        if not fails:
            super().connects(effect)

    def acts(self, effect: SpokenEffect) -> None:
        if self.tool == "hangs":
            return
        ok = self.tool == "ok"
        match effect:
            case UseTool(use):
                self.soon(0.7, ToolFinished(use, ok, "done"))
            case Transfer(use):
                self.soon(0.2, TransferAccepted(use))
                self.soon(1.0, ToolFinished(use, ok, "nobody answered"))
            case FetchAgent(use) if ok:
                self.soon(0.2, AgentFetched(use, replace(self.definition, name="billing")))
            case FetchAgent(use):
                self.soon(0.2, ToolFinished(use, False, "no such agent"))
            case _:
                pass


@settings(max_examples=150)
@given(
    turns=st.lists(TURNS, max_size=8),
    tool=st.sampled_from(["ok", "failed", "hangs"]),
    fallbacks=st.lists(st.sampled_from(["second", "third", *SERVICES]), unique=True, max_size=3),
    connection_fails=st.lists(st.booleans(), max_size=6),
    speaks=st.lists(st.tuples(st.floats(2.0, 5.0), st.floats(0.3, 2.0)), max_size=6),
    noise=st.lists(st.tuples(st.floats(0.5, 30.0), st.sampled_from(OUT_OF_ORDER)), max_size=8),
    first=st.sampled_from(["Hello, how can I help?", ""]),
    by_itself=st.booleans(),
    hangs_up=st.one_of(st.none(), st.floats(5.0, 50.0)),
)
def test_nobody_waits_and_the_call_ends(
    *,
    turns: list[Turn],
    tool: str,
    fallbacks: list[str],
    connection_fails: list[bool],
    speaks: list[tuple[float, float]],
    noise: list[tuple[float, SpokenEvent]],
    first: str,
    by_itself: bool,
    hangs_up: float | None,
) -> None:
    definition = spoken(
        first, tools=TOOLS, limits=LIMITS, turn_taking=TAKING, fallbacks=tuple(fallbacks)
    )
    stage = Theatre(definition)
    stage.greets, stage.resumes, stage.others = by_itself, not by_itself, {**SERVICES}
    stage.turns, stage.tool, stage.connection_fails = [*turns], tool, [*connection_fails]
    at = 0.0
    for pause, seconds in speaks:
        at += pause
        stage.callee(at, "and then", seconds=seconds)
        at += seconds
    end = [(hangs_up, HungUp())] if hangs_up is not None else []
    # A callee that only the service hears is nobody who waits.
    claims = (CalleeBegan, CalleeDone)
    stage.heard += [(START + at, START + at) for at, what in noise if isinstance(what, claims)]
    stage.run(*noise, *end)

    assert stage.reason in {reason.value for reason in EndReason}
    assert stage.lasted <= 60.0 + 10.0
    untold = UNTOLD if by_itself or "kept" in fallbacks else 0.0
    assert stage.longest_silence() <= LONGEST + untold, stage.effects
    uses = [effect.use for _, effect in stage.effects if isinstance(effect, UseTool | Transfer)]
    assert len(uses) == len(set(uses))
    targets = {effect.to for _, effect in stage.effects if isinstance(effect, Transfer)}
    assert targets <= {"+14155550123"}
    assert isinstance(stage.effects[-1][1], HangUp)
    connects = [effect for _, effect in stage.effects if isinstance(effect, Connect)]
    assert len(connects) <= MOST_CONNECTIONS
    chain = ["openai", *fallbacks]
    places = [chain.index(connect.brief.settings.provider) for connect in connects]
    if not any(isinstance(effect, FetchAgent) for _, effect in stage.effects):
        assert places == sorted(places), "nobody who was given up has the call again"

    journal = parse_journal(stage.journal.to_lines())
    assert [effect for _, effect in replay(journal)] == [effect for _, effect in stage.effects]
    assert replay_and_compare(journal).differences == ()
