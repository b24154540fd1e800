"""Calls of ours, with the far end played by hand."""

import pytest

from strowger.errors import Conflict, InvalidRequest
from strowger.sip.calling import MAX_FORKS, TRANSITIONS, State
from strowger.sip.events import (
    Answered,
    Discarded,
    Ended,
    Refused,
    Ringing,
    SessionId,
)
from strowger.sip.invitation import Invitation
from strowger.sip.message import Request, Response
from strowger.sip.transaction import TIMEOUT
from tests.sip.far_end import FarEnd
from tests.sip.network import ANSWER, CALLEE, OFFER, invitation


def calling() -> tuple[FarEnd, SessionId, Request]:
    far = FarEnd()
    session = far.end.invite(invitation(), now=0.0)
    return far, session, far.request_heard("INVITE")


def answered() -> tuple[FarEnd, SessionId, Request]:
    far, session, invite = calling()
    far.answer(invite, 200, sdp=ANSWER)
    return far, session, invite


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_the_invite_says_who_calls_whom_and_how_to_answer() -> None:
    far = FarEnd()
    far.end.invite(
        Invitation(
            request_uri="sip:+14155550100@trunk.example.com",
            destination=CALLEE,
            from_uri="sip:+14155550199@example.com",
            from_display='Acme "Care"',
            contact=("203.0.113.9", 6060),
            sdp=OFFER,
            call_id="call-7",
            headers=(("P-Asserted-Identity", "<sip:+14155550199@example.com>"),),
        ),
        now=0.0,
    )
    invite = far.request_heard("INVITE")
    assert invite.uri == "sip:+14155550100@trunk.example.com"
    assert invite.headers.get("to") == "<sip:+14155550100@trunk.example.com>"
    assert invite.from_.display == 'Acme "Care"'
    assert invite.from_.tag
    assert invite.call_id == "call-7"
    assert invite.headers.get("contact") == "<sip:+14155550199@203.0.113.9:6060>"
    assert invite.headers.get("p-asserted-identity") == "<sip:+14155550199@example.com>"
    assert invite.headers.get("max-forwards") == "70"
    assert "rport" in invite.via.parameters
    assert (invite.via.host, invite.via.port) == ("203.0.113.9", 6060)
    assert invite.body == OFFER
    assert far.sent_to == [CALLEE]


@pytest.mark.parametrize(
    "wrong",
    [
        {"request_uri": "sip:a@h\r\nRoute: <sip:x>"},
        {"request_uri": "sip:a b@h"},
        {"request_uri": "http://h"},
        {"request_uri": "sips:a@h"},
        {"request_uri": "sip:a@h?x=y"},
        {"from_uri": "anonymous"},
        {"to_uri": "sip:é@h"},
        {"call_id": "two words"},
        {"call_id": ""},
        {"headers": (("Via", "x"),)},
        {"headers": (("X Y", "x"),)},
        {"headers": (("X-Note", "a\r\nb"),)},
        {"from_display": "a\ud800"},
        {"username": "\ud800"},
    ],
)
def test_what_cannot_stand_in_an_invite_is_refused_before_it_is_sent(
    wrong: dict[str, object],
) -> None:
    right: dict[str, object] = {
        "request_uri": "sip:a@h",
        "destination": CALLEE,
        "from_uri": "sip:b@h",
        "sdp": OFFER,
    }
    with pytest.raises(InvalidRequest):
        Invitation(**(right | wrong))  # type: ignore[arg-type]


def test_two_calls_cannot_have_one_call_id() -> None:
    far, session, _ = calling()
    with pytest.raises(Conflict):
        far.end.invite(invitation(call_id=session), now=0.0)


def test_early_media_is_told() -> None:
    far, session, invite = calling()
    far.answer(invite, 100, tag=None)
    far.answer(invite, 183, sdp=ANSWER)
    far.answer(invite, 180)
    assert far.events == [
        Ringing(session=session, status=183, sdp=ANSWER),
        Ringing(session=session, status=180, sdp=None),
    ]


