import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.errors import MalformedMessage
from strowger.sip.message import Headers, Limits, Message, Request, Response, is_keep_alive, parse

INVITE = (
    b"INVITE sip:bob@h SIP/2.0\r\n"
    b"v: SIP/2.0/UDP a;branch=z9hG4bK1,\r\n SIP/2.0/UDP b\r\n"
    b"Via: SIP/2.0/UDP c\r\n"
    b"From : sip:a@h;tag=1\r\n"
    b"t: <sip:b@h>\r\n"
    b"i:x@y\r\n"
    b"CSeq: 1\r\n\tINVITE\r\n"
    b"m: *\r\n"
    b"Subject: caf\xe9 caf\xc3\xa9\r\n"
    b"l: 3\r\n"
    b"\r\n"
    b"abcdef"
)


def request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_a_request_is_read_with_compact_names_folds_and_lists() -> None:
    invite = request(INVITE)
    assert (invite.method, invite.uri, invite.version) == ("INVITE", "sip:bob@h", "SIP/2.0")
    assert invite.via.branch == "z9hG4bK1"
    assert invite.headers.members("via")[1:] == ["SIP/2.0/UDP b", "SIP/2.0/UDP c"]
    assert (invite.from_.tag, invite.to.tag, invite.call_id) == ("1", None, "x@y")
    assert invite.cseq.number == 1
    assert invite.contact is None
    assert invite.body == b"abc"


def test_bytes_that_are_not_utf_8_survive() -> None:
    assert b"Subject: caf\xe9 caf\xc3\xa9\r\n" in request(INVITE).serialise()


def test_what_is_printed_is_read_back() -> None:
    invite = request(INVITE)
    again = request(invite.serialise())
    assert again.body == invite.body
    assert list(again.headers) == list(invite.headers)


def test_a_response_is_read() -> None:
    for line, reason in ((b"SIP/2.0 180 Ringing now", "Ringing now"), (b"SIP/2.0 180", "")):
        response = parse(line + b"\r\n\r\n")
        assert isinstance(response, Response)
        assert (response.status, response.reason) == (180, reason)


@pytest.mark.parametrize(
    "data",
    [
        b"INVITE sip:a@h SIP/2.0\nCall-ID: 1\n\nbody",
        b"\r\n\r\nINVITE  sip:a@h  SIP/2.0  \r\nCall-ID:1\r\n\r\nbody",
        b"INVITE sip:a@h sip/2.0\r\nI: 1\r\n\r\nbody",
    ],
)
def test_line_ends_and_spaces_are_forgiven(data: bytes) -> None:
    invite = request(data)
    assert (invite.uri, invite.call_id, invite.body) == ("sip:a@h", "1", b"body")


def test_headers_without_the_blank_line_are_all_there_is() -> None:
    assert request(b"INVITE sip:a@h SIP/2.0\r\nCall-ID: 1").call_id == "1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\0\0\0\0",
        b"hello",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 4294967301 x\r\n\r\n",
        b"SIP/2.0 099 x\r\n\r\n",
        b"SIP/2.0 \xd9\xa1\xd9\xa2\xd9\xa3 x\r\n\r\n",
        b"INVITE SIP/2.0\r\n\r\n",
        b"IN(VITE sip:a@h SIP/2.0\r\n\r\n",
        b"INVITE sip:a@h SIP/2.0\r\nno colon\r\n\r\n",
        b"INVITE sip:a@h SIP/2.0\r\n: empty name\r\n\r\n",
        b"INVITE sip:a@h SIP/2.0\r\nCall ID: 1\r\n\r\n",
    ],
)
def test_what_is_no_sip_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(data)


def test_limits_are_kept() -> None:
    limits = Limits(message_size=200, header_count=3, comma_count=5, line_length=60)
    start = b"OPTIONS sip:a@h SIP/2.0\r\n"
    parse(start + b"A: 1\r\n" * 3 + b"\r\n" + b"x" * 100, limits)
    for data in (
        start + b"\r\n" + b"x" * 200,
        start + b"A: 1\r\n" * 4 + b"\r\n",
        start + b"A: " + b"1" * 58 + b"\r\n\r\n",
        start + b"A: ,,,,,,\r\n\r\n",
        start + b"A: 1" + b"\r\n 2345678" * 8 + b"\r\n\r\n",
    ):
        with pytest.raises(MalformedMessage):
            parse(data, limits)


def test_a_value_cannot_smuggle_in_another_header() -> None:
    headers = Headers()
    headers.add("subject", "hello\r\nRoute: <sip:evil@h>\n\n")
    printed = Request(method="OPTIONS", uri="sip:a@h", headers=headers).serialise()
    assert printed.count(b"\r\n") == 4
    assert b"\r\nRoute" not in printed


def test_replacing_keeps_the_place() -> None:
    headers = Headers([("a", "1"), ("via", "x"), ("b", "2"), ("via", "y")])
    headers.replace("via", ["z", "w"])
    assert list(headers) == [("a", "1"), ("via", "z"), ("via", "w"), ("b", "2")]


def test_keep_alives_are_told_from_messages() -> None:
    assert all(is_keep_alive(data) for data in (b"", b"\r\n\r\n", b"\0", b"\0\0\0\0"))
    assert not is_keep_alive(b"\r\nx")


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: INVITE[:40] + tail))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    message: Message
    try:
        message = parse(data)
    except MalformedMessage:
        return
    assert isinstance(message, Request | Response)
    assert parse(message.serialise()).body == message.body
