import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.errors import MalformedMessage
from strowger.media.rtp import HeaderExtension, RtpPacket
from tests.media.wire import mutations

WORD = st.integers(0, 0xFFFFFFFF)
EXTENSIONS = st.builds(
    HeaderExtension,
    st.integers(0, 0xFFFF),
    st.binary(max_size=20).map(lambda content: content[: len(content) // 4 * 4]),
)
PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=WORD,
    ssrc=WORD,
    payload=st.binary(max_size=400),
    marker=st.booleans(),
    contributing=st.lists(WORD, max_size=15).map(tuple),
    extension=st.none() | EXTENSIONS,
)
CAPTURED = bytes.fromhex("80803ad3000001e0deadbeef") + bytes(range(160))
"""The first packet of a call: marker, PCMU."""


@settings(deadline=None)
@given(PACKETS)
def test_a_packet_survives_the_wire(packet: RtpPacket) -> None:
    assert RtpPacket.parse(bytes(packet)) == packet


@settings(deadline=None)
@given(PACKETS, st.integers(1, 255))
def test_padding_is_taken_off(packet: RtpPacket, padding: int) -> None:
    padded = bytearray(bytes(packet) + bytes(padding - 1) + bytes([padding]))
    padded[0] |= 0x20
    assert RtpPacket.parse(bytes(padded)) == packet


def test_a_captured_packet_is_read() -> None:
    packet = RtpPacket.parse(CAPTURED)
    assert (packet.payload_type, packet.marker) == (0, True)
    assert (packet.sequence, packet.timestamp, packet.ssrc) == (0x3AD3, 480, 0xDEADBEEF)
    assert packet.payload == bytes(range(160))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        CAPTURED[:11],
        b"\x00" + CAPTURED[1:],
        b"\x40" + CAPTURED[1:],
        b"\xc0" + CAPTURED[1:],
        b"\x8f" + CAPTURED[1:60],
        b"\x90" + CAPTURED[1:14],
        b"\x90" + CAPTURED[1:12] + b"\x00\x00\xff\xff" + bytes(20),
        b"\xa0" + CAPTURED[1:12],
        b"\xa0" + CAPTURED[1:12] + bytes(10),
        b"\xa0" + CAPTURED[1:12] + bytes(9) + b"\x0b",
        CAPTURED + bytes(3000),
    ],
)
def test_what_is_no_rtp_is_said_to_be_malformed(packet: bytes) -> None:
    with pytest.raises(MalformedMessage):
        RtpPacket.parse(packet)


def test_ten_thousand_damaged_packets_raise_nothing_else() -> None:
    extension = HeaderExtension(0xBEDE, bytes(8))
    rich = RtpPacket(
        payload_type=96, sequence=1, timestamp=2, ssrc=3, payload=bytes(80),
        contributing=(4, 5), extension=extension,
    )  # fmt: skip
    read = 0
    for packet in mutations([CAPTURED, bytes(rich)], 10_000, seed=1):
        try:
            RtpPacket.parse(packet)
            read += 1
        except MalformedMessage:
            continue
    assert 0 < read < 10_000
