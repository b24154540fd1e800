"""The store as the API sees it: what customers own."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from strowger.agent import (
    AgentDefinition,
)
from strowger.lifecycle import CallStatus
from strowger.model import (
    Actor,
    Agent,
    AgentId,
    AgentVersion,
    ApiKey,
    AuditEntry,
    Call,
    CallCommand,
    CallId,
    Event,
    KeptAnswer,
    KeyId,
    LineFigures,
    NumberId,
    Page,
    PhoneNumber,
    Secret,
    SecretId,
    StoredAnswer,
    Trunk,
    TrunkId,
    Webhook,
    WebhookId,
    Workspace,
    WorkspaceId,
)

ACTOR: ContextVar[Actor | None] = ContextVar("actor", default=None)
"""Who the present request comes from, for the audit log and for what a test key may not do; None
outside of requests.

Bound to a request's task as its log context is, so that what changes things need not be handed
something that only their record of it wants to know.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls a list is to hold; None for any."""

    status: CallStatus | None = None
    agent_id: AgentId | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGround:
    """What a workspace has for a new call to be drawn up from."""

    agent: Agent | None
    """The one asked for; None where there is none, or none was asked for."""
    default_trunk: TrunkId | None
    numbers: Mapping[str, TrunkId | None]
    """Phone numbers and the trunk of each: the one asked for or else the agent's own, where they
    are the workspace's, and two others at most: enough to know whether there is only one."""


