"""The next attempt of a delivery, whatever its number."""

from strowger.ports import Attempt
from strowger.store.outbox import PostgresOutbox


async def record(
    outbox: PostgresOutbox, id: str, attempt: Attempt, *, delivered: bool, retry_at: float | None
) -> None:
    delivery = await outbox.get_delivery(id)
    number = 0 if delivery is None else delivery.attempts
    await outbox.record_attempt(id, attempt, number=number, delivered=delivered, retry_at=retry_at)
