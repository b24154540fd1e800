"""Equal stretches out of many rings at once.

Rings lie one behind the other in memory, so that a stretch is a window into all of it, copied in
one piece; only the few that run over their ring's end are put together by hand.
"""

from typing import Generic, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Rows = NDArray[np.intp]
"""Numbers of lines."""
Counts = NDArray[np.int64]
Sample = TypeVar("Sample", bound=np.generic)


class Windows(Generic[Sample]):
    def __init__(self, rings: NDArray[Sample], length: int) -> None:
        """`rings` has one ring per row; stretches are of `length` samples."""
        self._size = rings.shape[1]
        self._length = length
        self._flat = rings.reshape(-1)
        self._windows = sliding_window_view(self._flat, length, writeable=True)
        self._last = len(self._windows) - 1

    def read(self, rows: Rows, positions: Counts) -> NDArray[Sample]:
        """Copies of each row's samples from its absolute position on."""
        places = positions % self._size
        starts = rows * self._size + places
        stretches: NDArray[Sample] = self._windows[np.minimum(starts, self._last)]
        for index in (places + self._length > self._size).nonzero()[0]:
            stretches[index] = self._flat[self._around(int(rows[index]), int(places[index]))]
        return stretches

    def fill(self, rows: Rows, positions: Counts, value: Sample | int) -> None:
        """Overwrite the same stretches with one value."""
        places = positions % self._size
        starts = rows * self._size + places
        inside = places + self._length <= self._size
        self._windows[starts[inside]] = value
        for index in (~inside).nonzero()[0]:
            self._flat[self._around(int(rows[index]), int(places[index]))] = value

    def _around(self, row: int, place: int) -> Counts:
        """Where the samples of a stretch lie that goes on at its ring's beginning."""
        around: Counts = (place + np.arange(self._length)) % self._size + row * self._size
        return around
