import json
from typing import get_args

import pytest

from strowger.simulate.persona import Sound
from strowger.simulate.reports import (
    Answered,
    Consulted,
    DigitHeard,
    GivenUp,
    Happening,
    Heard,
    HungUp,
    Played,
    Pressed,
    PutThrough,
    Rang,
    Reacted,
    Refused,
    Report,
    Said,
    Trouble,
    describe,
    record,
)

EXAMPLES: list[tuple[Happening, str, str]] = [
    (Rang("+1", "+2", "192.0.2.1:5060"), "rang", "+1 rings, called by +2"),
    (Answered(), "answered", "answered"),
    (Refused(486), "refused", "refused with 486"),
    (GivenUp(), "given_up", "the caller gave up"),
    (Heard("hello"), "heard", "hears: hello"),
    (Reacted(("hi",), "hi"), "reacted", "understood “hi”"),
    (Reacted((), None), "reacted", "takes its turn"),
    (
        Reacted(("hi", "hello"), None),
        "reacted",
        "did not make out “hi” or “hello”, and goes on all the same",
    ),
    (Said("Yes.", True), "said", "says: Yes."),
    (Said("Yes.", False), "said", "says: Yes. —cut off"),
    (Played(Sound.BEEP, True), "played", "makes a sound: beep"),
    (Pressed("1#"), "pressed", "presses 1#"),
    (DigitHeard("2"), "digit_heard", "hears the key 2"),
    (Consulted("+1"), "consulted", "waits while the agent talks to +1"),
    (PutThrough("sip:sales@h", 200), "put_through", "is put through to sip:sales@h"),
    (PutThrough("sip:sales@h", 486), "put_through", "is not put through (486)"),
    (Trouble("deaf"), "trouble", "has trouble: deaf"),
    (HungUp("callee", "script"), "hung_up", "hangs up (script)"),
    (HungUp("agent", ""), "hung_up", "is hung up on"),
]


@pytest.mark.parametrize(("what", "event", "words"), EXAMPLES)
def test_a_report_has_words_for_people_and_a_line_for_programs(
    what: Happening, event: str, words: str
) -> None:
    assert describe(what) == words
    line = json.loads(json.dumps(record(Report("call-1", 12.5, what))))
    assert (line["event"], line["call"], line["at"]) == (event, "call-1", 12.5)


def test_there_is_an_example_of_everything_that_happens() -> None:
    assert {type(what) for what, _, _ in EXAMPLES} == set(get_args(Happening))
