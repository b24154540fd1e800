"""Conversations that a service holds, where two things cross: nothing of it is lost or doubled."""

from dataclasses import replace

import pytest

from strowger.agent import AgentDefinition, TurnTaking
from strowger.conversation import phrases
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    FetchAgent,
    FoundTool,
    HungUp,
    SayRequested,
    StopSpeaking,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transfer,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    AnswerTool,
    CalleeBegan,
    CalleeDone,
    Connect,
    Connected,
    Hush,
    ItemOver,
    OfferTools,
    ReportHeard,
    Respond,
    Say,
    SayPlainly,
    ServiceFailed,
    SoundBegan,
    SpokenEffect,
    SpokenEvent,
)
from strowger.conversation.speech_to_speech.machine import SpokenConversation
from tests.conversation.spoken_stage import spoken
from tests.conversation.test_spoken import BOOK, COLLEAGUES, END, SALES, SHOP

BILLING = replace(spoken("Billing here."), name="billing")
HAND_OFF = '{"agent": "billing"}'


class Talk:
    """A conversation that is told one thing after the other."""

    def __init__(self, definition: AgentDefinition, *, connected: bool = True) -> None:
        self.conversation = SpokenConversation(definition, {"name": "Ann"})
        self.effects: list[SpokenEffect] = []
        self.tell(0.0, Answered())
        if connected:
            self.tell(0.2, Connected(1, greets=False, resumes=True))

    def tell(self, now: float, *events: SpokenEvent) -> list[SpokenEffect]:
        effects = [
            effect for event in events for effect in self.conversation.receive(event, now=now)
        ]
        self.effects += effects
        return effects

    def says(self, item: str, text: str, *, began: float, utterance: int = 1) -> None:
        """The callee begins to hear the whole of an item."""
        self.tell(began, AgentWords(item, text, True), SoundBegan(utterance, item))
        self.tell(began, ItemOver(item), UtteranceStarted(utterance, began, 0.02))

    @property
    def words(self) -> list[tuple[str, str]]:
        return [(turn.role, turn.text) for turn in self.conversation.transcript]


def connects(effects: list[SpokenEffect]) -> list[Connect]:
    return [effect for effect in effects if isinstance(effect, Connect)]


# ── connections ──────────────────────────────────────────────────────────────────────────────


def test_tools_found_while_the_service_is_being_connected_are_offered_once_it_is_ready() -> None:
    talk = Talk(spoken(tools=(SHOP,)), connected=False)
    found = FoundTool("buy", "Buy it.", '{"type": "object"}')
    assert talk.tell(0.1, ToolsFound("shop", (found,))) == []
    offered = talk.tell(0.2, Connected(1, greets=False, resumes=True))[0]
    assert isinstance(offered, OfferTools)
    assert [tool.name for tool in offered.tools] == ["shop_buy"]


def test_the_next_connection_knows_what_the_callee_is_hearing_now() -> None:
    talk = Talk(spoken())
    talk.says("1.a", "Hello, how can I help?", began=1.0)
    (connect,) = connects(talk.tell(1.5, ServiceFailed(1, "broke off", True)))
    assert connect.brief.dialogue == (Message(Role.ASSISTANT, "Hello, how can I help?"),)


def test_who_had_the_floor_when_the_service_broke_off_does_not_keep_it() -> None:
    talk = Talk(spoken())
    talk.tell(3.0, CalleeBegan("1.b"), ServiceFailed(1, "broke off", True))
    talk.tell(3.5, Connected(2, greets=False, resumes=True))
    assert talk.tell(4.0, SayRequested("A taxi is here.")) == [Say("A taxi is here.")]


# ── playout ──────────────────────────────────────────────────────────────────────────────────


def test_a_call_that_ends_after_a_gap_in_the_sound_counts_the_sound_and_not_the_gap() -> None:
    talk = Talk(spoken())
    text = "One two three four five six seven eight nine ten."
    talk.tell(1.0, AgentWords("1.a", text, True), SoundBegan(1, "1.a"))
    talk.tell(1.0, UtteranceStarted(1, 1.0, 0.02))
    talk.tell(2.0, UtteranceEnded(1, 1.0, 1.0, True))
    talk.tell(5.0, SoundBegan(2, "1.a"), UtteranceStarted(2, 5.0, 0.02))
    talk.tell(5.1, HungUp())
    ((_, heard),) = talk.words
    assert heard in {"One two three", "One two three four"}  # 1.1 s of 3 or so


def test_an_item_that_was_interrupted_in_a_gap_of_its_sound_does_not_go_on() -> None:
    talk = Talk(spoken())
    talk.tell(1.0, AgentWords("1.a", "One two three four.", True), SoundBegan(1, "1.a"))
    talk.tell(1.0, UtteranceStarted(1, 1.0, 0.02))
    talk.tell(2.0, UtteranceEnded(1, 1.0, 1.0, True))
    assert talk.tell(2.2, CalleeBegan("1.b")) == []  # there is nothing to stop
    assert talk.tell(2.3, SoundBegan(2, "1.a")) == [StopSpeaking()]
    told = talk.tell(2.3, UtteranceEnded(2, 0.0, 0.5, False, 0))
    assert told == [ReportHeard("1.a", 1.0)]


