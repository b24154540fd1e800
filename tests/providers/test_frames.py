import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.providers.frames import HEADER, LARGEST_PAYLOAD, Frame, FrameReader, Kind, OutOfStep

frames = st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=200))


@given(st.lists(frames, max_size=8), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[Frame], size: int
) -> None:
    stream = b"".join(bytes(frame) for frame in sent)
    reader = FrameReader()
    received = [
        frame
        for start in range(0, len(stream), size)
        for frame in reader.feed(stream[start : start + size])
    ]
    assert received == sent


@pytest.mark.parametrize(
    "head", [HEADER.pack(LARGEST_PAYLOAD + 1, Kind.CHUNK, 1), HEADER.pack(0, 77, 1)]
)
def test_a_stream_that_is_out_of_step_is_noticed(head: bytes) -> None:
    with pytest.raises(OutOfStep):
        FrameReader().feed(head)


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_out_of_step(received: bytes) -> None:
    with contextlib.suppress(OutOfStep):
        FrameReader().feed(received)
