from tests.crash.plan import QUIET_START, Victim, plan, wishes


def test_a_seed_always_makes_the_same_plan_and_the_same_calls() -> None:
    one, again, other = (
        plan(seed, seconds=20, kills=6, calls_per_second=2, workers=2) for seed in (7, 7, 8)
    )
    assert one == again
    assert list(wishes(one)) == list(wishes(again))
    assert one.kills != other.kills


def test_everybody_is_killed_where_there_are_kills_enough() -> None:
    for seed in range(50):
        kills = plan(seed, seconds=20, kills=4, calls_per_second=1, workers=2).kills
        assert {kill.victim for kill in kills} == set(Victim)
        assert [kill.at for kill in kills] == sorted(kill.at for kill in kills)
        assert all(QUIET_START <= kill.at <= 20 for kill in kills)


def test_no_number_is_wished_for_twice() -> None:
    numbers = [
        wish.number for wish in wishes(plan(3, seconds=60, kills=0, calls_per_second=5, workers=1))
    ]
    assert len(numbers) == len(set(numbers)) > 200
