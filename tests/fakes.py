"""Honest stand-ins that keep the contracts of `ports/`, for tests that need no database."""

import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

from strowger.agent import AgentDefinition
from strowger.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed, Unavailable
from strowger.lifecycle import TERMINAL, CallStatus, EndReason
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
    EventId,
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
from strowger.ports import ACTOR, CallFilter, CallGround

Record = Agent | ApiKey | AuditEntry | Trunk | PhoneNumber | Secret | Webhook | Call
UNTOLD = {"created_at", "updated_at", "version"}
R = TypeVar("R", Agent, ApiKey, AuditEntry, Trunk, PhoneNumber, Secret, Webhook, Call)


class InMemoryRecords:
    """`ports.Records` in dictionaries, in the order things were made."""

    def __init__(self) -> None:
        self.lost = False
        """True plays a database that cannot be reached."""
        self.keys: dict[bytes, ApiKey] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.agents: dict[str, Agent] = {}
        self.versions: dict[str, list[AgentVersion]] = {}
        self.audit: list[AuditEntry] = []
        self.trunks: dict[str, Trunk] = {}
        self.numbers: dict[str, PhoneNumber] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.secrets: dict[str, Secret] = {}
        self.calls: dict[str, Call] = {}
        self.events: list[Event] = []
        self.commands: list[CallCommand] = []
        self.figures: dict[str, LineFigures] = {}
        self.answers: dict[tuple[str, str], tuple[bytes, StoredAnswer, float]] = {}
        self._running: set[tuple[str, str]] = set()
        self._taken: set[tuple[str, str]] = set()

    # ── the workspace ──

    async def get_workspace(self, workspace: WorkspaceId) -> Workspace:
        self._reach()
        return self.workspaces.setdefault(workspace, Workspace(id=workspace, name="Default"))

    async def rotate_workspace_secret(
        self, workspace: WorkspaceId, secret: str, *, previous_until: float, now: float
    ) -> Workspace:
        old = await self.get_workspace(workspace)
        new = replace(
            old,
            webhook_secret_at=now,
            previous_webhook_secret_until=None if old.webhook_secret_at is None else previous_until,
        )
        self.workspaces[workspace] = new
        self.note(workspace, "workspace", workspace, "rotate", ("webhook_secret",))
        return new

    # ── keys ──

    async def key_by_hash(self, sha256: bytes) -> ApiKey | None:
        self._reach()
        return self.keys.get(sha256)

    async def add_key(self, key: ApiKey, sha256: bytes) -> None:
        self._reach()
        self.keys[sha256] = key
        self.note(key.workspace_id, "api_key", key.id, "create")

    async def get_key(self, workspace: WorkspaceId, key: KeyId) -> ApiKey:
        return self._own({known.id: known for known in self.keys.values()}, workspace, key)

    async def list_keys(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[ApiKey]:
        return self._page(self.keys.values(), workspace, limit, cursor)

    async def delete_key(self, workspace: WorkspaceId, key: KeyId) -> None:
        await self.get_key(workspace, key)
        self.keys = {hash: known for hash, known in self.keys.items() if known.id != key}
        self.note(workspace, "api_key", key, "delete")

    # ── agents ──

    async def add_agent(self, agent: Agent) -> None:
        self._reach()
        self.agents[agent.id] = agent
        self._keep_version(agent)
        self.note(agent.workspace_id, "agent", agent.id, "create")

    async def get_agent(self, workspace: WorkspaceId, agent: AgentId) -> Agent:
        return self._own(self.agents, workspace, agent)

    async def list_agents(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Agent]:
        return self._page(self.agents.values(), workspace, limit, cursor)

    async def replace_agent(
        self,
        workspace: WorkspaceId,
        agent: AgentId,
        definition: AgentDefinition,
        *,
        was: int,
        now: float,
    ) -> Agent:
        old = self._own(self.agents, workspace, agent)
        _check_version(old.version, was)
        new = replace(old, definition=definition, version=old.version + 1, updated_at=now)
        self.agents[agent] = new
        self._keep_version(new)
        self.note(workspace, "agent", agent, "update", _differences(old.definition, definition))
        self._tell(workspace, "agent.updated", {"agent_id": agent, "version": new.version}, now)
        return new

    async def get_agent_version(
        self, workspace: WorkspaceId, agent: AgentId, version: int
    ) -> AgentVersion:
        self._own(self.agents, workspace, agent)
        for kept in self.versions[agent]:
            if kept.version == version:
                return kept
        raise NotFound("no such version")

    async def list_agent_versions(
        self, workspace: WorkspaceId, agent: AgentId, *, limit: int, cursor: str | None
    ) -> Page[AgentVersion]:
        self._own(self.agents, workspace, agent)
        kept = self.versions[agent][::-1]
        ids = [str(version.version) for version in kept]
        start = 0 if cursor is None else ids.index(_id_of(cursor, ids)) + 1
        more = start + limit < len(kept)
        data = tuple(kept[start : start + limit])
        return Page(data=data, next_cursor=_cursor(str(data[-1].version)) if more else None)

    async def delete_agent(self, workspace: WorkspaceId, agent: AgentId) -> None:
        self._own(self.agents, workspace, agent)
        del self.agents[agent]
        self.note(workspace, "agent", agent, "delete")

    # ── trunks ──

    async def add_trunk(self, trunk: Trunk) -> None:
        self._reach()
        self._yield_default(trunk)
        self.trunks[trunk.id] = trunk
        self.note(trunk.workspace_id, "trunk", trunk.id, "create")

    async def get_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk:
        return self._own(self.trunks, workspace, trunk)

    async def default_trunk(self, workspace: WorkspaceId) -> Trunk | None:
        self._reach()
        own = (trunk for trunk in self.trunks.values() if trunk.workspace_id == workspace)
        return next((trunk for trunk in own if trunk.is_default), None)

    async def list_trunks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Trunk]:
        return self._page(self.trunks.values(), workspace, limit, cursor)

    async def replace_trunk(self, trunk: Trunk) -> Trunk:
        old = self._own(self.trunks, trunk.workspace_id, trunk.id)
        _check_version(old.version, trunk.version)
        self._yield_default(trunk)
        self._note_update("trunk", old, trunk)
        self.trunks[trunk.id] = replace(trunk, version=old.version + 1)
        return self.trunks[trunk.id]

    async def delete_trunk(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        self._own(self.trunks, workspace, trunk)
        if any(c.trunk_id == trunk and c.status not in TERMINAL for c in self.calls.values()):
            raise Conflict("calls that are not over use this trunk")
        del self.trunks[trunk]
        self.note(workspace, "trunk", trunk, "delete")

    # ── numbers ──

    async def add_number(self, number: PhoneNumber) -> None:
        if await self.find_number(number.workspace_id, number.number) is not None:
            raise Conflict("there is one like it already")
        self.numbers[number.id] = number
        self.note(number.workspace_id, "phone_number", number.id, "create")

    async def get_number(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber:
        return self._own(self.numbers, workspace, number)

    async def find_number(self, workspace: WorkspaceId, number: str) -> PhoneNumber | None:
        self._reach()
        own = (n for n in self.numbers.values() if n.workspace_id == workspace)
        return next((known for known in own if known.number == number), None)

    async def list_numbers(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]:
        return self._page(self.numbers.values(), workspace, limit, cursor)

    async def replace_number(self, number: PhoneNumber) -> PhoneNumber:
        old = self._own(self.numbers, number.workspace_id, number.id)
        _check_version(old.version, number.version)
        self._note_update("phone_number", old, number)
        self.numbers[number.id] = replace(number, version=old.version + 1)
        return self.numbers[number.id]

    async def delete_number(self, workspace: WorkspaceId, number: NumberId) -> None:
        self._own(self.numbers, workspace, number)
        del self.numbers[number]
        self.note(workspace, "phone_number", number, "delete")

    # ── calls ──

    async def call_ground(
        self, workspace: WorkspaceId, agent: AgentId | None, number: str | None
    ) -> CallGround:
        trunk = await self.default_trunk(workspace)
        found = self.agents.get(agent) if agent is not None else None
        if found is not None and found.workspace_id != workspace:
            found = None
        if number is None and found is not None:
            number = found.definition.caller_id
        own = [n for n in self.numbers.values() if n.workspace_id == workspace]
        named = [known for known in own if known.number == number]
        return CallGround(
            agent=found,
            default_trunk=None if trunk is None else trunk.id,
            numbers={known.number: known.trunk_id for known in (*named, *own[:2])},
        )

    async def add_call(self, call: Call, kept: KeptAnswer | None = None) -> None:
        self._reach()
        if kept is not None:
            self._keep(call.workspace_id, kept)
        self.calls[call.id] = call
        if call.status is CallStatus.QUEUED:
            self.tell_of(call, "call.queued", call.created_at)

    async def get_call_of(self, workspace: WorkspaceId, call: CallId) -> Call:
        return self._own(self.calls, workspace, call)

    async def list_calls(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        wanted = (
            replace(call, transcript=())
            for call in self.calls.values()
            if which.status in {None, call.status}
            and which.agent_id in {None, call.agent_id}
            and which.to in {None, call.to}
        )
        return self._page(wanted, workspace, limit, cursor)

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        self._reach()
        taken, before = self._taken, dict(self.calls)
        self._taken = set()
        try:
            yield
        except BaseException:
            self.calls = before
            raise
        finally:
            self._running -= self._taken
            self._taken = taken

    async def find_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        self._reach()
        place = (workspace, key)
        if place in self._running:
            raise Conflict("still running", code="idempotency_in_progress")
        self._running.add(place)
        self._taken.add(place)
        kept = self.answers.get(place)
        if kept is None or kept[2] <= now - 86_400:
            return None
        if kept[0] != hash:
            raise Conflict("used for another request", code="idempotency_conflict")
        return kept[1]

    async def kept_answer(
        self, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
    ) -> StoredAnswer | None:
        async with self.together():
            return await self.find_answer(workspace, key, hash, now=now)

    async def keep_answer(self, workspace: WorkspaceId, kept: KeptAnswer) -> None:
        self._reach()
        self._keep(workspace, kept)

    def _keep(self, workspace: WorkspaceId, kept: KeptAnswer) -> None:
        before = self.answers.get((workspace, kept.key))
        if before is not None and before[2] > kept.at - 86_400:
            raise Conflict("still running", code="idempotency_in_progress")
        self.answers[workspace, kept.key] = (kept.hash, kept.answer, kept.at)

    async def cancel_call(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        if self._own(self.calls, workspace, call).status is CallStatus.IN_PROGRESS:
            raise Conflict("somebody has answered", code="call_state")
        return self._end(workspace, call, "cancel", now)

    async def command_call(
        self, workspace: WorkspaceId, command: CallCommand, *, now: float
    ) -> Call:
        found = self._own(self.calls, workspace, command.call_id)
        if found.status is not CallStatus.IN_PROGRESS:
            raise Conflict("nobody is on the line", code="call_state")
        self.commands.append(command)
        self.note(workspace, "call", command.call_id, command.kind)
        return found

    async def figures_of(self, workspace: WorkspaceId, call: CallId) -> LineFigures | None:
        self._own(self.calls, workspace, call)
        return self.figures.get(call)

    async def events_since(
        self, workspace: WorkspaceId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        self._reach()
        found = (e for e in self.events if e.workspace_id == workspace and e.sequence > after)
        return tuple(found)[:limit]

    async def last_sequence(self, workspace: WorkspaceId) -> int:
        self._reach()
        return max((e.sequence for e in self.events if e.workspace_id == workspace), default=0)

    async def request_end(self, workspace: WorkspaceId, call: CallId, *, now: float) -> Call:
        return self._end(workspace, call, "end", now)

    def _end(self, workspace: WorkspaceId, call: CallId, how: str, now: float) -> Call:
        found = self._own(self.calls, workspace, call)
        if found.status in TERMINAL:
            raise Conflict(f"this call is over: it is {found.status}", code="call_state")
        self.note(workspace, "call", call, how)
        if found.status in {CallStatus.SCHEDULED, CallStatus.QUEUED}:
            found = replace(
                found, status=CallStatus.CANCELED, end_reason=EndReason.API_REQUEST, ended_at=now
            )
            self.calls[call] = found
            self.tell_of(found, "call.failed", now)
        return found

    async def events_of(
        self, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        self._own(self.calls, workspace, call)
        found = (e for e in self.events if e.call_id == call and e.sequence > after)
        return tuple(found)[:limit]

    # ── webhooks ──

    async def add_webhook(self, webhook: Webhook) -> None:
        self._reach()
        self.webhooks[webhook.id] = webhook
        self.note(webhook.workspace_id, "webhook", webhook.id, "create")

    async def get_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        return self._own(self.webhooks, workspace, webhook)

    async def list_webhooks(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Webhook]:
        return self._page(self.webhooks.values(), workspace, limit, cursor)

    async def replace_webhook(self, webhook: Webhook) -> Webhook:
        old = self._own(self.webhooks, webhook.workspace_id, webhook.id)
        _check_version(old.version, webhook.version)
        self._note_update("webhook", old, webhook)
        self.webhooks[webhook.id] = replace(webhook, version=old.version + 1)
        return self.webhooks[webhook.id]

    async def delete_webhook(self, workspace: WorkspaceId, webhook: WebhookId) -> None:
        self._own(self.webhooks, workspace, webhook)
        del self.webhooks[webhook]
        self.note(workspace, "webhook", webhook, "delete")

    async def rotate_webhook(
        self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        secret: str,
        *,
        previous_until: float,
        now: float,
    ) -> Webhook:
        old = self._own(self.webhooks, workspace, webhook)
        new = replace(
            old,
            secret=secret,
            previous_secret=old.secret,
            previous_secret_until=previous_until,
            version=old.version + 1,
            updated_at=now,
        )
        self.webhooks[webhook] = new
        self.note(workspace, "webhook", webhook, "rotate", ("secret",))
        return new

    # ── secrets ──

    async def add_secret(self, secret: Secret) -> None:
        self._reach()
        own = (s for s in self.secrets.values() if s.workspace_id == secret.workspace_id)
        if any(known.name == secret.name for known in own):
            raise Conflict("there is one like it already")
        self.secrets[secret.id] = secret
        self.note(secret.workspace_id, "secret", secret.id, "create")

    async def get_secret(self, workspace: WorkspaceId, secret: SecretId) -> Secret:
        return self._own(self.secrets, workspace, secret)

    async def list_secrets(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Secret]:
        return self._page(self.secrets.values(), workspace, limit, cursor)

    async def replace_secret(self, secret: Secret) -> None:
        self._own(self.secrets, secret.workspace_id, secret.id)
        self.secrets[secret.id] = secret
        self.note(secret.workspace_id, "secret", secret.id, "update", ("value",))

    async def delete_secret(self, workspace: WorkspaceId, secret: SecretId) -> None:
        self._own(self.secrets, workspace, secret)
        del self.secrets[secret]
        self.note(workspace, "secret", secret, "delete")

    # ── the audit log ──

    async def list_audit(
        self, workspace: WorkspaceId, resource: str | None, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        found = (entry for entry in self.audit if resource in {None, entry.resource_id})
        return self._page(found, workspace, limit, cursor)

    def note(
        self,
        workspace: WorkspaceId,
        resource: str,
        id: str,
        action: str,
        changed: tuple[str, ...] = (),
    ) -> None:
        actor = ACTOR.get()
        self.audit.append(
            AuditEntry(
                id=f"audit_{len(self.audit):032x}",
                workspace_id=workspace,
                at=0.0,
                key_id=None if actor is None else actor.key_id,
                request_id=None if actor is None else actor.request_id,
                resource=resource,
                resource_id=id,
                action=action,
                fields=changed,
            )
        )

    def _note_update(self, resource: str, old: R, new: R) -> None:
        changed = _differences(old, new)
        if changed:
            self.note(new.workspace_id, resource, new.id, "update", changed)

    def _keep_version(self, agent: Agent) -> None:
        self.versions.setdefault(agent.id, []).append(
            AgentVersion(
                agent_id=agent.id,
                version=agent.version,
                definition=agent.definition,
                created_at=agent.updated_at,
            )
        )

    async def ping(self) -> None:
        self._reach()

    # ── what tests do in a worker's place ──

    def tell_of(self, call: Call, type: str, now: float) -> None:
        state = asdict(call)
        for unsaid in ("id", "agent", "from_", "worker_id"):
            del state[unsaid]
        if call.status not in TERMINAL:
            del state["transcript"]
        payload = {"call_id": call.id, "from": call.from_, **state}
        self._tell(call.workspace_id, type, payload, now, call.id)

    # ── inside ──

    def _reach(self) -> None:
        if self.lost:
            raise Unavailable("connection to 10.1.2.3:5432 refused for user strowger")

    def _own(self, records: dict[str, R], workspace: WorkspaceId, id: str) -> R:
        self._reach()
        found = records.get(id)
        if found is None or found.workspace_id != workspace:
            raise NotFound(f"there is no {id} here")
        return found

    def _page(
        self, records: Iterable[R], workspace: WorkspaceId, limit: int, cursor: str | None
    ) -> Page[R]:
        self._reach()
        own = [record for record in records if record.workspace_id == workspace]
        ids: list[str] = [record.id for record in reversed(own)]
        start = 0 if cursor is None else ids.index(_id_of(cursor, ids)) + 1
        data = tuple(reversed(own))[start : start + limit]
        more = start + limit < len(own)
        return Page(data=data, next_cursor=_cursor(data[-1].id) if more else None)

    def _yield_default(self, trunk: Trunk) -> None:
        if trunk.is_default:
            for other in self.trunks.values():
                if other.workspace_id == trunk.workspace_id and other.id != trunk.id:
                    yielded = replace(other, is_default=False, version=other.version + 1)
                    self.trunks[other.id] = yielded if other.is_default else other

    def _tell(
        self,
        workspace: WorkspaceId,
        type: str,
        payload: dict[str, object],
        now: float,
        call: CallId | None = None,
    ) -> None:
        sequence = len(self.events) + 1
        self.events.append(
            Event(
                id=EventId(f"event_{sequence:032x}"),
                workspace_id=workspace,
                type=type,
                created_at=now,
                payload=payload,
                call_id=call,
                sequence=sequence,
            )
        )


def _cursor(id: str) -> str:
    return base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def _id_of(cursor: str, ids: list[str]) -> str:
    try:
        id = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==").decode()
    except ValueError:
        id = ""
    if id not in ids:
        raise InvalidRequest("this cursor does not belong to this list", code="invalid_cursor")
    return id


def _check_version(present: int, expected: int) -> None:
    if present != expected:
        raise PreconditionFailed(f"it is at version {present}, not {expected}")


def _differences(old: Any, new: Any) -> tuple[str, ...]:
    names = (each.name for each in fields(new) if each.name not in UNTOLD)
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))
