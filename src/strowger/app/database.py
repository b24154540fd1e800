"""The database: the operator's or an embedded one, brought to this version, with the keys for its
secrets, before anybody works on it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from strowger.app.running import Ready
from strowger.config import Settings, TrunkAddress
from strowger.errors import ConfigurationError, Unavailable
from strowger.model import DEFAULT_WORKSPACE, Trunk, TrunkId

if TYPE_CHECKING:
    from strowger.store.keyring import Keyring

CONFIGURED_TRUNK = TrunkId("trunk_default")
"""The id of the trunk that STROWGER_TRUNK describes."""
PREPARED_AT_MOST = 3
"""How often an embedded database is brought up that dies before it is ready."""
POOL = 10
"""Database connections of one process."""


def database_url(settings: Settings) -> str:
    """The operator's database, or the embedded one, started where it is not running. Blocks."""
    from strowger.store import embedded

    if settings.database_url is not None:
        return settings.database_url
    return embedded.start(settings.data).url


async def database_of_child(settings: Settings) -> str:
    """The same for a process that comes after `prepare`: what worked then will work again.

    Reading rows is made quick as well. Raises Unavailable, which ends this process to be started
    again, and not the whole house.
    """
    from strowger.store.codec import be_quick

    be_quick()
    try:
        return await asyncio.to_thread(database_url, settings)
    except ConfigurationError as error:
        raise Unavailable(str(error)) from error


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """A database at this version, for a command: what it started, it stops. Blocks."""
    from strowger.store import embedded

    running = None if settings.database_url is not None else embedded.start(settings.data)
    url = settings.database_url if running is None else running.url
    assert url is not None
    try:
        asyncio.run(bring_up(url, settings))
        yield url
    finally:
        if running is not None and running.started:
            with suppress(ConfigurationError), embedded.claim(settings.data):
                running.stop()  # unless a server came up meanwhile and needs it


async def prepare(settings: Settings, ready: Ready) -> None:
    """Make the database ready for the processes that follow.

    An embedded one that dies meanwhile is started again: nobody else keeps it running yet.
    """
    own = settings.database_url is None
    for tries_left in reversed(range(PREPARED_AT_MOST if own else 1)):
        url = await asyncio.to_thread(database_url, settings)
        try:
            await bring_up(url, settings)
        except Unavailable as error:
            if not tries_left:
                raise
            structlog.get_logger().warning("database lost, starting it again", problem=str(error))
        else:
            ready("database")
            return


def keyring_of(settings: Settings) -> "Keyring":
    """The keys for secrets: those configured, else those in the data folder, made if missing.

    Raises ConfigurationError.
    """
    from strowger.store.keyring import FILE_NAME, GivenKeys, KeyFile, Keyring, parse_keys

    if settings.secret_keys is not None:
        return Keyring(GivenKeys(parse_keys(settings.secret_keys, "STROWGER_SECRET_KEYS")))
    file = KeyFile(settings.data / FILE_NAME)
    file.make_if_missing()
    return Keyring(file)


async def bring_up(url: str, settings: Settings) -> None:
    """Bring the database to this version, see that its secrets open with the keys there are, and
    write down what the configuration names."""
    from strowger.store.connect import open_engine
    from strowger.store.migrate import migrate
    from strowger.store.records import PostgresRecords
    from strowger.store.sealing import check

    keyring = await asyncio.to_thread(keyring_of, settings)
    await migrate(url, keyring=keyring)
    engine = open_engine(url, pool_size=1, keyring=keyring)
    try:
        await check(engine)
        records, now = PostgresRecords(engine), time.time()
        await records.ensure_workspace(DEFAULT_WORKSPACE, now=now)
        await records.limit_workspace(DEFAULT_WORKSPACE, settings.max_calls or None)
        if (trunk := settings.trunk) is not None:
            await records.ensure_trunk(configured_trunk(trunk, now=now))
    finally:
        await engine.dispose()


def configured_trunk(address: TrunkAddress, *, now: float) -> Trunk:
    """The trunk that the configuration names, as it is kept."""
    return Trunk(
        id=CONFIGURED_TRUNK,
        workspace_id=DEFAULT_WORKSPACE,
        name="from the configuration",
        host=address.host,
        port=address.port,
        username=address.username,
        password=address.password,
        is_default=True,
        created_at=now,
        updated_at=now,
    )
