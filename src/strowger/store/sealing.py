"""The secrets of the tables: which columns they are, and how rows get them sealed and opened.

A connection carries the keyring of its engine (`connect.open_engine`), so that whoever may use the
database in this process may also read its secrets, and nobody has to be handed both.
"""

from dataclasses import dataclass

from sqlalchemy import Column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from strowger.errors import ConfigurationError
from strowger.store.connect import KEYRING, transaction
from strowger.store.keyring import Keyring, Place
from strowger.store.schema import dialect_records, secrets, trunks, webhooks, workspaces

SEALED: tuple[Column[bytes], ...] = (
    trunks.c.password,
    webhooks.c.secret,
    webhooks.c.previous_secret,
    workspaces.c.webhook_secret,
    workspaces.c.previous_webhook_secret,
    dialect_records.c.body,
    secrets.c.value,
)
"""Every column that holds secrets."""

AT_ONCE = 500
"""Rows of one transaction of a rotation."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a rotation came to."""

    seen: int
    changed: int


def keyring_of(connection: AsyncConnection) -> Keyring:
    keyring = connection.engine.sync_engine.get_execution_options().get(KEYRING)
    if not isinstance(keyring, Keyring):
        raise ConfigurationError("this connection was opened without the keys for secrets")
    return keyring


def seal(connection: AsyncConnection, column: Column[bytes], row: str, secret: str) -> bytes:
    return keyring_of(connection).seal(secret, _place(column, row))


def opened(connection: AsyncConnection, column: Column[bytes], row: str, sealed: bytes) -> str:
    """Raises DoesNotOpen."""
    return keyring_of(connection).open(sealed, _place(column, row))


def _place(column: Column[bytes], row: str) -> Place:
    return Place(column.table.name, column.name, row)


async def check(engine: AsyncEngine) -> None:
    """Raise ConfigurationError unless every secret opens with the keys there are."""
    async with transaction(engine) as connection:
        for column in SEALED:
            id = column.table.c.id
            stream = await connection.stream(select(id, column).where(column.is_not(None)))
            async for row in stream:
                opened(connection, column, row[0], row[1])


async def rewrap(engine: AsyncEngine) -> Rewrapped:
    """Seal everything with the key that seals now. Others may read and write meanwhile."""
    seen = changed = 0
    for column in SEALED:
        after = ""
        while True:
            async with transaction(engine) as connection:
                rows = await _batch(connection, column, after)
                changed += rows.changed
                seen += rows.seen
                if rows.last is None:
                    break
                after = rows.last
    return Rewrapped(seen, changed)


@dataclass(frozen=True, slots=True)
class _Batch:
    seen: int
    changed: int
    last: str | None


async def _batch(connection: AsyncConnection, column: Column[bytes], after: str) -> _Batch:
    id, keyring, changed = column.table.c.id, keyring_of(connection), 0
    wanted = select(id, column).where(column.is_not(None), id > after).order_by(id).limit(AT_ONCE)
    rows = (await connection.execute(wanted.with_for_update())).all()
    for row, sealed in rows:
        if keyring.is_current(sealed):
            continue
        fresh = seal(connection, column, row, opened(connection, column, row, sealed))
        await connection.execute(update(column.table).where(id == row).values({column: fresh}))
        changed += 1
    return _Batch(len(rows), changed, rows[-1][0] if rows else None)
