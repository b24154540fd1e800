"""What a workspace owns besides calls, one class for each kind of thing."""

from typing import Generic, TypeVar, Unpack

from strowger.client import shapes
from strowger.client.asking import Asking
from strowger.client.plans import Item, Pause, Plan, S, Series, operation, series
from strowger.client.requests import MOST_AT_ONCE
from strowger.client.sse import EventReader

T = TypeVar("T")


class Owned(Asking[S], Generic[S, T]):
    """Things of one kind, each at the path of its id."""

    path: str

    @series
    def list(self) -> Series[T]:
        """All of them, newest first, fetched page by page."""
        return self._walk(self.path)

    @operation
    def page(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Plan[shapes.Listed[T]]:
        """One page of the list."""
        return self._read(self.path, limit=limit, cursor=cursor)

    @operation
    def get(self, id: str) -> Plan[T]:
        """One of them."""
        return self._read(f"{self.path}/{id}")

    @operation
    def delete(self, id: str) -> Plan[None]:
        """Deleting what an earlier try of ours has deleted is success."""
        return self._remove(f"{self.path}/{id}")


class Agents(Owned[S, shapes.Agent]):
    """`/v1/agents`."""

    path = "/v1/agents"

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **agent: Unpack[shapes.AgentFields]
    ) -> Plan[shapes.Agent]:
        """A new agent; its first version is 1."""
        return self._post(self.path, agent, key=idempotency_key)

    @operation
    def update(
        self, id: str, *, if_version: int | None = None, **changes: Unpack[shapes.AgentFields]
    ) -> Plan[shapes.Agent]:
        """Replace the fields given; the others stay. What changes anything makes a new version.

        `if_version`: only while the agent is at that version; else ApiError 412.
        """
        return self._change(f"{self.path}/{id}", changes, if_version)

    @operation
    def duplicate(self, id: str, *, idempotency_key: str | None = None) -> Plan[shapes.Agent]:
        """A new agent like this one."""
        return self._post(f"{self.path}/{id}/duplicate", key=idempotency_key)

    @series
    def versions(self, id: str) -> Series[shapes.AgentVersion]:
        """Newest first; the first is the present one."""
        return self._walk(f"{self.path}/{id}/versions")

    @operation
    def version(self, id: str, number: int) -> Plan[shapes.AgentVersion]:
        """The agent as it was then."""
        return self._read(f"{self.path}/{id}/versions/{number}")


class Trunks(Owned[S, shapes.Trunk]):
    """`/v1/trunks`."""

    path = "/v1/trunks"

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **trunk: Unpack[shapes.NewTrunk]
    ) -> Plan[shapes.Trunk]:
        """A way to the telephone network; the first is the default."""
        return self._post(self.path, trunk, key=idempotency_key)

    @operation
    def update(
        self, id: str, *, if_version: int | None = None, **changes: Unpack[shapes.TrunkFields]
    ) -> Plan[shapes.Trunk]:
        """Replace the fields given; the others stay.

        `if_version`: only while the trunk is at that version; else ApiError 412.
        """
        return self._change(f"{self.path}/{id}", changes, if_version)

    @operation
    def check(self, id: str) -> Plan[shapes.TrunkCheck]:
        """Ask it whether it is there and lets us in. Takes up to ten seconds; places no call."""
        return self._post(f"{self.path}/{id}/check")


class PhoneNumbers(Owned[S, shapes.PhoneNumber]):
    """`/v1/phone-numbers`."""

    path = "/v1/phone-numbers"

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **number: Unpack[shapes.NewPhoneNumber]
    ) -> Plan[shapes.PhoneNumber]:
        """A number that your trunk lets you call from."""
        return self._post(self.path, number, key=idempotency_key)

    @operation
    def update(
        self,
        id: str,
        *,
        if_version: int | None = None,
        **changes: Unpack[shapes.PhoneNumberFields],
    ) -> Plan[shapes.PhoneNumber]:
        """Replace the fields given; the number itself stays.

        `if_version`: only while the number is at that version; else ApiError 412.
        """
        return self._change(f"{self.path}/{id}", changes, if_version)


class Secrets(Owned[S, shapes.Secret]):
    """`/v1/secrets`: what tools of agents need; values go in and never come out."""

    path = "/v1/secrets"

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **secret: Unpack[shapes.NewSecret]
    ) -> Plan[shapes.Secret]:
        """Tools write it as `{{secrets.NAME}}`."""
        return self._post(self.path, secret, key=idempotency_key)

    @operation
    def update(self, id: str, **changes: Unpack[shapes.SecretFields]) -> Plan[shapes.Secret]:
        """Give it another value."""
        return self._change(f"{self.path}/{id}", changes, None)


