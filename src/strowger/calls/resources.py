"""Use cases about what calls need: agents, trunks, phone numbers, webhooks and keys."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from strowger.agent import AgentDefinition
from strowger.calls.numbers import phone_number_problem
from strowger.calls.validation import (
    LONGEST_NAME,
    Offered,
    Problems,
    definition_problems,
    host_problem,
    most_problem,
    pace_problem,
    text_problem,
    url_problem,
)
from strowger.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from strowger.model import (
    Agent,
    AgentId,
    AgentVersion,
    ApiKey,
    KeyId,
    NumberId,
    Page,
    PhoneNumber,
    Trunk,
    TrunkId,
    Webhook,
    WebhookId,
    WorkspaceId,
)
from strowger.ports import Records

Ids = Callable[[str], str]
"""From a prefix such as `call` to a new id such as `call_0192…`."""
Clock = Callable[[], float]
"""Unix seconds."""

EVENT_TYPES = (
    "call.queued",
    "call.initiated",
    "call.ringing",
    "call.answered",
    "call.turn",
    "call.completed",
    "call.failed",
    "call.recording_ready",
    "agent.updated",
    "webhook.disabled",
)
"""What a webhook can ask for by name."""

SCOPES = (
    "calls:read",
    "calls:write",
    "agents:read",
    "agents:write",
    "trunks:read",
    "trunks:write",
    "phone_numbers:read",
    "phone_numbers:write",
    "webhooks:read",
    "webhooks:write",
    "api_keys:read",
    "api_keys:write",
    "providers:read",
    "audit:read",
    "metrics:read",
)
MOST_ATTEMPTS = 10
"""How often a change is tried again that met another."""
OVERLAP = 86_400.0
"""Seconds for which a webhook's old secret signs as well after a rotation."""
KEY_FORMAT = re.compile(r"strowger_(?:live|test)_[A-Za-z0-9_-]{43}")


