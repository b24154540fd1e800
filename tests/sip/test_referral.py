"""Putting the callee through, with the far end played by hand."""

import pytest

from strowger.sip.endpoint import Endpoint
from strowger.sip.events import ReferAccepted, ReferEnded, Referred, SessionId
from strowger.sip.referral import LONGEST_SILENCE, NEWS_WITHIN, NEXT_WITHIN, ON_ITS_WAY
from strowger.sip.transaction import TIMEOUT
from tests.sip.far_end import FarEnd
from tests.sip.network import ANSWER, CALLER, OFFER, invitation, tokens

SALES = "sip:+14155550111@192.0.2.2"
SILENT = "the far end took our REFER and did not say what has come of it"
CHALLENGE = (("proxy-authenticate", 'Digest realm="t", nonce="n", algorithm=MD5, qop="auth"'),)
FRAGMENT = ("content-type", "message/sipfrag;version=2.0")


def referred_not_yet() -> tuple[FarEnd, SessionId]:
    far = FarEnd()
    session = far.end.invite(invitation(username="a", password="b"), now=0.0)
    far.answer(far.request_heard("INVITE"), 200, sdp=ANSWER)
    return far, session


def referred(to: str = SALES) -> tuple[FarEnd, SessionId]:
    far, session = referred_not_yet()
    assert far.end.refer(session, to, now=far.now)
    far.collect()
    far.events.clear()
    return far, session


def notify(
    far: FarEnd,
    session: SessionId,
    number: int,
    line: str,
    *,
    state: str = "active",
    event: str = "refer",
) -> None:
    """The far end tells of the REFER."""
    headers = (
        ("event", event),
        ("subscription-state", state),
        ("contact", "<sip:far@192.0.2.2:5070>"),
        FRAGMENT,
    )
    request = far.new_request(
        "NOTIFY", number=number, headers=headers, call_id=session, local=far._parties()[0],
        remote=far._parties()[1],
    )  # fmt: skip
    request.body = line.encode()
    far.say(request)


def test_a_refer_names_whom_to_call_and_who_asks() -> None:
    far, _ = referred()
    refer = far.request_heard("REFER")
    assert refer.headers.get("refer-to") == f"<{SALES}>"
    assert (refer.headers.get("referred-by") or "").startswith("<sip:")
    assert refer.headers.get("contact") is not None
    assert refer.to.tag == "far"


def test_the_far_end_tries_tells_of_ringing_and_then_that_somebody_has_answered() -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 202)
    assert far.events == [ReferAccepted(session=session)]
    notify(far, session, 10, "SIP/2.0 100 Trying\r\n")
    notify(far, session, 11, "SIP/2.0 180 Ringing")
    assert far.events == [ReferAccepted(session=session)]
    notify(far, session, 12, "SIP/2.0 200 OK\r\n", state="terminated;reason=noresource")
    assert far.events[1:] == [ReferEnded(session=session, status=200, reason="OK")]
    assert far.statuses() == [200, 200, 200]


def test_a_notify_may_overtake_the_answer() -> None:
    far, session = referred()
    notify(far, session, 10, "SIP/2.0 100 Trying\r\n")
    far.answer(far.request_heard("REFER"), 202)
    assert far.events == [ReferAccepted(session=session)]


def test_whom_we_refer_to_may_be_busy_and_the_call_goes_on() -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 202)
    notify(far, session, 10, "SIP/2.0 486 Busy Here\r\n", state="terminated")
    assert far.events[1:] == [ReferEnded(session=session, status=486, reason="Busy Here")]
    assert far.end.refer(session, SALES, now=far.now), "it may be tried again"


@pytest.mark.parametrize("status", [403, 405, 501, 603])
def test_a_far_end_that_does_not_refer_says_so(status: int) -> None:
    far, _ = referred()
    far.answer(far.request_heard("REFER"), status)
    assert [type(event) for event in far.events] == [ReferEnded]
    assert far.events[0].status == status  # type: ignore[union-attr]


def test_a_refer_that_nobody_answers_is_over_in_the_end() -> None:
    far, session = referred()
    far.wait(TIMEOUT)
    reason = "no answer to our REFER"
    assert far.events == [ReferEnded(session=session, status=408, reason=reason)]


def test_a_challenged_refer_is_sent_again_with_credentials() -> None:
    far, _ = referred()
    far.answer(far.request_heard("REFER"), 407, headers=CHALLENGE)
    assert far.requests_heard("REFER") == 2
    assert far.request_heard("REFER").headers.get("proxy-authorization") is not None


def test_a_far_end_that_ends_its_news_without_a_result_has_given_up() -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 202)
    notify(far, session, 10, "", state="terminated;reason=giveup")
    assert [type(event) for event in far.events] == [ReferAccepted, ReferEnded]


def test_news_of_a_referral_that_is_not_ours_is_not_taken() -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 403)
    notify(far, session, 10, "SIP/2.0 200 OK\r\n")
    assert far.statuses() == [481]


