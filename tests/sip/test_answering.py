"""Calls to us, with the far end played by hand."""

import pytest

from strowger.sip.core import Capacity
from strowger.sip.endpoint import Endpoint
from strowger.sip.established import TRANSITIONS as ESTABLISHED
from strowger.sip.established import State as EstablishedState
from strowger.sip.events import Canceled, Confirmed, Discarded, Ended, Incoming, SessionId
from strowger.sip.invited import PATIENCE, TRANSITIONS, State
from strowger.sip.message import Request
from strowger.sip.transaction import TIMEOUT
from tests.sip.far_end import FarEnd
from tests.sip.network import ANSWER, CALLEE, CALLER, OFFER, tokens

CALL = SessionId("call")


def invited(*headers: tuple[str, str]) -> tuple[FarEnd, Request]:
    far = FarEnd()
    invite = far.invite(headers=headers)
    return far, invite


def answered(*headers: tuple[str, str]) -> tuple[FarEnd, Request]:
    far, invite = invited(*headers)
    far.end.answer(CALL, ANSWER, now=far.now)
    far.collect()
    return far, invite


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(ESTABLISHED) == set(EstablishedState)


def test_an_incoming_call_is_told_once_however_often_it_comes() -> None:
    far, invite = invited()
    far.say(invite)
    assert far.events == [
        Incoming(session=CALL, source=CALLEE, to="agent", from_="+14155550100", sdp=OFFER)
    ]
    assert far.statuses() == [100, 100]
    assert far.last_response().to.tag is None
    assert far.sent_to == [CALLEE] * 2


def test_responses_go_to_where_rport_and_via_say() -> None:
    far = FarEnd(address=("198.51.100.1", 40000))
    invite = far.new_request("OPTIONS")
    far.say(invite)
    assert far.sent_to[-1] == ("198.51.100.1", 40000)
    assert far.last_response().via.parameters["rport"] == "40000"
    assert far.last_response().via.parameters["received"] == "198.51.100.1"
    invite.headers.replace(
        "via", ["SIP/2.0/UDP 203.0.113.1:5080;branch=z9hG4bK2;maddr=203.0.113.2"]
    )
    far.say(invite.serialise())
    assert far.sent_to[-1] == ("198.51.100.1", 5080)
    invite.headers.replace("via", ["SIP/2.0/UDP host.example.com;branch=z9hG4bK3"])
    far.say(invite.serialise())
    assert far.sent_to[-1] == ("198.51.100.1", 5060)


def test_ringing_and_answer_make_one_dialog() -> None:
    routes = (("record-route", "<sip:p1;lr>"), ("record-route", "<sip:p2;lr>, <sip:p3;lr>"))
    far, _ = invited(*routes)
    far.end.ring(CALL, now=far.now)
    far.end.ring(CALL, now=far.now, status=183, sdp=ANSWER)
    far.end.answer(CALL, ANSWER, now=far.now)
    ringing, early, final = [one for one in far.collect() if not isinstance(one, Request)]
    assert far.statuses() == [100, 180, 183, 200]
    assert (ringing.body, early.body, final.body) == (b"", ANSWER, ANSWER)
    for response in (ringing, early, final):
        assert response.to.tag == ringing.to.tag
        assert response.headers.members("record-route") == [
            "<sip:p1;lr>",
            "<sip:p2;lr>",
            "<sip:p3;lr>",
        ]
        assert response.headers.get("contact") == "<sip:agent@192.0.2.1:5060>"
    far.within("ACK", number=1)
    far.end.hang_up(CALL, now=far.now)
    assert far.request_heard("BYE").headers.all("route") == [
        "<sip:p1;lr>",
        "<sip:p2;lr>",
        "<sip:p3;lr>",
    ]


def test_our_2xx_is_repeated_until_its_ack_comes() -> None:
    far, _ = answered()
    far.wait(10.0)
    assert far.statuses() == [100] + [200] * 5  # at 0, 0.5, 1.5, 3.5 and 7.5 s
    far.within("ACK", number=1)
    far.within("ACK", number=1)
    far.wait(60.0)
    assert far.statuses() == [100] + [200] * 5
    assert far.events[1:] == [Confirmed(session=CALL, sdp=None)]