def hash_key(key: str) -> bytes:
    """What is kept of a key. Plain SHA-256: 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


class AgentService:
    def __init__(
        self, records: Records, *, ids: Ids, clock: Clock, offered: Offered | None = None
    ) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock
        self._offered = offered or Offered()

    async def create(self, workspace: WorkspaceId, definition: AgentDefinition) -> Agent:
        self._check(definition)
        now = self._clock()
        agent = Agent(
            id=AgentId(self._ids("agent")),
            workspace_id=workspace,
            version=1,
            definition=definition,
            created_at=now,
            updated_at=now,
        )
        await self._records.add_agent(agent)
        return agent

    async def get(self, workspace: WorkspaceId, agent: AgentId) -> Agent:
        return await self._records.get_agent(workspace, agent)

    async def list(self, workspace: WorkspaceId, *, limit: int, cursor: str | None) -> Page[Agent]:
        return await self._records.list_agents(workspace, limit=limit, cursor=cursor)

    async def update(
        self,
        workspace: WorkspaceId,
        agent: AgentId,
        changes: Mapping[str, Any],
        *,
        expected: Container[int] | None = None,
    ) -> Agent:
        """Replace the top-level fields given; what differs makes a new version.

        Raises PreconditionFailed where the present version is none of `expected`. Without that,
        the fields given go into whatever the present version is: a change of other fields that
        somebody else makes at the same moment is not lost.
        """
        for _ in range(MOST_ATTEMPTS):
            current = await self._records.get_agent(workspace, agent)
            if expected is not None and current.version not in expected:
                raise PreconditionFailed(f"the agent is at version {current.version} by now")
            changed = replace(current.definition, **changes)
            self._check(changed)
            if changed == current.definition:
                return current
            with suppress(PreconditionFailed):  # changed since we read it: look again
                return await self._records.replace_agent(
                    workspace, agent, changed, was=current.version, now=self._clock()
                )
        raise Conflict("the agent is being changed all the time", code="changed_meanwhile")

    async def duplicate(self, workspace: WorkspaceId, agent: AgentId) -> Agent:
        """A new agent that is like this one is now."""
        current = (await self._records.get_agent(workspace, agent)).definition
        name = f"Copy of {current.name}"[:LONGEST_NAME]
        return await self.create(workspace, replace(current, name=name))

    async def version(self, workspace: WorkspaceId, agent: AgentId, number: int) -> AgentVersion:
        return await self._records.get_agent_version(workspace, agent, number)

    async def versions(
        self, workspace: WorkspaceId, agent: AgentId, *, limit: int, cursor: str | None
    ) -> Page[AgentVersion]:
        return await self._records.list_agent_versions(workspace, agent, limit=limit, cursor=cursor)

    async def delete(self, workspace: WorkspaceId, agent: AgentId) -> None:
        await self._records.delete_agent(workspace, agent)

    def _check(self, definition: AgentDefinition) -> None:
        problems = Problems()
        problems.extend(definition_problems(definition, self._offered))
        problems.raise_if_any()


class TrunkService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(
        self, workspace: WorkspaceId, fields: Mapping[str, Any], *, is_default: bool | None = None
    ) -> Trunk:
        """`is_default` None: the default where the workspace has none yet."""
        now = self._clock()
        if is_default is None:
            is_default = await self._records.default_trunk(workspace) is None
        trunk = Trunk(
            id=TrunkId(self._ids("trunk")),
            workspace_id=workspace,
            is_default=is_default,
            created_at=now,
            updated_at=now,
            **fields,
        )
        _check_trunk(trunk)
        await self._records.add_trunk(trunk)
        return trunk

    async def get(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk:
        return await self._records.get_trunk(workspace, trunk)

    async def list(self, workspace: WorkspaceId, *, limit: int, cursor: str | None) -> Page[Trunk]:
        return await self._records.list_trunks(workspace, limit=limit, cursor=cursor)

    async def update(
        self, workspace: WorkspaceId, trunk: TrunkId, changes: Mapping[str, Any]
    ) -> Trunk:
        current = await self._records.get_trunk(workspace, trunk)
        changed = replace(current, **changes, updated_at=self._clock())
        _check_trunk(changed)
        await self._records.replace_trunk(changed)
        return changed

    async def delete(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        """Raises Conflict while calls that are not over use it."""
        try:
            await self._records.delete_trunk(workspace, trunk)
        except Conflict as error:
            raise Conflict("calls that are not over use it", code="trunk_in_use") from error


def _check_trunk(trunk: Trunk) -> None:
    problems = Problems()
    problems.add("name", text_problem(trunk.name, longest=LONGEST_NAME))
    problems.add("host", host_problem(trunk.host))
    if not 1 <= trunk.port <= 65_535:
        problems.add("port", f"expected 1 to 65535, got {trunk.port}")
    problems.add("max_calls", most_problem(trunk.max_calls))
    problems.add("calls_per_second", pace_problem(trunk.calls_per_second))
    for field, text in (("username", trunk.username), ("password", trunk.password)):
        if text is not None:
            problems.add(field, text_problem(text, longest=LONGEST_NAME))
    if trunk.password is not None and trunk.username is None:
        problems.add("username", "expected a user name to go with the password")
    problems.raise_if_any()


class NumberService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(self, workspace: WorkspaceId, fields: Mapping[str, Any]) -> PhoneNumber:
        now = self._clock()
        number = PhoneNumber(
            id=NumberId(self._ids("number")),
            workspace_id=workspace,
            created_at=now,
            updated_at=now,
            **fields,
        )
        await self._check(number)
        try:
            await self._records.add_number(number)
        except Conflict as error:
            raise Conflict(f"{number.number} is there already", code="number_exists") from error
        return number

    async def get(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber:
        return await self._records.get_number(workspace, number)

    async def list(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]:
        return await self._records.list_numbers(workspace, limit=limit, cursor=cursor)

    async def update(
        self, workspace: WorkspaceId, number: NumberId, changes: Mapping[str, Any]
    ) -> PhoneNumber:
        current = await self._records.get_number(workspace, number)
        changed = replace(current, **changes, updated_at=self._clock())
        await self._check(changed)
        await self._records.replace_number(changed)
        return changed

    async def delete(self, workspace: WorkspaceId, number: NumberId) -> None:
        await self._records.delete_number(workspace, number)

    async def _check(self, number: PhoneNumber) -> None:
        problems = Problems()
        problems.add("number", phone_number_problem(number.number), code="invalid_phone_number")
        problems.add("max_calls", most_problem(number.max_calls))
        if number.label:
            problems.add("label", text_problem(number.label, longest=LONGEST_NAME))
        if number.trunk_id is not None:
            try:
                await self._records.get_trunk(number.workspace_id, number.trunk_id)
            except NotFound:
                problems.add("trunk_id", f"there is no trunk {number.trunk_id}")
        if number.inbound_agent_id is not None:
            try:
                await self._records.get_agent(number.workspace_id, number.inbound_agent_id)
            except NotFound:
                problems.add("inbound_agent_id", f"there is no agent {number.inbound_agent_id}")
        problems.raise_if_any()


class WebhookService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(
        self, workspace: WorkspaceId, url: str, *, events: tuple[str, ...] = ("*",)
    ) -> Webhook:
        """The answer is the only place that ever shows the secret."""
        now = self._clock()
        webhook = Webhook(
            id=WebhookId(self._ids("webhook")),
            workspace_id=workspace,
            url=url,
            events=events,
            secret=new_webhook_secret(),
            created_at=now,
            updated_at=now,
        )
        _check_webhook(webhook)
        await self._records.add_webhook(webhook)
        return webhook

    async def get(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        return await self._records.get_webhook(workspace, webhook)

    async def list(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[Webhook]:
        return await self._records.list_webhooks(workspace, limit=limit, cursor=cursor)

    async def update(
        self, workspace: WorkspaceId, webhook: WebhookId, changes: Mapping[str, Any]
    ) -> Webhook:
        current = await self._records.get_webhook(workspace, webhook)
        changed = replace(current, **changes, updated_at=self._clock())
        _check_webhook(changed)
        await self._records.replace_webhook(changed)
        return changed

    async def delete(self, workspace: WorkspaceId, webhook: WebhookId) -> None:
        await self._records.delete_webhook(workspace, webhook)

    async def rotate(self, workspace: WorkspaceId, webhook: WebhookId) -> Webhook:
        """A new secret, shown this once; for a day what is sent is signed with the old one too.

        A second rotation within that day ends the first secret's time.
        """
        now = self._clock()
        return await self._records.rotate_webhook(
            workspace, webhook, new_webhook_secret(), previous_until=now + OVERLAP, now=now
        )


def new_webhook_secret() -> str:
    """A Standard Webhooks signing secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _check_webhook(webhook: Webhook) -> None:
    problems = Problems()
    problems.add("url", url_problem(webhook.url))
    if not webhook.events:
        problems.add("events", 'expected event types, or ["*"] for all')
    for index, event in enumerate(webhook.events):
        if event != "*" and event not in EVENT_TYPES:
            problems.add(f"events.{index}", f"expected * or one of {', '.join(EVENT_TYPES)}")
    problems.raise_if_any()


