from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.errors import FarEndError, MalformedMessage
from strowger.media.events import Codec
from strowger.media.sdp import (
    Direction,
    LocalMedia,
    MediaAgreement,
    NoCommonCodec,
    accept_answer,
    answer_offer,
    make_offer,
    parse_sdp,
)
from tests.media.wire import mutations

US = LocalMedia(host="192.0.2.1", port=10000, session_id=42, version=1)
THEM = LocalMedia(host="198.51.100.7", port=20000, session_id=43, version=1)

CARRIER = b"""v=0\r
o=SBC 1523 9712 IN IP4 203.0.113.5\r
s=sip call\r
c=IN IP4 203.0.113.5\r
t=0 0\r
m=audio 41234 RTP/AVP 8 0 18 96\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000/1\r
a=rtpmap:18 G729/8000\r
a=fmtp:18 annexb=no\r
a=rtpmap:96 telephone-event/8000\r
a=fmtp:96 0-16\r
a=ptime:20\r
a=rtcp:41300 IN IP4 203.0.113.6\r
"""
PHONE = b"""v=0
o=- 3747 3747 IN IP4 10.0.0.3
s=-
t=0 0
a=sendrecv
m=video 9000 RTP/AVP 31
m=audio 9002/2 RTP/AVP 0
c=IN IP4 10.0.0.3/127
"""


def answer(*lines: str, head: str = "v=0\nc=IN IP4 203.0.113.5\n") -> bytes:
    return (head + "\n".join(lines) + "\n").encode()


def test_an_offer_says_what_we_speak_where_we_listen_and_what_digits_are_called() -> None:
    assert make_offer(US).decode().splitlines() == [
        "v=0",
        "o=strowger 42 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 10000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]


def test_each_further_offer_of_a_session_counts_its_version_up() -> None:
    assert b"o=strowger 42 2 IN" in make_offer(US.next_version())


@settings(deadline=None)
@given(
    st.permutations(list(Codec)),
    st.lists(st.sampled_from(list(Codec)), min_size=1, max_size=2, unique=True),
)
def test_our_own_offers_and_answers_agree_with_each_other(
    offered: list[Codec], answered: list[Codec]
) -> None:
    here, there = replace(US, codecs=tuple(offered)), replace(THEM, codecs=tuple(answered))
    reply, theirs = answer_offer(make_offer(here), there)
    ours = accept_answer(here, reply)
    assert ours.codec is theirs.codec is next(each for each in offered if each in answered)
    assert ours.payload_type == theirs.payload_type
    assert (ours.remote, theirs.remote) == ((THEM.host, THEM.port), (US.host, US.port))
    assert (ours.telephone_event, theirs.telephone_event) == (101, 101)
    assert ours.sending and ours.receiving and theirs.sending and theirs.receiving


def test_a_carriers_answer_is_taken_by_its_own_order_numbers_and_addresses() -> None:
    assert accept_answer(US, CARRIER) == MediaAgreement(
        remote=("203.0.113.5", 41234),
        remote_rtcp=("203.0.113.6", 41300),
        codec=Codec.PCMA,
        payload_type=8,
        telephone_event=96,
        ptime=20,
        direction=Direction.SENDRECV,
    )


def test_a_telephones_offer_without_rtpmap_is_answered_and_its_video_refused() -> None:
    reply, agreed = answer_offer(PHONE, US)
    assert agreed == MediaAgreement(
        remote=("10.0.0.3", 9002),
        remote_rtcp=("10.0.0.3", 9003),
        codec=Codec.PCMU,
        payload_type=0,
        telephone_event=None,
        ptime=20,
        direction=Direction.SENDRECV,
    )
    media = [line for line in reply.decode().splitlines() if line.startswith("m=")]
    assert media == ["m=video 0 RTP/AVP 31", "m=audio 10000 RTP/AVP 0"]
    assert b"telephone-event" not in reply


def test_an_offers_dynamic_payload_types_are_kept_in_the_answer() -> None:
    offer = answer(
        "m=audio 5000 RTP/AVP 97 98", "a=rtpmap:97 pcmu/8000", "a=rtpmap:98 telephone-event/8000"
    )
    reply, agreed = answer_offer(offer, US)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (Codec.PCMU, 97, 98)
    assert b"m=audio 10000 RTP/AVP 97 98\r\n" in reply


def test_the_lines_of_a_medium_outweigh_those_of_the_session() -> None:
    agreed = accept_answer(
        US,
        answer("a=sendonly", "m=audio 5000 RTP/AVP 0", "c=IN IP4 203.0.113.9", "a=sendrecv"),
    )
    assert agreed.remote == ("203.0.113.9", 5000)
    assert agreed.direction is Direction.SENDRECV


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sendrecv", Direction.SENDRECV),
        ("sendonly", Direction.RECVONLY),
        ("recvonly", Direction.SENDONLY),
        ("inactive", Direction.INACTIVE),
    ],
)
def test_a_direction_is_turned_round_and_answered(theirs: str, ours: Direction) -> None:
    offer = answer("m=audio 5000 RTP/AVP 0", f"a={theirs}")
    reply, agreed = answer_offer(offer, US)
    assert agreed.direction is ours
    assert f"a={ours}\r\n".encode() in reply


