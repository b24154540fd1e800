"""Making up for samples that have not come, for many lines at once.

The last pitch period is repeated, fading, and after 60 ms there is silence (the manner of ITU-T
G.711 appendix I). Where the stream comes back, 5 ms of both are mixed, so that nothing clicks.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from strowger.media.g711 import Samples
from strowger.media.reception import FRAME
from strowger.media.windows import Counts, Rows

HISTORY: Final = 400
"""Samples before the loss that are looked at."""
TEMPLATE: Final = 80
"""Samples whose likeness is sought in the history."""
SHORTEST_PERIOD: Final = 40
LONGEST_PERIOD: Final = 160
"""Samples: voices from 200 Hz down to 50 Hz; higher ones fit several times."""
STEADY: Final = 80
"""Samples after which the fading begins."""
SILENT: Final = 480
"""Samples after which nothing is left."""
OVERLAP: Final = 40
"""Samples in which the stream that came back is mixed in."""
FRAME_INDEX: Final = np.arange(FRAME)
FRAME_INDEX.setflags(write=False)

Mask = NDArray[np.bool_]


class Concealment:
    """What each line repeats while samples are missing."""

    def __init__(self, lines: int) -> None:
        self._periods = np.zeros((lines, LONGEST_PERIOD), np.int16)
        self._lengths = np.ones(lines, np.int64)
        self._missing = np.zeros(lines, np.int64)
        """Samples missing without a break up to now."""
        self.concealed = np.zeros(lines, np.int64)
        """Samples made up, silence not counted."""

    @property
    def nbytes(self) -> int:
        return sum(
            array.nbytes for array in (self._periods, self._lengths, self._missing, self.concealed)
        )

    def open(self, line: int) -> None:
        self._missing[line] = SILENT  # before the first packet there is nothing to repeat
        self.concealed[line] = 0

    def fill(
        self, rows: Rows, frames: Samples, missing: Mask, history: Callable[[Rows], Samples]
    ) -> None:
        """Complete one frame of each row in place; missing samples are 0 so far.

        `history` gives the HISTORY samples before these frames.
        """
        troubled = missing.any(axis=1) | (self._missing[rows] > 0)
        silent = missing.all(axis=1) & (self._missing[rows] >= SILENT)
        here = (troubled & ~silent).nonzero()[0]
        if not len(here):
            return
        some, absent, pcm = rows[here], missing[here], frames[here]
        first = np.where(absent.any(axis=1), absent.argmax(axis=1), FRAME)
        back = ((first > 0) & (self._missing[some] < SILENT)).nonzero()[0]
        if len(back):
            pcm[back] = self._mix_back(some[back], pcm[back])
        self._missing[some[first > 0]] = 0
        begins = ((first > 0) & (first < FRAME)).nonzero()[0]
        begins = np.union1d(begins, ((first == 0) & (self._missing[some] == 0)).nonzero()[0])
        if len(begins):
            lost = some[begins]
            self._learn(lost, np.hstack((history(lost), pcm[begins])), first[begins])
        self._patch(some, pcm, absent, first)
        frames[here] = pcm

    def _patch(self, rows: Rows, pcm: Samples, absent: Mask, first: Counts) -> None:
        """Repeat the period where samples are absent, and mix it out where they come back."""
        since = self._missing[rows][:, None] - first[:, None] + FRAME_INDEX
        repeated = self._repeated(rows, since)
        last = np.maximum.accumulate(np.where(absent, FRAME_INDEX, -FRAME), axis=1)
        present_for = FRAME_INDEX - last
        weight = np.where(last >= 0, np.clip((present_for - 0.5) / OVERLAP, 0, 1), 1)
        weight[absent] = 0
        pcm[:] = weight * pcm + (1 - weight) * repeated
        self.concealed[rows] += (absent & (since < SILENT)).sum(axis=1)
        run = FRAME - 1 - np.maximum.accumulate(np.where(absent, -1, FRAME_INDEX), axis=1)[:, -1]
        self._missing[rows] = np.where(run == FRAME, self._missing[rows] + FRAME, run)

    def _mix_back(self, rows: Rows, pcm: Samples) -> Samples:
        """The stream is back at a frame's start, where a line that lost nothing is left alone."""
        ongoing = self._missing[rows]
        rise = np.where(ongoing[:, None] > 0, np.clip((FRAME_INDEX + 0.5) / OVERLAP, 0, 1), 1)
        repeated = self._repeated(rows, ongoing[:, None] + FRAME_INDEX)
        return (rise * pcm + (1 - rise) * repeated).astype(np.int16)

    def _learn(self, rows: Rows, heard: Samples, first: Counts) -> None:
        """Find the pitch period that ends where the loss begins, `first` samples into the frame."""
        place = first[:, None] + np.arange(HISTORY)
        heard_before = np.take_along_axis(heard, place, axis=1)
        wave = heard_before.astype(np.float32)
        candidates = sliding_window_view(
            wave[:, HISTORY - TEMPLATE - LONGEST_PERIOD : HISTORY - SHORTEST_PERIOD],
            TEMPLATE,
            axis=1,
        )
        likeness = np.einsum("rct,rt->rc", candidates, wave[:, -TEMPLATE:])
        energy = np.einsum("rct,rct->rc", candidates, candidates)
        length = LONGEST_PERIOD - (likeness / np.sqrt(energy + 1)).argmax(axis=1)
        period = HISTORY - length[:, None] + np.arange(LONGEST_PERIOD) % length[:, None]
        self._periods[rows] = np.take_along_axis(heard_before, period, axis=1)
        self._lengths[rows] = length

    def _repeated(self, rows: Rows, since: Counts) -> NDArray[np.float64]:
        """The fading repetition, `since` samples after its beginning."""
        place = since % self._lengths[rows][:, None]
        gain = np.clip((SILENT - since) / (SILENT - STEADY), 0, 1)
        return np.take_along_axis(self._periods[rows], place, axis=1) * gain
