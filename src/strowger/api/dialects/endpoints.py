"""A dialect as a table of endpoints: what is served, by which scope, and what is refused and why.

The tables are the only list there is: the application is built from them, and so is the page of
the documentation that says where each vendor's endpoints stand.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from strowger.api.problems import Refuse
from strowger.api.services import Services
from strowger.errors import RequestError
from strowger.model import ApiKey, WorkspaceId
from strowger.ports import DialectRecords, LinkSigner, WebhookFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What dialects are served from."""

    services: Services
    kept: DialectRecords
    signer: LinkSigner
    public_url: str
    """Where customers reach this server, without a slash at its end: for links in answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to an endpoint, its key known and found good for the endpoint's scope."""

    request: Request
    backing: Backing
    _key: ApiKey | None

    @property
    def key(self) -> ApiKey:
        assert self._key is not None, "an endpoint without a scope has no key"
        return self._key

    @property
    def workspace(self) -> WorkspaceId:
        return self.key.workspace_id

    @property
    def services(self) -> Services:
        return self.backing.services

    def path(self, name: str) -> str:
        """What stands in the path in place of `{name}`."""
        return str(self.request.path_params[name])


Handler = Callable[[Asked], Awaitable[Response]]


class Standing(StrEnum):
    """How far an endpoint of the vendor's is there."""

    SERVED = "served"
    """As the vendor documents it."""
    TRANSLATED = "translated"
    """With what Strowger has in its place; the note says what differs."""
    REFUSED = "refused"
    """With the vendor's error; the note says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    method: str
    path: str
    """As the vendor writes it, `{name}` for what varies."""
    scope: str | None
    """What a key must be allowed to do; None where a signature in the URL stands for the key."""
    handle: Handler
    standing: Standing = Standing.SERVED
    note: str = ""
    also: tuple[str, ...] = ()
    """Other paths of the same, such as with a slash at the end; they are never redirected."""
    idempotent: bool = False
    """Whether it heeds the Idempotency-Key."""


def slashed(
    method: str, path: str, scope: str | None, handle: Handler, note: str = "", *also: str
) -> Endpoint:
    """An endpoint with and without a slash at its end; what has a note is translated."""
    return Endpoint(
        method=method,
        path=path,
        scope=scope,
        handle=handle,
        standing=Standing.TRANSLATED if note else Standing.SERVED,
        note=note,
        also=(f"{path}/", *also),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    name: str
    """The path it is served under, and its name in webhook formats."""
    title: str
    endpoints: tuple[Endpoint, ...]
    refuse: Refuse
    """How errors are answered."""
    webhook_format: Callable[[Backing], WebhookFormat]
    formats: tuple[str, ...]
    """The names that webhooks can ask for it by: the dialect's, or that and a kind by a colon."""
    wrap: Callable[[ASGIApp], ASGIApp] | None = None
    """What every answer passes through, where the vendor promises headers on each."""


class NotServed(RequestError):
    """What the vendor offers and Strowger cannot do; the message says why."""

    status = 501
    code = "not_served"


def refused(method: str, path: str, scope: str, why: str, *also: str) -> Endpoint:
    """An endpoint of the vendor's that cannot be served: answered with the vendor's error."""

    async def refuse(asked: Asked) -> Response:
        raise NotServed(why)

    return Endpoint(
        method=method,
        path=path,
        scope=scope,
        handle=refuse,
        standing=Standing.REFUSED,
        note=why,
        also=also,
    )
