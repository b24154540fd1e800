"""Everything that the API offers, for whichever client."""

from typing import Any

import httpx2

from strowger.client import shapes
from strowger.client.asking import Asking
from strowger.client.calls import Calls
from strowger.client.plans import Plan, S, Series, operation, series
from strowger.client.requests import Asked
from strowger.client.resources import (
    Agents,
    ApiKeys,
    Deliveries,
    Events,
    PhoneNumbers,
    Secrets,
    Trunks,
    Webhooks,
    Workspace,
)


class Strowger(Asking[S]):
    """One server, one key. Every failure is a ClientError; see `failures`."""

    def __init__(self, shell: S) -> None:
        super().__init__(shell)
        self.calls: Calls[S] = Calls(shell)
        self.agents: Agents[S] = Agents(shell)
        self.trunks: Trunks[S] = Trunks(shell)
        self.phone_numbers: PhoneNumbers[S] = PhoneNumbers(shell)
        self.secrets: Secrets[S] = Secrets(shell)
        self.webhooks: Webhooks[S] = Webhooks(shell)
        self.deliveries: Deliveries[S] = Deliveries(shell)
        self.events: Events[S] = Events(shell)
        self.api_keys: ApiKeys[S] = ApiKeys(shell)
        self.workspace: Workspace[S] = Workspace(shell)

    @series
    def audit(self, *, resource_id: str | None = None) -> Series[shapes.AuditEntry]:
        """Who changed what, newest first."""
        return self._walk("/v1/audit", resource_id=resource_id)

    @operation
    def voices(self) -> Plan[list[shapes.Voice]]:
        """Every voice that agents can have."""
        page: shapes.Complete[shapes.Voice] = yield from self._read("/v1/voices")
        return page["data"]

    @operation
    def models(self) -> Plan[list[shapes.Model]]:
        """The providers of speech, recognition and language that the server knows."""
        page: shapes.Complete[shapes.Model] = yield from self._read("/v1/models")
        return page["data"]

    @operation
    def get(self, path: str, /, **query: Any) -> Plan[Any]:
        """Any address of the API, as JSON."""
        return self._read(path, **query)

    @operation
    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Plan[Any]:
        """Any address of the API; the key is made here unless you give one."""
        return self._post(path, body, key=idempotency_key)

    @operation
    def send(self, request: Asked) -> Plan[httpx2.Response]:
        """Send, and send again where that may help."""
        return self._answer(request)
