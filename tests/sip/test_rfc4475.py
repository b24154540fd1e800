"""Every message of RFC 4475, and what the endpoint makes of it.

A parametrised `reason` marks where Strowger does something else than the RFC suggests first;
`docs/reference/sip.md` has a paragraph on each such reason.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from strowger.sip.events import Discarded, Event, Incoming
from strowger.sip.message import Request, Response, parse
from tests.sip.network import CALLER, endpoint

MESSAGES = Path(__file__).parents[2] / "compliance" / "rfc4475"
SOURCE = ("198.51.100.1", 5099)

NO_REGISTRAR = "we are no registrar: REGISTER is refused before its content matters"
LENIENT = "the meaning is plain, and the RFC lets one accept it"
NO_DIALOG = "its To has a tag, so it belongs to a dialog that does not exist"


@dataclass(frozen=True)
class Expected:
    """What comes of a message; `status` is None where nothing is answered."""

    status: int | None
    called: str | None = None
    """User part of an Incoming."""
    problem: str = ""
    """Of a Discarded."""
    reason: str = ""


VALID = {
    "dblreq": Expected(405, reason=NO_REGISTRAR),
    "esc01": Expected(100, called="sips:user@example.com"),
    "esc02": Expected(501),
    "escnull": Expected(405, reason=NO_REGISTRAR),
    "intmeth": Expected(501),
    "longreq": Expected(100, called="user"),
    "lwsdisp": Expected(200),
    "mpart01": Expected(405),
    "noreason": Expected(None),
    "semiuri": Expected(200),
    "transports": Expected(200),
    "unreason": Expected(None),
    "wsinv": Expected(481, reason=NO_DIALOG),
}
INVALID = {
    "badaspec": Expected(200, reason=LENIENT),
    "badbranch": Expected(200, reason=LENIENT),
    "baddate": Expected(100, called="user", reason=LENIENT),
    "baddn": Expected(200, reason=LENIENT),
    "badinv01": Expected(400, problem="expected a Via"),
    "badvers": Expected(505, problem="version"),
    "bcast": Expected(None, problem="more than one Via"),
    "bext01": Expected(420),
    "bigcode": Expected(None, problem="expected a SIP start line"),
    "clerr": Expected(400, problem="Content-Length"),
    "cparam01": Expected(405, reason=NO_REGISTRAR),
    "cparam02": Expected(405, reason=NO_REGISTRAR),
    "escruri": Expected(400, problem="headers in the request URI"),
    "insuf": Expected(400, problem="no Call-ID"),
    "inv2543": Expected(100, called="UserB", reason=LENIENT),
    "invut": Expected(415),
    "ltgtruri": Expected(400, problem="request URI"),
    "lwsruri": Expected(400, problem="request URI"),
    "lwsstart": Expected(100, called="user", reason=LENIENT),
    "mcl01": Expected(400, problem="content-length more than once"),
    "mismatch01": Expected(400, problem="CSeq"),
    "mismatch02": Expected(400, problem="CSeq"),
    "multi01": Expected(400, problem="more than once"),
    "ncl": Expected(400, problem="Content-Length"),
    "novelsc": Expected(416),
    "quotbal": Expected(400, problem="quotes"),
    "regaut01": Expected(405, reason=NO_REGISTRAR),
    "regbadct": Expected(405, reason=NO_REGISTRAR),
    "regescrt": Expected(405, reason=NO_REGISTRAR),
    "scalar02": Expected(400, problem="number below"),
    "scalarlg": Expected(None, problem="number below"),
    "sdp01": Expected(406),
    "trws": Expected(200, reason=LENIENT),
    "unkscm": Expected(416),
    "unksm2": Expected(405, reason=NO_REGISTRAR),
    "zeromf": Expected(200),
}
ALL = {"valid": VALID, "invalid": INVALID}


def data_of(kind: str, name: str) -> bytes:
    return (MESSAGES / kind / f"{name}.dat").read_bytes()


def deliver(data: bytes) -> tuple[list[Response], list[Event]]:
    end = endpoint(CALLER, "a")
    end.receive_datagram(data, SOURCE, now=0.0)
    sent = [parse(data) for data, _ in end.datagrams_to_send()]
    return [one for one in sent if isinstance(one, Response)], end.events_received()


def test_every_message_has_an_expectation() -> None:
    for kind, expected in ALL.items():
        assert {path.stem for path in (MESSAGES / kind).glob("*.dat")} == set(expected)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in ALL.items() for name in names]
)
def test_the_message_is_answered_as_expected(kind: str, name: str) -> None:
    expected = ALL[kind][name]
    responses, events = deliver(data_of(kind, name))
    assert [one.status for one in responses] == ([expected.status] if expected.status else [])
    called = [event.to for event in events if isinstance(event, Incoming)]
    assert called == ([expected.called] if expected.called else [])
    problems = [event.problem for event in events if isinstance(event, Discarded)]
    assert len(problems) == bool(expected.problem)
    assert all(expected.problem in problem for problem in problems)


@pytest.mark.parametrize("name", VALID)
def test_a_valid_message_is_understood_and_survives_being_printed(name: str) -> None:
    message = parse(data_of("valid", name))
    again = parse(message.serialise())
    for one in (message, again):
        assert one.call_id
        assert one.from_.tag
        assert one.via.host
        assert one.to.uri.scheme == "sip"
        if isinstance(one, Request):
            assert one.cseq.method == one.method
    assert again.body == message.body
    assert list(again.headers.all("via")) == list(message.headers.all("via"))


def test_what_is_between_the_lines_of_the_tortuous_invite() -> None:
    invite = parse(data_of("valid", "wsinv"))
    assert invite.from_.display == 'J Rosenberg \\"'
    assert (invite.from_.tag, invite.to.tag) == ("98asjd8", "1918181833n")
    assert (invite.via.transport, invite.via.host, invite.via.branch) == (
        "UDP",
        "192.0.2.2",
        "390skdjuw",
    )
    vias = invite.headers.members("via")
    assert len(vias) == 3
    contact = invite.contact
    assert contact is not None
    assert contact.parameters == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert invite.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    assert len(invite.body) == 150


def test_octets_after_the_content_are_ignored() -> None:
    message = parse(data_of("valid", "dblreq"))
    assert message.body == b""


def test_the_refused_extensions_are_named() -> None:
    [response], _ = deliver(data_of("invalid", "bext01"))
    assert response.headers.members("unsupported") == [
        "nothingSupportsThis",
        "nothingSupportsThisEither",
    ]


def test_the_answer_to_an_unknown_body_names_what_would_do() -> None:
    [response], _ = deliver(data_of("invalid", "invut"))
    assert response.headers.get("accept") == "application/sdp"


@pytest.mark.parametrize(
    "name", [name for name, one in (VALID | INVALID).items() if one.status and one.status > 199]
)
def test_the_answer_copies_what_must_be_copied(name: str) -> None:
    kind = "valid" if name in VALID else "invalid"
    request = parse(data_of(kind, name))
    [response], _ = deliver(data_of(kind, name))
    for header in ("call-id", "cseq", "from"):
        assert response.headers.all(header) == request.headers.all(header)[:1]
    assert response.headers.members("via")[1:] == request.headers.members("via")[1:]
    assert response.via.parameters["received"] == SOURCE[0]
    if request.headers.get("to"):
        assert "tag" in (response.headers.get("to") or "").rpartition(">")[2]
