"""Secrets: what agents' tools need and nobody may read."""

from dataclasses import replace

from strowger.calls.resources.versions import Clock, Ids
from strowger.calls.validation import VARIABLE_NAME, Problems
from strowger.errors import Conflict
from strowger.model import Page, Secret, SecretId, WorkspaceId
from strowger.ports import Records

LONGEST_SECRET = 8192
"""Characters."""


class SecretService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(self, workspace: WorkspaceId, name: str, value: str) -> Secret:
        """Raises Conflict where there is one of that name."""
        now = self._clock()
        secret = Secret(
            id=SecretId(self._ids("secret")),
            workspace_id=workspace,
            name=name,
            value=value,
            created_at=now,
            updated_at=now,
        )
        _check(secret)
        try:
            await self._records.add_secret(secret)
        except Conflict as error:
            raise Conflict(f"there is a secret {name} already", code="secret_exists") from error
        return secret

    async def get(self, workspace: WorkspaceId, secret: SecretId) -> Secret:
        return await self._records.get_secret(workspace, secret)

    async def list(self, workspace: WorkspaceId, *, limit: int, cursor: str | None) -> Page[Secret]:
        return await self._records.list_secrets(workspace, limit=limit, cursor=cursor)

    async def update(self, workspace: WorkspaceId, secret: SecretId, value: str) -> Secret:
        current = await self._records.get_secret(workspace, secret)
        changed = replace(current, value=value, updated_at=self._clock())
        _check(changed)
        await self._records.replace_secret(changed)
        return changed

    async def delete(self, workspace: WorkspaceId, secret: SecretId) -> None:
        """Tools that use it fail from then on."""
        await self._records.delete_secret(workspace, secret)


def _check(secret: Secret) -> None:
    problems = Problems()
    if not VARIABLE_NAME.fullmatch(secret.name):
        problems.add("name", "expected letters, digits and _, at most 64, the first no digit")
    if not 1 <= len(secret.value) <= LONGEST_SECRET:
        problems.add("value", f"expected 1 to {LONGEST_SECRET} characters")
    elif not secret.value.isprintable():
        problems.add("value", "expected one line without control characters")
    problems.raise_if_any()
