"""Variables in what an agent says and writes."""

import pytest

from strowger.agent import Scalar
from strowger.conversation.template import malformed_in, names_in, render, render_speech


def test_values_are_filled_in_and_unknown_ones_leave_nothing_behind() -> None:
    variables: dict[str, Scalar] = {"name": "Ann", "seats": 3}
    assert render("{{name}}, {{ seats }}, {{who}}.", variables) == "Ann, 3, ."
    assert render_speech("Hello {{who}}, you have {{seats}} seats.", variables) == (
        "Hello, you have 3 seats."
    )


@pytest.mark.parametrize(
    ("value", "written", "said"),
    [
        ("2026-03-03", "2026-03-03", "Tuesday, March 3rd"),
        ("2026-03-22T15:00:00Z", "2026-03-22T15:00:00Z", "Sunday, March 22nd at 3 PM"),
        ("2026-03-11 00:05", "2026-03-11 00:05", "Wednesday, March 11th at 12:05 AM"),
        ("2026-13-41", "2026-13-41", "2026-13-41"),
        ("+14155550100", "+14155550100", "plus 1 4 1 5 5 5 5 0 1 0 0"),
        (3.0, "3", "3"),
        (2.5, "2.5", "2.5"),
        (True, "yes", "yes"),
        (None, "", ""),
    ],
)
def test_values_are_said_as_people_say_them(value: Scalar, written: str, said: str) -> None:
    assert render("{{it}}", {"it": value}) == written
    assert render_speech("{{it}}", {"it": value}) == said


def test_what_a_value_contains_is_not_filled_in_again() -> None:
    assert render("{{a}}", {"a": "{{b}}", "b": "secret"}) == "{{b}}"


def test_the_variables_of_a_text_are_listed_once_and_broken_ones_are_found() -> None:
    text = "{{a}} {{ b }} {{a}} {{c d}} {{}} {{e"
    assert names_in(text) == ("a", "b")
    assert list(malformed_in(text)) == ["{{c d}}", "{{}}", "{{e"]
