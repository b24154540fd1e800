"""Two endpoints over a network that loses, repeats and reorders: both always come to an end."""

import itertools
import random
from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.sip.events import (
    Address,
    Answered,
    Canceled,
    Confirmed,
    Ended,
    Event,
    Incoming,
    Refused,
    Reoffered,
    SessionId,
)
from strowger.sip.transaction import TIMEOUT
from tests.sip.network import (
    ANSWER,
    CALLEE,
    CALLER,
    Network,
    Wire,
    endpoint,
    invitation,
    lossy,
)

TERMINAL = (Refused, Canceled, Ended)
PATIENCE = 60.0
"""Seconds after which both applications give up, as they do when no audio comes."""


def answer_reoffers(network: Network, address: Address, event: Event) -> None:
    if isinstance(event, Reoffered):
        network.ends[address].answer_reoffer(event.session, ANSWER, now=network.now)


def play(wire: Wire, *, actions: list[tuple[float, Callable[[Network], None]]]) -> Network:
    """One call, with what the applications do and when; then both give up."""
    network = Network(wire=wire, react=answer_reoffers)
    caller = network.add(CALLER, endpoint(CALLER, "a"))
    network.add(CALLEE, endpoint(CALLEE, "b"))
    caller.invite(invitation(call_id="call"), now=0.0)
    for at, act in sorted(actions, key=lambda action: action[0]):
        network.run(at)
        act(network)
    for at in (PATIENCE, PATIENCE + 2 * TIMEOUT):  # an INVITE may still arrive after the first
        network.run(at)
        for end in network.ends.values():
            end.hang_up(SessionId("call"), now=network.now)
    network.run_out()
    return network


def check_consistency(network: Network) -> None:
    callers, callees = network.events[CALLER], network.events[CALLEE]
    incoming = sum(isinstance(event, Incoming) for event in callees)
    assert sum(isinstance(event, TERMINAL) for event in callers) == 1
    assert sum(isinstance(event, TERMINAL) for event in callees) == incoming
    for events in (callers, callees):
        for before, after in itertools.pairwise(events):
            assert not isinstance(before, TERMINAL) or isinstance(after, Incoming)
    answered = sum(isinstance(event, Answered) for event in callers)
    confirmed = sum(isinstance(event, Confirmed) for event in callees)
    assert answered <= 1 and confirmed <= 1
    last = callers[-1]
    assert isinstance(last, Ended if answered else Refused)
    if confirmed and isinstance(last, Refused):  # the answer crossed our CANCEL
        assert last.status == 487
    for end in network.ends.values():
        assert end.is_idle
        assert end.next_timer() is None


def at_callee(name: str) -> Callable[[Network], None]:
    def act(network: Network) -> None:
        end, session, now = network.ends[CALLEE], SessionId("call"), network.now
        match name:
            case "ring":
                end.ring(session, now=now)
            case "answer":
                end.answer(session, ANSWER, now=now)
            case "reject":
                end.reject(session, 486, now=now)
            case _:
                end.hang_up(session, now=now)

    return act


def at_caller(name: str) -> Callable[[Network], None]:
    def act(network: Network) -> None:
        end, session = network.ends[CALLER], SessionId("call")
        (end.cancel if name == "cancel" else end.hang_up)(session, now=network.now)

    return act


times = st.floats(0.0, 50.0)
actions = st.lists(
    st.tuples(times, st.sampled_from(["ring", "answer", "reject", "hang up"]).map(at_callee))
    | st.tuples(times, st.sampled_from(["cancel", "hang up"]).map(at_caller)),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 3.0), actions)
def test_any_call_over_any_network_ends_on_both_sides_and_leaves_nothing(
    seed: int,
    loss: float,
    repeat: float,
    jitter: float,
    actions: list[tuple[float, Callable[[Network], None]]],
) -> None:
    wire = lossy(random.Random(seed), loss=loss, repeat=repeat, jitter=jitter)
    check_consistency(play(wire, actions=actions))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=30), actions)
def test_any_pattern_of_losses_is_survived(
    lost: list[bool], actions: list[tuple[float, Callable[[Network], None]]]
) -> None:
    pattern = iter(lost)
    wire = Wire(lambda data: [] if next(pattern, False) else [0.01])
    check_consistency(play(wire, actions=actions))


def test_a_call_over_a_bad_network_still_gets_through() -> None:
    outcomes = Counter[str]()
    for seed in range(100):
        wire = lossy(random.Random(seed), loss=0.3, repeat=0.1, jitter=0.2)
        network = play(
            wire,
            actions=[
                (2.0, at_callee("ring")),
                (5.0, at_callee("answer")),
                (20.0, at_caller("hang up")),
            ],
        )
        check_consistency(network)
        outcomes[type(network.events[CALLER][-1]).__name__] += 1
        confirmed = [event for event in network.events[CALLEE] if isinstance(event, Confirmed)]
        assert len(confirmed) == 1
    assert outcomes == {"Ended": 100}


def test_nothing_is_left_of_a_thousand_calls() -> None:
    network = Network()
    caller = network.add(CALLER, endpoint(CALLER, "a"))
    callee = network.add(CALLEE, endpoint(CALLEE, "b"))
    sessions = []
    for number in range(1000):
        sessions.append(caller.invite(invitation(), now=network.now))
        network.run(network.now + 0.1)
        match number % 4:
            case 0:
                callee.answer(sessions[-1], ANSWER, now=network.now)
            case 1:
                callee.reject(sessions[-1], 486, now=network.now)
            case 2:
                caller.cancel(sessions[-1], now=network.now)
            case _:
                callee.ring(sessions[-1], now=network.now)
    network.run(network.now + 1.0)
    for session in sessions:
        caller.hang_up(session, now=network.now)
    network.run_out()
    for end in (caller, callee):
        assert end.is_idle
        assert end.next_timer() is None
        assert sum(isinstance(event, TERMINAL) for event in network.events[CALLER]) == 1000
        core = end._core
        assert len(core.sessions) == len(core.layer) == 0
        assert len(core.layer._merged) == len(core.timers._heap) == len(core.timers._armed) == 0
