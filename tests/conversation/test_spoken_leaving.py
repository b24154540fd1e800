"""What is heard before an agent hangs up that a service speaks for: one goodbye, and no more."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.agent import AgentDefinition, EndCallTool, Limits
from strowger.conversation import phrases
from strowger.conversation.events import (
    HangUp,
    ToolFinished,
    ToolRequested,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.speech_to_speech.ending import STALL
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    AnswerTool,
    CalleeDone,
    ItemOver,
    ResponseOver,
    Say,
    SayPlainly,
    ServiceFailed,
    ServiceLeft,
    SoundBegan,
    SpokenEffect,
)
from tests.conversation.spoken_stage import spoken
from tests.conversation.test_spoken import BOOK
from tests.conversation.test_spoken_crossings import Talk

END = EndCallTool(type="end_call")
LEAVES = ToolRequested(0, "use 1", "end_call", "{}")
HUNG_UP = HangUp("agent_hangup")


class Farewell(Talk):
    """The service says things, one after the other, and each is heard once those before it were."""

    def __init__(self, definition: AgentDefinition | None = None) -> None:
        super().__init__(definition or spoken(tools=(END, BOOK)))
        self.items = 0

    def begins(self, now: float, text: str = "Goodbye.", *, over: bool = True) -> None:
        self.items += 1
        item = f"1.{self.items}"
        self.tell(now, AgentWords(item, text, True), SoundBegan(self.items, item))
        self.tell(now, *([ItemOver(item)] if over else []))

    def heard(self, now: float, number: int, *, seconds: float = 1.0) -> list[SpokenEffect]:
        """All of that item was heard by now."""
        self.tell(now, UtteranceStarted(number, now - seconds, 0.02))
        return self.tell(now, UtteranceEnded(number, seconds, seconds, True))

    def waits_until(self) -> float | None:
        return self.conversation.next_timer()


def test_what_was_being_said_at_the_request_is_the_goodbye_and_no_other_is_waited_for() -> None:
    talk = Farewell()
    talk.begins(1.0, "See you then, goodbye.")
    talk.tell(1.2, LEAVES)
    assert talk.heard(2.5, 1) == [HUNG_UP]


def test_a_goodbye_that_was_heard_before_the_request_came_is_one() -> None:
    talk = Farewell()
    talk.begins(1.0, "Bye.")
    talk.heard(1.5, 1, seconds=0.5)
    assert talk.tell(2.0, LEAVES)[-1] == HUNG_UP


def test_one_more_goodbye_is_heard_where_it_begins_in_time_and_nothing_after_it() -> None:
    talk = Farewell()
    talk.begins(1.0)
    talk.tell(1.2, LEAVES)
    talk.begins(1.4, "Bye-bye.")
    talk.begins(1.6, "Take care.")
    assert talk.heard(2.0, 1) == []
    talk.begins(2.1, "And all the best.")
    assert talk.heard(3.0, 2) == [HUNG_UP]
    assert [text for role, text in talk.words if role == "agent"] == ["Goodbye.", "Bye-bye."]


def test_who_has_not_said_goodbye_has_a_moment_to_begin() -> None:
    talk = Farewell()
    talk.tell(1.0, CalleeDone("1.callee"))
    talk.tell(2.0, LEAVES)
    assert talk.waits_until() == 4.0
    talk.begins(3.5)
    talk.begins(3.6, "Take care.")
    assert talk.heard(5.0, 1) == [HUNG_UP]


def test_who_does_not_begin_in_that_moment_has_nothing_to_say() -> None:
    talk = Farewell()
    talk.tell(1.0, CalleeDone("1.callee"))
    talk.tell(2.0, LEAVES)
    assert talk.conversation.handle_timer(now=4.0) == [HUNG_UP]


def test_who_says_that_he_is_done_is_not_given_that_moment() -> None:
    talk = Farewell()
    talk.tell(1.0, CalleeDone("1.callee"))
    talk.tell(2.0, LEAVES)
    assert talk.tell(2.0, ResponseOver()) == [HUNG_UP]


def test_what_was_said_before_a_tool_answered_is_no_goodbye() -> None:
    talk = Farewell()
    talk.begins(1.0, "One moment.")
    talk.tell(1.1, ToolRequested(0, "use 0", "book", '{"day": 2}'))
    talk.tell(1.3, ToolFinished(1, True, "booked"))
    talk.tell(1.8, LEAVES)
    assert talk.heard(2.0, 1) == []
    talk.begins(2.3, "Booked. Goodbye.")
    assert talk.heard(3.6, 2) == [HUNG_UP]


def test_what_was_said_before_a_request_that_was_refused_is_no_goodbye() -> None:
    talk = Farewell(spoken(tools=(replace(END, outcomes=("booked",)),)))
    talk.begins(1.0, "Well then.")
    talk.tell(1.1, ToolRequested(0, "use 0", "end_call", '{"outcome": "elsewhere"}'))
    talk.tell(1.8, ToolRequested(0, "use 1", "end_call", '{"outcome": "booked"}'))
    assert talk.heard(2.0, 1) == []
    talk.begins(2.3, "Goodbye.")
    assert talk.heard(3.6, 2) == [HUNG_UP]


def test_a_goodbye_that_has_gaps_is_heard_to_its_end() -> None:
    talk = Farewell()
    talk.begins(1.0, "See you then. Goodbye.", over=False)
    talk.tell(1.2, LEAVES)
    assert talk.heard(2.0, 1) == [], "more of it may come"
    talk.tell(3.0, SoundBegan(7, "1.1"), ItemOver("1.1"))
    assert talk.heard(4.0, 7) == [HUNG_UP]


WORDS = spoken(tools=(replace(END, message="Thank you for calling."),))
THANKS = "Thank you for calling."


def test_what_the_service_adds_of_its_own_is_not_the_goodbye_that_it_was_asked_for() -> None:
    talk = Farewell(WORDS)
    assert talk.tell(2.0, LEAVES) == [AnswerTool("use 1", True, "the call ends"), Say(THANKS)]
    talk.begins(2.1, "Well, bye.")
    talk.tell(2.2, ResponseOver())
    assert talk.heard(3.0, 1) == []
    talk.begins(3.2, THANKS)
    talk.tell(3.3, ResponseOver())
    assert talk.heard(5.0, 2) == [HUNG_UP]


def test_one_that_does_not_say_it_after_that_has_the_fallback_voice_say_it() -> None:
    talk = Farewell(WORDS)
    talk.tell(2.0, LEAVES)
    talk.begins(2.1, "Well, bye.")
    talk.tell(2.2, ResponseOver())
    talk.heard(3.0, 1)
    assert talk.tell(3.1, ServiceFailed(1, "broke off", True)) == [SayPlainly("plain 1", THANKS)]


def test_one_that_breaks_off_while_it_adds_something_has_the_fallback_voice_say_it() -> None:
    talk = Farewell(WORDS)
    talk.tell(2.0, LEAVES)
    talk.begins(2.1, "Well, bye.")
    assert talk.tell(2.5, ServiceFailed(1, "broke off", True)) == [SayPlainly("plain 1", THANKS)]
    assert talk.heard(3.0, 1) == []
    talk.tell(3.1, SoundBegan(9, "plain 1"), ItemOver("plain 1"))
    assert talk.heard(4.5, 9) == [HUNG_UP]


def test_one_that_leaves_once_it_has_said_it_is_not_followed_by_the_fallback_voice() -> None:
    talk = Farewell(WORDS)
    talk.tell(2.0, LEAVES)
    talk.begins(2.5, THANKS)
    assert talk.tell(2.6, ServiceLeft(1)) == []
    assert talk.heard(4.0, 1) == [HUNG_UP]


def test_one_that_leaves_without_having_said_it_has_the_fallback_voice_say_it() -> None:
    talk = Farewell(WORDS)
    talk.tell(2.0, LEAVES)
    assert talk.tell(2.6, ServiceLeft(1)) == [SayPlainly("plain 1", THANKS)]


def test_one_that_tells_no_end_of_what_it_says_ends_the_call_with_the_first() -> None:
    talk = Farewell(WORDS)
    talk.tell(2.0, LEAVES)
    talk.begins(2.5, THANKS)
    talk.begins(3.0, "Is there anything else?")
    assert talk.heard(4.0, 1) == [HUNG_UP]


def test_a_goodbye_without_an_end_is_cut_short_at_the_limit() -> None:
    talk = Farewell(spoken(tools=(END,), limits=Limits(max_duration=20.0)))
    talk.begins(1.0, "Goodbye. " * 99, over=False)
    talk.tell(1.2, LEAVES)
    now = 1.2
    while not talk.conversation.ended:
        now = talk.waits_until() or now
        talk.conversation.handle_timer(now=now)
    assert now == 30.0


def test_words_that_the_limit_asks_for_are_said_whatever_was_being_said() -> None:
    talk = Farewell(spoken(limits=Limits(max_duration=20.0)))
    talk.begins(19.0, "As I was saying", over=False)
    effects = talk.conversation.handle_timer(now=20.0)
    assert Say(phrases.TIME_IS_UP) in effects
    talk.tell(20.0, UtteranceEnded(1, 1.0, 2.0, False))
    talk.begins(20.8, phrases.TIME_IS_UP)
    talk.begins(20.9, "Shall I go on?")
    assert talk.heard(23.0, 2) == [HangUp("max_duration")]


def test_the_rest_of_an_answer_that_the_limit_cuts_off_is_not_taken_for_the_goodbye() -> None:
    talk = Farewell(spoken(limits=Limits(max_duration=20.0)))
    talk.tell(19.5, CalleeDone("1.callee"))
    assert Say(phrases.TIME_IS_UP) in talk.conversation.handle_timer(now=20.0)
    talk.begins(20.05, "As I")  # it was on its way
    talk.tell(20.1, ResponseOver())
    assert talk.heard(20.4, 1, seconds=0.3) == []
    talk.begins(20.8, phrases.TIME_IS_UP)
    assert talk.heard(23.0, 2) == [HangUp("max_duration")]


def test_a_goodbye_in_the_words_that_were_asked_for_is_not_waited_for_again() -> None:
    talk = Farewell(spoken(limits=Limits(max_duration=20.0)))
    talk.tell(19.0, CalleeDone("1.callee"), ResponseOver())  # it has nothing to answer
    talk.conversation.handle_timer(now=20.0)
    talk.begins(20.5, phrases.TIME_IS_UP)
    talk.tell(20.6, ResponseOver())
    assert talk.heard(23.0, 1) == [HangUp("max_duration")]


@settings(max_examples=100)
@given(
    before=st.integers(0, 2),
    after=st.lists(st.floats(0.05, 3.0), max_size=5),
    done=st.booleans(),
)
def test_nobody_listens_to_more_than_one_goodbye(
    before: int, after: list[float], done: bool
) -> None:
    """Items of a second each follow the request after these pauses; they are heard in turn."""
    talk = Farewell()
    now = 1.0
    for _ in range(before):
        talk.begins(now)
    talk.tell(now, LEAVES, *([ResponseOver()] if done else []))
    comes = [now + sum(after[: place + 1]) for place in range(len(after))]
    heard_until, heard = now, 0
    while not talk.conversation.ended:
        due = talk.waits_until()
        ends = heard_until + 1.0 if heard < talk.items else None
        first = min(at for at in (due, ends, comes[0] if comes else None) if at is not None)
        now = max(now, first)
        if comes and comes[0] == first:
            if heard == talk.items:
                heard_until = now
            talk.begins(comes.pop(0))
        elif ends == first:
            heard, heard_until = heard + 1, now
            talk.heard(now, heard)
        else:
            talk.conversation.handle_timer(now=now)
    assert heard <= before + 1
    assert now <= 1.0 + max(STALL, before) + 1.0