class KeyService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(
        self,
        workspace: WorkspaceId,
        name: str,
        *,
        scopes: Iterable[str] = ("*",),
        expires_at: float | None = None,
        test: bool = False,
        granted_by: ApiKey | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is kept nowhere: only its hash is.

        `granted_by` can give no more than it has. Raises Forbidden.
        """
        key = ApiKey(
            id=KeyId(self._ids("key")),
            workspace_id=workspace,
            name=name,
            scopes=tuple(dict.fromkeys(scopes)),
            expires_at=expires_at,
            created_at=self._clock(),
            test=test,
        )
        check_key(key)
        if granted_by is not None:
            _check_grant(key, granted_by)
        text = f"strowger_{'test' if test else 'live'}_{secrets.token_urlsafe(32)}"
        await self._records.add_key(key, hash_key(text))
        return key, text

    async def get(self, workspace: WorkspaceId, key: KeyId) -> ApiKey:
        return await self._records.get_key(workspace, key)

    async def list(self, workspace: WorkspaceId, *, limit: int, cursor: str | None) -> Page[ApiKey]:
        return await self._records.list_keys(workspace, limit=limit, cursor=cursor)

    async def revoke(self, workspace: WorkspaceId, key: KeyId) -> None:
        await self._records.delete_key(workspace, key)


def check_key(key: ApiKey) -> None:
    """Raises InvalidRequest for a key that cannot be made, whoever asks for it."""
    problems = Problems()
    problems.add("name", text_problem(key.name, longest=LONGEST_NAME))
    if not key.scopes:
        problems.add("scopes", 'expected scopes, or ["*"] for all')
    for scope in key.scopes:
        if scope != "*" and scope not in SCOPES:
            problems.add("scopes", f"{scope[:100]} is none of *, {', '.join(SCOPES)}")
    if key.expires_at is not None and key.expires_at <= key.created_at:
        problems.add("expires_at", "expected a time in the future")
    problems.raise_if_any()


def _check_grant(key: ApiKey, granted_by: ApiKey) -> None:
    lacking = [scope for scope in key.scopes if scope not in granted_by.scopes]
    if lacking and "*" not in granted_by.scopes:
        raise Forbidden(
            f"this API key cannot grant what it has not: {', '.join(lacking)}", code="missing_scope"
        )
    if granted_by.test and not key.test:
        raise Forbidden("a test key can only make test keys", code="test_key")
    end = granted_by.expires_at
    if end is not None and (key.expires_at is None or key.expires_at > end):
        raise Forbidden("this API key cannot make one that outlives it", code="expires_too_late")