def test_an_ack_may_bring_the_answer_to_our_offer() -> None:
    far = FarEnd()
    far.invite(sdp=None)
    far.end.answer(CALL, OFFER, now=far.now)
    far.collect()
    far.within("ACK", number=1, sdp=ANSWER)
    assert far.events[1:] == [Confirmed(session=CALL, sdp=ANSWER)]


def test_an_answer_that_is_never_acknowledged_ends_the_session() -> None:
    far, _ = answered()
    far.wait(TIMEOUT - 0.1)
    assert far.requests_heard("BYE") == 0
    far.wait(0.2)
    bye = far.request_heard("BYE")
    assert bye.from_.tag == far.heard[1].to.tag
    assert far.events[1:] == [Ended(session=CALL, by_far_end=False, reason="the ACK never came")]
    far.answer(bye, 200)
    far.wait(TIMEOUT)
    assert len(far.events) == 2
    assert far.end.is_idle


def test_hanging_up_before_the_ack_waits_for_it() -> None:
    far, _ = answered()
    far.end.hang_up(CALL, now=far.now, reason="bye")
    assert far.requests_heard("BYE") == 0
    far.within("ACK", number=1)
    assert far.requests_heard("BYE") == 1
    far.answer(far.request_heard("BYE"), 200)
    assert far.events[1:] == [Ended(session=CALL, by_far_end=False, reason="bye")]


def test_a_bye_may_overtake_the_ack() -> None:
    far, _ = answered()
    far.within("BYE", number=2)
    assert far.statuses() == [100, 200, 200]
    assert [type(event) for event in far.events] == [Incoming, Ended]
    far.wait(60)
    assert far.statuses() == [100, 200, 200]
    assert far.end.is_idle


def test_a_rejected_call_ends_with_its_ack() -> None:
    far, invite = invited()
    far.end.reject(CALL, 486, now=far.now, reason="Busy\r\nEvil: 1")
    assert far.last_response().reason == "BusyEvil: 1"
    assert far.events[1:] == [Ended(session=CALL, by_far_end=False, reason="Busy\r\nEvil: 1")]
    far.wait(0.5)
    assert far.statuses() == [100, 486, 486]
    ack = far.new_request("ACK", branch=invite.via.branch)
    far.say(ack)
    far.wait(6.0)
    assert far.statuses() == [100, 486, 486]
    assert far.end.is_idle


def test_hanging_up_an_unanswered_call_refuses_it() -> None:
    far, _ = invited()
    far.end.hang_up(CALL, now=far.now)
    assert far.last_response().status == 480
    assert [type(event) for event in far.events] == [Incoming, Ended]


def test_the_caller_may_cancel_before_the_answer() -> None:
    far, invite = invited()
    far.end.ring(CALL, now=far.now)
    ringing = far.last_response()
    far.say(far.new_request("CANCEL", branch=invite.via.branch))
    assert far.statuses() == [100, 180, 200, 487]
    assert far.heard[-2].to.tag == ringing.to.tag
    assert far.events[1:] == [Canceled(session=CALL)]
    far.end.answer(CALL, ANSWER, now=far.now)  # the application had not heard yet
    assert far.statuses() == [100, 180, 200, 487]


def test_a_cancel_after_the_answer_changes_nothing() -> None:
    far, invite = answered()
    far.say(far.new_request("CANCEL", branch=invite.via.branch))
    assert far.statuses() == [100, 200, 200]
    far.within("ACK", number=1)
    assert far.events[1:] == [Confirmed(session=CALL, sdp=None)]


def test_what_a_cancel_or_ack_requires_does_not_matter() -> None:
    require = (("require", "nothing"),)
    far, invite = invited()
    far.say(far.new_request("CANCEL", branch=invite.via.branch, headers=require))
    assert far.statuses() == [100, 200, 487]
    far, _ = answered()
    far.within("ACK", number=1, headers=require)
    assert far.events[1:] == [Confirmed(session=CALL, sdp=None)]


def test_a_cancel_of_nothing_does_not_exist() -> None:
    far = FarEnd()
    far.say(far.new_request("CANCEL"))
    assert far.statuses() == [481]


def test_the_caller_may_end_an_early_dialog_with_bye() -> None:
    far, _ = invited()
    far.end.ring(CALL, now=far.now)
    far.collect()
    far.within("BYE", number=2)
    assert far.statuses() == [100, 180, 200, 487]
    assert far.events[1:] == [Canceled(session=CALL)]


