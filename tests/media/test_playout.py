import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.playout import FRAME, Change, Ended, Playout, Started
from strowger.media.rings import PcmRing


class Line:
    def __init__(self) -> None:
        self.ring = PcmRing(np.zeros(32768, np.int16), np.zeros(2, np.int64))
        self.playout = Playout(self.ring)

    def write(self, samples: int) -> None:
        self.ring.write(np.ones(samples, np.int16))

    def begin(self, utterance: int) -> None:
        self.playout.begin(utterance, self.ring.written)

    def end(self, utterance: int) -> list[Change]:
        return self.playout.end(utterance, self.ring.written)

    def tick(self) -> tuple[int, list[Change]]:
        count = self.playout.ready()
        self.ring.read(count)
        return count, self.playout.changes()


def test_an_utterance_starts_with_its_first_frame_and_ends_with_its_last() -> None:
    line = Line()
    line.begin(1)
    line.write(400)
    assert line.end(1) == []
    assert line.tick() == (160, [Started(1)])
    assert line.tick() == (160, [])
    assert line.tick() == (80, [Ended(1, 400, True)])
    assert line.tick() == (0, [])


def test_an_utterance_that_is_written_too_slowly_waits_for_whole_frames() -> None:
    line = Line()
    line.begin(1)
    line.write(100)
    assert line.tick() == (0, [])
    assert line.playout.underrun == 0  # it has not begun to be heard
    line.write(100)
    assert line.tick() == (160, [Started(1)])
    assert line.tick() == (0, [])
    assert line.playout.underrun == FRAME
    assert line.end(1) == []
    assert line.tick() == (40, [Ended(1, 200, True)])


def test_an_end_that_comes_after_the_last_sample_left_is_told_at_once() -> None:
    line = Line()
    line.begin(1)
    line.write(160)
    assert line.tick() == (160, [Started(1)])
    assert line.end(1) == [Ended(1, 160, True)]


def test_an_empty_utterance_ends_without_having_started() -> None:
    line = Line()
    line.begin(1)
    assert line.end(1) == [Ended(1, 0, True)]


def test_utterances_follow_each_other_without_a_gap() -> None:
    line = Line()
    for utterance in (1, 2):
        line.begin(utterance)
        line.write(240)
        line.end(utterance)
    assert [line.tick() for _ in range(3)] == [
        (160, [Started(1)]),
        (160, [Ended(1, 240, True), Started(2)]),
        (160, [Ended(2, 240, True)]),
    ]


def test_the_rest_of_an_utterance_does_not_wait_for_the_next() -> None:
    line = Line()
    line.begin(1)
    line.write(200)
    line.end(1)
    line.begin(2)
    line.write(50)
    line.tick()
    assert line.tick() == (40, [Ended(1, 200, True)])
    assert line.tick() == (0, [])


def test_stopping_tells_what_left_of_each_utterance_and_drops_the_rest() -> None:
    line = Line()
    line.begin(1)
    line.write(240)
    line.end(1)
    line.begin(2)
    line.write(1000)
    line.end(2)
    line.begin(3)
    line.tick()
    line.tick()
    assert line.playout.stop() == [Ended(2, 80, False), Ended(3, 0, False)]
    assert line.tick() == (0, [])


def test_what_is_still_written_of_a_stopped_utterance_is_never_heard() -> None:
    line = Line()
    line.begin(1)
    line.write(400)
    line.tick()
    line.playout.stop()
    line.write(400)
    assert line.tick() == (0, [])
    assert line.end(1) == []
    line.write(100)
    line.begin(2)
    line.write(160)
    assert line.tick() == (160, [Started(2)])
    assert line.end(2) == [Ended(2, 160, True)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["begin", "end", "write", "tick", "stop"]), max_size=60))
def test_every_utterance_ends_once_and_the_samples_add_up(steps: list[str]) -> None:
    line = Line()
    begun, open_, changes, left = 0, 0, [], 0
    for step in [*steps, "stop"]:
        match step:
            case "begin" if not open_:
                begun += 1
                open_ = begun
                line.begin(begun)
            case "end" if open_:
                changes += line.end(open_)
                open_ = 0
            case "write" if open_:
                line.write(100)
            case "tick":
                count, told = line.tick()
                left += count
                changes += told
            case "stop":
                changes += line.playout.stop()
                open_ = 0
            case _:
                pass
    ended = [change.utterance for change in changes if isinstance(change, Ended)]
    assert sorted(ended) == list(range(1, begun + 1))
    assert sum(change.samples for change in changes if isinstance(change, Ended)) == left
    started = [change.utterance for change in changes if isinstance(change, Started)]
    assert started == sorted(set(started))


@pytest.mark.parametrize("samples", [1, 159, 160, 161])
def test_pcm_outside_any_utterance_is_played_too(samples: int) -> None:
    line = Line()
    line.write(samples)
    assert line.tick()[0] == min(samples, FRAME)