def test_the_address_zero_is_the_old_way_to_hold() -> None:
    agreed = accept_answer(US, answer("m=audio 5000 RTP/AVP 0", head="v=0\nc=IN IP4 0.0.0.0\n"))
    assert agreed.direction is Direction.RECVONLY
    assert not agreed.sending


def test_rtcp_shares_the_port_only_where_an_answer_says_so() -> None:
    muxed = answer("m=audio 5000 RTP/AVP 0", "a=rtcp-mux")
    assert accept_answer(US, muxed).remote_rtcp == ("203.0.113.5", 5000)
    reply, agreed = answer_offer(muxed, US)
    assert agreed.remote_rtcp == ("203.0.113.5", 5001)
    assert b"rtcp-mux" not in reply


def test_a_wish_for_another_packet_time_is_told() -> None:
    assert accept_answer(US, answer("m=audio 5000 RTP/AVP 0", "a=ptime:30")).ptime == 30
    assert accept_answer(US, answer("m=audio 5000 RTP/AVP 0", "a=ptime:x")).ptime == 20


@pytest.mark.parametrize(
    "description",
    [
        answer("m=audio 5000 RTP/AVP 18", "a=rtpmap:18 G729/8000"),
        answer("m=audio 0 RTP/AVP 0"),
        answer("m=audio 5000 RTP/SAVP 0"),
        answer("m=audio 5000 RTP/AVP 96", "a=rtpmap:96 PCMU/16000"),
        answer("m=audio 5000 RTP/AVP 0", "a=rtpmap:0 G729/8000"),
        answer("m=video 5000 RTP/AVP 31"),
        answer(),
    ],
)
def test_a_far_end_without_our_codecs_is_told_apart_from_one_that_cannot_be_read(
    description: bytes,
) -> None:
    with pytest.raises(NoCommonCodec):
        accept_answer(US, description)
    with pytest.raises(NoCommonCodec):
        answer_offer(description, US)


@pytest.mark.parametrize(
    "description",
    [
        b"",
        b"hello",
        answer("m=audio"),
        answer("m=audio 99999 RTP/AVP 0"),
        answer("m=audio -1 RTP/AVP 0"),
        answer("m=audio 5000 RTP/AVP 0", head="v=0\n"),
        answer("m=audio 5000 RTP/AVP 0", head="v=0\nc=IN IP4\n"),
        answer("m=audio 5000 RTP/AVP 0", head="v=0\nc=IN IP4 example.net\n"),
        answer("m=audio 5000 RTP/AVP 0", head="v=0\nc=IN IP4 224.1.1.1\n"),
        answer("m=audio 5000 RTP/AVP 0", head="v=0\nc=IN IP6 2001:db8::1\n"),
        answer("m=audio 5000 RTP/AVP 300", "a=rtpmap:300 PCMU/8000"),
        answer("m=audio 5000 RTP/AVP 0", "a=rtcp:70000"),
        answer(*["m=audio 5000 RTP/AVP 0"] * 17),
        answer("m=audio 5000 RTP/AVP " + "0 " * 65),
        answer("m=audio 5000 RTP/AVP 0", *["a=x"] * 600),
        b"v=0\r\n" + b"s=" + b"x" * 17000,
    ],
)
def test_what_cannot_be_worked_with_is_said_to_be_malformed(description: bytes) -> None:
    with pytest.raises(MalformedMessage):
        accept_answer(US, description)


def test_ten_thousand_damaged_descriptions_raise_nothing_else() -> None:
    outcomes: set[str] = set()
    for description in mutations([CARRIER, PHONE, make_offer(THEM)], 10_000, seed=3):
        try:
            answer_offer(description, US)
            accept_answer(US, description)
            outcomes.add("read")
        except FarEndError as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"read", "MalformedMessage", "NoCommonCodec"}


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_else(body: bytes) -> None:
    try:
        parse_sdp(b"v=0\n" + body)
    except MalformedMessage:
        return
