import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.errors import MalformedMessage
from strowger.sip.headers import (
    CSeq,
    NameAddr,
    Uri,
    Via,
    parse_parameters,
    print_parameters,
    printable,
    quote_string,
    split_list,
    unquote_string,
)


def test_commas_in_quotes_and_brackets_do_not_end_a_member() -> None:
    assert split_list('"Bell, \\"A\\", " <sip:a,b@c>;x="1,2", <sip:d@e>,,f') == [
        '"Bell, \\"A\\", " <sip:a,b@c>;x="1,2"',
        "<sip:d@e>",
        "",
        "f",
    ]


def test_an_escaped_quote_does_not_end_quotes() -> None:
    assert split_list('"a\\", b" <sip:x@h>, c') == ['"a\\", b" <sip:x@h>', "c"]


def test_parameters_are_read_leniently() -> None:
    read = parse_parameters(';A=1 ; b = "x;y\\"" ;; c;d=;a=2;')
    assert read == {"a": "1", "b": 'x;y"', "c": None, "d": None}


@given(st.text())
def test_quoting_round_trips(text: str) -> None:
    assert unquote_string(quote_string(text)) == text


@given(st.text())
def test_splitting_any_text_loses_nothing_but_commas_and_space(text: str) -> None:
    assert "".join("".join(split_list(text)).split()).replace(",", "") == "".join(
        text.split()
    ).replace(",", "")


def test_a_sip_uri_is_taken_apart() -> None:
    uri = Uri.parse("sips:+1415;npdi=yes:secret@[2001:db8::1]:5061;transport=UDP;lr?subject=hello")
    assert (uri.scheme, uri.user, uri.host, uri.port) == (
        "sips",
        "+1415;npdi=yes",
        "2001:db8::1",
        5061,
    )
    assert uri.parameters == {"transport": "UDP", "lr": None}
    assert uri.has_headers
    assert uri.spoken_user == "+1415"


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("sip:%61lice@h", "alice"),
        ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net"),
        ("tel:+1-415-555;phone-context=x", "+1-415-555"),
        ("sip:h", ""),
        ("sip:a%00b@h", "ab"),
        ("sip:%ff%C3%A9@h", "\N{REPLACEMENT CHARACTER}é"),
        ("sip:a b#c@h", "a b#c"),
        ("urn:service:sos", ""),
    ],
)
def test_the_user_part_is_readable(text: str, user: str) -> None:
    assert Uri.parse(text).spoken_user == user


@pytest.mark.parametrize(
    "text", ["", "no scheme", "sip:", "sip:a@", "sip:a@h:0", "sip:a@h:99999", "sip:a@h h", "1:x"]
)
def test_a_uri_without_meaning_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        Uri.parse(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"A \\"B\\"" <sip:a@h;x=1>;tag=1', 'A "B"', "sip:a@h;x=1", "1"),
        ("sip:a@h;tag=1", "", "sip:a@h", "1"),
        ("caller<sip:a@h>;tag=1", "caller", "sip:a@h", "1"),
        ("Bell, Alexander (x.1) < sip:a@h > ; tag = 1 ;", "Bell, Alexander (x.1)", "sip:a@h", "1"),
        ("<tel:+1>", "", "tel:+1", None),
    ],
)
def test_a_party_is_taken_apart(text: str, display: str, uri: str, tag: str | None) -> None:
    party = NameAddr.parse(text)
    assert (party.display, party.uri.text, party.tag) == (display, uri, tag)


@pytest.mark.parametrize("text", ["", '"x <sip:a@h>', "<sip:a@h", '"x" sip:a@h'])
def test_a_party_that_cannot_be_told_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        NameAddr.parse(text)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("SIP / 2.0 / udp  H.example:5060 ; Branch = z9hG4bK1;;rport",
         "SIP/2.0/UDP h.example:5060;branch=z9hG4bK1;rport"),
        ("SIP/2.0/TLS [2001:DB8::1];branch=1", "SIP/2.0/TLS [2001:db8::1];branch=1"),
    ],
)  # fmt: skip
def test_a_via_is_read_and_printed(text: str, printed: str) -> None:
    assert str(Via.parse(text)) == printed
    assert Via.parse(printed) == Via.parse(text)


@pytest.mark.parametrize("text", ["", ";", "SIP/2.0 h", "SIP/2.0/UDP", "SIP/2.0/UDP h:123456"])
def test_a_via_without_meaning_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        Via.parse(text)


def test_cseq_is_a_number_below_2_to_the_31_and_a_method() -> None:
    assert CSeq.parse("0009\t INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"
    for text in ("", "1", "INVITE 1", "2147483648 INVITE", "-1 INVITE", "٣ INVITE"):
        with pytest.raises(MalformedMessage):
            CSeq.parse(text)


def test_printed_parameters_are_read_back() -> None:
    parameters = {"a": "1", "b": None}
    assert parse_parameters(print_parameters(parameters)) == parameters


def test_text_from_the_network_is_made_printable() -> None:
    assert printable("a\r\n\0b\udcff") == "ab\N{REPLACEMENT CHARACTER}"