@pytest.mark.parametrize(
    ("state", "lasts"),
    [
        (None, NEWS_WITHIN),
        ("active", NEXT_WITHIN + ON_ITS_WAY),
        ("active;expires=20", 20 + ON_ITS_WAY),
        ("active;expires=86400", LONGEST_SILENCE + ON_ITS_WAY),
        ("pending;expires=soon", NEXT_WITHIN + ON_ITS_WAY),
    ],
)
def test_a_far_end_that_falls_silent_has_failed_and_can_be_asked_again(
    state: str | None, lasts: float
) -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 202)
    if state is not None:
        far.wait(10)
        notify(far, session, 10, "SIP/2.0 100 Trying\r\n", state=state)
    far.wait(lasts - 0.1)
    assert far.events == [ReferAccepted(session=session)]
    assert not far.end.can_refer(session)
    far.wait(0.2)
    assert far.events[1:] == [ReferEnded(session=session, status=408, reason=SILENT)]
    assert far.end.refer(session, SALES, now=far.now)


def test_late_news_of_a_refer_that_was_given_up_is_not_taken_for_the_next_ones() -> None:
    far, session = referred()
    first = far.request_heard("REFER")
    far.answer(first, 202)
    far.wait(NEWS_WITHIN)
    notify(far, session, 10, "SIP/2.0 200 OK\r\n", state="terminated")
    assert far.statuses() == [481]
    assert far.end.refer(session, SALES, now=far.now)
    second = far.request_heard("REFER")
    far.answer(second, 202)
    far.events.clear()
    notify(far, session, 11, "SIP/2.0 200 OK\r\n", state="terminated")
    old = f"refer;id={first.cseq.number}"
    notify(far, session, 12, "SIP/2.0 200 OK\r\n", state="terminated", event=old)
    assert far.statuses() == [481, 481, 481]
    assert far.events == []
    new = f"refer;id={second.cseq.number}"
    notify(far, session, 13, "SIP/2.0 486 Busy Here\r\n", state="terminated", event=new)
    assert far.events == [ReferEnded(session=session, status=486, reason="Busy Here")]


def test_news_that_names_an_earlier_refer_is_not_taken_for_that_of_the_next() -> None:
    far, session = referred()
    first = far.request_heard("REFER")
    far.answer(first, 202)
    notify(far, session, 10, "SIP/2.0 486 Busy Here\r\n", state="active;expires=60")
    assert far.end.refer(session, SALES, now=far.now)
    far.answer(far.request_heard("REFER"), 202)
    far.events.clear()
    old = f"refer;id={first.cseq.number}"
    notify(far, session, 11, "SIP/2.0 486 Busy Here\r\n", state="terminated", event=old)
    assert far.statuses() == [200, 481]
    assert far.events == []
    notify(far, session, 12, "SIP/2.0 200 OK\r\n", state="terminated")
    assert far.events == [ReferEnded(session=session, status=200, reason="OK")]


def test_a_far_end_that_tells_of_a_refer_and_never_answers_it_is_believed() -> None:
    far, session = referred()
    notify(far, session, 10, "SIP/2.0 180 Ringing\r\n", state="active;expires=120")
    far.wait(TIMEOUT)
    assert far.events == [ReferAccepted(session=session)]
    notify(far, session, 11, "SIP/2.0 200 OK\r\n", state="terminated")
    assert far.events[1:] == [ReferEnded(session=session, status=200, reason="OK")]


@pytest.mark.parametrize("who", ["callee", "we"])
def test_a_refer_that_is_challenged_after_somebody_has_hung_up_is_not_sent_again(who: str) -> None:
    far, session = referred()
    refer = far.request_heard("REFER")
    if who == "callee":
        far.within("BYE", number=10, call_id=session)
    else:
        far.end.hang_up(session, now=far.now)
    far.answer(refer, 407, headers=CHALLENGE)
    assert far.requests_heard("REFER") == 1


def test_of_a_refer_nothing_is_told_once_we_have_hung_up() -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 202)
    far.events.clear()
    far.end.hang_up(session, now=far.now)
    notify(far, session, 10, "SIP/2.0 503 Service Unavailable\r\n", state="terminated")
    assert far.statuses() == [200]
    far.wait(NEWS_WITHIN - 0.1)
    assert not any(isinstance(event, ReferEnded) for event in far.events)


def test_of_a_refer_nothing_is_waited_for_once_the_call_is_over() -> None:
    far, session = referred()
    far.answer(far.request_heard("REFER"), 202)
    far.within("BYE", number=10, call_id=session)
    far.events.clear()
    far.wait(2 * TIMEOUT)
    assert far.events == []
    assert far.end.next_timer() is None
    assert far.end.is_idle


def test_only_one_at_a_time_and_only_while_the_call_lasts() -> None:
    far, session = referred()
    assert not far.end.refer(session, SALES, now=far.now)
    far.within("BYE", number=10, call_id=session)
    assert not far.end.refer(session, SALES, now=far.now)


