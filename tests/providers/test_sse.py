import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.providers.sse import LARGEST_EVENT, EventReader, MalformedEvent


@given(st.integers(1, 40))
def test_events_come_out_however_the_stream_is_cut(size: int) -> None:
    stream = b": hello\r\n\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata:  lines\n\n"
    stream += "id: 1\n\ndata: é\n\n".encode()
    reader = EventReader()
    events = [
        event
        for start in range(0, len(stream), size)
        for event in reader.feed(stream[start : start + size])
    ]
    assert events == ["one", "two\n lines", "é"]


def test_an_event_without_its_empty_line_is_not_an_event_yet() -> None:
    reader = EventReader()
    assert reader.feed(b"data: half\n") == []
    assert reader.feed(b"\n") == ["half"]


def test_an_endless_event_is_refused() -> None:
    reader = EventReader()
    with pytest.raises(MalformedEvent):
        for _ in range(LARGEST_EVENT // 1000 + 1):
            reader.feed(b"data: " + b"x" * 1000 + b"\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_events_or_malformed(received: bytes) -> None:
    with contextlib.suppress(MalformedEvent):
        EventReader().feed(received + b"\n\n")
