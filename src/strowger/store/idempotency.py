"""What a request with an Idempotency-Key was answered with, kept with what the request did.

The lock is the transaction's: while a request runs, another with its key finds it taken. Should
that ever be missed, the primary key lets only one of the two commit.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import Conflict
from strowger.model import StoredAnswer, WorkspaceId
from strowger.store.connect import KEYRING
from strowger.store.keyring import Keyring, Place

KEPT_FOR = 86_400.0
"""Seconds."""

IN_PROGRESS = "a request with this Idempotency-Key is still running; its answer comes soon"

TAKE = text("""
    SELECT pg_try_advisory_xact_lock(hashtextextended(:workspace || ' ' || :key, 7)) AS ours
""")
FIND = text("""
    SELECT request_hash, status, location, body FROM idempotency_keys
    WHERE workspace_id = :workspace AND key = :key AND created_at > :since
""")
KEEP = text("""
    INSERT INTO idempotency_keys AS kept
        (workspace_id, key, request_hash, status, location, body, created_at)
    VALUES (:workspace, :key, :hash, :status, :location, :body, :now)
    ON CONFLICT (workspace_id, key) DO UPDATE SET
        request_hash = excluded.request_hash, status = excluded.status,
        location = excluded.location, body = excluded.body, created_at = excluded.created_at
    WHERE kept.created_at <= :since
""")
FORGET = text("DELETE FROM idempotency_keys WHERE created_at <= :since")


async def find(
    connection: AsyncConnection, workspace: WorkspaceId, key: str, hash: bytes, *, now: float
) -> StoredAnswer | None:
    """The first answer, or None for a key that is ours until this transaction ends.

    Raises Conflict where the key stands for another request, or for one that still runs.
    """
    asked = {"workspace": workspace, "key": key, "since": now - KEPT_FOR}
    if not (await connection.execute(TAKE, {"workspace": workspace, "key": key})).scalar_one():
        raise Conflict(IN_PROGRESS, code="idempotency_in_progress")
    row = (await connection.execute(FIND, asked)).one_or_none()
    if row is None:
        return None
    if bytes(row.request_hash) != hash:
        raise Conflict(
            "this Idempotency-Key was used for another request", code="idempotency_conflict"
        )
    body = _opened(connection, workspace, key, bytes(row.body))
    return StoredAnswer(status=row.status, location=row.location, body=body)


async def keep(
    connection: AsyncConnection,
    workspace: WorkspaceId,
    key: str,
    hash: bytes,
    answer: StoredAnswer,
    *,
    now: float,
) -> None:
    values = {
        "workspace": workspace,
        "key": key,
        "hash": hash,
        "status": answer.status,
        "location": answer.location,
        "body": _sealed(connection, workspace, key, answer.body),
        "now": now,
        "since": now - KEPT_FOR,
    }
    if (await connection.execute(KEEP, values)).rowcount == 0:
        raise Conflict(IN_PROGRESS, code="idempotency_in_progress")


def _sealed(connection: AsyncConnection, workspace: str, key: str, body: bytes) -> bytes:
    """Some answers show a secret, once: a copy of it must not lie about in the open."""
    keyring = connection.engine.sync_engine.get_execution_options().get(KEYRING)
    if not isinstance(keyring, Keyring):
        return body
    return keyring.seal(body.decode(), Place("idempotency_keys", "body", f"{workspace} {key}"))


def _opened(connection: AsyncConnection, workspace: str, key: str, body: bytes) -> bytes:
    keyring = connection.engine.sync_engine.get_execution_options().get(KEYRING)
    if not isinstance(keyring, Keyring):
        return body
    return keyring.open(body, Place("idempotency_keys", "body", f"{workspace} {key}")).encode()


async def forget(connection: AsyncConnection, *, now: float) -> None:
    """Drop what is older than it is kept."""
    await connection.execute(FORGET, {"since": now - KEPT_FOR})
