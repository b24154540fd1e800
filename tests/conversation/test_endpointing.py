"""When a turn is over, by words, hints and the turn model; and what an interruption is."""

import pytest

from strowger.agent import TurnTaking
from strowger.conversation.decisions import Interrupted, LikelyEnded, TurnEnded, WentOn
from strowger.conversation.endpointing import finished_by_words, is_backchannel
from strowger.conversation.events import (
    PauseJudged,
    SpeechStarted,
    SpeechStopped,
    TurnHint,
    TurnHinted,
)
from strowger.conversation.turn import Heard
from tests.conversation.test_turn import listening, play, speaking, words


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("When are you open?", 1),
        ("That is all.", 1),
        ("Yes.", 0),
        ("No?", 1),
        ("I would like a table", 0),
        ("I would like a table and", -1),
        ("My name is", -1),
        ("my number is 555", 0),
        ("my number is 555 0123", -1),
        ("my number is five five five", -1),
        ("my number is four one five five five five zero one zero zero", 1),
        ("it is 4155550100", 1),
        ("at 10", 0),
        ("in 2026", 0),
        ("that is spelled J O", -1),
        ("I think, well,", -1),
        ("let me see...", -1),
        ("j dot smith at", -1),
        ("what are you looking at?", 1),
        ("", 0),
    ],
)
def test_words_tell_whether_more_is_to_come(text: str, sign: int) -> None:
    assert finished_by_words(text, "en-US") == sign


def test_other_languages_have_words_of_their_own() -> None:
    assert finished_by_words("ich möchte einen Tisch und", "de-DE") == -1
    assert finished_by_words("mi número es cinco cinco cinco", "es-MX") == -1
    assert finished_by_words("und", "xx") == 0


def test_where_digits_are_wanted_they_are_counted() -> None:
    assert finished_by_words("one two three", "en", digits_wanted=4) == -1
    assert finished_by_words("one two three four", "en", digits_wanted=4) == 1
    assert finished_by_words("12 34", "en", digits_wanted=4) == 1
    assert finished_by_words("I don't know", "en", digits_wanted=4) == 0


@pytest.mark.parametrize("text", ["mhm", "Yeah.", "uh huh", "OK", "I see"])
def test_some_words_only_show_that_one_listens(text: str) -> None:
    assert is_backchannel(text, "en-US")


@pytest.mark.parametrize("text", ["", "yeah but", "no", "stop", "yes yes yes yes"])
def test_others_say_something(text: str) -> None:
    assert not is_backchannel(text, "en-US")


def ended_at(*script: tuple[float, Heard], taking: TurnTaking | None = None) -> float:
    """Seconds from the last sound, at 2.0, to the end of the turn."""
    decided = play(
        (1.0, SpeechStarted(1.0)), (2.0, SpeechStopped(2.0)), *script,
        machine=listening(taking or TurnTaking(complete_delay=0.25)),
    )  # fmt: skip
    (at,) = [at for at, what in decided if isinstance(what, TurnEnded)]
    return at - 2.0


def test_a_whole_question_is_answered_sooner_and_half_a_sentence_is_waited_for() -> None:
    assert ended_at((2.125, words("are you open?"))) == 0.25
    assert ended_at((2.125, words("I would like a table"))) == 0.5
    assert ended_at((2.125, words("my number is five five five"))) == 1.5


def test_the_recogniser_may_say_that_it_is_over() -> None:
    over, perhaps = (TurnHinted(1, hint) for hint in (TurnHint.OVER, TurnHint.PERHAPS_OVER))
    assert ended_at((2.125, words("a table")), (2.125, over)) == 0.125
    assert ended_at((2.125, words("a table")), (2.125, perhaps)) == 0.25
    assert ended_at((2.125, words("a table and")), (2.125, over)) == 0.25
    resumed = TurnHinted(1, TurnHint.RESUMED)
    assert ended_at((2.125, words("a table")), (2.125, perhaps), (2.2, resumed)) == 1.5


def test_the_turn_model_counts_as_much_as_the_words_and_never_alone() -> None:
    assert ended_at((2.125, words("a table")), (2.2, PauseJudged(2.0, 0.9))) == 0.25
    assert ended_at((2.125, words("a table")), (2.2, PauseJudged(2.0, 0.1))) == 1.5
    assert ended_at((2.125, words("a table")), (2.2, PauseJudged(2.0, 0.5))) == 0.5
    assert ended_at((2.125, words("a table and")), (2.2, PauseJudged(2.0, 0.9))) == 0.5
    assert ended_at((2.125, words("a table please.")), (2.2, PauseJudged(2.0, 0.1))) == 0.5


