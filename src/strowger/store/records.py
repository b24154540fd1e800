"""What customers own, as the API sees it: `ports.Records`.

Each method is one transaction; the SQL is in `owned` and in one module per kind of record. Calls
are in `call_records`.
"""

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert

from strowger.agent import AgentDefinition
from strowger.model import (
    Agent,
    AgentId,
    AgentVersion,
    ApiKey,
    AuditEntry,
    KeyId,
    NumberId,
    Page,
    PhoneNumber,
    Secret,
    SecretId,
    Trunk,
    TrunkId,
    Webhook,
    WebhookId,
    Workspace,
    WorkspaceId,
)
from strowger.store import (
    agents,
    audit,
    gate,
    keys,
    numbers,
    owned,
    schema,
    secrets,
    trunks,
    webhooks,
    workspaces,
)
from strowger.store.call_records import PostgresCallRecords
from strowger.store.connect import reading, transaction


class PostgresRecords(PostgresCallRecords):
    """`ports.Records` on PostgreSQL."""

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
