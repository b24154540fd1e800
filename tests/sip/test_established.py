"""Calls in progress, with the far end played by hand."""

import pytest

from strowger.sip.events import Answered, Confirmed, Ended, Reoffered, SessionId
from strowger.sip.message import Request
from strowger.sip.transaction import TIMEOUT
from tests.sip.far_end import FarEnd
from tests.sip.network import ANSWER, OFFER, invitation

NORMAL = "Normal call clearing"


def answered() -> tuple[FarEnd, SessionId, Request]:
    far = FarEnd()
    session = far.end.invite(invitation(), now=0.0)
    invite = far.request_heard("INVITE")
    far.answer(invite, 200, sdp=ANSWER)
    return far, session, invite


def test_hanging_up_says_bye_with_a_reason_and_ends_when_it_is_answered() -> None:
    far, session, _ = answered()
    far.end.hang_up(session, now=far.now, reason='the agent said "bye"')
    bye = far.request_heard("BYE")
    assert bye.headers.get("reason") == 'Q.850;cause=16;text="the agent said \\"bye\\""'
    assert far.events[1:] == []
    far.answer(bye, 200)
    assert far.events[1:] == [
        Ended(session=session, by_far_end=False, reason='the agent said "bye"')
    ]
    far.end.hang_up(session, now=far.now)
    assert far.requests_heard("BYE") == 1


@pytest.mark.parametrize("status", [401, 408, 481, 500])
def test_whatever_answers_our_bye_the_session_is_over(status: int) -> None:
    far, session, _ = answered()
    far.end.hang_up(session, now=far.now)
    far.answer(far.request_heard("BYE"), status)
    assert far.events[1:] == [Ended(session=session, by_far_end=False, reason=NORMAL)]


def test_a_bye_that_nobody_answers_ends_the_session_too() -> None:
    far, session, _ = answered()
    far.end.hang_up(session, now=far.now)
    far.wait(TIMEOUT)
    assert far.events[1:] == [Ended(session=session, by_far_end=False, reason=NORMAL)]
    far.wait(TIMEOUT)
    assert far.end.is_idle


def test_the_far_end_hangs_up() -> None:
    far, session, _ = answered()
    reason = (("reason", 'Q.850;cause=31;text="Normal, unspecified"'),)
    bye = far.within("BYE", number=10, headers=reason, call_id=session)
    assert far.statuses() == [200]
    assert far.events[1:] == [
        Ended(session=session, by_far_end=True, reason="Normal, unspecified", hangup_cause=31)
    ]
    far.say(bye)
    assert far.statuses() == [200, 200]
    far.end.hang_up(session, now=far.now)
    assert far.requests_heard("BYE") == 0


def test_byes_that_cross_end_the_session_once() -> None:
    far, session, _ = answered()
    far.end.hang_up(session, now=far.now)
    far.within("BYE", number=10, call_id=session)
    far.answer(far.request_heard("BYE"), 481)
    assert far.statuses() == [200]
    assert far.events[1:] == [Ended(session=session, by_far_end=False, reason=NORMAL)]


def test_a_reinvite_is_offered_answered_and_acknowledged() -> None:
    far, session, _ = answered()
    moved = (("contact", "<sip:moved@192.0.2.50:5090>"),)
    request = far.within("INVITE", number=10, sdp=OFFER, headers=moved, call_id=session)
    assert far.events[1:] == [Reoffered(session=session, sdp=OFFER)]
    far.end.answer_reoffer(session, ANSWER, now=far.now)
    response = far.last_response()
    assert (response.status, response.body) == (200, ANSWER)
    far.wait(0.6)
    assert far.statuses() == [100, 200, 200]
    far.within("ACK", number=10, call_id=session)
    far.wait(60)
    assert far.statuses() == [100, 200, 200]
    assert request.cseq.number == 10
    far.end.hang_up(session, now=far.now)
    assert far.request_heard("BYE").uri == "sip:far@192.0.2.2:5070"