@pytest.mark.parametrize(
    ("expires", "patience"),
    [(None, PATIENCE), ("20", 20.0), ("9" * 40, PATIENCE), ("soon", PATIENCE), ("1000", PATIENCE)],
)
def test_a_call_that_nobody_decides_on_ends(expires: str | None, patience: float) -> None:
    far, _ = invited(*([("expires", expires)] if expires else []))
    far.wait(patience - 0.1)
    assert far.statuses() == [100]
    far.wait(0.2)
    assert far.last_response().status == 487
    assert far.events[1:] == [Canceled(session=CALL)]
    far.wait(60)
    assert far.end.is_idle


def test_ringing_is_said_again_every_minute() -> None:
    far, _ = invited()
    far.end.ring(CALL, now=far.now)
    far.wait(150.0)
    assert far.statuses() == [100, 180, 180, 180]


def test_a_call_that_comes_by_two_ways_rings_once() -> None:
    far, _ = invited()
    far.invite(branch="z9hG4bKother")
    assert far.statuses() == [100, 482]
    far.end.reject(CALL, 486, now=far.now)
    far.invite(branch="z9hG4bKthird")  # the slowest copy comes when the call is over
    assert far.statuses() == [100, 482, 486, 482]
    assert [type(event) for event in far.events] == [Incoming, Ended]


def test_a_call_id_in_use_cannot_begin_another_session() -> None:
    far, _ = answered()
    far.say(far.new_request("INVITE", number=7, local="<sip:x@h>;tag=other", sdp=OFFER))
    assert far.last_response().status == 482


def test_the_same_call_may_try_again_after_it_was_refused() -> None:
    far, _ = invited()
    far.end.reject(CALL, 488, now=far.now)
    far.say(far.new_request("INVITE", number=2, sdp=OFFER))
    assert far.statuses() == [100, 488, 100]


def test_a_call_too_many_is_told_to_try_later() -> None:
    end = Endpoint(local=CALLER, new_token=tokens("a"), capacity=Capacity(sessions=1))
    far = FarEnd(end)
    far.invite()
    far.say(far.new_request("INVITE", call_id="other", sdp=OFFER))
    assert far.statuses() == [100, 503]
    assert len(far.events) == 1


def test_transactions_too_many_are_not_begun() -> None:
    end = Endpoint(local=CALLER, new_token=tokens("a"), capacity=Capacity(server_transactions=2))
    far = FarEnd(end)
    far.invite()
    far.end.answer(CALL, ANSWER, now=0.0)
    far.collect()
    far.within("ACK", number=1)
    far.within("INFO", number=2)
    far.within("INFO", number=3)
    assert far.statuses() == [100, 200, 200]


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", 200),
        ("BYE", 481),
        ("INFO", 481),
        ("UPDATE", 481),
        ("PRACK", 481),
        ("REGISTER", 405),
        ("MESSAGE", 405),
        ("invite", 501),
        ("NEWMETHOD", 501),
    ],
)
def test_requests_outside_of_sessions(method: str, status: int) -> None:
    far = FarEnd()
    request = far.new_request(method)
    far.say(request)
    far.say(request)
    first, second = far.heard
    assert not isinstance(first, Request) and not isinstance(second, Request)
    assert (first.status, second.status) == (status, status)
    assert first.to.tag == second.to.tag is not None
    if status in (200, 405, 501):
        assert first.headers.get("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY"
    assert far.end.is_idle


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("require", "100rel, timer"),), 420),
        ((("content-type", "text/plain"),), 415),
        ((("content-type", "application/sdp"), ("content-encoding", "gzip")), 415),
        ((("accept", "text/plain"),), 406),
        ((("accept", "text/plain, application/sdp;level=1"),), 100),
        ((("content-type", "x/y"), ("content-disposition", "render;handling=optional")), 100),
    ],
)
def test_invites_that_we_cannot_serve(headers: tuple[tuple[str, str], ...], status: int) -> None:
    far = FarEnd()
    request = far.new_request("INVITE", headers=headers)
    request.body = OFFER
    far.say(request)
    assert far.statuses() == [status]