def test_the_answer_is_acknowledged_each_time_it_comes() -> None:
    far, session, invite = answered()
    far.answer(invite, 200, sdp=ANSWER)
    assert far.events == [Answered(session=session, sdp=ANSWER)]
    assert far.requests_heard("ACK") == 2
    ack = far.request_heard("ACK")
    assert ack.uri == "sip:far@192.0.2.2:5070;transport=UDP"
    assert str(ack.cseq) == "1 ACK"
    assert ack.to.tag == "far"
    assert ack.via.branch != invite.via.branch


def test_an_answer_that_comes_again_after_the_end_is_still_acknowledged() -> None:
    far, session, invite = answered()
    far.end.hang_up(session, now=far.now)
    far.answer(far.request_heard("BYE"), 200)
    far.answer(invite, 200, sdp=ANSWER)
    assert far.requests_heard("ACK") == 2
    assert far.requests_heard("BYE") == 1


def test_a_refusal_is_told_with_its_q850_cause() -> None:
    far, session, invite = calling()
    reasons = (("reason", 'SIP;cause=404, Q.850 ;cause=1;text="Unallocated, number"'),)
    far.answer(invite, 404, headers=reasons, reason="No such\x07 number")
    assert far.events == [
        Refused(session=session, status=404, reason="No such number", hangup_cause=1)
    ]
    assert far.requests_heard("ACK") == 1


@pytest.mark.parametrize("status", [302, 486, 503, 603, 699])
def test_every_final_refusal_ends_the_call(status: int) -> None:
    far, _, invite = calling()
    far.answer(invite, 180)
    far.answer(invite, status, headers=(("contact", "<sip:elsewhere@h>"), ("retry-after", "5")))
    assert isinstance(far.events[-1], Refused)
    assert far.events[-1].status == status
    far.wait(60)
    assert far.end.is_idle
    assert far.requests_heard("INVITE") == 1


def test_no_answer_at_all_is_a_timeout() -> None:
    far, session, _ = calling()
    far.wait(TIMEOUT)
    assert far.events == [
        Refused(session=session, status=408, reason="Request Timeout", timed_out=True)
    ]
    assert far.requests_heard("INVITE") == 7
    assert far.end.is_idle


def test_a_cancel_waits_for_a_provisional_answer() -> None:
    far, session, invite = calling()
    far.end.cancel(session, now=0.0)
    assert far.requests_heard("CANCEL") == 0
    far.answer(invite, 100, tag=None)
    cancel = far.request_heard("CANCEL")
    assert cancel.via == invite.via
    assert cancel.uri == invite.uri
    assert str(cancel.cseq) == "1 CANCEL"
    far.answer(cancel, 200)
    far.answer(invite, 487)
    assert far.events == [Refused(session=session, status=487, reason="Request Terminated")]
    far.wait(60)
    assert far.end.is_idle


def test_hanging_up_an_unanswered_call_cancels_it() -> None:
    far, session, invite = calling()
    far.answer(invite, 180)
    far.end.hang_up(session, now=far.now)
    far.end.hang_up(session, now=far.now)
    assert far.requests_heard("CANCEL") == 1


def test_an_answer_that_crosses_our_cancel_is_acknowledged_and_ended() -> None:
    far, session, invite = calling()
    far.answer(invite, 180)
    far.end.cancel(session, now=far.now)
    far.answer(invite, 200, sdp=ANSWER)
    assert far.requests_heard("ACK") == 1
    bye = far.request_heard("BYE")
    assert str(bye.cseq) == "2 BYE"
    assert far.events[1:] == [Refused(session=session, status=487, reason="Request Terminated")]
    far.answer(bye, 200)
    far.wait(60)
    assert far.end.is_idle


