import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.rings import PcmRing


def ring(size: int) -> PcmRing:
    return PcmRing(np.zeros(size, np.int16), np.zeros(2, np.int64))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60))
def test_what_is_written_is_read_once_and_in_order(steps: list[tuple[bool, int]]) -> None:
    subject, said, heard, next_sample = ring(32), [], [], 0
    for writes, count in steps:
        if writes:
            pcm = np.arange(next_sample, next_sample + count).astype("<i2")
            free = subject.free
            taken = subject.write(pcm.tobytes())
            assert taken == min(count, free)
            said += pcm[:taken].tolist()
            next_sample += taken
        else:
            heard += subject.read(count).tolist()
        assert subject.written - subject.read_position == subject.available
        assert subject.available + subject.free == 32
    heard += subject.read(32).tolist()
    assert heard == said
    assert subject.written == subject.read_position == len(said)


def test_positions_and_samples_lie_in_the_memory_that_was_handed_in() -> None:
    samples, positions = np.zeros(8, np.int16), np.zeros(2, np.int64)
    PcmRing(samples, positions).write(np.array([5, 6], np.int16))
    assert PcmRing(samples, positions).read(2).tolist() == [5, 6]


def test_skipping_drops_what_was_not_read_and_never_goes_back() -> None:
    subject = ring(8)
    subject.write(np.arange(6, dtype=np.int16))
    subject.skip_to(4)
    subject.skip_to(1)
    assert subject.read(8).tolist() == [4, 5]
    subject.skip_to(100)
    assert subject.read_position == 6


def test_a_reader_without_a_position_of_its_own_gets_what_is_still_there() -> None:
    samples, positions = np.zeros(8, np.int16), np.zeros(2, np.int64)
    for position in range(20):  # a writer that waits for nobody
        samples[position % 8] = position
    positions[0] = 20
    subject = PcmRing(samples, positions)
    assert subject.since(15)[0].tolist() == [15, 16, 17, 18, 19]
    assert subject.since(3)[0].tolist() == list(range(12, 20))
    assert subject.since(25)[0].tolist() == []
    assert subject.since(15)[1] == 20


def test_half_a_sample_is_left_with_the_writer() -> None:
    subject = ring(8)
    assert subject.write(b"\x01\x00\x02") == 1