def test_what_the_turn_model_says_of_another_pause_does_not_count() -> None:
    assert ended_at((2.125, words("a table")), (2.2, PauseJudged(1.5, 0.9))) == 0.5


def test_a_delay_of_ones_own_is_never_made_longer_by_a_good_sign() -> None:
    quick = TurnTaking(endpointing_delay=0.125)
    assert ended_at((2.0625, words("are you open?")), taking=quick) == 0.125


# ── drafts ───────────────────────────────────────────────────────────────────────────────────


def test_a_reply_can_be_begun_once_the_words_are_there_and_is_dropped_when_he_goes_on() -> None:
    decided = play(
        (1.0, SpeechStarted(1.0)),
        (2.0, SpeechStopped(2.0)),
        (2.125, words("I would like a table")),
        (2.25, SpeechStarted(2.25)),
        (3.0, SpeechStopped(3.0)),
        (3.125, words("I would like a table for two")),
        drafts=True,
    )
    assert [(at, what) for at, what in decided if not isinstance(what, TurnEnded)] == [
        (2.125, LikelyEnded("I would like a table")),
        (2.25, WentOn()),
        (3.125, LikelyEnded("I would like a table for two")),
    ]
    assert decided[-1][0] == 3.5


def test_nothing_is_begun_to_half_a_sentence_or_where_it_is_not_wanted() -> None:
    def drafts(text: str, taking: TurnTaking | None = None) -> list[object]:
        decided = play(
            (1.0, SpeechStarted(1.0)), (2.0, SpeechStopped(2.0)), (2.125, words(text)),
            machine=listening(taking), drafts=True,
        )  # fmt: skip
        return [what for _, what in decided if isinstance(what, LikelyEnded)]

    assert drafts("my name is") == []
    assert drafts("hello", TurnTaking(preemptive=False)) == []
    assert drafts("hello") == [LikelyEnded("hello")]


# ── interruptions ────────────────────────────────────────────────────────────────────────────


def interruptions(
    *script: tuple[float, Heard], taking: TurnTaking | None = None
) -> list[tuple[float, object]]:
    decided = play(*script, machine=speaking(taking))
    return [(at, what) for at, what in decided if isinstance(what, Interrupted)]


def test_words_that_only_show_that_one_listens_do_not_interrupt() -> None:
    assert interruptions(
        (1.0, SpeechStarted(1.0)), (1.2, words("mhm", final=False)), (1.75, SpeechStopped(1.75))
    ) == []  # fmt: skip


def test_words_that_follow_them_do() -> None:
    assert interruptions(
        (1.0, SpeechStarted(1.0)),
        (1.2, words("yeah", final=False)),
        (1.5, words("yeah but wait", final=False)),
        (2.0, SpeechStopped(2.0)),
    ) == [(1.5, Interrupted(1.0))]


def test_without_words_the_duration_alone_decides() -> None:
    assert interruptions(
        (1.0, SpeechStarted(1.0)), (2.0, SpeechStopped(2.0))
    ) == [(1.25, Interrupted(1.0))]  # fmt: skip


def test_an_agent_may_want_words_before_it_yields() -> None:
    taking = TurnTaking(interruption_words=2)
    script: list[tuple[float, Heard]] = [
        (1.0, SpeechStarted(1.0)),
        (1.5, words("stop", final=False)),
        (1.75, words("stop please", final=False)),
        (3.0, SpeechStopped(3.0)),
    ]
    assert interruptions(*script, taking=taking) == [(1.75, Interrupted(1.0))]
    assert interruptions(*script[:2], script[3], taking=taking) == []


def test_where_a_question_is_open_a_yes_is_an_answer_and_interrupts() -> None:
    machine = speaking()
    machine.answers = True
    decided = play(
        (1.0, SpeechStarted(1.0)), (1.2, words("yes", final=False)), (1.75, SpeechStopped(1.75)),
        machine=machine,
    )  # fmt: skip
    assert (1.25, Interrupted(1.0)) in decided


def test_who_had_gone_on_before_his_turn_was_taken_for_over_is_not_kept_waiting() -> None:
    decided = play(
        (1.0, SpeechStarted(1.0)),
        (2.0, SpeechStopped(2.0)),
        (2.125, words("yes")),
        (2.5625, SpeechStarted(2.4375)),  # the news came after the turn was over, at 2.5
    )
    assert [type(what) for _, what in decided] == [TurnEnded, Interrupted]
    assert decided[1][0] == 2.5625