def test_what_was_written_and_not_spoken_before_an_interruption_in_a_gap_was_not_heard() -> None:
    talk = Talk(spoken())
    talk.tell(1.0, AgentWords("1.a", "One two three four five six.", True), SoundBegan(1, "1.a"))
    talk.tell(1.0, UtteranceStarted(1, 1.0, 0.02))
    talk.tell(1.5, UtteranceEnded(1, 0.5, 0.5, True))
    talk.tell(2.0, CalleeBegan("1.b"), HungUp())
    ((_, heard),) = talk.words
    assert heard in {"One", "One two"}


def test_what_a_service_wrote_and_did_not_speak_before_it_broke_off_was_not_heard() -> None:
    talk = Talk(spoken())
    talk.tell(1.0, AgentWords("1.a", "One two three four five six.", True), SoundBegan(1, "1.a"))
    talk.tell(1.0, UtteranceStarted(1, 1.0, 0.02), ServiceFailed(1, "broke off", True))
    talk.tell(1.5, UtteranceEnded(1, 0.5, 0.5, True), HungUp())
    ((_, heard),) = talk.words
    assert heard in {"One", "One two"}


# ── tools ────────────────────────────────────────────────────────────────────────────────────


def test_a_tool_that_answers_while_the_callee_speaks_is_not_spoken_of_until_he_is_done() -> None:
    talk = Talk(spoken(tools=(BOOK,)))
    talk.says("1.a", "One moment.", began=1.0)
    talk.tell(1.5, UtteranceEnded(1, 0.5, 0.5, True))
    talk.tell(2.0, ToolRequested(0, "use 1", "book", '{"day": 3}'))
    talk.tell(3.0, CalleeBegan("1.b"))
    assert talk.tell(3.5, ToolFinished(1, True, "booked")) == [AnswerTool("use 1", True, "booked")]
    assert Respond() not in talk.tell(4.0, CalleeDone("1.b"))  # the service answers by itself


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("end_call", '{"outcome": "lost"}'),
        ("transfer_call", '{"target": "sales"}'),
        ("hand_off", HAND_OFF),
    ],
)
def test_while_a_colleague_is_fetched_the_call_goes_nowhere_else(name: str, arguments: str) -> None:
    talk = Talk(spoken(tools=(COLLEAGUES, SALES, END)))
    assert talk.tell(2.0, ToolRequested(0, "use 1", "hand_off", HAND_OFF)) == [
        FetchAgent(1, "agent_2")
    ]
    (answer,) = talk.tell(2.0, ToolRequested(0, "use 2", name, arguments))
    assert answer == AnswerTool("use 2", False, "something else was asked for first")
    assert connects(talk.tell(2.5, AgentFetched(1, BILLING)))
    assert talk.conversation.outcome is None


def test_a_callee_who_is_being_put_through_is_not_handed_over_as_well() -> None:
    talk = Talk(spoken(tools=(COLLEAGUES, SALES)))
    talk.tell(2.0, ToolRequested(0, "use 1", "transfer_call", '{"target": "sales"}'))
    assert [each for each in talk.effects if isinstance(each, Transfer)]
    (answer,) = talk.tell(3.0, ToolRequested(0, "use 2", "hand_off", HAND_OFF))
    assert answer == AnswerTool("use 2", False, "something else was asked for first")


def test_a_colleague_who_comes_while_the_agent_says_goodbye_is_not_waited_for() -> None:
    talk = Talk(spoken(tools=(COLLEAGUES,), end_call_phrases=("goodbye",)))
    talk.tell(2.0, ToolRequested(0, "use 1", "hand_off", HAND_OFF))
    talk.says("1.a", "Well then, goodbye.", began=2.1)
    talk.says("1.b", "Take care.", began=3.1, utterance=2)
    talk.tell(3.1, UtteranceEnded(1, 1.0, 1.0, True))
    assert connects(talk.tell(3.2, AgentFetched(1, BILLING))) == []


def test_the_colleague_speaks_of_what_his_own_definition_knows() -> None:
    talk = Talk(spoken(tools=(COLLEAGUES,)))
    colleague = replace(
        BILLING,
        default_variables={"team": "the billing team"},
        turn_taking=TurnTaking(reprompts=("This is {{team}}, {{name}}?",), silence_timeout=3.0),
    )
    talk.tell(2.0, ToolRequested(0, "use 1", "hand_off", HAND_OFF))
    talk.tell(2.5, AgentFetched(1, colleague), Connected(2, greets=False, resumes=True))
    talk.says("2.a", "Billing here.", began=3.0)
    talk.tell(4.0, UtteranceEnded(1, 1.0, 1.0, True))
    assert talk.conversation.handle_timer(now=7.0) == [Say("This is the billing team, Ann?")]


def test_a_service_that_was_given_up_says_nothing_more_and_has_nothing_done() -> None:
    talk = Talk(spoken(tools=(BOOK,)))
    talk.says("1.a", "Hello, how can I help?", began=1.0)
    talk.tell(2.0, UtteranceEnded(1, 1.0, 1.0, True))
    talk.tell(3.0, CalleeBegan("1.b"), CalleeDone("1.b"))
    talk.conversation.handle_timer(now=8.0)
    talk.tell(8.2, Connected(2, greets=False, resumes=True))
    effects = talk.conversation.handle_timer(now=13.2)
    assert effects == [Hush(), SayPlainly("plain 2", phrases.LAST_APOLOGY)]
    assert talk.tell(13.5, ToolRequested(0, "use 1", "book", '{"day": 3}')) == []
