import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.providers.confidence import Segment, confidence_of, lead_over, likeness

FREE = [
    Segment("SIL", 0.0, 0, 9),
    Segment("Y", -10.0, 10, 19),
    Segment("EH", -10.0, 20, 29),
    Segment("S", -10.0, 30, 39),
]
YES = [Segment("<sil>", 0.0, 0, 9), Segment("yes", -30.0, 10, 39)]


def test_a_word_that_is_as_good_as_free_phones_and_has_the_same_is_believed() -> None:
    assert confidence_of(YES, ["Y", "EH", "S"], FREE) > 0.95


def test_a_word_that_explains_the_sound_badly_is_not() -> None:
    worse = [Segment("yes", -45.0, 10, 39)]
    assert confidence_of(worse, ["Y", "EH", "S"], FREE) < 0.1


def test_the_worst_word_counts_not_the_average() -> None:
    both = [Segment("yes", -30.0, 10, 39), Segment("no", -20.0, 40, 49)]
    free = [*FREE, Segment("N", -1.0, 40, 44), Segment("OW", -1.0, 45, 49)]
    phones = ["Y", "EH", "S", "N", "OW"]
    assert confidence_of(both, phones, free) < 0.01 < confidence_of(YES, phones[:3], FREE)


def test_other_phones_or_another_number_of_them_lower_the_confidence() -> None:
    alike = confidence_of(YES, ["Y", "EH", "S"], FREE)
    assert confidence_of(YES, ["M", "UH", "L"], FREE) < alike
    assert confidence_of(YES, ["Y", "EH", "S", "T", "ER", "D", "EY", "Z"], FREE) < alike


def test_nothing_heard_or_nothing_found_is_nothing_to_be_sure_of() -> None:
    assert confidence_of(YES, ["Y", "EH", "S"], []) == 0.0
    assert confidence_of([], [], FREE) == 0.0
    assert confidence_of(YES[:1], ["Y"], FREE) == 0.0


def test_the_lead_is_of_the_frames_that_both_share() -> None:
    assert lead_over(Segment("w", -15.0, 15, 24), FREE) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 3], [4, 5, 6], 0.0),
        ([1, 2, 3, 4], [1, 3, 4], 0.75),
        ([], [1], 0.0),
        ([], [], 1.0),
    ],
)
def test_likeness_is_one_minus_the_edit_distance(
    left: list[int], right: list[int], expected: float
) -> None:
    assert likeness(left, right) == pytest.approx(expected)


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_likeness_is_symmetric_and_between_nothing_and_one(
    left: list[int], right: list[int]
) -> None:
    assert likeness(left, right) == likeness(right, left)
    assert 0 <= likeness(left, right) <= 1
