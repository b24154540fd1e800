import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.errors import MalformedMessage
from strowger.media.dtmf import DIGITS, DigitReceiver, DigitSender, TelephoneEvent

FRAME = 160
EVENTS = st.builds(
    TelephoneEvent,
    event=st.integers(0, 255),
    end=st.booleans(),
    volume=st.integers(0, 63),
    duration=st.integers(0, 0xFFFF),
)
Sent = tuple[bytes, int, bool]
"""Payload, timestamp, marker."""


def send(digits: str, timestamp: int = 0) -> list[list[Sent]]:
    """The packets of each digit, as they would leave from `timestamp` on."""
    sender = DigitSender()
    sender.queue(digits)
    packets: list[list[Sent]] = []
    start = 0
    while sender.active:
        frame = sender.next_frame()
        if frame.first:
            packets.append([])
            start = timestamp
        if frame.packet is not None:
            packets[-1].append((bytes(frame.packet), start & 0xFFFFFFFF, frame.first))
        timestamp += FRAME
    return packets


def hear(packets: list[Sent]) -> str:
    receiver = DigitReceiver()
    heard = [
        receiver.receive(payload, timestamp, marker=marker)
        for payload, timestamp, marker in packets
    ]
    return "".join(digit for digit in heard if digit is not None)


@settings(deadline=None)
@given(EVENTS)
def test_an_event_survives_the_wire(event: TelephoneEvent) -> None:
    assert TelephoneEvent.parse(bytes(event)) == event


def test_a_digit_is_a_growing_event_with_a_marker_first_and_its_end_three_times() -> None:
    (packets,) = send("5", timestamp=1000)
    events = [TelephoneEvent.parse(payload) for payload, _, _ in packets]
    assert {event.event for event in events} == {5}
    assert [event.duration for event in events] == [160, 320, 480, 640, 800, 800, 800]
    assert [event.end for event in events] == [False] * 4 + [True] * 3
    assert [marker for _, _, marker in packets] == [True] + [False] * 6
    assert {timestamp for _, timestamp, _ in packets} == {1000}


def test_digits_last_100_ms_and_are_at_least_50_ms_apart() -> None:
    first, second = send("12")
    gap = second[0][1] - first[0][1] - TelephoneEvent.parse(first[-1][0]).duration
    assert gap >= 400


def test_the_last_frame_says_that_all_digits_are_sent() -> None:
    sender = DigitSender()
    sender.queue("1x2")
    lasts = []
    while sender.active:
        lasts.append(sender.next_frame().last)
    assert lasts == [False] * 15 + [True]


def test_digits_without_end_do_not_fill_the_memory() -> None:
    sender = DigitSender()
    for _ in range(100):
        sender.queue("0123456789")
    frames = 0
    while sender.active:
        sender.next_frame()
        frames += 1
    assert frames == 256 * 8


@settings(deadline=None)
@given(
    st.text(DIGITS, min_size=1, max_size=12),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(0, 0.8),
)
def test_one_digit_comes_of_each_event_however_its_packets_are_lost_or_doubled(
    digits: str, timestamp: int, seed: int, loss: float
) -> None:
    chance = np.random.default_rng(seed)
    arrived: list[Sent] = []
    for packets in send(digits, timestamp):
        some = [each for each in packets if chance.random() >= loss]
        some = some or [packets[int(chance.integers(len(packets)))]]
        doubled = [each for each in some for _ in range(int(chance.integers(1, 4)))]
        arrived += [doubled[place] for place in chance.permutation(len(doubled))]
    assert hear(arrived) == digits


@settings(deadline=None)
@given(st.text(DIGITS, min_size=2, max_size=8), st.integers(0, 2**32 - 1))
def test_no_digit_is_doubled_or_lost_when_packets_of_neighbours_mix(digits: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    packets = [each for digit in send(digits) for each in digit]
    order = np.argsort(np.arange(len(packets)) + chance.uniform(0, 9, len(packets)))
    heard = hear([packets[place] for place in order])
    assert sorted(heard) == sorted(digits)


@pytest.mark.parametrize("lost", [slice(0, 4), slice(4, 7), slice(1, 6)])
def test_a_lost_start_middle_or_end_changes_nothing(lost: slice) -> None:
    digits = send("99")
    for packets in digits:
        del packets[lost]
    assert hear([each for packets in digits for each in packets]) == "99"


def test_an_event_of_many_seconds_is_one_digit_in_several_segments() -> None:
    packets: list[Sent] = [
        (bytes(TelephoneEvent(event=7, end=False, volume=10, duration=duration)), start, first)
        for start, first in ((0, True), (0xFFFF, False), (2 * 0xFFFF, False))
        for duration in (160, 8000, 0xFFFF)
    ]
    assert hear(packets) == "7"


def test_a_sender_that_moves_the_timestamp_within_an_event_sends_one_digit() -> None:
    def press(start: int) -> list[Sent]:
        durations = [160, 320, 480, 640, 800, 800, 800]
        return [
            (
                bytes(TelephoneEvent(event=3, end=n >= 4, volume=10, duration=duration)),
                start + n * 160,
                n == 0,
            )
            for n, duration in enumerate(durations)
        ]

    assert hear(press(0) + press(4000)) == "33"


def test_other_events_are_no_digits() -> None:
    flash = bytes(TelephoneEvent(event=16, end=False, volume=0, duration=160))
    assert hear([(flash, 0, True)]) == ""


def test_half_an_event_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        DigitReceiver().receive(b"\x01\x02", 0, marker=False)
