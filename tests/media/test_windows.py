import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.windows import Windows

SIZE, LENGTH = 50, 16


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-60, 2000)), min_size=1, max_size=9))
def test_a_stretch_is_read_round_the_end_of_its_ring_and_never_out_of_another(
    wanted: list[tuple[int, int]],
) -> None:
    rings = np.arange(5 * SIZE).reshape(5, SIZE)
    rows, positions = np.array(wanted).T
    stretches = Windows(rings, LENGTH).read(rows, positions)
    for stretch, (row, position) in zip(stretches, wanted, strict=True):
        assert stretch.tolist() == [row * SIZE + (position + n) % SIZE for n in range(LENGTH)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2000)), min_size=1, max_size=9))
def test_filling_touches_the_stretches_and_nothing_else(wanted: list[tuple[int, int]]) -> None:
    rings = np.ones((5, SIZE), np.int64)
    rows, positions = np.array(wanted).T
    Windows(rings, LENGTH).fill(rows, positions, 0)
    touched = {(row, (position + n) % SIZE) for row, position in wanted for n in range(LENGTH)}
    assert {(int(row), int(place)) for row, place in np.argwhere(rings == 0)} == touched


def test_what_was_read_is_a_copy() -> None:
    rings = np.ones((1, SIZE), np.int64)
    stretch = Windows(rings, LENGTH).read(np.array([0]), np.array([0]))
    stretch[:] = 7
    assert rings.max() == 1
