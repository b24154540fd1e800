"""Keys that are pressed while no service is there to be told of them: none is lost or doubled."""

from strowger.agent import TurnTaking
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import DigitPressed, UtteranceEnded
from strowger.conversation.speech_to_speech.events import (
    Connect,
    Connected,
    PassOn,
    Respond,
    Say,
    ServiceFailed,
)
from tests.conversation.spoken_stage import spoken
from tests.conversation.test_spoken_crossings import Talk

FIVE = (DigitPressed("5"), DigitPressed("#"))
GREETING = "Hello, how can I help?"
PRESSED = PassOn("(pressed 5)")


def connected(number: int, *, greets: bool = False) -> Connected:
    return Connected(number, greets=greets, resumes=not greets)


def after_the_greeting() -> Talk:
    talk = Talk(spoken(GREETING, fallbacks=("second",)))
    talk.says("1.a", GREETING, began=1.0)
    talk.tell(3.0, UtteranceEnded(1, 2.0, 2.0, True))
    return talk


def test_who_presses_a_key_before_the_service_is_there_hears_the_greeting_and_an_answer() -> None:
    talk = Talk(spoken(GREETING), connected=False)
    assert talk.tell(0.3, *FIVE) == []
    assert talk.tell(0.9, connected(1)) == [Say(GREETING), PRESSED]


def test_a_service_that_greets_by_itself_is_told_of_the_key_too() -> None:
    talk = Talk(spoken(GREETING), connected=False)
    talk.tell(0.3, *FIVE)
    assert talk.tell(0.9, connected(1, greets=True)) == [PRESSED]


def test_one_that_waits_for_the_callee_takes_the_key_for_his_first_word() -> None:
    talk = Talk(
        spoken(GREETING, turn_taking=TurnTaking(who_speaks_first="callee")), connected=False
    )
    talk.tell(0.3, *FIVE)
    assert talk.tell(0.9, connected(1)) == [PRESSED]


def test_a_key_that_is_pressed_between_two_connections_the_next_one_answers() -> None:
    talk = after_the_greeting()
    talk.tell(4.0, ServiceFailed(1, "broke off", True))
    talk.tell(4.1, *FIVE)
    assert talk.tell(4.9, connected(2)) == [PRESSED]


def test_a_key_that_the_brief_tells_of_is_answered_and_not_told_again() -> None:
    talk = after_the_greeting()
    talk.tell(4.0, ServiceFailed(1, "broke off", True))
    talk.tell(4.1, *FIVE)
    (connect,) = (
        effect
        for effect in talk.tell(4.5, ServiceFailed(2, "broke off", True))
        if isinstance(effect, Connect)
    )
    assert connect.brief.dialogue[-1] == Message(Role.USER, "(pressed 5)")
    assert talk.tell(4.9, connected(3)) == [Respond()]


def test_a_key_that_the_brief_tells_of_before_the_first_words_follows_them() -> None:
    talk = Talk(spoken(GREETING), connected=False)
    talk.tell(0.3, *FIVE)
    talk.tell(0.5, ServiceFailed(1, "broke off", True))
    assert talk.tell(0.9, connected(2)) == [Say(GREETING), Respond()]
