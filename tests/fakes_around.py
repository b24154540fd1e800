"""Honest stand-ins for what the API looks at besides records."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from strowger.conversation.events import ProviderKind
from strowger.errors import Conflict, NotFound
from strowger.model import (
    DeliveryId,
    Event,
    EventId,
    Page,
    Trunk,
    Webhook,
    WebhookId,
    WorkspaceId,
)
from strowger.ports import (
    DeliveryReport,
    DeliveryState,
    ProviderDescription,
    Replayed,
    TrunkReport,
)
from tests.fakes import InMemoryRecords

OFFERS = (
    ProviderDescription(
        kind=ProviderKind.TEXT_TO_SPEECH,
        name="local",
        available=True,
        voices=("en-gb", "en-us"),
        default="en-us",
    ),
    ProviderDescription(
        kind=ProviderKind.TEXT_TO_SPEECH,
        name="openai",
        available=False,
        problem="no API key",
        voices=("alloy",),
    ),
    ProviderDescription(
        kind=ProviderKind.LANGUAGE_MODEL, name="openai", available=True, default="gpt-6-luna"
    ),
)


class FixedCatalogue:
    """`ports.Catalogue` with the same offers always."""

    async def describe(self) -> Sequence[ProviderDescription]:
        return OFFERS


@dataclass
class ContentChecker:
    """`ports.TrunkChecker` that finds every trunk in order, and remembers whom it was shown."""

    shown: list[Trunk] = field(default_factory=list)

    async def check(self, trunk: Trunk) -> TrunkReport:
        self.shown.append(trunk)
        return TrunkReport(
            problem=None,
            detail="it is there: it answered 200 OK",
            address="127.0.0.1",
            sip_status=200,
            reason="OK",
            methods=("INVITE", "OPTIONS"),
            codecs=("PCMU",),
            round_trip=0.01,
        )


class InMemoryDeliveries:
    """`ports.Deliveries` over the events and webhooks of `InMemoryRecords`; sends nothing."""

    def __init__(self, records: InMemoryRecords) -> None:
        self._records = records
        self._ids = count(1)
        self.reports: dict[str, DeliveryReport] = {}

    async def list_deliveries(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        state: DeliveryState | None,
        *,
        limit: int,
        cursor: str | None,
    ) -> Page[DeliveryReport]:
        await self._records.get_webhook(workspace, webhook)
        found = [
            report
            for report in reversed(self.reports.values())
            if report.webhook_id == webhook and state in {None, report.state}
        ]
        return Page(data=tuple(found[:limit]), next_cursor=None)

    async def get_delivery_of(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        await self._records.ping()
        found = self.reports.get(delivery)
        if found is None or found.workspace_id != workspace:
            raise NotFound("no such delivery")
        return found

    async def retry_delivery(self, workspace: WorkspaceId, delivery: DeliveryId) -> DeliveryReport:
        found = await self.get_delivery_of(workspace, delivery)
        if found.state is DeliveryState.WAITING:
            raise Conflict("an earlier event comes first", code="delivery_waiting")
        again = replace(found, state=DeliveryState.PENDING, settled_at=None)
        self.reports[delivery] = again
        self._records.note(workspace, "delivery", delivery, "retry")
        return again

    async def test_webhook(
        self, workspace: WorkspaceId, webhook: WebhookId, *, now: float
    ) -> DeliveryReport:
        hook = await self._enabled(workspace, webhook)
        event = Event(
            id=EventId("event_test"),
            workspace_id=workspace,
            type="webhook.test",
            created_at=now,
            payload={"webhook_id": webhook},
        )
        self._records.note(workspace, "webhook", webhook, "test")
        return self._deliver(hook, event)

    async def replay(
        self, workspace: WorkspaceId, webhook: WebhookId, *, since: float, until: float
    ) -> Replayed:
        hook = await self._enabled(workspace, webhook)
        wanted = [
            event
            for event in self._records.events
            if event.workspace_id == workspace
            and since <= event.created_at < until
            and ("*" in hook.events or event.type in hook.events)
        ]
        for event in wanted:
            self._deliver(hook, event)
        if wanted:
            self._records.note(workspace, "webhook", webhook, "replay")
        return Replayed(deliveries=len(wanted), next_from=None)

    async def _enabled(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        hook = await self._records.get_webhook(workspace, webhook)
        if not hook.enabled:
            raise Conflict("the webhook is disabled: enable it first", code="webhook_disabled")
        return hook

    def _deliver(self, hook: Webhook, event: Event) -> DeliveryReport:
        report = DeliveryReport(
            id=DeliveryId(f"delivery_{next(self._ids):032x}"),
            workspace_id=hook.workspace_id,
            webhook_id=hook.id,
            url=hook.url,
            event_id=event.id,
            event_type=event.type,
            call_id=event.call_id,
            state=DeliveryState.PENDING,
            attempts=0,
            next_attempt_at=None,
            settled_at=None,
            happened_at=event.created_at,
        )
        self.reports[report.id] = report
        return report