@pytest.mark.parametrize("uri", ["sip:h;lr?a=b", "sip:", "mailto:a@h", "SIP:agent@h", "tel:+1"])
def test_the_request_uri_must_be_one_that_we_speak(uri: str) -> None:
    far = FarEnd()
    request = far.new_request("OPTIONS")
    request.uri = uri
    far.say(request)
    expected = {"sip:h;lr?a=b": 400, "sip:": 400, "mailto:a@h": 416}.get(uri, 200)
    assert far.statuses() == [expected]


def test_an_ack_is_never_answered() -> None:
    far = FarEnd()
    far.say(far.new_request("ACK"))
    far.say(far.new_request("ACK", headers=(("max-forwards", "x"),)))
    assert far.collect() == []
    assert [type(event) for event in far.events] == [Discarded]


def test_a_request_without_a_way_back_is_dropped() -> None:
    far = FarEnd()
    request = far.new_request("OPTIONS")
    request.headers.replace("via", [])
    far.say(request)
    assert far.collect() == []
    assert [type(event) for event in far.events] == [Discarded]


def test_keep_alives_are_no_messages() -> None:
    far = FarEnd()
    for data in (b"\r\n\r\n", b"", b"\0"):
        far.say(data)
    assert far.collect() == []
    assert far.events == []


def test_sloppy_carriers_are_understood() -> None:
    far = FarEnd()
    far.say(
        b"\r\n\r\nINVITE sip:+14155550199;npdi=yes@192.0.2.1:5060;transport=UDP;user=phone "
        b"SIP/2.0\r\n"
        b"VIA : SIP / 2.0 / UDP 192.0.2.2:5070 ; branch=z9hG4bKx ; rport ;\r\n"
        b"From :  Caf\xe9, (Bar) #1 <tel:+14155550100;phone-context=x>;tag=a b;\r\n"
        b"To: <sip:a b#c@192.0.2.1>\r\n"
        b"i: call\r\n"
        b"CSeq: 1 INVITE\r\n"
        b"m: <sip:gw@192.0.2.2:5070;transport=UDP>;;\r\n"
        b"P-Asserted-Identity:\r\n <sip:x@h>\r\n"
        b"c: Application/SDP ; charset=utf-8\r\n"
        b"\r\n" + OFFER
    )
    assert far.events == [
        Incoming(session=CALL, source=CALLEE, to="+14155550199", from_="+14155550100", sdp=OFFER)
    ]
    far.end.answer(CALL, ANSWER, now=far.now)
    assert far.last_response().status == 200
    assert b"Caf\xe9, (Bar) #1" in far.last_response().serialise()


def test_a_caller_of_rfc_2543_is_served() -> None:
    far = FarEnd()
    start = b"INVITE sip:agent@192.0.2.1 SIP/2.0\r\n"
    rest = (
        b"Via: SIP/2.0/UDP 192.0.2.2:5070\r\nFrom: <sip:a@h>\r\nTo: <sip:b@h>%s\r\n"
        b"Call-ID: call\r\nCSeq: 1 %s\r\n\r\n"
    )
    far.say(start + rest % (b"", b"INVITE"))
    far.say(start + rest % (b"", b"INVITE"))
    far.end.answer(CALL, ANSWER, now=far.now)
    tag = far.last_response().to.tag
    assert tag is not None
    far.say(b"ACK sip:agent@192.0.2.1 SIP/2.0\r\n" + rest % (b";tag=" + tag.encode(), b"ACK"))
    assert [type(event) for event in far.events] == [Incoming, Confirmed]
    assert far.statuses() == [100, 100, 200]


def test_an_endpoint_on_every_address_names_the_one_that_was_called() -> None:
    far = FarEnd(Endpoint(local=("0.0.0.0", 5060), new_token=tokens("a")))
    far.invite()
    far.end.answer(CALL, ANSWER, now=far.now)
    assert far.last_response().headers.get("contact") == "<sip:agent@192.0.2.1:5060>"
    far.within("ACK", number=1)
    far.end.hang_up(CALL, now=far.now)
    assert far.request_heard("BYE").via.host == "192.0.2.1"


def test_a_status_that_makes_no_sense_is_a_programming_error() -> None:
    far, _ = invited()
    with pytest.raises(ValueError, match="provisional"):
        far.end.ring(CALL, now=0.0, status=200)
    with pytest.raises(ValueError, match="refuses"):
        far.end.reject(CALL, 200, now=0.0)
