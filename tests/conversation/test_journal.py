"""A journal holds a conversation again; a damaged one says so."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.conversation.events import (
    Answered,
    DigitPressed,
    Event,
    ProviderFailed,
    ProviderKind,
    SpeechStarted,
    Transcribed,
    UtteranceEnded,
)
from strowger.conversation.journal import Journal, parse_journal, replay
from strowger.errors import DamagedJournal
from tests.conversation.stage import START, play, says, scripted

SCENE = play(scripted(), says(1.5, "no thanks"), says(8.1, "friday"))


def test_a_call_held_again_from_its_journal_is_the_same_call() -> None:
    decided = replay(parse_journal(SCENE.journal.to_lines()))
    assert [(round(at - START, 6), effect) for at, effect in decided] == SCENE.effects
    assert len(decided) > 8


def test_every_kind_of_event_comes_back_as_it_was() -> None:
    events: list[Event] = [
        Answered(),
        SpeechStarted(0.1 + 0.2),
        Transcribed(3, "café \ud800 “no”\n", True, None),
        Transcribed(3, "", False, 0.5),
        DigitPressed("#"),
        UtteranceEnded(1, 1e-300, float(2**60), False),
        ProviderFailed(ProviderKind.TEXT_TO_SPEECH, "gone", False, 2),
    ]
    journal = Journal(scripted(), {"name": "Ann", "seats": 3, "price": 2.5, "vip": True, "x": None})
    for place, event in enumerate(events):
        journal.record(place / 3, event)
    journal.record_timer(10 / 3)
    again = parse_journal(journal.to_lines())
    assert again.entries == journal.entries
    assert again.variables == journal.variables
    assert again.definition == journal.definition


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_times_come_back_to_the_last_bit(now: float) -> None:
    journal = Journal(scripted(), {})
    journal.record(now, SpeechStarted(now))
    assert parse_journal(journal.to_lines()).entries == journal.entries


def lines() -> list[bytes]:
    return SCENE.journal.to_lines().splitlines(keepends=True)


def changed(place: int, change: Callable[[dict[str, object]], object]) -> bytes:
    """The journal with one line changed."""
    parts = lines()
    line = json.loads(parts[place])
    change(line)
    parts[place] = json.dumps(line).encode() + b"\n"
    return b"".join(parts)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "breaks off"),
        (b"".join(lines())[:-3], "breaks off in the middle of a line"),
        (b"".join(lines()[:-1]), "lines are missing"),
        (b"".join([lines()[0], *lines()[2:]]), "lines are missing"),
        (b"".join(lines()[1:]), "expected a journal of version 2"),
        (b"".join([*lines()[:3], b"\xff{\n", *lines()[4:]]), "line 4: not JSON"),
        (b"".join([*lines()[:3], b"[]\n", *lines()[4:]]), "line 4: expected an object"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (
            changed(0, lambda line: line.update(journal=1)),
            "journal of version 1, and this Strowger",
        ),
        (
            changed(0, lambda line: line.update(journal=3)),
            "journal of version 3, and this Strowger",
        ),
        (changed(0, lambda line: line.update(journal="2")), "this is none"),
        (
            changed(1, lambda line: line.update(overdue="soon")),
            "line 2: expected the time of a timer",
        ),
        (changed(1, lambda line: line.update(decided=[1])), "line 2: expected a list of decisions"),
        (changed(1, lambda line: line.update(decided={})), "line 2: expected a list of decisions"),
        (changed(0, lambda line: line.update(variables=[])), "line 1: "),
        (changed(0, lambda line: line.update(variables={"a": {}})), "line 1: a"),
        (changed(0, lambda line: line.update(definition={"name": 1})), "name: expected str"),
        (changed(0, lambda line: line.update(definition={})), "name: missing"),
        (
            changed(0, lambda line: line.update(definition={"name": "x", "colour": "red"})),
            "colour: unknown field",
        ),
        (
            changed(0, lambda line: line["definition"]["flow"]["nodes"]["greet"].update(type="x")),  # type: ignore[index]
            "flow.nodes.greet: there is no 'x' here",
        ),
        (
            changed(0, lambda line: line["definition"].update(end_call_phrases="bye")),  # type: ignore[attr-defined]
            "end_call_phrases: expected a list",
        ),
        (
            changed(0, lambda line: line["definition"].update(voice=1)),  # type: ignore[attr-defined]
            "voice: expected an object",
        ),
        (
            changed(1, lambda line: line.update(type="ProviderFailed", kind="taste")),
            "'taste' is not a valid ProviderKind",
        ),
        (changed(1, lambda line: line.update(type="Exploded")), "there is no event 'Exploded'"),
        (changed(1, lambda line: line.update(type=["Answered"])), "there is no event"),
        (changed(1, lambda line: line.update(loud=True)), "line 2: loud: unknown field"),
        (changed(1, lambda line: line.pop("now")), "line 2: expected the time"),
        (changed(1, lambda line: line.update(now=float("nan"))), "line 2: expected the time"),
        (changed(1, lambda line: line.update(now=1e9)), "not in the order of their times"),
        (changed(2, lambda line: line.update(utterance="1")), "line 3: utterance: expected int"),
        (changed(2, lambda line: line.pop("at")), "line 3: at: missing"),
    ],
)
def test_a_damaged_journal_is_refused_with_a_reason(damaged: bytes, message: str) -> None:
    with pytest.raises(DamagedJournal, match=message.replace(".", r"\.")):
        parse_journal(damaged)


@given(st.binary(max_size=400), st.integers(0, 2000))
def test_whatever_the_bytes_the_only_error_is_a_damaged_journal(junk: bytes, place: int) -> None:
    whole = SCENE.journal.to_lines()
    for text in (junk, whole[:place] + junk + whole[place:], whole[:place] + whole[place + 1 :]):
        with suppress(DamagedJournal):
            replay(parse_journal(text))


def test_a_journal_of_an_agent_whose_flow_is_not_sound_cannot_be_replayed() -> None:
    with pytest.raises(DamagedJournal, match="cannot be run"):
        replay(Journal(scripted({}, start="nowhere"), {}))


def test_every_event_has_a_name_of_its_own() -> None:
    names = [event.__name__ for event in get_args(Event)]
    assert len(names) == len(set(names))
    assert "timer" not in names
