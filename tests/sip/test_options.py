import pytest

from strowger.errors import InvalidRequest
from strowger.sip.events import OptionsAnswered
from strowger.sip.transaction import TIMEOUT
from tests.sip.far_end import FarEnd
from tests.sip.network import CALLEE, CALLER, Network, endpoint


def test_options_tell_what_the_far_end_allows() -> None:
    network = Network()
    near = network.add(CALLER, endpoint(CALLER, "a"))
    network.add(CALLEE, endpoint(CALLEE, "b"))
    token = near.options("sip:192.0.2.2:5070", CALLEE, now=0.0)
    network.run_out()
    assert network.events[CALLER] == [
        OptionsAnswered(
            token=token,
            status=200,
            reason="OK",
            allow=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "NOTIFY"),
        )
    ]


def test_options_without_an_answer_time_out() -> None:
    far = FarEnd()
    token = far.end.options("sip:192.0.2.2:5070", CALLEE, now=0.0)
    far.wait(TIMEOUT)
    assert far.events == [
        OptionsAnswered(token=token, status=408, reason="Request Timeout", silent=True)
    ]
    assert far.end.is_idle


def test_a_provisional_answer_to_options_is_waited_out() -> None:
    far = FarEnd()
    far.end.options("sip:192.0.2.2:5070", CALLEE, now=0.0)
    far.answer(far.request_heard("OPTIONS"), 100)
    assert far.events == []
    far.answer(far.request_heard("OPTIONS"), 403)
    assert [event.status for event in far.events if isinstance(event, OptionsAnswered)] == [403]


def test_options_to_nowhere_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        FarEnd().end.options("nowhere", CALLEE, now=0.0)
