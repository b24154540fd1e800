from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from strowger.webhooks.schedule import DELAYS, PATIENCE, SPREAD, retry_at


def pauses(jitter: float) -> list[float]:
    """The pauses of a delivery that never succeeds and whose attempts take no time."""
    now, found = 1000.0, []
    for attempts in count(1):
        again = retry_at(attempts=attempts, happened_at=1000.0, now=now, jitter=jitter)
        if again is None:
            break
        found.append(again - now)
        now = again
    return found


def test_pauses_grow_and_the_last_attempt_is_after_72_hours() -> None:
    found = pauses(0.0)
    assert found[:-1] == list(DELAYS[:-1])
    assert sum(found) == 72 * 3600


def test_jitter_only_makes_pauses_longer_and_not_by_much() -> None:
    plain, spread = pauses(0.0), pauses(1.0)
    assert len(plain) == len(spread)
    for short, long in zip(plain[:-1], spread[:-1], strict=True):
        assert abs(long - short * (1 + SPREAD)) < 1e-6
    assert abs(sum(spread) - PATIENCE) < 1e-6


@given(
    attempts=st.integers(1, 1000),
    late=st.floats(0, 2 * PATIENCE),
    jitter=st.floats(0, 1),
)
def test_no_retry_is_in_the_past_or_beyond_the_patience(
    attempts: int, late: float, jitter: float
) -> None:
    now = 1000.0 + late
    again = retry_at(attempts=attempts, happened_at=1000.0, now=now, jitter=jitter)
    if again is None:
        assert late >= PATIENCE
    else:
        assert now < again <= 1000.0 + PATIENCE