def test_a_reinvite_may_ask_us_to_offer() -> None:
    far, session, _ = answered()
    far.within("INVITE", number=10, call_id=session)
    assert far.events[1:] == [Reoffered(session=session, sdp=None)]
    far.end.answer_reoffer(session, OFFER, now=far.now)
    far.within("ACK", number=10, sdp=ANSWER, call_id=session)
    assert far.events[2:] == [Confirmed(session=session, sdp=ANSWER)]


def test_a_reinvite_can_be_rejected_and_the_session_goes_on() -> None:
    far, session, _ = answered()
    far.within("INVITE", number=10, sdp=OFFER, call_id=session)
    far.end.reject_reoffer(session, 488, now=far.now)
    assert far.statuses() == [100, 488]
    far.within("ACK", number=10, call_id=session)
    far.within("INVITE", number=11, sdp=OFFER, call_id=session)
    far.end.answer_reoffer(session, ANSWER, now=far.now)
    assert far.statuses() == [100, 488, 100, 200]


def test_a_canceled_reinvite_cannot_be_answered_any_more() -> None:
    far, session, _ = answered()
    request = far.within("INVITE", number=10, sdp=OFFER, call_id=session)
    cancel = far.new_request("CANCEL", number=10, branch=request.via.branch, call_id=session)
    far.say(cancel)
    assert far.statuses() == [100, 200, 487]
    far.end.answer_reoffer(session, ANSWER, now=far.now)
    assert far.statuses() == [100, 200, 487]
    assert [type(event) for event in far.events] == [Answered, Reoffered]


def test_offers_in_the_wrong_order_are_refused() -> None:
    far, session, _ = answered()
    far.within("INVITE", number=10, sdp=OFFER, call_id=session)
    far.within("INVITE", number=11, sdp=OFFER, call_id=session)
    assert far.last_response().status == 500
    assert 0 <= int(far.last_response().headers.get("retry-after") or "") <= 10
    far.end.answer_reoffer(session, ANSWER, now=far.now)
    far.within("INVITE", number=12, sdp=OFFER, call_id=session)
    assert far.last_response().status == 491
    far.within("INFO", number=9, call_id=session)
    assert far.last_response().status == 500
    far.end.hang_up(session, now=far.now)
    assert far.requests_heard("BYE") == 0  # not before the ACK
    far.within("ACK", number=10, call_id=session)
    far.within("INVITE", number=13, sdp=OFFER, call_id=session)
    assert far.last_response().status == 481
    assert far.requests_heard("BYE") == 1


def test_a_bye_settles_a_pending_reinvite() -> None:
    for who in ("far", "near"):
        far, session, _ = answered()
        far.within("INVITE", number=10, sdp=OFFER, call_id=session)
        if who == "far":
            far.within("BYE", number=11, call_id=session)
            assert far.statuses() == [100, 200, 487]
        else:
            far.end.hang_up(session, now=far.now)
            assert far.statuses() == [100, 487]


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("INFO", 200), ("UPDATE", 405), ("PRACK", 405), ("REFER", 405), ("X", 501)],
)
def test_other_requests_within_the_session(method: str, status: int) -> None:
    far, session, _ = answered()
    far.within(method, number=10, call_id=session)
    response = far.last_response()
    assert response.status == status
    if method != "INFO":
        assert response.headers.get("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY"
    assert far.events[1:] == []


def test_a_request_of_another_dialog_does_not_exist() -> None:
    far, session, _ = answered()
    for header in ("from", "to"):
        bye = far.within("OPTIONS", number=20, call_id=session)
        bye.headers.replace(header, ["<sip:x@h>;tag=other"])
        bye.headers.replace("via", [f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{header}"])
        bye._via = None
        far.say(bye)
        assert far.last_response().status == 481
    assert far.events[1:] == []
