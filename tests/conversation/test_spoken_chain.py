"""Conversations that one service after the other holds: who takes over, when, and what he knows."""

from dataclasses import dataclass, field

import pytest

from strowger.agent import Limits
from strowger.conversation import phrases
from strowger.conversation.events import HungUp
from strowger.conversation.speech_to_speech.events import (
    AnswerTool,
    Connect,
    Connected,
    Inform,
    Respond,
    Say,
    SayPlainly,
    SpokenEffect,
)
from tests.conversation.spoken_stage import Like, SpokenStage, spoken, texts
from tests.conversation.test_spoken import BOOK, COLLEAGUES, Theatre, same_again

KEEPS_AGENTS = Like(greets=True, resumes=False)


@dataclass
class Chain(Theatre):
    """A stage whose services may not be reached."""

    unreachable: set[str] = field(default_factory=set)

    def connects(self, effect: Connect) -> None:
        if effect.brief.settings.provider in self.unreachable:
            self.soon(0.5, self.fail)
        else:
            super().connects(effect)


def chain_of(*fallbacks: str, replies: list[str] | None = None) -> Chain:
    definition = spoken("Hi.", fallbacks=fallbacks, limits=Limits(provider_deadline=3.0))
    return Chain(definition, replies=replies or ["Very well."])


def asked_in_turn(stage: SpokenStage) -> list[tuple[str, bool]]:
    """The services that were to be connected, and whether they were to go on with the call."""
    return [
        (effect.brief.settings.provider, effect.brief.goes_on)
        for effect in stage.asked(Connect)
        if isinstance(effect, Connect)
    ]


def apologies(stage: SpokenStage) -> list[str]:
    return texts(stage.asked(SayPlainly))


def test_the_brief_names_the_one_service_that_is_asked() -> None:
    stage = chain_of("second").run((2.0, HungUp()))
    (connect,) = stage.asked(Connect)
    assert isinstance(connect, Connect)
    assert connect.brief.settings.provider == "openai"
    assert connect.brief.settings.fallbacks == ()


