"""Ten thousand broken messages: nothing is raised, nothing grows without bound."""

import random
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.errors import MalformedMessage
from strowger.sip.core import Capacity
from strowger.sip.endpoint import Endpoint
from strowger.sip.events import Discarded, Incoming, SessionId
from strowger.sip.message import parse
from tests.sip.network import (
    ANSWER,
    CALLEE,
    CALLER,
    Network,
    endpoint,
    first_word,
    invitation,
    tokens,
)

MESSAGES = Path(__file__).parents[2] / "compliance" / "rfc4475"
PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b",", b";", b":", b"=", b'"', b"<", b">", b"@", b"%",
    b"%00", b"\\", b"\xff", b"\xc3\xa9", b"z9hG4bK", b"SIP/2.0", b"Via: ", b"sip:", b"tag=", b"lr",
    b"9" * 40, b"-1", b"*", b"[::1]", b"\r\n ", b"Content-Length: 5\r\n", b"CANCEL", b"ACK", b"BYE",
    b"a" * 3000, b",<" * 500, b'"' * 501, b";" * 500, b" " * 2000,
]  # fmt: skip


def real_messages() -> list[bytes]:
    """Everything two endpoints say in a call with a challenge, a re-INVITE and a BYE."""
    network = Network()
    caller = network.add(CALLER, endpoint(CALLER, "a"))
    callee = network.add(CALLEE, endpoint(CALLEE, "b"))
    session = caller.invite(invitation(username="alice", password="secret"), now=0.0)
    network.run(0.1)
    callee.ring(session, now=network.now)
    network.run(0.2)
    callee.answer(session, ANSWER, now=network.now)
    network.run(0.3)
    caller.options("sip:192.0.2.2", CALLEE, now=network.now)
    caller.hang_up(session, now=network.now)
    other = caller.invite(invitation(), now=network.now)
    network.run(0.4)
    caller.cancel(other, now=network.now)
    network.run(0.5)
    return [data for _, _, _, data in network.sent]


def mutate(chance: random.Random, data: bytes) -> bytes:
    mutant = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(mutant) + 1)
        to = min(len(mutant), at + chance.choice((1, 1, 4, 20, 200)))
        match chance.randrange(5):
            case 0:
                del mutant[at:to]
            case 1:
                mutant[at:at] = chance.choice(PIECES)
            case 2:
                mutant[at:to] = chance.choice(PIECES)
            case 3:
                mutant[at:at] = mutant[at:to]
            case _:
                mutant[at:to] = bytes(chance.randrange(256) for _ in range(to - at))
    return bytes(mutant)


def test_ten_thousand_mutations_raise_nothing_and_leave_nothing() -> None:
    chance = random.Random(4475)
    seeds = real_messages() + [path.read_bytes() for path in sorted(MESSAGES.glob("*/*.dat"))]
    end = Endpoint(
        local=CALLEE,
        new_token=tokens("b"),
        capacity=Capacity(sessions=50, server_transactions=100),
    )
    now, incoming, outcomes = 0.0, list[SessionId](), Counter[str]()
    for number in range(10_000):
        now += 0.05
        end.receive_datagram(mutate(chance, chance.choice(seeds)), CALLER, now=now)
        end.handle_timer(now=now)
        for event in end.events_received():
            outcomes[type(event).__name__] += 1
            repr(event).encode()  # what is told can be written down
            if isinstance(event, Discarded):
                event.problem.encode()
            if isinstance(event, Incoming):
                incoming.append(event.session)
                event.to.encode()
                event.from_.encode()
        for data, _ in end.datagrams_to_send():
            outcomes[first_word(data)] += 1
            parse(data)  # what is answered can be read
        if number % 7 == 0 and incoming:
            session = incoming.pop(chance.randrange(len(incoming)))
            chance.choice((end.hang_up, end.ring))(session, now=now)
        if number % 11 == 0 and incoming:
            end.answer(chance.choice(incoming), ANSWER, now=now)
        assert len(end._core.sessions) <= 50
        assert len(end._core.timers._heap) <= 2000
    assert {"Incoming", "Canceled", "Ended", "Discarded", "200", "400", "481"} <= set(outcomes)
    for session in list(end._core.sessions):
        end.hang_up(session, now=now)
    while (at := end.next_timer()) is not None:
        end.handle_timer(now=max(at, now))
        end.datagrams_to_send()
    assert end.is_idle


def test_mutations_in_the_middle_of_a_call_do_not_break_it() -> None:
    chance = random.Random(3261)
    for _ in range(60):
        network = Network()
        caller = network.add(CALLER, endpoint(CALLER, "a"))
        callee = network.add(CALLEE, endpoint(CALLEE, "b"))
        session = caller.invite(invitation(), now=0.0)
        for step in range(12):
            network.run(network.now + 0.05)
            if step == 3:
                callee.answer(session, ANSWER, now=network.now)
            for _, source, to, data in list(network.sent):
                network.ends[to].receive_datagram(mutate(chance, data), source, now=network.now)
        caller.hang_up(session, now=network.now)
        callee.hang_up(session, now=network.now)
        network.run(network.now + 100.0)
        for end in (caller, callee):
            for left in list(end._core.sessions):
                end.hang_up(left, now=network.now)
        network.run_out()
        assert caller.is_idle and callee.is_idle


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(real_messages()), st.integers(0, 2000))
def test_any_datagram_is_taken(junk: bytes, real: bytes, at: int) -> None:
    end = endpoint(CALLEE, "b")
    for data in (junk, real[:at] + junk + real[at:], real[:at] + junk):
        end.receive_datagram(data, CALLER, now=0.0)
        try:
            parse(data)
        except MalformedMessage:
            continue