class Webhooks(Owned[S, shapes.Webhook]):
    """`/v1/webhooks`, and what is sent to them."""

    path = "/v1/webhooks"

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **webhook: Unpack[shapes.NewWebhook]
    ) -> Plan[shapes.CreatedWebhook]:
        """Keep the `secret` of the answer: it is not shown again."""
        return self._post(self.path, webhook, key=idempotency_key)

    @operation
    def update(
        self, id: str, *, if_version: int | None = None, **changes: Unpack[shapes.WebhookFields]
    ) -> Plan[shapes.Webhook]:
        """Replace the fields given; the secret stays.

        `if_version`: only while the webhook is at that version; else ApiError 412.
        """
        return self._change(f"{self.path}/{id}", changes, if_version)

    @operation
    def rotate(self, id: str, *, idempotency_key: str | None = None) -> Plan[shapes.CreatedWebhook]:
        """A new `secret`, shown this once; for a day the old one signs too."""
        return self._post(f"{self.path}/{id}/rotate", key=idempotency_key)

    @operation
    def test(self, id: str, *, idempotency_key: str | None = None) -> Plan[shapes.Delivery]:
        """Send it an event `webhook.test`."""
        return self._post(f"{self.path}/{id}/test", key=idempotency_key)

    @operation
    def replay(
        self, id: str, *, since: str, until: str, idempotency_key: str | None = None
    ) -> Plan[shapes.Replayed]:
        """Deliver once more what happened from `since` to before `until` (RFC 3339)."""
        body = {"from": since, "to": until}
        return self._post(f"{self.path}/{id}/replay", body, key=idempotency_key)

    @series
    def deliveries(self, id: str, *, state: str | None = None) -> Series[shapes.DeliverySummary]:
        """What was sent to it, newest first."""
        return self._walk(f"{self.path}/{id}/deliveries", state=state)


class Deliveries(Asking[S]):
    """`/v1/deliveries`: single ones, with every try. `webhooks.deliveries` lists them."""

    @operation
    def get(self, id: str) -> Plan[shapes.Delivery]:
        """One delivery."""
        return self._read(f"/v1/deliveries/{id}")

    @operation
    def retry(self, id: str, *, idempotency_key: str | None = None) -> Plan[shapes.Delivery]:
        """Try now, whatever came of it so far."""
        return self._post(f"/v1/deliveries/{id}/retry", key=idempotency_key)


class Events(Asking[S]):
    """`/v1/events`: everything that happened in the workspace."""

    @series
    def list(self, *, after: int = 0) -> Series[shapes.Event]:
        """In order, those that there are after an event."""
        while True:
            page = yield from self._read("/v1/events", after=after, limit=MOST_AT_ONCE)
            for item in page["data"]:
                yield Item(item)
            after = int(page["next_cursor"])
            if not page["has_more"]:
                return

    @operation
    def page(self, *, after: int | None = None, limit: int | None = None) -> Plan[shapes.EventList]:
        """One page of the list; `next_cursor` is the `after` of the next."""
        return self._read("/v1/events", after=after, limit=limit)

    @series
    def stream(self, *, after: int | None = None) -> Series[shapes.Event]:
        """Everything from now on, or after an event, told by the server as it happens.

        Has no end, and goes on where it was when the connection breaks.
        """
        reader = EventReader(None if after is None else str(after))
        while True:
            yield from self._hear("/v1/events", reader)
            yield Pause(self._shell.manner.retry.first_pause)


class ApiKeys(Owned[S, shapes.ApiKey]):
    """`/v1/api-keys`; `delete` revokes."""

    path = "/v1/api-keys"

    @operation
    def create(
        self, *, idempotency_key: str | None = None, **key: Unpack[shapes.NewApiKey]
    ) -> Plan[shapes.CreatedApiKey]:
        """Keep the `key` of the answer: it is not shown again."""
        return self._post(self.path, key, key=idempotency_key)


class Workspace(Asking[S]):
    """`/v1/workspace`: the one that the key opens."""

    @operation
    def get(self) -> Plan[shapes.Workspace]:
        """Its name and limits, and since when its secret signs."""
        return self._read("/v1/workspace")

    @operation
    def rotate_webhook_secret(
        self, *, idempotency_key: str | None = None
    ) -> Plan[shapes.RotatedWorkspace]:
        """A new secret for the `webhook_url` of calls and agents, shown this once as
        `webhook_secret`; for a day the old one signs too."""
        return self._post("/v1/workspace/webhook-secret/rotate", key=idempotency_key)
