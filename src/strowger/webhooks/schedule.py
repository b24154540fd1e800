"""When a delivery that failed is tried again. Pure: times and chance are given."""

from collections.abc import Sequence

DELAYS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds between attempts: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""

PATIENCE = 72 * 3600.0
"""Seconds after the event when the last attempt is made."""

SPREAD = 0.1
"""How much longer than planned a pause may be, so that not everybody comes back at once."""


def retry_at(
    *,
    attempts: int,
    happened_at: float,
    now: float,
    jitter: float,
    delays: Sequence[float] = DELAYS,
) -> float | None:
    """When to try again after `attempts` failures; None to give up.

    `jitter` is from 0 to 1. The last attempt is at the end of the patience exactly.
    """
    last = happened_at + PATIENCE
    if now >= last:
        return None
    delay = delays[min(attempts, len(delays)) - 1]
    return min(now + delay * (1 + SPREAD * jitter), last)