def test_a_refusal_that_crosses_our_cancel_is_told_as_it_is() -> None:
    far, session, invite = calling()
    far.answer(invite, 180)
    far.end.cancel(session, now=far.now)
    far.answer(invite, 486)
    assert far.events[1:] == [Refused(session=session, status=486, reason="Busy Here")]


def test_a_cancel_that_is_never_heeded_ends_the_call_after_a_while() -> None:
    far, session, invite = calling()
    far.answer(invite, 180)
    far.end.cancel(session, now=far.now)
    far.answer(far.request_heard("CANCEL"), 200)
    far.wait(TIMEOUT)
    assert far.events[1:] == [Refused(session=session, status=487, reason="Request Terminated")]
    far.wait(TIMEOUT)
    assert far.end.is_idle
    far.answer(invite, 200)  # far too late
    assert far.requests_heard("BYE") == 0


def test_a_canceled_call_that_nobody_ever_answered_times_out() -> None:
    far, session, _ = calling()
    far.end.cancel(session, now=0.0)
    far.wait(TIMEOUT)
    assert [event.status for event in far.events if isinstance(event, Refused)] == [408]


def test_only_the_first_branch_of_a_forked_call_that_answers_is_kept() -> None:
    far, session, invite = calling()
    far.answer(invite, 180, tag="one")
    far.answer(invite, 183, tag="two")
    far.answer(invite, 200, tag="two", sdp=ANSWER)
    far.answer(invite, 200, tag="one", contact="<sip:one@192.0.2.77>", sdp=ANSWER)
    assert [type(event) for event in far.events] == [Ringing, Ringing, Answered]
    bye = far.request_heard("BYE")
    assert (bye.to.tag, bye.uri) == ("one", "sip:one@192.0.2.77")
    assert far.sent_to[-1] == ("192.0.2.77", 5060)
    far.answer(bye, 200)
    far.answer(invite, 200, tag="one", sdp=ANSWER)  # again: only the ACK is repeated
    assert (far.requests_heard("ACK"), far.requests_heard("BYE")) == (3, 1)
    far.end.hang_up(session, now=far.now)
    assert far.request_heard("BYE").to.tag == "two"


def test_a_far_end_that_claims_endless_branches_is_not_believed() -> None:
    far, _, invite = calling()
    for number in range(100):
        far.answer(invite, 200, tag=f"branch{number}")
    assert far.requests_heard("BYE") == MAX_FORKS - 1


def test_requests_follow_the_recorded_route_backwards() -> None:
    far, session, invite = calling()
    routes = (
        ("record-route", "<sip:last.example.com;lr>, <sip:203.0.113.5:5062;lr>"),
        ("record-route", "<sip:198.51.100.7;lr;ftag=1>"),
    )
    far.answer(invite, 200, headers=routes, sdp=ANSWER)
    far.end.hang_up(session, now=far.now)
    bye = far.request_heard("BYE")
    for request in (far.request_heard("ACK"), bye):
        assert request.uri == "sip:far@192.0.2.2:5070;transport=UDP"
        assert request.headers.all("route") == [
            "<sip:198.51.100.7;lr;ftag=1>",
            "<sip:203.0.113.5:5062;lr>",
            "<sip:last.example.com;lr>",
        ]
    assert far.sent_to[1:] == [("198.51.100.7", 5060)] * 2


def test_a_route_that_cannot_be_read_is_sent_back_as_it_came() -> None:
    far, _, invite = calling()
    far.answer(invite, 200, headers=(("record-route", "<sip:"),), sdp=ANSWER)
    ack = far.request_heard("ACK")
    assert ack.uri == "sip:far@192.0.2.2:5070;transport=UDP"
    assert ack.headers.all("route") == ["<sip:"]
    assert far.sent_to[-1] == CALLEE


