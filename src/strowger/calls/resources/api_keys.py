"""API keys: what they may do, and what is kept of them."""

import hashlib
import re
import secrets
from collections.abc import Iterable

from strowger.calls.resources.versions import Clock, Ids
from strowger.calls.validation import LONGEST_NAME, Problems, text_problem
from strowger.errors import Forbidden
from strowger.model import ApiKey, KeyId, Page, WorkspaceId
from strowger.ports import Records

SCOPES = (
    "calls:read",
    "calls:write",
    "agents:read",
    "agents:write",
    "trunks:read",
    "trunks:write",
    "phone_numbers:read",
    "phone_numbers:write",
    "secrets:read",
    "secrets:write",
    "webhooks:read",
    "webhooks:write",
    "api_keys:read",
    "api_keys:write",
    "providers:read",
    "audit:read",
    "metrics:read",
    "workspace:read",
    "workspace:write",
)
KEY_FORMAT = re.compile(r"strowger_(?:live|test)_[A-Za-z0-9_-]{43}")


def hash_key(key: str) -> bytes:
    """What is kept of a key. Plain SHA-256: 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


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

    async def revoke(self, workspace: WorkspaceId, key: KeyId, *, revoked_by: ApiKey) -> None:
        """Raises Forbidden where a test key wants a live one gone."""
        if revoked_by.test and not (await self._records.get_key(workspace, key)).test:
            raise Forbidden("a test key can only revoke test keys", code="test_key")
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
