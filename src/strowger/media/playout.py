"""What one line is playing: utterances as stretches of its playout ring.

Decides which samples leave next and tells, exactly, how much of each utterance has left. An
utterance that was begun and not ended waits for its samples; what is played meanwhile is silence.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from strowger.media.rings import PcmRing

FRAME: Final = 160
NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Started:
    utterance: int


@dataclass(frozen=True, slots=True)
class Ended:
    utterance: int
    samples: int
    complete: bool


Change = Started | Ended


@dataclass(slots=True)
class Utterance:
    """From `begin` on; `end` once the writer has said so."""

    number: int
    begin: int
    end: int = NEVER
    started: bool = False


class Playout:
    """One line's utterances, in the order of the ring."""

    __slots__ = ("_discarding", "_ring", "_utterances", "underrun")

    def __init__(self, ring: PcmRing) -> None:
        self._ring = ring
        self._utterances: deque[Utterance] = deque()
        self._discarding = False
        self.underrun = 0
        """Samples of silence sent inside utterances."""

    @property
    def calm_until(self) -> int:
        """Up to here whole frames are read without anything to decide or to tell.

        NEVER only where nothing is being said: then that holds for parts of frames too. Negative
        where whatever is written is to be dropped.
        """
        if self._discarding:
            return -1
        if not self._utterances:
            return NEVER
        begins = (each.begin for each in self._utterances if not each.started)
        ends = (each.end - 1 for each in self._utterances)
        return min(next(begins, NEVER), next(ends))

    def begin(self, utterance: int, position: int) -> None:
        self._ring.skip_to(position if self._discarding else 0)
        self._discarding = False
        self._utterances.append(Utterance(utterance, position))

    def end(self, utterance: int, position: int) -> list[Change]:
        """Nothing happens for an utterance that was stopped before."""
        for each in self._utterances:
            if each.number == utterance:
                each.end = max(position, each.begin)
        return self.changes()

    def stop(self) -> list[Change]:
        """Drop what has not left, and all that is still written before the next `begin`."""
        position = self._ring.read_position
        stopped: list[Change] = [
            Ended(each.number, max(0, min(position, each.end) - each.begin), False)
            for each in self._utterances
        ]
        self._utterances.clear()
        self._ring.skip_to(self._ring.written)
        self._discarding = True
        return stopped

    def ready(self) -> int:
        """How many samples of the next frame are there to be played.

        A whole frame or, at the end of an utterance, the rest of it.
        """
        if self._discarding:
            self._ring.skip_to(self._ring.written)
            return 0
        available = self._ring.available
        if available >= FRAME or not self._utterances:
            return min(FRAME, available)
        if self._utterances[0].started and self._utterances[0].end > self._ring.written:
            self.underrun += FRAME
            return 0
        # What an unfinished utterance has so far waits until it is a whole frame: half a frame
        # and silence would be a hole in a word.
        written = self._ring.written
        whole = [each.end for each in self._utterances if each.end <= written]
        return max(whole, default=written - available) - (written - available)

    def changes(self) -> list[Change]:
        """What became of the utterances with the samples read so far, in the order it did."""
        position = self._ring.read_position
        changes: list[Change] = []
        while self._utterances:
            first = self._utterances[0]
            if not first.started and position > first.begin and first.end > first.begin:
                first.started = True
                changes.append(Started(first.number))
            if first.end > position:
                break
            self._utterances.popleft()
            changes.append(Ended(first.number, first.end - first.begin, True))
        return changes