def test_a_provisional_answer_to_our_bye_is_waited_out() -> None:
    far, session, _ = answered()
    far.end.hang_up(session, now=far.now)
    far.answer(far.request_heard("BYE"), 100, tag=None)
    assert far.events[1:] == []
    far.answer(far.request_heard("BYE"), 200)
    assert [type(event) for event in far.events[1:]] == [Ended]


def test_a_strict_router_is_served_as_it_wants() -> None:
    far, _, invite = calling()
    routes = (("record-route", "<sip:far.example.com;lr>, <sip:198.51.100.7>"),)
    far.answer(invite, 200, headers=routes, sdp=ANSWER)
    ack = far.request_heard("ACK")
    assert ack.uri == "sip:198.51.100.7"
    assert ack.headers.all("route") == [
        "<sip:far.example.com;lr>",
        "<sip:far@192.0.2.2:5070;transport=UDP>",
    ]


@pytest.mark.parametrize(
    "contact",
    ["<sip:far@sbc.example.com>", "<sip:far@0.0.0.0>", "<sip:x@224.0.0.1>", "*", "<sip:", None],
)
def test_a_contact_that_is_no_address_is_reached_where_its_answer_came_from(
    contact: str | None,
) -> None:
    far, session, invite = calling()
    far.address = ("198.51.100.99", 5555)
    far.answer(invite, 200, contact=contact, sdp=ANSWER)
    far.end.hang_up(session, now=far.now)
    far.collect()
    assert far.sent_to[1:] == [far.address] * 2


def test_an_early_dialog_takes_no_requests() -> None:
    far, session, invite = calling()
    far.answer(invite, 183)
    remote = invite.headers.get("from") or ""
    far.say(far.new_request("BYE", call_id=session, remote=remote, number=5))
    assert far.statuses() == [481]


def test_stray_and_astray_responses_do_nothing() -> None:
    far, _, invite = calling()
    invite.headers.replace("via", ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKunknown"])
    far.answer(invite, 200)
    assert far.events == []
    invite.headers.replace("via", [*invite.headers.all("via"), "SIP/2.0/UDP h;branch=z9hG4bK2"])
    far.answer(invite, 200)
    assert isinstance(far.events[0], Discarded)


def test_calls_on_unknown_sessions_are_ignored() -> None:
    far, gone = FarEnd(), SessionId("gone")
    far.end.hang_up(gone, now=0.0)
    far.end.cancel(gone, now=0.0)
    far.end.ring(gone, now=0.0)
    far.end.answer(gone, b"", now=0.0)
    far.end.reject(gone, 486, now=0.0)
    far.end.answer_reoffer(gone, b"", now=0.0)
    far.end.reject_reoffer(gone, 488, now=0.0)
    assert far.collect() == []
    assert far.end.is_idle


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/mixed", ANSWER),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: application/sdp\r\n--b--"),
        ("text/plain", ANSWER),
        ("application/sdp", b""),
    ],
)
def test_where_there_is_no_description_none_is_told(kind: str, body: bytes) -> None:
    far, session, invite = calling()
    response = Response(status=200, reason="OK", headers=invite.headers, body=body)
    response.headers.replace("content-type", [kind])
    response.headers.replace("to", ["<sip:x@h>;tag=far"])
    far.say(response)
    assert far.events == [Answered(session=session, sdp=None)]


def test_a_description_in_a_multipart_body_is_found() -> None:
    far, session, invite = calling()
    response = Response(status=200, reason="OK", headers=invite.headers)
    parts = b"\r\n".join(
        (
            b"--b",
            b"Content-Type: application/isup;version=x",
            b"",
            b"\x01\x02\r\n\r\n\x03",
            b"--b",
            b"Content-Type: Application/SDP",
            b"",
            ANSWER,
            b"--b--",
        )
    )
    response.headers.replace("content-type", ['multipart/mixed; boundary="b"'])
    response.headers.replace("to", ["<sip:x@h>;tag=far"])
    response.body = parts
    far.say(response)
    assert far.events == [Answered(session=session, sdp=ANSWER)]
