"""Requests counted per API key, shared by all API processes: `ports.RateStore`.

One row per key holds its present window. A process takes several at a time, so that most requests
cost no statement; what it takes and does not serve in the window is lost to the others.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.model import KeyId
from strowger.store.connect import reading

KEPT_FOR = 86_400.0
"""Seconds."""

TAKE = text("""
    INSERT INTO rate_windows AS kept (key_id, started_at, used) VALUES (:key, :start, :count)
    ON CONFLICT (key_id) DO UPDATE SET
        started_at = greatest(kept.started_at, excluded.started_at),
        used = CASE WHEN kept.started_at < excluded.started_at THEN excluded.used
            ELSE kept.used + excluded.used END
    RETURNING used
""")
FORGET = text("DELETE FROM rate_windows WHERE started_at < :before")


class PostgresRates:
    """`ports.RateStore` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def count(self, key: KeyId, requests: int, *, window: float) -> int:
        asked = {"key": key, "start": window, "count": requests}
        async with reading(self._engine) as connection:
            return int((await connection.execute(TAKE, asked)).scalar_one())


async def forget(connection: AsyncConnection, *, now: float) -> None:
    """Drop the windows of keys that are not used any more."""
    await connection.execute(FORGET, {"before": now - KEPT_FOR})
