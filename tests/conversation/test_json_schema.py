"""Arguments against schemas, as a language model might write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.conversation.json_schema import mismatches

BOOKING = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "enum": ["friday", "monday"]},
        "guests": {"type": "integer", "minimum": 1, "maximum": 8},
        "names": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 2},
        "table": {"anyOf": [{"type": "integer"}, {"const": "any"}]},
    },
    "required": ["day"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({"day": "friday", "guests": 2, "names": ["Ann"], "table": 3}, []),
        ({"day": "friday", "guests": 2.0, "table": "any"}, []),
        ({}, ["day: missing"]),
        ({"day": "sunday"}, ["day: expected one of ['friday', 'monday']"]),
        ({"day": "friday", "guests": "two"}, ["guests: expected integer"]),
        ({"day": "friday", "guests": True}, ["guests: expected integer"]),
        ({"day": "friday", "guests": 9}, ["guests: maximum is 8, got 9"]),
        ({"day": "friday", "guests": 0}, ["guests: minimum is 1, got 0"]),
        ({"day": "friday", "names": ["Alexander"]}, ["names.0: maxLength is 5, got 9"]),
        ({"day": "friday", "names": ["a", "b", "c"]}, ["names: maxItems is 2, got 3"]),
        ({"day": "friday", "smoking": True}, ["smoking: there is no such argument"]),
        ({"day": "friday", "table": "x"}, ["table: fits none of what `anyOf` allows"]),
        ([], ["the arguments: expected object"]),
    ],
)
def test_everything_that_does_not_fit_is_told(arguments: object, problems: list[str]) -> None:
    assert list(mismatches(arguments, BOOKING)) == problems


def test_parts_of_a_schema_are_held_against_the_value_together() -> None:
    schema = {"allOf": [{"minimum": 3}, {"maximum": 5}]}
    assert list(mismatches(4, schema)) == []
    assert len(list(mismatches(7, schema))) == 1


def test_a_schema_without_an_end_is_looked_at_to_a_depth() -> None:
    endless: dict[str, object] = {}
    endless["allOf"] = [endless]
    assert list(mismatches(1, endless)) == ["the arguments: nested too deeply"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
SCHEMAS = JSON | st.dictionaries(
    st.sampled_from([
        "type", "enum", "properties", "items", "required", "minimum", "maxLength", "anyOf",
        "allOf", "additionalProperties",
    ]),
    JSON,
)  # fmt: skip


@given(JSON, SCHEMAS)
def test_no_value_and_no_schema_breaks_it(value: object, schema: object) -> None:
    for problem in mismatches(json.loads(json.dumps(value)), schema):
        assert isinstance(problem, str)
