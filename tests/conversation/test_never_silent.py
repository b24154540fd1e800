"""Whatever the model and its tools do, the callee is never left in silence, and the call ends.

A callee who speaks now and then, a voice that works, and a model that hangs, closes, asks for
broken, forbidden and made-up tools, whose servers hang too.
"""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.agent import Limits, TurnTaking
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    Effect,
    Event,
    FetchAgent,
    Generate,
    HangUp,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    ToolRequested,
    Transfer,
    TransferAccepted,
    UseTool,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import parse_journal, replay
from tests.conversation.stage import START, Stage, modelled, says
from tests.conversation.test_promises import ASKED, BOOK, COLLEAGUES, SALES, SHOP

LIMITS = Limits(max_duration=60.0, provider_deadline=2.0)
TAKING = TurnTaking(silence_timeout=4.0, incomplete_delay=1.0)
LONGEST = 4.0 + 2.0 + 0.5
"""Seconds nobody may have to listen to nothing: the silence timeout counts from when the model is
done, which may be its deadline after its last words were heard; and the voice takes its time."""


@dataclass(frozen=True)
class Behaviour:
    """What the model does when it is asked, and the tools when they are used."""

    says: tuple[str, ...]
    asks: tuple[int, ...]
    """Which of ASKED."""
    ends: str
    """`finished`, `failed`, `broken for good` or `hangs`."""
    tool: str
    """`ok`, `failed` or `hangs`."""
    delay: float


ENDS = ["finished", "finished", "finished", "failed", "broken for good", "hangs"]
BEHAVIOURS = st.builds(
    Behaviour,
    says=st.lists(st.sampled_from(["Well.", "Let me see what I can do.", "*", "Yes?"]), max_size=2)
    .map(tuple),
    asks=st.lists(st.integers(0, len(ASKED) - 1), max_size=2).map(tuple),
    ends=st.sampled_from(ENDS),
    tool=st.sampled_from(["ok", "failed", "hangs"]),
    delay=st.floats(0.0, 1.5),
)  # fmt: skip


class Theatre(Stage):
    """A stage with a model and tools that behave as they are told."""

    def __init__(self, behaviours: list[Behaviour]) -> None:
        tools = (BOOK, SALES, SHOP, COLLEAGUES)
        definition = replace(modelled(limits=LIMITS, turn_taking=TAKING), tools=tools)
        super().__init__(definition)
        self._behaviours = behaviours
        self._asked = 0
        self.used: list[int] = []

    def _apply(self, effects: list[Effect]) -> None:
        super()._apply(effects)
        for effect in effects:
            match effect:
                case Generate(reply):
                    self._reply(reply)
                case UseTool(use) | Transfer(use) | FetchAgent(use):
                    assert use not in self.used, "nothing is asked for twice"
                    self.used.append(use)
                    self._use(effect)
                case _:
                    pass

    def _behaviour(self) -> Behaviour:
        self._asked += 1
        return self._behaviours[self._asked % len(self._behaviours)]

    def _reply(self, reply: int) -> None:
        how, at = self._behaviour(), self._now
        for text in how.says:
            at += how.delay / 2
            self._plan(at, ReplySentence(reply, text))
        for index in how.asks:
            name, arguments = ASKED[index]
            self._plan(at + how.delay / 2, ToolRequested(reply, f"c{index}", name, arguments))
        end: Event = ReplyFinished(reply)
        if how.ends != "finished":
            retryable = how.ends == "failed"
            end = ProviderFailed(ProviderKind.LANGUAGE_MODEL, how.ends, retryable, reply)
        if how.ends != "hangs":
            self._plan(at + how.delay, end)

    def _use(self, effect: UseTool | Transfer | FetchAgent) -> None:
        how = self._behaviour()
        at = self._now + 2 * how.delay
        if how.tool == "hangs":
            return
        if isinstance(effect, Transfer):
            self._plan(at, TransferAccepted(effect.use))
        if isinstance(effect, FetchAgent) and how.tool == "ok":
            other = modelled("Hello from the other.", turn_taking=TAKING)
            self._plan(at, AgentFetched(effect.use, other))
        else:
            self._plan(at, ToolFinished(effect.use, how.tool == "ok", how.tool))


def longest_silence(theatre: Theatre) -> float:
    """Between sounds of either side, from the answer to the end."""
    assert theatre.scene.hung_up is not None
    sounds, end = [(START, START)], START + theatre.scene.hung_up[0]
    began: dict[object, float] = {}
    for now, event in theatre.scene.journal.entries:
        if now > end:
            break
        match event:
            case SpeechStarted(at):
                began["callee"] = at
            case SpeechStopped(at):
                sounds.append((began.pop("callee"), at))
            case UtteranceStarted(utterance, at):
                began[utterance] = at
            case UtteranceEnded(utterance) if utterance in began:
                sounds.append((began.pop(utterance), now))
            case _:
                pass
    sounds.append((end, end))
    silence, until = 0.0, START
    for start, stop in sorted(sounds):
        silence, until = max(silence, start - until), max(until, stop)
    return silence


@settings(max_examples=200, deadline=None)
@given(
    st.lists(BEHAVIOURS, min_size=1, max_size=12),
    st.lists(st.floats(2.0, 9.0), min_size=1, max_size=8),
)
def test_nobody_listens_to_nothing_for_long_and_every_call_ends_with_a_reason(
    behaviours: list[Behaviour], pauses: list[float]
) -> None:
    theatre, at = Theatre(behaviours), 2.0
    script: list[tuple[float, Event]] = [(0.0, Answered())]
    for pause in pauses:
        script += says(at, "so what is that then", seconds=0.75)
        at += 0.75 + pause
    scene = theatre.run(script, until=120.0)
    ends = [effect for _, effect in scene.effects if isinstance(effect, HangUp)]
    assert len(ends) == 1 and ends[0].reason
    assert longest_silence(theatre) <= LONGEST
    for _, effect in scene.effects:
        if isinstance(effect, Transfer):
            assert effect.to == "+14155550111"
    again = [(round(when - START, 6), effect) for when, effect in replay(scene.journal)]
    assert again == scene.effects
    assert len(parse_journal(scene.journal.to_lines()).entries) == len(scene.journal.entries)