def test_one_that_is_not_there_is_passed_over_before_anybody_waits() -> None:
    stage = chain_of("absent", "second")
    stage.others = {"openai": None, "absent": None}
    stage.run((5.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("absent", False), ("second", False)]
    assert stage.transcript[-1] == ("agent", "Hi.")
    assert apologies(stage) == []
    same_again(stage)


def test_one_that_cannot_be_connected_is_not_tried_twice_while_another_is_left() -> None:
    stage = chain_of("second")
    stage.unreachable = {"openai"}
    stage.run((3.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("second", False)]
    assert texts(stage.asked(Say)) == ["Hi."]
    assert stage.asked(Respond) == []
    assert stage.longest_silence() < 2.0


def test_the_last_of_all_is_tried_twice() -> None:
    stage = chain_of("second")
    stage.unreachable = {"openai", "second"}
    stage.run()
    assert [provider for provider, _ in asked_in_turn(stage)] == ["openai", "second", "second"]
    assert stage.reason == "provider_failed"
    assert apologies(stage)[-1] == phrases.LAST_APOLOGY
    same_again(stage)


def test_one_that_fails_twice_in_a_row_is_replaced_and_the_next_knows_what_was_said() -> None:
    stage = chain_of("second", replies=["", "", "Tuesday it is."])
    stage.callee(3.0, "Tuesday")
    stage.run((20.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("openai", True), ("second", True)]
    *_, last = stage.asked(Connect)
    assert isinstance(last, Connect)
    assert [message.text for message in last.brief.dialogue][:2] == ["Hi.", "Tuesday"]
    assert stage.transcript[-1] == ("agent", "Tuesday it is.")
    assert stage.longest_silence() < 5.0
    same_again(stage)


def test_one_that_was_heard_in_between_has_not_failed_twice_in_a_row() -> None:
    stage = chain_of("second")
    for at in (4.0, 14.0):
        stage.callee(at - 2.0, "Go on")
        stage.at(at + 3.0, stage.fail)
    stage.run((22.0, HungUp()))
    assert [provider for provider, _ in asked_in_turn(stage)] == ["openai"] * 3


def test_who_has_taken_over_keeps_the_call() -> None:
    stage = chain_of("second")
    stage.unreachable = {"openai"}
    stage.callee(4.0, "Tuesday")
    stage.at(9.0, stage.fail)
    stage.run((14.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("second", False), ("second", True)]


def test_one_that_cannot_be_told_a_conversation_takes_none_over() -> None:
    stage = chain_of("kept", "third", replies=["", "", "Tuesday it is."])
    stage.others = {"kept": KEEPS_AGENTS}
    stage.callee(3.0, "Tuesday")
    stage.run((20.0, HungUp()))
    assert [provider for provider, _ in asked_in_turn(stage)] == [
        "openai", "openai", "kept", "third",
    ]  # fmt: skip
    assert stage.transcript[-1] == ("agent", "Tuesday it is.")
    same_again(stage)


def test_where_only_such_a_one_is_left_the_call_ends_with_a_word() -> None:
    stage = chain_of("kept", replies=[""])
    stage.others = {"kept": KEEPS_AGENTS}
    stage.callee(3.0, "Tuesday")
    stage.run()
    assert stage.reason == "provider_failed"
    assert stage.transcript[-1] == ("agent", phrases.LAST_APOLOGY)


def test_before_anything_was_said_even_such_a_one_takes_over_and_greets_by_itself() -> None:
    stage = chain_of("kept")
    stage.unreachable, stage.others = {"openai"}, {"kept": KEEPS_AGENTS}
    stage.at(2.0, lambda: stage.say("Hi, this is Eleven."))
    stage.run((6.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("kept", False)]
    assert stage.asked(Say, Respond) == []
    assert stage.transcript == [("agent", "Hi, this is Eleven.")]


def test_a_conversation_that_such_a_one_began_another_goes_on_with() -> None:
    stage = chain_of("second")
    stage.others = {"openai": KEEPS_AGENTS}
    stage.at(0.5, lambda: stage.say("Hi, this is Eleven."))
    stage.callee(4.0, "Tuesday")
    stage.at(4.2, stage.fail)
    stage.run((12.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("second", True)]


def test_even_such_a_one_is_connected_again_where_it_has_not_spoken() -> None:
    stage = chain_of()
    stage.others = {"openai": KEEPS_AGENTS}
    stage.at(0.5, stage.fail)
    stage.at(2.0, lambda: stage.say("Hi, this is Eleven."))
    stage.run((6.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False)] * 2
    assert stage.transcript[-1] == ("agent", "Hi, this is Eleven.")


def test_first_words_that_nobody_heard_the_next_one_says() -> None:
    class Mute(Chain):
        """Whose first service never says what it is asked to."""

        def carry_out(self, effect: SpokenEffect) -> None:
            if not (isinstance(effect, Say) and self.connection < 3):
                super().carry_out(effect)

    stage = Mute(spoken("Hi.", fallbacks=("second",), limits=Limits(provider_deadline=3.0)))
    stage.run((14.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False)] * 2 + [("second", False)]
    assert texts(stage.asked(Say)) == ["Hi."] * 3
    assert stage.transcript[-1] == ("agent", "Hi.")
    same_again(stage)


@pytest.mark.parametrize("fallbacks", [(), ("second",)])
def test_a_wrong_key_is_not_tried_again_by_the_same_service(fallbacks: tuple[str, ...]) -> None:
    stage = chain_of(*fallbacks)
    stage.callee(3.0, "Tuesday")
    stage.at(8.0, lambda: stage.fail(retryable=False))
    stage.run((14.0, HungUp()))
    assert [provider for provider, _ in asked_in_turn(stage)] == ["openai", *fallbacks]
    assert stage.reason == ("callee_hangup" if fallbacks else "provider_failed")


def test_a_tool_that_the_one_before_asked_for_the_next_is_told_of() -> None:
    definition = spoken("Hi.", tools=(BOOK,), fallbacks=("second",))
    stage = Chain(definition, replies=['call book {"day": 2}', "Booked."])
    stage.callee(3.0, "Book it")
    stage.at(5.1, lambda: stage.fail(retryable=False))
    stage.run((12.0, HungUp()))
    assert asked_in_turn(stage) == [("openai", False), ("second", True)]
    (informed,) = (each for each in stage.asked(Inform) if isinstance(each, Inform))
    assert "booked for Ann" in informed.text
    assert stage.asked(AnswerTool) == []
    assert stage.transcript[-1] == ("agent", "Booked.")


def test_a_colleague_begins_with_the_first_of_his_own_and_none_has_to_know_the_call() -> None:
    definition = spoken("Hi.", tools=(COLLEAGUES,), fallbacks=("second",))
    stage = Chain(definition, replies=['call hand_off {"agent": "billing"}'])
    stage.unreachable = {"openai"}
    stage.others = {"kept": KEEPS_AGENTS}
    stage.colleague = spoken("Billing here.", fallbacks=("kept",))
    stage.callee(4.0, "My bill")
    stage.at(9.0, lambda: stage.say("Billing here."))
    stage.run((12.0, HungUp()))
    assert asked_in_turn(stage) == [
        ("openai", False), ("second", False), ("openai", False), ("kept", False),
    ]  # fmt: skip
    assert stage.transcript[-1] == ("agent", "Billing here.")


def test_one_that_fails_at_once_is_replaced_without_a_word_of_it() -> None:
    stage = chain_of("second")
    stage.unreachable = {"openai"}
    stage.run((6.0, HungUp()))
    assert apologies(stage) == []
    assert stage.transcript == [("agent", "Hi.")]
    same_again(stage)


def test_where_the_next_is_not_there_at_once_either_the_callee_is_told_why_he_waits() -> None:
    class Slow(Chain):
        """Whose second service takes its time."""

        def connects(self, effect: Connect) -> None:
            if effect.brief.settings.provider == "second":
                self.soon(2.5, Connected(effect.connection, greets=False, resumes=True))
            else:
                super().connects(effect)

    stage = Slow(spoken("Hi.", fallbacks=("second",), limits=Limits(provider_deadline=3.0)))
    stage.unreachable = {"openai"}
    stage.run((12.0, HungUp()))
    assert stage.transcript == [("agent", phrases.APOLOGY), ("agent", "Hi.")]
    assert [at for at, effect in stage.effects if isinstance(effect, SayPlainly)] == [1.5]
    same_again(stage)


@pytest.mark.parametrize("retryable", [True, False])
def test_who_was_not_understood_before_the_service_broke_off_is_asked_again(
    *, retryable: bool
) -> None:
    stage = chain_of("second", replies=[""])
    stage.callee(3.0, "Tuesday")
    stage.at(4.6, lambda: stage.fail(retryable=retryable))  # its words come at 4.8
    stage.run((9.0, HungUp()))
    assert texts(stage.asked(Say)) == ["Hi.", phrases.SAY_IT_AGAIN]
    assert stage.asked(Respond) == []
    same_again(stage)


def test_who_was_not_understood_by_two_of_them_is_asked_once() -> None:
    stage = chain_of("second", replies=[""])
    stage.callee(3.0, "Tuesday")
    stage.at(4.6, stage.fail)
    stage.at(4.7, stage.fail)
    stage.run((9.0, HungUp()))
    assert [provider for provider, _ in asked_in_turn(stage)] == ["openai", "openai", "second"]
    assert texts(stage.asked(Say)) == ["Hi.", phrases.SAY_IT_AGAIN]


def test_the_next_one_is_tried_twice_even_after_one_that_cannot_be_told_a_conversation() -> None:
    stage = chain_of("second")
    stage.others, stage.unreachable = {"openai": KEEPS_AGENTS}, {"second"}
    stage.at(0.5, lambda: stage.say("Hi, this is Eleven."))
    stage.callee(4.0, "Tuesday")
    stage.at(7.0, stage.fail)
    stage.run()
    assert asked_in_turn(stage) == [("openai", False), ("second", True), ("second", True)]
    assert stage.reason == "provider_failed"
