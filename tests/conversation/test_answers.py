"""What callees say, and what it means."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.agent import Expectation, Phrases, Scalar
from strowger.conversation.answers import (
    digits_wanted,
    phrases_for,
    recognise,
    recognise_digits,
    words_of,
)
from strowger.conversation.spoken_dates import today_from
from strowger.conversation.spoken_numbers import in_words, ordinal, ordinal_in_words

YES_NO = Expectation(type="yes_no")
NUMBER = Expectation(type="number", minimum=0, maximum=9999)
DATE = Expectation(type="date")
DIGITS = Expectation(type="digits")
DAYS = Expectation(
    type="keywords",
    keywords=(
        Phrases(value="tuesday", phrases=("Tuesday", "on Tuesday at 3 p.m.")),
        Phrases(value="friday", phrases=("Friday", "end of the week")),
        Phrases(value="weekend", phrases=("the weekend", "not on Friday")),
    ),
)
TODAY = date(2026, 3, 4)
"""A Wednesday."""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Yes.", "yes"),
        ("yeah, sure", "yes"),
        ("Uh-huh", "yes"),
        ("That's right!", "yes"),
        ("that’s right", "yes"),
        ("no problem", "yes"),
        ("I don't mind", "yes"),
        ("well, I can do that", "yes"),
        ("No", "no"),
        ("no thank you", "no"),
        ("of course not", "no"),
        ("I'm afraid not", "no"),
        ("sorry, I can't", "no"),
        ("that is not correct", "no"),
        ("absolutely not", "no"),
        ("yes, no", None),
        ("I don't know", None),
        ("not sure", None),
        ("maybe yes", None),
        ("what?", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_yes_and_no_in_many_words(said: str, meant: str | None) -> None:
    assert recognise(YES_NO, said) == meant


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("five", 5),
        ("5", 5),
        ("twenty-three", 23),
        ("about twenty three people", 23),
        ("a hundred", 100),
        ("one hundred and five", 105),
        ("two thousand twenty six", 2026),
        ("nineteen eighty four", 1984),
        ("twenty oh five", 2005),
        ("twelve hundred", 1200),
        ("1,200", 1200),
        ("four two", 42),
        ("oh four two", 42),
        ("zero", 0),
        ("to", 2),
        ("for", 4),
        ("two or three", None),
        ("ten thousand", None),
        ("twenty ten five", None),
        ("five hundred hundred", None),
        ("many", None),
        ("", None),
        ("99999999999999999999", None),
    ],
)
def test_numbers_in_words_and_figures(said: str, number: int | None) -> None:
    assert recognise(NUMBER, said) == number


@given(st.integers(0, 9999))
def test_every_number_is_understood_as_it_is_said(number: int) -> None:
    assert recognise(NUMBER, in_words(number)) == number
    assert recognise(NUMBER, in_words(number).replace("hundred ", "hundred and ")) == number
    assert recognise(NUMBER, str(number)) == number


def test_a_number_out_of_the_range_asked_for_is_no_answer() -> None:
    guests = Expectation(type="number", minimum=1, maximum=8)
    assert [recognise(guests, said) for said in ("zero", "one", "eight", "nine")] == [
        None,
        1,
        8,
        None,
    ]
    assert [recognise_digits(guests, digits) for digits in ("0", "8", "9", "")] == [
        None,
        8,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("today", "2026-03-04"),
        ("tomorrow please", "2026-03-05"),
        ("the day after tomorrow", "2026-03-06"),
        ("on Friday", "2026-03-06"),
        ("next tuesday", "2026-03-10"),
        ("wednesday", "2026-03-11"),
        ("March third", "2027-03-03"),
        ("the third of April", "2026-04-03"),
        ("april the twenty first", "2026-04-21"),
        ("April 3rd", "2026-04-03"),
        ("3 April", "2026-04-03"),
        ("the thirty first", "2026-03-31"),
        ("friday the sixth", "2026-03-06"),
        ("friday the sixth of march", "2026-03-06"),
        ("february twenty ninth", "2028-02-29"),
        ("thursday the sixth of march", None),
        ("monday or tuesday", None),
        ("march third and march fourth", None),
        ("not friday", None),
        ("the thirty second", None),
        ("february thirtieth", None),
        ("just a second", None),
        ("some day", None),
        ("", None),
    ],
)
def test_days_counted_from_today(said: str, day: str | None) -> None:
    assert recognise(DATE, said, today=TODAY) == day


def test_without_knowing_today_no_day_is_understood() -> None:
    assert recognise(DATE, "tomorrow") is None
    assert today_from("2026-03-04T23:30:00-06:00") == TODAY
    nonsense: list[Scalar] = ["soon", 5, None, True, "2026-13-01"]
    assert [today_from(value) for value in nonsense] == [None] * 5


def test_keywords_are_found_in_what_is_said_and_the_longest_phrase_counts() -> None:
    said = [
        "Friday would be fine",
        "not on friday",
        "on tuesday at three pm",
        "tuesday, friday",
        "",
    ]
    assert [recognise(DAYS, text) for text in said] == ["friday", "weekend", "tuesday", None, None]


def test_digits_are_said_one_by_one_or_pressed() -> None:
    four = Expectation(type="digits", length=4)
    said = ["one two three four", "12 34", "oh oh seven one", "one two", "hello"]
    assert [recognise(four, text) for text in said] == ["1234", "1234", "0071", None, None]
    assert recognise_digits(four, "0071") == "0071"
    assert recognise_digits(four, "007") is None
    assert recognise_digits(DIGITS, "1") == "1"


def test_digits_answer_yes_or_no_numbers_and_keywords_but_no_dates() -> None:
    menu = Expectation(
        type="keywords", keywords=(Phrases(value="sales", phrases=("sales", "one")),)
    )
    assert [recognise_digits(YES_NO, digit) for digit in "123"] == ["yes", "no", None]
    assert recognise_digits(NUMBER, "42") == 42
    assert recognise_digits(NUMBER, "4*") is None
    assert recognise_digits(menu, "1") == "sales"
    assert recognise_digits(DATE, "1") is None
    assert recognise_digits(Expectation(type="anything"), "12") == "12"


def test_how_many_digits_make_an_answer() -> None:
    expectations = [None, YES_NO, NUMBER, DIGITS, Expectation(type="digits", length=6), DATE, DAYS]
    assert [digits_wanted(expect) for expect in expectations] == [None, 1, 4, None, 6, None, None]


def test_anything_is_kept_as_it_was_said() -> None:
    assert recognise(Expectation(type="anything"), " My name is Bo. ") == "My name is Bo."
    assert recognise(Expectation(type="anything"), "  ") is None


@pytest.mark.parametrize(
    "expect", [YES_NO, Expectation(type="number", maximum=130), DATE, DAYS], ids=lambda e: e.type
)
def test_every_phrase_that_is_listened_for_is_understood(expect: Expectation) -> None:
    phrases = phrases_for(expect)
    unsure = {"i don't know", "i'm not sure", "maybe"}
    assert len(set(phrases)) == len(phrases) > 0
    for phrase in phrases:
        assert phrase == phrase.lower().strip()
        assert recognise(expect, phrase, today=TODAY) is not None or phrase in unsure, phrase


def test_where_anything_may_be_said_nothing_is_listened_for() -> None:
    assert phrases_for(None) == phrases_for(Expectation(type="anything")) == ()
    assert phrases_for(DIGITS)[:3] == ("zero", "one", "two")


def test_every_phrase_is_in_the_dictionary_of_the_recogniser() -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL")
    words = {
        word
        for expect in (YES_NO, NUMBER, DATE, DIGITS)
        for phrase in phrases_for(expect)
        for word in phrase.split()
    }
    assert {word for word in words if decoder.lookup_word(word) is None} == set()


def test_words_are_told_apart_from_punctuation() -> None:
    assert words_of("Well, it's 3 p.m. - the 3rd!") == ("well", "it's", "3", "pm", "the", "3rd")


def test_ordinals_are_written_and_said() -> None:
    assert [ordinal(day) for day in (1, 2, 3, 4, 11, 22, 31)] == [
        "1st", "2nd", "3rd", "4th", "11th", "22nd", "31st",
    ]  # fmt: skip
    assert [ordinal_in_words(day) for day in (1, 9, 12, 20, 31)] == [
        "first", "ninth", "twelfth", "twentieth", "thirty first",
    ]  # fmt: skip
