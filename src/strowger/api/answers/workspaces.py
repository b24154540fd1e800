"""Who may do what in a workspace, and who did."""

from pydantic import Field

from strowger.api.answers.common import ListOf
from strowger.api.shapes import Strict, Timestamp


class Workspace(Strict):
    """Who owns everything that a key of it opens."""

    id: str
    """The workspace's id."""
    name: str
    """For people to read."""
    max_calls: int | None
    """Most calls at the same time, as the operator has set it; further ones wait."""
    webhook_secret_at: Timestamp | None
    """When the secret was made that signs what goes to the `webhook_url` of calls and agents;
    null where nothing has been sent there yet."""
    previous_webhook_secret_until: Timestamp | None
    """Until when it is signed with the secret before the last rotation too."""
    created_at: Timestamp
    """When the workspace was made."""


class RotatedWorkspace(Workspace):
    """The workspace with the secret that is shown this once."""

    webhook_secret: str
    """Signs what goes to the `webhook_url` of calls and agents, as Standard Webhooks say:
    `whsec_` and base64."""


class ApiKey(Strict):
    """A key, without its text."""

    id: str
    """The key's id."""
    workspace_id: str
    """The workspace it opens."""
    name: str
    """What the key is for."""
    scopes: tuple[str, ...]
    """What it may do; `*` for all."""
    test: bool
    """Whether its calls never reach a carrier."""
    expires_at: Timestamp | None
    """When it stops working."""
    created_at: Timestamp
    """When it was made."""
    last_used_at: Timestamp | None
    """When it was last used, to the minute."""


class CreatedApiKey(ApiKey):
    """A key just made, with its text that is shown this once."""

    key: str
    """`strowger_live_…`; only its hash is kept."""


class Secret(Strict):
    """Something that tools of agents need, without its value."""

    id: str
    """The secret's id."""
    workspace_id: str
    """The workspace it belongs to."""
    name: str = Field(examples=["CRM_KEY"])
    """What tools call it: `{{secrets.NAME}}`."""
    created_at: Timestamp
    """When it was made."""
    updated_at: Timestamp
    """When its value was last changed."""


class AuditEntry(Strict):
    """Who changed what."""

    id: str
    """The entry's id."""
    workspace_id: str
    """The workspace."""
    at: Timestamp
    """When."""
    key_id: str | None
    """The API key; null for the operator (command line, configuration)."""
    request_id: str | None
    """The request, as in its `X-Request-Id` header and in the server's log."""
    resource: str = Field(examples=["trunk"])
    """The kind of thing."""
    resource_id: str
    """Its id."""
    action: str = Field(examples=["update"])
    """`create`, `update`, `delete`, `rotate`, `test`, `retry` or `replay`; of a call `end`,
    `cancel`, `say` or `digits`. That a call was created says the call itself."""
    fields: tuple[str, ...]
    """The fields that an update changed; never what they hold."""


ApiKeyList = ListOf[ApiKey]
SecretList = ListOf[Secret]
AuditList = ListOf[AuditEntry]
