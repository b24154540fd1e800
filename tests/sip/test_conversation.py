from strowger.sip.events import Answered, Confirmed, Ended, Event, Incoming, Ringing
from tests.sip.network import ANSWER, CALLEE, CALLER, OFFER, Network, endpoint, invitation


def test_a_call_rings_is_answered_and_ended_by_the_caller() -> None:
    network = Network()
    caller = network.add(CALLER, endpoint(CALLER, "a"))
    callee = network.add(CALLEE, endpoint(CALLEE, "b"))
    session = caller.invite(invitation(), now=0.0)
    network.run(0.1)
    callee.ring(session, now=network.now)
    network.run(0.2)
    callee.answer(session, ANSWER, now=network.now)
    network.run(1.0)
    caller.hang_up(session, now=network.now)
    network.run(2.0)
    assert network.events[CALLER] == [
        Ringing(session=session, status=180, sdp=None),
        Answered(session=session, sdp=ANSWER),
        Ended(session=session, by_far_end=False, reason="Normal call clearing"),
    ]
    events: list[Event] = [
        Incoming(
            session=session, source=CALLER, to="+14155550100", from_="+14155550199", sdp=OFFER
        ),
        Confirmed(session=session, sdp=None),
        Ended(session=session, by_far_end=True, reason="Normal call clearing", hangup_cause=16),
    ]
    assert network.events[CALLEE] == events
    assert network.starts(CALLER) == ["INVITE", "ACK", "BYE"]
    assert network.starts(CALLEE) == ["100", "180", "200", "200"]
    network.run_out()
    assert caller.is_idle and callee.is_idle
