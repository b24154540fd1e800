"""What customers own, as the API sees it: `ports.Records`.

Each method is one transaction; the SQL is in `owned` and in one module per kind of record.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.agent import AgentDefinition
from strowger.model import (
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
from strowger.ports import CallFilter, CallGround
from strowger.store import (
    accepting,
    agents,
    audit,
    customer_calls,
    feed,
    gate,
    idempotency,
    keys,
    numbers,
    owned,
    quick,
    schema,
    secrets,
    trunks,
    webhooks,
    workspaces,
)
from strowger.store.connect import (
    quick_reading,
    quick_transaction,
    reading,
    together,
    transaction,
)
from strowger.store.gather import Gathered
from strowger.store.idempotency import Keyed


class PostgresRecords:
    """`ports.Records` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._keyring = idempotency.keyring_of(engine)
        self._get_call = Gathered(self._get_calls)
        self._call_ground = Gathered(self._call_grounds)
        self._kept_answer = Gathered(self._kept_answers)
        self._add_call = Gathered(self._add_calls)

    async def ping(self) -> None:
        async with reading(self._engine) as connection:
            await connection.exec_driver_sql("SELECT 1")

    async def limit_workspace(self, workspace: WorkspaceId, max_calls: int | None) -> None:
        """Set the most calls of a workspace at the same time; None for no limit."""
        limit = update(schema.workspaces).where(schema.workspaces.c.id == workspace)
        async with transaction(self._engine) as connection:
            await connection.execute(limit.values(max_calls=max_calls))
            await gate.look_again(connection, workspace)

    async def ensure_workspace(
        self, workspace: WorkspaceId, *, name: str = "Default", now: float
    ) -> None:
        """Make the workspace where it is missing."""
        new = upsert(schema.workspaces).values(id=workspace, name=name, created_at=now)
        async with transaction(self._engine) as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def workspace_webhook_secret(self, workspace: WorkspaceId) -> str:
        """What deliveries to the `webhook_url` of calls and agents are signed with."""
        async with transaction(self._engine) as connection:
            secret, _ = await workspaces.signing_secrets(connection, workspace)
            return secret

    async def get_workspace(self, workspace: WorkspaceId) -> Workspace:
        async with reading(self._engine) as connection:
            return await workspaces.get(connection, workspace)

    async def rotate_workspace_secret(
        self, workspace: WorkspaceId, secret: str, *, previous_until: float, now: float
    ) -> Workspace:
        async with transaction(self._engine) as connection:
            return await workspaces.rotate(
                connection, workspace, secret, previous_until=previous_until, now=now
            )

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    async def key_by_hash(self, sha256: bytes) -> ApiKey | None:
        async with transaction(self._engine) as connection:
            return await keys.by_hash(connection, sha256)

    async def add_key(self, key: ApiKey, sha256: bytes) -> None:
        async with transaction(self._engine) as connection:
            await keys.add(connection, key, sha256)

    async def get_key(self, workspace: WorkspaceId, key: KeyId) -> ApiKey:
        async with reading(self._engine) as connection:
            return await owned.get(connection, schema.api_keys, keys.key_of, workspace, key)

    async def list_keys(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[ApiKey]:
        async with reading(self._engine) as connection:
            return await owned.page(
                connection, schema.api_keys, keys.key_of, workspace, limit=limit, cursor=cursor
            )

    async def delete_key(self, workspace: WorkspaceId, key: KeyId) -> None:
        async with transaction(self._engine) as connection:
            await keys.remove(connection, workspace, key)

    # ── agents ───────────────────────────────────────────────────────────────────────────────

    async def add_agent(self, agent: Agent) -> None:
        async with transaction(self._engine) as connection:
            await agents.add(connection, agent)

    async def get_agent(self, workspace: WorkspaceId, agent: AgentId) -> Agent:
        async with reading(self._engine) as connection:
            return await agents.get(connection, workspace, agent)

    async def list_agents(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Agent]:
        async with reading(self._engine) as connection:
            return await owned.page(
                connection, schema.agents, agents.agent_of, workspace, limit=limit, cursor=cursor
            )

    async def replace_agent(
        self,
        workspace: WorkspaceId,
        agent: AgentId,
        definition: AgentDefinition,
        *,
        was: int,
        now: float,
    ) -> Agent:
        async with transaction(self._engine) as connection:
            return await agents.replace(connection, workspace, agent, definition, was=was, now=now)

    async def delete_agent(self, workspace: WorkspaceId, agent: AgentId) -> None:
        async with transaction(self._engine) as connection:
            await agents.remove(connection, workspace, agent)

    async def get_agent_version(
        self, workspace: WorkspaceId, agent: AgentId, version: int
    ) -> AgentVersion:
        async with reading(self._engine) as connection:
            return await agents.get_version(connection, workspace, agent, version)

    async def list_agent_versions(
        self, workspace: WorkspaceId, agent: AgentId, *, limit: int, cursor: str | None
    ) -> Page[AgentVersion]:
        async with transaction(self._engine) as connection:
            return await agents.list_versions(
                connection, workspace, agent, limit=limit, cursor=cursor
            )

    # ── trunks ───────────────────────────────────────────────────────────────────────────────

    async def add_trunk(self, trunk: Trunk) -> None:
        async with transaction(self._engine) as connection:
            await trunks.add(connection, trunk)

    async def get_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk:
        async with reading(self._engine) as connection:
            return await trunks.get(connection, workspace, trunk)

    async def default_trunk(self, workspace: WorkspaceId) -> Trunk | None:
        async with reading(self._engine) as connection:
            return await trunks.default(connection, workspace)

    async def list_trunks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Trunk]:
        async with reading(self._engine) as connection:
            read = trunks.reader(connection)
            return await owned.page(
                connection, schema.trunks, read, workspace, limit=limit, cursor=cursor
            )

    async def replace_trunk(self, trunk: Trunk) -> Trunk:
        async with transaction(self._engine) as connection:
            return await trunks.change(connection, trunk)

    async def delete_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        async with transaction(self._engine) as connection:
            await trunks.remove(connection, workspace, trunk)

    async def ensure_trunk(self, trunk: Trunk) -> None:
        """Add the trunk, or make the one with its id like it: for one from the configuration."""
        async with transaction(self._engine) as connection:
            await trunks.ensure(connection, trunk)

    # ── phone numbers ────────────────────────────────────────────────────────────────────────

    async def add_number(self, number: PhoneNumber) -> None:
        async with transaction(self._engine) as connection:
            await numbers.add(connection, number)

    async def get_number(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber:
        async with reading(self._engine) as connection:
            return await owned.get(
                connection, schema.phone_numbers, numbers.number_of, workspace, number
            )

    async def find_number(self, workspace: WorkspaceId, number: str) -> PhoneNumber | None:
        async with reading(self._engine) as connection:
            return await numbers.find(connection, workspace, number)

    async def list_numbers(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]:
        table = schema.phone_numbers
        async with reading(self._engine) as connection:
            return await owned.page(
                connection, table, numbers.number_of, workspace, limit=limit, cursor=cursor
            )

    async def replace_number(self, number: PhoneNumber) -> PhoneNumber:
        async with transaction(self._engine) as connection:
            return await numbers.change(connection, number)

    async def delete_number(self, workspace: WorkspaceId, number: NumberId) -> None:
        async with transaction(self._engine) as connection:
            await numbers.remove(connection, workspace, number)

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    async def call_ground(
        self, workspace: WorkspaceId, agent: AgentId | None, number: str | None
    ) -> CallGround:
        return await self._call_ground(accepting.GroundAsked(workspace, agent, number))

    async def add_call(self, call: Call, kept: KeptAnswer | None = None) -> None:
        await self._add_call(accepting.Accepted(call, kept))

    async def get_call_of(self, workspace: WorkspaceId, call: CallId) -> Call:
        return await self._get_call((workspace, call))

    async def list_calls(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        async with reading(self._engine) as connection:
            return await customer_calls.page(
                connection, workspace, which, limit=limit, cursor=cursor
            )

    def together(self) -> AbstractAsyncContextManager[None]:
        return together(self._engine)

    async def find_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        async with transaction(self._engine) as connection:
            return await idempotency.find(connection, Keyed(workspace, key, hash, now))

    async def kept_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        return await self._kept_answer(Keyed(workspace, key, hash, now))

    async def keep_answer(self, workspace: WorkspaceId, kept: KeptAnswer) -> None:
        async with transaction(self._engine) as connection:
            await idempotency.keep(connection, workspace, kept)

    async def cancel_call(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        async with transaction(self._engine) as connection:
            return await customer_calls.cancel(connection, workspace, call, now=now)

    async def command_call(
        self, workspace: WorkspaceId, command: CallCommand, *, now: float
    ) -> Call:
        async with transaction(self._engine) as connection:
            return await customer_calls.command(connection, workspace, command, now=now)

    async def figures_of(self, workspace: WorkspaceId, call: CallId) -> LineFigures | None:
        async with reading(self._engine) as connection:
            return await customer_calls.figures_of(connection, workspace, call)

    async def events_since(
        self, workspace: WorkspaceId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        return await feed.events_since(self._engine, workspace, after=after, limit=limit)

    async def last_sequence(self, workspace: WorkspaceId) -> int:
        async with reading(self._engine) as connection:
            return await feed.last_sequence(connection, workspace)

    async def request_end(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        async with transaction(self._engine) as connection:
            return await customer_calls.request_end(connection, workspace, call, now=now)

    async def events_of(
        self, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        async with transaction(self._engine) as connection:
            return await customer_calls.events_of(
                connection, workspace, call, after=after, limit=limit
            )

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────

    async def add_webhook(self, webhook: Webhook) -> None:
        async with transaction(self._engine) as connection:
            await webhooks.add(connection, webhook)

    async def get_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        async with reading(self._engine) as connection:
            read = webhooks.reader(connection)
            return await owned.get(connection, schema.webhooks, read, workspace, webhook)

    async def list_webhooks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Webhook]:
        async with reading(self._engine) as connection:
            read = webhooks.reader(connection)
            return await owned.page(
                connection, schema.webhooks, read, workspace, limit=limit, cursor=cursor
            )

    async def replace_webhook(self, webhook: Webhook) -> Webhook:
        async with transaction(self._engine) as connection:
            return await webhooks.replace(connection, webhook)

    async def delete_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> None:
        async with transaction(self._engine) as connection:
            await webhooks.remove(connection, workspace, webhook)

    async def rotate_webhook(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        secret: str,
        *,
        previous_until: float,
        now: float,
    ) -> Webhook:
        async with transaction(self._engine) as connection:
            return await webhooks.rotate(
                connection, workspace, webhook, secret, previous_until=previous_until, now=now
            )

    # ── secrets of tools ─────────────────────────────────────────────────────────────────────

    async def add_secret(self, secret: Secret) -> None:
        async with transaction(self._engine) as connection:
            await secrets.add(connection, secret)

    async def get_secret(self, workspace: WorkspaceId, secret: SecretId) -> Secret:
        async with reading(self._engine) as connection:
            read = secrets.reader(connection)
            return await owned.get(connection, schema.secrets, read, workspace, secret)

    async def list_secrets(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Secret]:
        async with reading(self._engine) as connection:
            read = secrets.reader(connection)
            return await owned.page(
                connection, schema.secrets, read, workspace, limit=limit, cursor=cursor
            )

    async def replace_secret(self, secret: Secret) -> None:
        async with transaction(self._engine) as connection:
            await secrets.replace(connection, secret)

    async def delete_secret(self, workspace: WorkspaceId, secret: SecretId) -> None:
        async with transaction(self._engine) as connection:
            await secrets.remove(connection, workspace, secret)

    # ── the audit log ────────────────────────────────────────────────────────────────────────

    async def list_audit(
        self, workspace: WorkspaceId, resource: str | None, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        async with reading(self._engine) as connection:
            return await audit.page(connection, workspace, resource, limit=limit, cursor=cursor)

    # ── for several at a time ────────────────────────────────────────────────────────────────

    async def _get_calls(self, asked: Sequence[quick.CallAsked]) -> Sequence[Call | Exception]:
        async with quick_reading(self._engine) as driver:
            return await quick.get_calls(driver, asked)

    async def _call_grounds(self, asked: Sequence[accepting.GroundAsked]) -> Sequence[CallGround]:
        async with quick_reading(self._engine) as driver:
            return await accepting.ground(driver, asked)

    async def _kept_answers(
        self, asked: Sequence[Keyed]
    ) -> Sequence[StoredAnswer | Exception | None]:
        async with quick_reading(self._engine) as driver:
            return await idempotency.find_all(driver, asked, self._keyring)

    async def _add_calls(
        self, accepted: Sequence[accepting.Accepted]
    ) -> Sequence[Exception | None]:
        async with quick_transaction(self._engine) as driver:
            return await accepting.add_calls(driver, accepted, self._keyring)
