"""Far ends that want to know who calls, on every method."""

import re

import pytest

from strowger.sip.digest import Challenge, Credentials, digest_response
from strowger.sip.events import Answered, Ended, Refused
from strowger.sip.message import Request
from tests.sip.far_end import FarEnd
from tests.sip.network import ANSWER, invitation

ALICE = Credentials(username="alice", password='pass "word"')


def is_right(request: Request, header: str, challenge: str, password: str | None = None) -> bool:
    """Check credentials as a server does."""
    value = request.headers.get(header) or ""
    given = dict(re.findall(r'(\w+)=(?:"([^"]*)"|)', value))
    count = re.search(r"nc=([0-9a-f]{8})", value)
    parsed = Challenge.parse(challenge)
    assert parsed is not None
    expected = digest_response(
        parsed,
        Credentials(username="alice", password=ALICE.password if password is None else password),
        method=request.method,
        uri=request.uri,
        cnonce=given.get("cnonce", ""),
        count=int(count.group(1), 16) if count else 0,
        body=request.body,
    )
    return given.get("response") == expected and given["uri"] == request.uri


def call(password: str = ALICE.password) -> FarEnd:
    far = FarEnd()
    far.end.invite(invitation(username="alice", password=password, call_id="call"), now=0.0)
    return far


MD5 = 'Digest realm="r", nonce="n1"'
SHA = 'Digest realm="r", nonce="n2", algorithm=SHA-256, qop="auth"'


@pytest.mark.parametrize("challenge", [MD5, SHA, MD5 + ', qop="auth-int,auth", opaque="o"'])
@pytest.mark.parametrize(
    ("status", "asking", "answering"),
    [
        (401, "www-authenticate", "authorization"),
        (407, "proxy-authenticate", "proxy-authorization"),
    ],
)
def test_a_challenged_invite_is_sent_again_with_credentials(
    challenge: str, status: int, asking: str, answering: str
) -> None:
    far = call()
    first = far.request_heard("INVITE")
    far.answer(first, status, headers=((asking, challenge),))
    second = far.request_heard("INVITE")
    assert far.requests_heard("ACK") == 1
    assert is_right(second, answering, challenge)
    assert (second.cseq.number, second.call_id, second.from_.tag) == (
        2,
        first.call_id,
        first.from_.tag,
    )
    assert second.via.branch != first.via.branch
    far.answer(second, 200, sdp=ANSWER)
    ack = far.request_heard("ACK")
    assert ack.headers.all(answering) == second.headers.all(answering)
    assert [type(event) for event in far.events] == [Answered]


def test_a_bye_carries_credentials_and_answers_a_challenge_of_its_own() -> None:
    far = call()
    far.answer(far.request_heard("INVITE"), 407, headers=(("proxy-authenticate", SHA),))
    far.answer(far.request_heard("INVITE"), 200, sdp=ANSWER)
    session = far.request_heard("ACK").call_id
    far.end.hang_up(far.events[0].session, now=far.now)  # type: ignore[union-attr]
    bye = far.request_heard("BYE")
    assert bye.call_id == session
    assert is_right(bye, "proxy-authorization", SHA)
    assert "nc=00000002" in (bye.headers.get("proxy-authorization") or "")
    fresh = SHA.replace("n2", "n3")
    far.answer(bye, 407, headers=(("proxy-authenticate", fresh),))
    again = far.request_heard("BYE")
    assert again.cseq.number == bye.cseq.number + 1
    assert is_right(again, "proxy-authorization", fresh)
    far.answer(again, 200)
    assert [type(event) for event in far.events] == [Answered, Ended]


def test_proxy_and_callee_may_both_ask() -> None:
    far = call()
    far.answer(far.request_heard("INVITE"), 407, headers=(("proxy-authenticate", SHA),))
    far.answer(far.request_heard("INVITE"), 401, headers=(("www-authenticate", MD5),))
    third = far.request_heard("INVITE")
    assert is_right(third, "authorization", MD5)
    assert is_right(third, "proxy-authorization", SHA)
    assert third.cseq.number == 3


def test_a_stale_nonce_is_replaced() -> None:
    far = call()
    stale = MD5.replace("n1", "n9") + ", stale=true"
    far.answer(far.request_heard("INVITE"), 401, headers=(("www-authenticate", MD5),))
    far.answer(far.request_heard("INVITE"), 401, headers=(("www-authenticate", stale),))
    assert is_right(far.request_heard("INVITE"), "authorization", stale)


def test_a_wrong_password_is_tried_once() -> None:
    far = call("wrong")
    for _ in range(2):
        far.answer(far.request_heard("INVITE"), 401, headers=(("www-authenticate", MD5),))
    assert is_right(far.request_heard("INVITE"), "authorization", MD5, password="wrong")
    assert far.requests_heard("INVITE") == 2
    assert [event.status for event in far.events if isinstance(event, Refused)] == [401]
    far.wait(60)
    assert far.end.is_idle


def test_an_endless_loop_of_stale_challenges_is_left() -> None:
    far = call()
    for number in range(50):
        stale = (("www-authenticate", f'Digest realm="r", nonce="{number}", stale=true'),)
        far.answer(far.request_heard("INVITE"), 401, headers=stale)
    assert far.requests_heard("INVITE") == 5
    assert [event.status for event in far.events if isinstance(event, Refused)] == [401]


def test_without_a_password_the_challenge_is_the_refusal() -> None:
    far = FarEnd()
    far.end.invite(invitation(), now=0.0)
    far.answer(far.request_heard("INVITE"), 407, headers=(("proxy-authenticate", MD5),))
    assert [event.status for event in far.events if isinstance(event, Refused)] == [407]


def test_a_cancel_wanted_before_the_challenge_keeps_the_call_from_being_placed() -> None:
    far = call()
    invite = far.request_heard("INVITE")
    session = far.end.invite(invitation(call_id="other"), now=0.0)
    far.end.hang_up(session, now=0.0)
    other = far.request_heard("INVITE")
    far.answer(other, 401, headers=(("www-authenticate", MD5),))
    assert far.requests_heard("INVITE") == 2
    assert [event.status for event in far.events if isinstance(event, Refused)] == [487]
    far.answer(invite, 401, headers=(("www-authenticate", MD5),))
    assert far.requests_heard("INVITE") == 3
