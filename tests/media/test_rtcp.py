import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.errors import MalformedMessage
from strowger.media.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    middle_bits,
    ntp_time,
    parse_rtcp,
    round_trip,
    serialise,
)
from tests.media.wire import mutations

WORD = st.integers(0, 0xFFFFFFFF)
BLOCKS = st.lists(
    st.builds(
        ReportBlock,
        ssrc=WORD,
        fraction_lost=st.integers(0, 255),
        lost=st.integers(-0x800000, 0x7FFFFF),
        highest_sequence=WORD,
        jitter=WORD,
        last_report=WORD,
        delay=WORD,
    ),
    max_size=31,
).map(tuple)
REPORTS = st.builds(
    SenderReport,
    ssrc=WORD,
    ntp=st.integers(0, 2**64 - 1),
    timestamp=WORD,
    packets=WORD,
    octets=WORD,
    blocks=BLOCKS,
) | st.builds(ReceiverReport, ssrc=WORD, blocks=BLOCKS)
PACKETS = (
    REPORTS
    | st.builds(SourceDescription, ssrc=WORD, cname=st.text(max_size=60))
    | st.builds(Goodbye, ssrcs=st.lists(WORD, max_size=31).map(tuple), reason=st.text(max_size=60))
)
BLOCK = ReportBlock(
    ssrc=1, fraction_lost=3, lost=-2, highest_sequence=70000, jitter=12, last_report=5, delay=9
)
COMPOUND = serialise(
    [
        SenderReport(ssrc=2, ntp=3 << 32, timestamp=4, packets=5, octets=800, blocks=(BLOCK,)),
        SourceDescription(ssrc=2, cname="someone@example.net"),
        Goodbye(ssrcs=(2,), reason="bye"),
    ]
)


@settings(deadline=None)
@given(st.lists(PACKETS, min_size=1, max_size=5))
def test_a_compound_packet_survives_the_wire(
    packets: list[SenderReport | ReceiverReport | SourceDescription | Goodbye],
) -> None:
    assert parse_rtcp(serialise(packets)) == tuple(packets)


def test_types_that_tell_nothing_are_passed_over() -> None:
    application = b"\x80\xcc\x00\x02" + bytes(8)
    extended_report = b"\x80\xcf\x00\x01" + bytes(4)
    assert parse_rtcp(application + COMPOUND + extended_report) == parse_rtcp(COMPOUND)


def test_a_compound_packet_is_read_up_to_where_it_breaks() -> None:
    whole = parse_rtcp(COMPOUND)
    assert parse_rtcp(COMPOUND[:-3]) == whole[:2]
    assert parse_rtcp(COMPOUND + b"\x00\x01") == whole


@pytest.mark.parametrize("packet", [b"", b"\x80", b"\x00" * 8, b"\x81\xc8\x00\x01" + bytes(4)])
def test_what_is_no_rtcp_is_said_to_be_malformed(packet: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_rtcp(packet)


def test_ten_thousand_damaged_reports_raise_nothing_else() -> None:
    read = 0
    for packet in mutations([COMPOUND, bytes(ReceiverReport(ssrc=9, blocks=(BLOCK,)))], 10_000, 2):
        try:
            parse_rtcp(packet)
            read += 1
        except MalformedMessage:
            continue
    assert 0 < read < 10_000


def test_the_round_trip_is_what_is_left_when_the_far_end_has_waited() -> None:
    sent, answered, waited = 1000.0, 1000.370, 0.250
    block = ReportBlock(
        ssrc=1, fraction_lost=0, lost=0, highest_sequence=0, jitter=0,
        last_report=middle_bits(ntp_time(sent)), delay=int(waited * 65536),
    )  # fmt: skip
    assert round_trip(block, ntp_time(answered)) == pytest.approx(0.120, abs=0.001)


def test_there_is_no_round_trip_before_the_first_report_nor_one_into_the_future() -> None:
    never = ReportBlock(
        ssrc=1, fraction_lost=0, lost=0, highest_sequence=0, jitter=0, last_report=0, delay=0
    )
    assert round_trip(never, ntp_time(5.0)) is None
    future = ReportBlock(
        ssrc=1, fraction_lost=0, lost=0, highest_sequence=0, jitter=0,
        last_report=middle_bits(ntp_time(9.0)), delay=0,
    )  # fmt: skip
    assert round_trip(future, ntp_time(5.0)) is None