def test_the_callee_can_take_our_place_in_another_call_of_ours() -> None:
    far, session = referred_not_yet()
    other = far.end.invite(invitation(call_id="a;b@h"), now=0.0)
    invite = far.request_heard("INVITE")
    assert not far.end.refer_to_session(session, other, now=far.now), "it is not answered yet"
    far.answer(invite, 200, tag="boss", sdp=ANSWER, contact="<sip:boss@192.0.2.2:5072;ob>")
    assert far.end.refer_to_session(session, other, now=far.now)
    refer = far.request_heard("REFER")
    assert (refer.call_id, refer.headers.get("refer-to")) == (
        session,
        "<sip:boss@192.0.2.2:5072;ob?Replaces=a%3Bb%40h%3Bto-tag%3Dboss%3Bfrom-tag%3D"
        f"{invite.from_.tag}>",
    )
    far.answer(refer, 202)
    far.end.hang_up(other, now=far.now)
    notify(far, session, 11, "SIP/2.0 200 OK\r\n", state="terminated;reason=noresource")
    assert ReferEnded(session=session, status=200, reason="OK") in far.events
    assert not far.end.refer_to_session(session, other, now=far.now), "it is over"


# ── asked to call somebody else ──────────────────────────────────────────────────────────────


def asked(*places: str) -> tuple[FarEnd, SessionId]:
    """A call that we place, in which the far end refers us."""
    far = FarEnd(end=Endpoint(local=CALLER, new_token=tokens("a"), takes_referrals=True))
    session = far.end.invite(invitation(), now=0.0)
    far.answer(far.request_heard("INVITE"), 200, sdp=ANSWER)
    far.events.clear()
    headers = tuple(("refer-to", place) for place in places)
    far.within("REFER", number=10, call_id=session, headers=headers)
    return far, session


def test_a_refer_is_taken_and_the_far_end_told_at_once_that_it_is_tried() -> None:
    far, session = asked(f"<{SALES}>")
    assert far.statuses() == [202]
    assert far.events == [Referred(session=session, to=SALES)]
    notify = far.request_heard("NOTIFY")
    assert notify.headers.get("event") == "refer;id=10"
    assert (notify.headers.get("subscription-state") or "").startswith("active")
    assert notify.headers.get("content-type") == "message/sipfrag;version=2.0"
    assert notify.body == b"SIP/2.0 100 Trying\r\n"
    assert notify.to.tag == "far"
    assert notify.headers.get("contact") == far.request_heard("INVITE").headers.get("contact")
    far.answer(notify, 200)
    far.end.referral_ended(session, 486, now=far.now)
    last = far.request_heard("NOTIFY")
    assert last.body == b"SIP/2.0 486 Busy Here\r\n"
    assert last.headers.get("subscription-state") == "terminated;reason=noresource"
    assert last.cseq.number > notify.cseq.number
    far.end.referral_ended(session, 200, now=far.now)
    assert far.requests_heard("NOTIFY") == 2, "it is over"
    far.within("REFER", number=11, call_id=session, headers=(("refer-to", SALES),))
    assert far.last_response().status == 202, "it may be asked again"


def test_one_refer_is_tried_at_a_time() -> None:
    far, session = asked(f"<{SALES}>")
    far.within("REFER", number=11, call_id=session, headers=(("refer-to", SALES),))
    assert far.statuses() == [202, 491]
    assert len(far.events) == 1


@pytest.mark.parametrize("places", [(), (f"<{SALES}>", "<sip:b@h>"), ("sip:unclosed@[::",)])
def test_a_refer_that_names_nobody_or_several_is_refused(places: tuple[str, ...]) -> None:
    far, _ = asked(*places)
    assert (far.statuses(), far.events) == ([400], [])


def test_who_takes_refers_says_so() -> None:
    far, session = asked(f"<{SALES}>")
    assert far.request_heard("INVITE").headers.get("allow") == (
        "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER"
    )
    far.within("OPTIONS", number=11, call_id=session)
    assert (far.last_response().headers.get("allow") or "").endswith(", REFER")


def test_nothing_is_told_of_a_referral_once_the_call_is_over() -> None:
    far, session = asked(f"<{SALES}>")
    far.within("BYE", number=11, call_id=session)
    far.end.referral_ended(session, 200, now=far.now)
    assert far.requests_heard("NOTIFY") == 1


def test_what_came_of_a_referral_is_told_while_the_far_end_holds_the_call() -> None:
    far, session = asked(f"<{SALES}>")
    far.within("INVITE", number=11, call_id=session, sdp=OFFER)
    far.end.answer_reoffer(session, ANSWER, now=far.now)
    far.end.referral_ended(session, 200, now=far.now)
    assert far.request_heard("NOTIFY").body == b"SIP/2.0 200 OK\r\n", "before the ACK"
