import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.sip.layer import response_to
from strowger.sip.message import Request, Response, parse
from strowger.sip.transaction import (
    MACHINES,
    T1,
    T4,
    TIMEOUT,
    ClientTransaction,
    Input,
    ServerTransaction,
    State,
    Transaction,
    server_key,
)

HERE = ("192.0.2.1", 5060)


def request(method: str, via: str = "SIP/2.0/UDP h;branch=z9hG4bK1") -> Request:
    message = parse(
        f"{method} sip:b@h SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nRoute: <sip:p;lr>\r\n"
        f"From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 7 {method}\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


def response(method: str, status: int) -> Response:
    return response_to(request(method), status, to_tag="2")


def client(method: str) -> ClientTransaction:
    transaction = ClientTransaction(request(method), HERE, now=0.0)
    assert first_words(transaction) == [method]
    return transaction


def server(method: str) -> ServerTransaction:
    return ServerTransaction(request(method), HERE, now=0.0)


def first_words(transaction: Transaction) -> list[str]:
    sent = [parse(data) for data in transaction.data_to_send()]
    return [one.method if isinstance(one, Request) else str(one.status) for one in sent]


def run_until(transaction: Transaction, end: float) -> list[float]:
    """Fire every timer up to `end`; return when each repetition was sent."""
    sent_at = []
    while (at := transaction.next_timer()) is not None and at <= end:
        transaction.handle_timer(now=at)
        sent_at += [at] * len(transaction.data_to_send())
    return sent_at


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_that_can_be_reached_has_a_row_and_a_way_out(name: str) -> None:
    machine = MACHINES[name]
    reached = {machine.first} | {
        state for row in machine.transitions.values() for state in row.values()
    }
    assert set(machine.transitions) == reached
    assert machine.transitions[State.TERMINATED] == {}
    for state, row in machine.transitions.items():
        expires = state in machine.deadlines or state in machine.runs_on
        assert expires == (Input.EXPIRED in row), state
        assert state is State.TERMINATED or set(row.values()) - {state}, state
    assert set(machine.repeats) <= set(machine.transitions)


def test_an_invite_is_repeated_at_doubling_intervals_until_timer_b() -> None:
    transaction = client("INVITE")
    assert run_until(transaction, 31.9) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert transaction.handle_timer(now=TIMEOUT)
    assert transaction.terminated


def test_other_requests_are_repeated_up_to_every_4_seconds_until_timer_f() -> None:
    transaction = client("BYE")
    expected = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert run_until(transaction, 31.9) == expected
    assert transaction.handle_timer(now=TIMEOUT)


def test_a_provisional_answer_slows_other_requests_down_and_silences_an_invite() -> None:
    bye = client("BYE")
    assert bye.receive_response(response("BYE", 100), now=0.1)
    assert run_until(bye, 31.9) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert bye.handle_timer(now=TIMEOUT)
    invite = client("INVITE")
    assert invite.receive_response(response("INVITE", 180), now=0.1)
    assert invite.next_timer() is None


def test_a_refused_invite_is_acknowledged_each_time_and_reported_once() -> None:
    transaction = client("INVITE")
    assert transaction.receive_response(response("INVITE", 486), now=1.0)
    assert not transaction.receive_response(response("INVITE", 486), now=1.5)
    acks = [parse(data) for data in transaction.data_to_send()]
    assert len(acks) == 2
    ack = acks[0]
    assert isinstance(ack, Request)
    assert ack.method == "ACK"
    assert str(ack.cseq) == "7 ACK"
    assert ack.to.tag == "2"
    assert ack.via.branch == "z9hG4bK1"
    assert ack.headers.all("route") == ["<sip:p;lr>"]
    assert not transaction.handle_timer(now=33.0)
    assert transaction.terminated


def test_every_2xx_of_an_invite_is_for_the_user_and_no_failure_after_it() -> None:
    transaction = client("INVITE")
    assert transaction.receive_response(response("INVITE", 200), now=1.0)
    assert transaction.receive_response(response("INVITE", 200), now=2.0)
    assert not transaction.receive_response(response("INVITE", 486), now=3.0)
    assert first_words(transaction) == []
    assert not transaction.handle_timer(now=1.0 + TIMEOUT)
    assert transaction.terminated


def test_a_final_answer_to_another_request_is_reported_once_and_kept_for_a_while() -> None:
    transaction = client("BYE")
    assert transaction.receive_response(response("BYE", 200), now=1.0)
    assert not transaction.receive_response(response("BYE", 200), now=1.1)
    assert transaction.next_timer() == 1.0 + T4
    assert not transaction.handle_timer(now=1.0 + T4)
    assert transaction.terminated


def test_a_repeated_request_gets_the_last_answer_again() -> None:
    transaction = server("BYE")
    transaction.receive_request(now=0.1)
    assert first_words(transaction) == []
    assert transaction.send_response(response("BYE", 200), now=0.2)
    transaction.receive_request(now=0.3)
    assert first_words(transaction) == ["200", "200"]
    assert not transaction.send_response(response("BYE", 500), now=0.4)
    transaction.receive_request(now=0.5)
    assert first_words(transaction) == ["200"]
    transaction.handle_timer(now=0.2 + TIMEOUT)
    assert transaction.terminated


def test_a_repeated_invite_hears_that_it_rings_but_not_the_2xx() -> None:
    transaction = server("INVITE")
    transaction.send_response(response("INVITE", 180), now=0.1)
    transaction.receive_request(now=0.5)
    transaction.send_response(response("INVITE", 200), now=1.0)
    transaction.receive_request(now=1.5)
    assert first_words(transaction) == ["180", "180", "200"]
    transaction.receive_ack(now=2.0)
    assert transaction.state is State.ACCEPTED
    assert transaction.send_response(response("INVITE", 200), now=2.5)
    assert not transaction.send_response(response("INVITE", 486), now=2.5)
    transaction.handle_timer(now=1.0 + TIMEOUT)
    assert transaction.terminated


def test_a_refusal_of_ours_is_repeated_until_its_ack() -> None:
    transaction = server("INVITE")
    transaction.send_response(response("INVITE", 486), now=0.0)
    transaction.data_to_send()
    assert run_until(transaction, 8.0) == [0.5, 1.5, 3.5, 7.5]
    transaction.receive_ack(now=8.0)
    assert transaction.state is State.CONFIRMED
    assert transaction.next_timer() == 8.0 + T4
    transaction.handle_timer(now=8.0 + T4)
    assert transaction.terminated


def test_a_refusal_that_is_never_acknowledged_is_left_after_timer_h() -> None:
    transaction = server("INVITE")
    transaction.send_response(response("INVITE", 486), now=0.0)
    run_until(transaction, TIMEOUT)
    assert transaction.terminated


def test_a_late_timer_repeats_once_and_not_for_every_interval_missed() -> None:
    transaction = client("INVITE")
    transaction.handle_timer(now=10.0)
    assert first_words(transaction) == ["INVITE"]
    assert transaction.next_timer() == 10.0 + 2 * T1


@given(st.sampled_from(["INVITE", "BYE"]), st.lists(st.integers(100, 699) | st.none(), max_size=30))
def test_any_sequence_of_answers_ends_or_waits_for_one(
    method: str, steps: list[int | None]
) -> None:
    transaction, now = client(method), 0.0
    for status in steps:
        if status is not None:
            transaction.receive_response(response(method, status), now=now)
        elif (at := transaction.next_timer()) is not None:
            now = max(now, at)
            transaction.handle_timer(now=now)
    run_until(transaction, now + 1000)
    assert transaction.terminated or (method, transaction.state) == ("INVITE", State.PROCEEDING)


def test_requests_are_matched_by_branch_sender_and_method() -> None:
    key = server_key(request("INVITE"), "INVITE")
    assert key == server_key(request("ACK"), "INVITE")
    assert key == server_key(request("INVITE", "SIP/2.0/UDP H:5060 ;branch=z9hG4bK1;x"), "INVITE")
    assert key != server_key(request("INVITE", "SIP/2.0/UDP h:5061;branch=z9hG4bK1"), "INVITE")
    assert key != server_key(request("INVITE", "SIP/2.0/UDP h;branch=z9hG4bK2"), "INVITE")
    assert key != server_key(request("BYE"), "BYE")


@pytest.mark.parametrize("via", ["SIP/2.0/UDP h", "SIP/2.0/UDP h;branch=z9hG4bK"])
def test_requests_of_rfc_2543_are_matched_by_what_they_have(via: str) -> None:
    key = server_key(request("INVITE", via), "INVITE")
    assert key == server_key(request("ACK", f"{via};received=192.0.2.1"), "INVITE")
    assert key != server_key(request("INVITE", f"{via};x=1"), "INVITE")
