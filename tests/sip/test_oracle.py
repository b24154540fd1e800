"""Somebody else's reader agrees with ours on well-formed messages, and takes what we print."""

import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from strowger.sip.headers import NameAddr, Uri, Via
from strowger.sip.message import Request, Response, parse
from tests.sip.test_mutations import real_messages


def test_what_we_send_is_read_alike() -> None:
    for data in real_messages():
        ours, theirs = parse(data), sipmessage.Message.parse(data)
        assert ours.call_id == theirs.call_id
        assert (ours.cseq.number, ours.cseq.method) == (theirs.cseq.sequence, theirs.cseq.method)
        assert theirs.from_address is not None and theirs.to_address is not None
        assert ours.from_.uri.text == str(theirs.from_address.uri)
        assert ours.from_.tag == theirs.from_address.parameters.get("tag")
        assert ours.to.tag == theirs.to_address.parameters.get("tag")
        assert ours.via.branch == theirs.via[0].parameters.get("branch")
        assert ours.body == theirs.body
        if isinstance(ours, Request):
            assert isinstance(theirs, sipmessage.Request)
            assert (ours.method, ours.uri) == (theirs.method, str(theirs.uri))
        else:
            assert isinstance(ours, Response) and isinstance(theirs, sipmessage.Response)
            assert (ours.status, ours.reason) == (theirs.code, theirs.phrase)


words = st.text("abcXYZ019.-", min_size=1, max_size=8)
hosts = st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]"])
ports = st.none() | st.integers(1, 65535)
displays = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=10)


@given(words, hosts, ports, words, words)
def test_uris_are_read_alike(user: str, host: str, port: int | None, name: str, value: str) -> None:
    colon = "" if port is None else f":{port}"
    text = f"sip:{user}@{host}{colon};{name}={value}"
    ours, theirs = Uri.parse(text), sipmessage.URI.parse(text)
    assert (ours.scheme, ours.user, ours.port) == (theirs.scheme, theirs.user, theirs.port)
    assert ours.host == theirs.host.strip("[]")
    assert ours.parameters == {name.lower(): value}


@given(displays, words)
def test_parties_are_read_alike(display: str, tag: str) -> None:
    theirs = sipmessage.Address(
        uri=sipmessage.URI.parse("sip:a@example.com"),
        name=display,
        parameters=sipmessage.Parameters(tag=tag),
    )
    ours = NameAddr.parse(str(theirs))
    assert ours.display.strip() == display.strip()
    assert (ours.uri.text, ours.tag) == ("sip:a@example.com", tag)


@given(hosts, ports, words)
def test_vias_are_read_alike(host: str, port: int | None, branch: str) -> None:
    colon = "" if port is None else f":{port}"
    text = f"SIP/2.0/UDP {host}{colon};branch=z9hG4bK{branch};rport"
    ours, theirs = Via.parse(text), sipmessage.Via.parse(text)
    assert (ours.transport, ours.port) == (theirs.transport, theirs.port)
    assert ours.host == theirs.host.strip("[]")
    assert ours.branch == theirs.parameters.get("branch")
    assert str(ours) == text
