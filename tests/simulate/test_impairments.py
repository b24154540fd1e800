from random import Random

from hypothesis import given
from hypothesis import strategies as st

from strowger.simulate.impairments import ImpairedPath
from strowger.simulate.persona import Impairments

TICK = 0.020


def send(impairments: Impairments, count: int, *, seed: int = 1) -> list[tuple[float, int]]:
    """Send numbered packets every 20 ms; return when each arrived, in the order of arrival."""
    path = ImpairedPath(impairments, Random(seed).random)
    arrivals = []
    for number in range(count):
        packet = number.to_bytes(4)
        arrivals += path.carry(packet, now=number * TICK)
    return sorted((due, int.from_bytes(packet)) for due, packet in arrivals)


def test_a_good_network_changes_nothing() -> None:
    assert send(Impairments(), 5) == [(number * TICK, number) for number in range(5)]


def test_delay_is_the_same_for_every_packet() -> None:
    arrivals = send(Impairments(delay_ms=50), 5)
    assert arrivals == [(number * TICK + 0.050, number) for number in range(5)]


def test_as_many_packets_are_lost_as_asked_for() -> None:
    assert 850 < len(send(Impairments(loss=0.1), 1000)) < 950


def test_jitter_delays_packets_differently_and_keeps_their_order() -> None:
    arrivals = send(Impairments(jitter_ms=60), 1000)
    assert [number for _, number in arrivals] == list(range(1000))
    delays = [due - number * TICK for due, number in arrivals]
    assert min(delays) < 0.010
    assert 0.050 < max(delays) <= 0.060 + 1e-9


def test_some_packets_come_twice() -> None:
    numbers = [number for _, number in send(Impairments(duplicate=0.2), 1000)]
    assert set(numbers) == set(range(1000))
    assert 1150 < len(numbers) < 1250


def test_a_reordered_packet_is_overtaken_by_the_next_one_only() -> None:
    numbers = [number for _, number in send(Impairments(reorder=0.1), 1000)]
    assert sorted(numbers) == list(range(1000))
    early = [place for place, number in enumerate(numbers) if number > place]
    assert 50 < len(early) < 150
    assert all(abs(number - place) <= 2 for place, number in enumerate(numbers))


def test_the_same_seed_makes_the_same_network() -> None:
    bad = Impairments(loss=0.1, jitter_ms=30, duplicate=0.1, reorder=0.1)
    assert send(bad, 200, seed=7) == send(bad, 200, seed=7)
    assert send(bad, 200, seed=7) != send(bad, 200, seed=8)


def test_one_setting_does_not_choose_another_ones_victims() -> None:
    lost = set(range(300)) - {number for _, number in send(Impairments(loss=0.1), 300)}
    also = Impairments(loss=0.1, jitter_ms=30, duplicate=0.5)
    assert lost == set(range(300)) - {number for _, number in send(also, 300)}


@given(
    st.builds(
        Impairments,
        loss=st.floats(0, 1),
        delay_ms=st.floats(0, 500),
        jitter_ms=st.floats(0, 500),
        duplicate=st.floats(0, 1),
        reorder=st.floats(0, 1),
    ),
    st.integers(0, 1000),
)
def test_packets_arrive_at_most_twice_and_never_before_they_were_sent(
    impairments: Impairments, seed: int
) -> None:
    arrivals = send(impairments, 40, seed=seed)
    for due, number in arrivals:
        assert due >= number * TICK + impairments.delay_ms / 1000 - 1e-9
    numbers = [number for _, number in arrivals]
    assert all(numbers.count(number) <= 2 for number in numbers)
