"""What holds whatever happens on a call, checked with random calls."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.agent import (
    AgentDefinition,
    DigitsTool,
    EndCallTool,
    HandoffTarget,
    HandoffTool,
    HttpTool,
    Limits,
    McpTool,
    Progress,
    TransferTarget,
    TransferTool,
    TurnTaking,
)
from strowger.conversation.conversation import LAST_WORDS, Conversation
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    Effect,
    EndRequested,
    Event,
    FetchAgent,
    FoundTool,
    Generate,
    HangUp,
    Listen,
    MediaLost,
    PauseJudged,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    SayRequested,
    Speak,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transcribed,
    Transfer,
    TransferAccepted,
    TurnHint,
    TurnHinted,
    UseTool,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import Journal, parse_journal, replay
from strowger.conversation.speech import SLOWEST
from strowger.conversation.turn import DIGIT_PAUSE
from tests.conversation.stage import modelled, scripted
from tests.conversation.test_talking_flows import FLOW as TALKING

LIMITS = Limits(max_duration=60.0, provider_deadline=2.0)
PATIENCE = TurnTaking(silence_timeout=4.0)
STUBBORN = TurnTaking(silence_timeout=4.0, interruptible=False, who_speaks_first="callee")
EAGER = TurnTaking(
    silence_timeout=4.0, interruption_words=1, fillers=("Hm.", "*"), filler_delay=0.5
)
QUICK = Progress(after=0.5, every=1.5, texts=("One moment.", "Still on it."))
BOOK = HttpTool(
    type="http",
    name="book",
    description="Book.",
    url="https://example.com/",
    parameters={"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
    deadline=5.0,
    progress=QUICK,
)
SALES = TransferTool(
    type="transfer",
    targets=(TransferTarget(name="sales", to="+14155550111"),),
    deadline=6.0,
    progress=QUICK,
)
SHOP = McpTool(type="mcp", name="shop", url="https://example.com/mcp", progress=QUICK)
COLLEAGUES = HandoffTool(
    type="handoff", agents=(HandoffTarget(name="billing", agent_id="agent_2"),)
)
ASKED = (
    ("book", '{"day": "friday"}'), ("book", "{broken"), ("book", "{}"), ("shop_buy", "{}"),
    ("transfer_call", '{"target": "sales"}'), ("transfer_call", '{"target": "+19005550100"}'),
    ("hand_off", '{"agent": "billing"}'), ("hand_off", '{"agent": "me"}'), ("end_call", "{}"),
    ("press_keys", '{"digits": "1"}'), ("known", '{"name": "Ann", "age": 30}'), ("known", "{"),
    ("person", "{}"), ("format_the_disk", "{}"),
)  # fmt: skip
"""What a model may want: good, broken, forbidden and made up."""
FOUND = (FoundTool("buy", "Buy.", "{}"), FoundTool("broken", "?", "{no schema"))
AGENTS = {
    "scripted": scripted(limits=LIMITS, turn_taking=PATIENCE),
    "stubborn": scripted(limits=LIMITS, turn_taking=STUBBORN),
    "modelled": modelled(limits=LIMITS, turn_taking=PATIENCE, end_call_phrases=("goodbye now",)),
    "speechless": modelled("", limits=LIMITS, turn_taking=STUBBORN),
    "handy": replace(
        modelled(limits=LIMITS, turn_taking=EAGER),
        tools=(
            BOOK, SALES, SHOP, COLLEAGUES, EndCallTool(type="end_call"), DigitsTool(type="digits"),
        ),
    ),
    "talking flow": replace(
        modelled(limits=LIMITS, turn_taking=PATIENCE), flow=TALKING, tools=(BOOK,)
    ),
}  # fmt: skip
NAMES = st.sampled_from(sorted(AGENTS))


@dataclass(frozen=True)
class Happening:
    """Something that may happen after `pause` seconds; what it refers to is chosen on the spot."""

    pause: float
    kind: str
    text: str
    share: float
    """From 0 to 1: which of several, how long, how much."""


HAPPENINGS = st.builds(
    Happening,
    pause=st.floats(0, 3, allow_nan=False),
    kind=st.sampled_from(
        [
            "says",
            "asks",
            "asks",
            "asks",
            "asks",
            "speak",
            "hush",
            "words",
            "interim",
            "late",
            "digit",
            "sentence",
            "finished",
            "played",
            "cut",
            "fail",
            "say",
            "quiet",
            "tool",
            "tool",
            "tool done",
            "tool failed",
            "accepted",
            "fetched",
            "found",
            "hint",
            "judged",
        ]
    ),
    text=st.sampled_from(["", "yes", "no", "friday", "goodbye now", "what do you mean?"]),
    share=st.floats(0, 1, allow_nan=False),
)
ENDINGS = st.sampled_from([None, None, None, EndRequested(), MediaLost()])


class Call:
    """A shell without opinions or luck: providers answer when chance says so, or never."""

    def __init__(self, definition: AgentDefinition) -> None:
        self.conversation = Conversation(definition, {"now": "2026-03-04"})
        self.journal = Journal(definition, {"now": "2026-03-04"})
        self.decided: list[tuple[float, Effect]] = []
        self.now = 100.0
        self.heard_something_at = 0.0
        self.speaking = False
        self.turn = self.reply = self.use = 0
        self.uses: set[int] = set()
        self.quiet_at = 0.0
        self.utterances: list[int] = []
        self.tell(Answered())

    def tell(self, event: Event) -> None:
        self.journal.record(self.now, event)
        self._note(self.conversation.receive(event, now=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass and timers fire."""
        until, fired = self.now + seconds, 0
        while (due := self.conversation.next_timer()) is not None and due <= until:
            self.now = max(self.now, due)
            self.journal.record_timer(self.now)
            self._note(self.conversation.handle_timer(now=self.now))
            fired += 1
            assert fired < 200, "the timer fires again and again and nothing comes of it"
        self.now = until

    def _note(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.decided.append((self.now, effect))
            match effect:
                case Listen(turn):
                    self.turn = turn
                case Generate(reply):
                    self.reply = reply
                case Speak(utterance):
                    self.utterances.append(utterance)
                case UseTool(use) | Transfer(use) | FetchAgent(use):
                    self.use = use
                    assert use not in self.uses, "asked for twice"
                    self.uses.add(use)
                    if isinstance(effect, Transfer):
                        assert effect.to == "+14155550111"
                case _:
                    pass

    def _use_tools(self, it: Happening) -> None:
        """What comes of tools, other agents, and those who listen for the ends of turns."""
        match it.kind:
            case "says":
                self._say_a_turn("so what is that then")
            case "asks":
                self._say_a_turn("so what is that then")
                name, arguments = ASKED[int(it.share * len(ASKED) * 0.999)]
                self.tell(ToolRequested(self.reply, f"c{it.share}", name, arguments))
                self.tell(ReplyFinished(self.reply))
            case "tool":
                name, arguments = ASKED[int(it.share * len(ASKED) * 0.999)]
                self.tell(ToolRequested(self.reply, f"c{it.share}", name, arguments))
            case "tool done":
                self.tell(ToolFinished(self.use, True, it.text))
            case "tool failed":
                self.tell(ToolFinished(self.use, False, it.text))
            case "accepted":
                self.tell(TransferAccepted(self.use))
            case "fetched":
                self.tell(AgentFetched(self.use, AGENTS["scripted" if it.share > 0.5 else "handy"]))
            case "found":
                self.tell(ToolsFound("shop" if it.share > 0.3 else "nobody", FOUND))
            case "hint":
                hints = list(TurnHint)
                self.tell(TurnHinted(self.turn, hints[int(it.share * (len(hints) - 1))]))
            case "judged":
                self.tell(PauseJudged(self.quiet_at, it.share))
            case _:
                pass

    def _say_a_turn(self, text: str) -> None:
        """Hear the agent out, speak, be understood; long enough for a model to be asked."""
        for utterance in self.utterances:
            self.tell(UtteranceStarted(utterance, self.now))
            self.tell(UtteranceEnded(utterance, 0.5, 0.5, True))
        self.wait(0.2)
        self.tell(SpeechStarted(self.now))
        self.wait(0.5)
        self.speaking, self.quiet_at = False, self.now
        self.tell(SpeechStopped(self.now))
        self.wait(0.2)
        self.tell(Transcribed(self.turn, text, True, 0.9))
        self.wait(1.0)

    def happen(self, it: Happening) -> None:
        self.wait(it.pause)
        at = self.now - 0.2 * it.share
        utterance = (
            self.utterances[int(it.share * (len(self.utterances) - 1))] if self.utterances else 9
        )
        match it.kind:
            case "speak":
                self.speaking = True
                self.tell(SpeechStarted(at))
            case "hush":
                self.speaking = False
                self.quiet_at = at
                self.tell(SpeechStopped(at))
            case "words":
                self.tell(Transcribed(self.turn, it.text, True, it.share))
            case "interim":
                self.tell(Transcribed(self.turn, it.text, False, None))
            case "late":
                self.tell(Transcribed(self.turn - 1, it.text, True, None))
            case "digit":
                self.tell(DigitPressed("1234#*"[int(it.share * 5)]))
            case "sentence":
                self.tell(ReplySentence(self.reply, it.text))
            case "finished":
                self.tell(ReplyFinished(self.reply))
            case "played":
                self.tell(UtteranceStarted(utterance, at))
                self.tell(UtteranceEnded(utterance, 0.5, 0.5, True))
            case "cut":
                self.tell(UtteranceEnded(utterance, it.share, 1.0, False))
            case "fail":
                kind = list(ProviderKind)[int(it.share * 2.9)]
                reference = {
                    ProviderKind.SPEECH_TO_TEXT: self.turn,
                    ProviderKind.LANGUAGE_MODEL: self.reply,
                    ProviderKind.TEXT_TO_SPEECH: utterance,
                }[kind]
                self.tell(ProviderFailed(kind, "no", it.share < 0.5, reference))
            case "say":
                self.tell(SayRequested(it.text))
            case _:
                self._use_tools(it)


def hold(agent: str, happenings: list[Happening], ending: Event | None) -> Call:
    call = Call(AGENTS[agent])
    for happening in happenings:
        call.happen(happening)
    if ending is not None:
        call.tell(ending)
    return call


@settings(max_examples=200, deadline=None)
@given(NAMES, st.lists(HAPPENINGS, max_size=30), ENDINGS)
def test_every_call_ends_once_by_its_longest_duration(
    agent: str, happenings: list[Happening], ending: Event | None
) -> None:
    call = hold(agent, happenings, ending)
    call.wait(LIMITS.max_duration + LAST_WORDS)
    ends = [at for at, effect in call.decided if isinstance(effect, HangUp)]
    assert len(ends) == 1
    assert ends[0] <= 100.0 + LIMITS.max_duration + LAST_WORDS
    assert isinstance(call.decided[-1][1], HangUp), "nothing is asked for after the end"
    assert call.conversation.next_timer() is None


@settings(max_examples=200, deadline=None)
@given(NAMES, st.lists(HAPPENINGS, max_size=30), ENDINGS)
def test_a_replay_decides_the_same_at_the_same_times(
    agent: str, happenings: list[Happening], ending: Event | None
) -> None:
    call = hold(agent, happenings, ending)
    call.wait(20.0)
    assert replay(call.journal) == call.decided
    assert replay(parse_journal(call.journal.to_lines())) == call.decided


@settings(max_examples=200, deadline=None)
@given(NAMES, st.lists(HAPPENINGS, max_size=30))
def test_while_nobody_else_does_anything_the_agent_does_something_within_its_limits(
    agent: str, happenings: list[Happening]
) -> None:
    call = hold(agent, happenings, None)
    if call.speaking:
        call.tell(SpeechStopped(call.now))
    spoken = max((len(e.text) for _, e in call.decided if isinstance(e, Speak)), default=0)
    longest = max(
        PATIENCE.silence_timeout,
        PATIENCE.incomplete_delay + LIMITS.provider_deadline,
        LIMITS.provider_deadline + SLOWEST * spoken,
        DIGIT_PAUSE + LIMITS.provider_deadline,
    )
    for _ in range(20):
        if call.conversation.ended:
            return
        before = len(call.decided)
        call.wait(longest + 0.001)
        assert len(call.decided) > before
    assert call.conversation.ended


@settings(max_examples=200, deadline=None)
@given(NAMES, st.lists(HAPPENINGS, max_size=30), ENDINGS)
def test_the_transcript_only_grows_and_holds_only_words_that_were_asked_for(
    agent: str, happenings: list[Happening], ending: Event | None
) -> None:
    call = Call(AGENTS[agent])
    shown = call.conversation.transcript
    for happening in happenings:
        call.happen(happening)
        now_shown = call.conversation.transcript
        assert now_shown[: len(shown)] == shown
        shown = now_shown
    if ending is not None:
        call.tell(ending)
        assert call.conversation.transcript[: len(shown)] == shown
    asked_for = {word for _, e in call.decided if isinstance(e, Speak) for word in e.text.split()}
    for turn in call.conversation.transcript:
        assert turn.text.strip() or turn.role == "tool"
        assert turn.started_at <= turn.ended_at + 0.2
        if turn.role == "agent":
            assert set(turn.text.split()) <= asked_for
