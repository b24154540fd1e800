import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.errors import InvalidRequest
from strowger.store.codec import clean, from_json, to_json
from strowger.store.ids import cursor_after, id_of_cursor, new_id
from tests.store.samples import TURNS

TEXT = st.text(st.characters(exclude_categories=[]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@given(VALUES)
def test_whatever_is_given_becomes_json_that_postgresql_can_keep(value: Any) -> None:
    text = to_json({"value": value})
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    found = from_json(text)
    assert json.loads(text) == found


@given(TEXT)
def test_cleaned_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned
    assert len(cleaned) == len(text)


def test_records_inside_are_written_as_objects() -> None:
    assert json.loads(to_json({"turn": TURNS[0]}))["turn"]["text"] == "Hello Ana"
    assert json.loads(to_json({"turn": TURNS[0], "x": "\ud800"}))["turn"]["text"] == "Hello Ana"


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id("call") for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert len(ids[0]) == len("call_") + 32


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_a_cursor_leads_back_to_its_id(id: str) -> None:
    assert id_of_cursor("calls", cursor_after("calls", id)) == id


def test_a_cursor_that_somebody_made_up_brings_no_nul_to_the_database() -> None:
    with pytest.raises(InvalidRequest):
        id_of_cursor("calls", cursor_after("calls", "call_\0"))


@given(TEXT)
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidRequest):
        id_of_cursor("calls", text)
