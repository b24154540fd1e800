"""Webhooks: who hears of events."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from strowger.calls.resources.signing import OVERLAP
from strowger.calls.resources.versions import Clock, Ids, update
from strowger.calls.validation import Problems, url_problem
from strowger.errors import NotFound
from strowger.model import NATIVE_FORMAT, AgentId, Page, Webhook, WebhookId, WorkspaceId
from strowger.ports import Records
from strowger.signing_secrets import new_secret

EVENT_TYPES = (
    "call.queued",
    "call.initiated",
    "call.ringing",
    "call.answered",
    "call.turn",
    "call.tool_called",
    "call.provider_switched",
    "call.completed",
    "call.failed",
    "call.recording_ready",
    "call.analyzed",
    "agent.updated",
    "webhook.disabled",
)
"""What a webhook can ask for by name."""


class WebhookService:
    def __init__(
        self,
        records: Records,
        *,
        ids: Ids,
        clock: Clock,
        formats: Container[str] = frozenset({NATIVE_FORMAT}),
    ) -> None:
        """`formats` are the ways that webhooks can be written in. A dialect's own webhooks may say
        more of it after a colon.
        """
        self._records = records
        self._ids = ids
        self._clock = clock
        self._formats = formats

    async def create(
        self,
        workspace: WorkspaceId,
        url: str,
        *,
        events: tuple[str, ...] = ("*",),
        format: str = NATIVE_FORMAT,
        agent_id: AgentId | None = None,
        secret: str | None = None,
    ) -> Webhook:
        """The answer is the only place that ever shows the secret, which is made where none is
        given."""
        now = self._clock()
        webhook = Webhook(
            id=WebhookId(self._ids("webhook")),
            workspace_id=workspace,
            url=url,
            events=events,
            secret=secret or new_secret(),
            format=format,
            agent_id=agent_id,
            created_at=now,
            updated_at=now,
        )
        _check(webhook)
        await self._check_bounds(webhook)
        await self._records.add_webhook(webhook)
        return webhook

    def check_offered(self, format: str) -> None:
        """Raise InvalidRequest unless a customer can ask for this format by name."""
        problems = Problems()
        if format not in self._formats:
            problems.add("format", f"there is no format {format[:80]}")
        problems.raise_if_any()

    async def get(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        return await self._records.get_webhook(workspace, webhook)

    async def list(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Webhook]:
        return await self._records.list_webhooks(workspace, limit=limit, cursor=cursor)

    async def update(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        changes: Mapping[str, Any],
        *,
        expected: Container[int] | None = None,
    ) -> Webhook:
        """Replace the fields given; what differs makes a new version.

        Raises PreconditionFailed where the present version is none of `expected`.
        """

        async def change(current: Webhook) -> Webhook:
            changed = replace(current, **changes)
            _check(changed)
            return changed

        async def write(changed: Webhook) -> Webhook:
            return await self._records.replace_webhook(replace(changed, updated_at=self._clock()))

        return await update(
            lambda: self._records.get_webhook(workspace, webhook), change, write, expected=expected
        )

    async def delete(self, workspace: WorkspaceId, webhook: WebhookId) -> None:
        await self._records.delete_webhook(workspace, webhook)

    async def rotate(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        """A new secret, shown this once; for a day what is sent is signed with the old one too.

        A second rotation within that day ends the first secret's time.
        """
        now = self._clock()
        return await self._records.rotate_webhook(
            workspace, webhook, new_secret(), previous_until=now + OVERLAP, now=now
        )

    async def _check_bounds(self, webhook: Webhook) -> None:
        """What stays as it is made: how it is written, and whose calls it hears of."""
        problems = Problems()
        if webhook.format.partition(":")[0] not in self._formats:
            problems.add("format", f"there is no format {webhook.format[:80]}")
        if webhook.agent_id is not None:
            try:
                await self._records.get_agent(webhook.workspace_id, webhook.agent_id)
            except NotFound:
                problems.add("agent_id", f"there is no agent {webhook.agent_id}")
        problems.raise_if_any()


def _check(webhook: Webhook) -> None:
    problems = Problems()
    problems.add("url", url_problem(webhook.url))
    if not webhook.events:
        problems.add("events", 'expected event types, or ["*"] for all')
    for index, event in enumerate(webhook.events):
        if event != "*" and event not in EVENT_TYPES:
            problems.add(f"events.{index}", f"expected * or one of {', '.join(EVENT_TYPES)}")
    problems.raise_if_any()