class Records(Protocol):
    """What customers own. Every method is one transaction and sees one workspace only.

    `get_…`, `replace_…` and `delete_…` raise NotFound for what is not in the workspace; lists are
    newest first, and a cursor that was not made here raises InvalidRequest. Where the database
    cannot be reached everything raises Unavailable.

    `replace_…` answers the new version. It raises PreconditionFailed where the present version is
    not the one that its argument was made from, as its `version` says.

    What adds, replaces or deletes a key, agent, trunk, number, secret or webhook, and what ends,
    cancels or commands a call, writes to the audit log too, in the same transaction.
    """

    async def get_workspace(self, workspace: WorkspaceId) -> Workspace: ...
    async def rotate_workspace_secret(
        self, workspace: WorkspaceId, secret: str, *, previous_until: float, now: float
    ) -> Workspace:
        """A new secret for the `webhook_url` of calls and agents; the one until now, if there is
        one, signs as well until `previous_until`."""

    async def key_by_hash(self, sha256: bytes) -> ApiKey | None: ...
    async def add_key(self, key: ApiKey, sha256: bytes) -> None: ...
    async def get_key(self, workspace: WorkspaceId, key: KeyId) -> ApiKey: ...
    async def list_keys(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[ApiKey]: ...
    async def delete_key(self, workspace: WorkspaceId, key: KeyId) -> None: ...

    async def add_agent(self, agent: Agent) -> None: ...
    async def get_agent(self, workspace: WorkspaceId, agent: AgentId) -> Agent: ...
    async def list_agents(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Agent]: ...
    async def replace_agent(
        self,
        workspace: WorkspaceId,
        agent: AgentId,
        definition: AgentDefinition,
        *,
        was: int,
        now: float,
    ) -> Agent:
        """Store a new version; the event `agent.updated` goes with it.

        Raises PreconditionFailed where the present version is not `was`.
        """

    async def get_agent_version(
        self, workspace: WorkspaceId, agent: AgentId, version: int
    ) -> AgentVersion: ...
    async def list_agent_versions(
        self, workspace: WorkspaceId, agent: AgentId, *, limit: int, cursor: str | None
    ) -> Page[AgentVersion]: ...

    async def delete_agent(self, workspace: WorkspaceId, agent: AgentId) -> None: ...

    async def add_trunk(self, trunk: Trunk) -> None:
        """A trunk with `is_default` takes that from the others of its workspace."""

    async def get_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk: ...
    async def default_trunk(self, workspace: WorkspaceId) -> Trunk | None: ...
    async def list_trunks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Trunk]: ...
    async def replace_trunk(self, trunk: Trunk) -> Trunk: ...
    async def delete_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        """Raises Conflict while calls that are not over use it."""

    async def add_number(self, number: PhoneNumber) -> None:
        """Raises Conflict where the workspace has the number."""

    async def get_number(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber: ...
    async def find_number(self, workspace: WorkspaceId, number: str) -> PhoneNumber | None: ...
    async def list_numbers(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]: ...
    async def replace_number(self, number: PhoneNumber) -> PhoneNumber: ...
    async def delete_number(self, workspace: WorkspaceId, number: NumberId) -> None: ...

    async def call_ground(
        self, workspace: WorkspaceId, agent: AgentId | None, number: str | None
    ) -> CallGround:
        """What there is for a new call that names these, as of one moment."""

    async def add_call(self, call: Call, kept: KeptAnswer | None = None) -> None:
        """Call, event `call.queued`, its webhook deliveries, the dial job and the answer that is
        to be kept for the call's request, together.

        Raises Conflict where another request has taken the key of that answer.
        """

    async def get_call_of(self, workspace: WorkspaceId, call: CallId) -> Call: ...
    async def list_calls(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        """Without transcripts: `get_call_of` has them."""

    def together(self) -> AbstractAsyncContextManager[None]:
        """All that this task asks of the records meanwhile is done as one, or not at all."""

    async def find_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        """What a request with this Idempotency-Key was answered with; None for a new key, which
        is ours until the end of `together`.

        Raises Conflict where the key stands for another request, or one that still runs.
        """

    async def kept_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        """The same for who keeps the answer with the one thing that the request does: the key is
        not taken before that."""

    async def keep_answer(self, workspace: WorkspaceId, kept: KeptAnswer) -> None:
        """Raises Conflict where another request has taken the key."""

    async def cancel_call(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        """`request_end` for a call that nobody has answered; Conflict for others."""

    async def command_call(
        self, workspace: WorkspaceId, command: CallCommand, *, now: float
    ) -> Call:
        """Tell the worker that holds a call. Raises Conflict unless it is in progress."""

    async def figures_of(self, workspace: WorkspaceId, call: CallId) -> LineFigures | None:
        """What became of the audio; None while the call is not over, or was not answered."""

    async def events_since(
        self, workspace: WorkspaceId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        """Of the whole workspace, in order, those whose `sequence` is greater than `after`.

        None that is committed later has a smaller number than the last of these.
        """

    async def last_sequence(self, workspace: WorkspaceId) -> int:
        """The number of the newest event; 0 where there is none."""

    async def request_end(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        """End a call: one that waits is canceled at once, a live one is told to its worker.

        Raises Conflict for a call that is over.
        """

    async def events_of(
        self, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        """In order, those whose `sequence` is greater than `after`."""

    async def add_webhook(self, webhook: Webhook) -> None: ...
    async def get_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook: ...
    async def list_webhooks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Webhook]: ...
    async def replace_webhook(self, webhook: Webhook) -> Webhook: ...
    async def delete_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> None: ...
    async def rotate_webhook(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        secret: str,
        *,
        previous_until: float,
        now: float,
    ) -> Webhook:
        """A new secret; the one until now signs as well until `previous_until`."""

    async def add_secret(self, secret: Secret) -> None:
        """Raises Conflict where the workspace has one of that name."""

    async def get_secret(self, workspace: WorkspaceId, secret: SecretId) -> Secret: ...
    async def list_secrets(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Secret]: ...
    async def replace_secret(self, secret: Secret) -> None:
        """Its value."""

    async def delete_secret(self, workspace: WorkspaceId, secret: SecretId) -> None: ...

    async def list_audit(
        self, workspace: WorkspaceId, resource: str | None, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        """`resource` is the id of the thing that was changed; None for all."""

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
