"""What a request with an Idempotency-Key was answered with, kept with what the request did.

The lock is the transaction's: while a request runs, another with its key finds it taken. Should
that ever be missed, the primary key lets only one of the two commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.errors import Conflict
from strowger.model import KeptAnswer, StoredAnswer, WorkspaceId
from strowger.store.connect import KEYRING, driver_of
from strowger.store.keyring import Keyring, Place

KEPT_FOR = 86_400.0
"""Seconds."""

TAKE = text("""
    SELECT pg_try_advisory_xact_lock(hashtextextended(:workspace || ' ' || :key, 7)) AS ours
""")
FIND = """
    SELECT kept.request_hash, kept.status, kept.location, kept.body
    FROM unnest($1::text[], $2::text[], $3::float8[])
        WITH ORDINALITY AS asked(workspace, key, since, place)
    LEFT JOIN idempotency_keys kept ON kept.workspace_id = asked.workspace
        AND kept.key = asked.key AND kept.created_at > asked.since
    ORDER BY asked.place
"""
# In the order of the keys, so that two who keep several at a time never wait for each other.
KEEP = f"""
    INSERT INTO idempotency_keys AS kept
        (workspace_id, key, request_hash, status, location, body, created_at)
    SELECT * FROM
        unnest($1::text[], $2::text[], $3::bytea[], $4::integer[], $5::text[], $6::bytea[],
            $7::float8[]) AS new(workspace, key, hash, status, location, body, at)
    WHERE pg_try_advisory_xact_lock(hashtextextended(new.workspace || ' ' || new.key, 7))
    ORDER BY new.workspace, new.key
    ON CONFLICT (workspace_id, key) DO UPDATE SET
        request_hash = excluded.request_hash, status = excluded.status,
        location = excluded.location, body = excluded.body, created_at = excluded.created_at
    WHERE kept.created_at <= excluded.created_at - {KEPT_FOR}
    RETURNING workspace_id, key
"""  # noqa: S608 - our own number
FORGET = text("DELETE FROM idempotency_keys WHERE created_at <= :since")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request that names an Idempotency-Key."""

    workspace: WorkspaceId
    key: str
    hash: bytes
    now: float


async def find(connection: AsyncConnection, asked: Keyed) -> StoredAnswer | None:
    """The first answer, or None for a key that is ours until this transaction ends.

    Raises Conflict where the key stands for another request, or for one that still runs.
    """
    taking = {"workspace": asked.workspace, "key": asked.key}
    if not (await connection.execute(TAKE, taking)).scalar_one():
        raise in_progress()
    (found,) = await find_all(await driver_of(connection), [asked], keyring_of(connection.engine))
    if isinstance(found, Conflict):
        raise found
    return found


async def find_all(
    driver: asyncpg.Connection, asked: Sequence[Keyed], keyring: Keyring | None
) -> list[StoredAnswer | Conflict | None]:
    """The first answer to each; a Conflict where the key stands for another request.

    Takes no key: that somebody has answered meanwhile turns out when the answer is to be kept.
    """
    rows = await driver.fetch(
        FIND,
        [one.workspace for one in asked],
        [one.key for one in asked],
        [one.now - KEPT_FOR for one in asked],
    )
    return [_found(one, row, keyring) for one, row in zip(asked, rows, strict=True)]


def _found(
    asked: Keyed, row: asyncpg.Record, keyring: Keyring | None
) -> StoredAnswer | Conflict | None:
    if row["request_hash"] is None:
        return None
    if row["request_hash"] != asked.hash:
        return Conflict(
            "this Idempotency-Key was used for another request", code="idempotency_conflict"
        )
    body = row["body"]
    if keyring is not None:
        body = keyring.open(body, _place(asked.workspace, asked.key)).encode()
    return StoredAnswer(status=row["status"], location=row["location"], body=body)


async def keep(connection: AsyncConnection, workspace: WorkspaceId, kept: KeptAnswer) -> None:
    """Raises Conflict where another request has taken the key."""
    driver, keyring = await driver_of(connection), keyring_of(connection.engine)
    if not await keep_all(driver, [(workspace, kept)], keyring):
        raise in_progress()


async def keep_all(
    driver: asyncpg.Connection,
    answers: Sequence[tuple[WorkspaceId, KeptAnswer]],
    keyring: Keyring | None,
) -> set[tuple[str, str]]:
    """Keep them within the transaction that the driver is in: workspace and key of those that
    were. The others' keys are taken by requests that still run, or were answered just now.

    No key may be among them twice.
    """
    rows = [
        (
            workspace,
            kept.key,
            kept.hash,
            kept.answer.status,
            kept.answer.location,
            _sealed(keyring, workspace, kept),
            kept.at,
        )
        for workspace, kept in answers
    ]
    done = await driver.fetch(KEEP, *zip(*rows, strict=True))
    return {(row["workspace_id"], row["key"]) for row in done}


def in_progress() -> Conflict:
    return Conflict(
        "a request with this Idempotency-Key is still running; its answer comes soon",
        code="idempotency_in_progress",
    )


def keyring_of(engine: AsyncEngine) -> Keyring | None:
    keyring = engine.sync_engine.get_execution_options().get(KEYRING)
    return keyring if isinstance(keyring, Keyring) else None


def _sealed(keyring: Keyring | None, workspace: WorkspaceId, kept: KeptAnswer) -> bytes:
    """Some answers show a secret, once: a copy of it must not lie about in the open."""
    body = kept.answer.body
    return body if keyring is None else keyring.seal(body.decode(), _place(workspace, kept.key))


def _place(workspace: WorkspaceId, key: str) -> Place:
    return Place("idempotency_keys", "body", f"{workspace} {key}")


async def forget(connection: AsyncConnection, *, now: float) -> None:
    """Drop what is older than it is kept."""
    await connection.execute(FORGET, {"since": now - KEPT_FOR})
