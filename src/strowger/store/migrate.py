"""Bringing a database to this version's tables; several processes may try at once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from strowger.errors import ConfigurationError
from strowger.store.connect import open_engine, translated
from strowger.store.keyring import Keyring
from strowger.store.queue import queries

LOCK = int.from_bytes(b"STROWGER", "big")  # whoever holds it migrates, the others wait
OLDEST = 150000
"""PostgreSQL 15: the first whose foreign keys can set one of their columns to null."""


async def migrate(url: str, *, revision: str = "head", keyring: Keyring | None = None) -> None:
    """Upgrade the database. Raises Unavailable or ConfigurationError.

    The `keyring` is needed where secrets were kept in the clear before revision 0003.
    """
    async with _alone(url) as connection:
        await _check_version(connection)
        await _alembic(connection, command.upgrade, revision, keyring)
        # The queue's tables were made by a migration; here a newer PgQueuer brings them up.
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, asyncpg.Connection)
        await queries(driver).apply_upgrade()


async def downgrade(url: str, *, revision: str = "base", keyring: Keyring | None = None) -> None:
    """Take the tables back to an older version: with `base`, remove them and all they hold."""
    async with _alone(url) as connection:
        await _alembic(connection, command.downgrade, revision, keyring)


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection that holds the lock; it may wait for as long as another migrates.

    The lock ends with the connection, which is closed here: who has lost it has lost the lock too.
    """
    engine = open_engine(url, pool_size=1, statement_timeout=None)
    try:
        async with translated(), engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            await connection.commit()
            yield connection
            await connection.commit()
    finally:
        await engine.dispose()


async def _alembic(
    connection: AsyncConnection,
    step: Callable[[Config, str], None],
    revision: str,
    keyring: Keyring | None,
) -> None:
    def run(sync: Connection) -> None:
        config = _config()
        config.attributes["connection"] = sync
        config.attributes["keyring"] = keyring
        step(config, revision)

    await connection.run_sync(run)
    await connection.commit()


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def _check_version(connection: AsyncConnection) -> None:
    found = int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
    await connection.commit()
    if found < OLDEST:
        raise ConfigurationError(
            f"PostgreSQL {found // 10000} is too old: {OLDEST // 10000} or later is needed"
        )
