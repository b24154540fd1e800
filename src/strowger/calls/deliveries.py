"""Use cases about deliveries of webhooks."""

from collections.abc import Callable

from strowger.calls.validation import Problems
from strowger.model import DeliveryId, Page, WebhookId, WorkspaceId
from strowger.ports import Deliveries, DeliveryReport, DeliveryState, Replayed


class DeliveryService:
    def __init__(self, deliveries: Deliveries, *, clock: Callable[[], float]) -> None:
        self._deliveries = deliveries
        self._clock = clock

    async def list(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        state: DeliveryState | None,
        *,
        limit: int,
        cursor: str | None,
    ) -> Page[DeliveryReport]:
        return await self._deliveries.list_deliveries(
            workspace, webhook, state, limit=limit, cursor=cursor
        )

    async def get(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        return await self._deliveries.get_delivery_of(workspace, delivery)

    async def retry(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        return await self._deliveries.retry_delivery(workspace, delivery)

    async def test(self, workspace: WorkspaceId, webhook: WebhookId) -> DeliveryReport:
        return await self._deliveries.test_webhook(workspace, webhook, now=self._clock())

    async def replay(
        self, workspace: WorkspaceId, webhook: WebhookId, *, since: float, until: float
    ) -> Replayed:
        problems = Problems()
        if until <= since:
            problems.add("to", "expected a time after `from`")
        problems.raise_if_any()
        return await self._deliveries.replay(workspace, webhook, since=since, until=until)
