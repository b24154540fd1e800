"""Connections to PostgreSQL, and what their failures mean to the rest of the house."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from strowger.errors import ConfigurationError, Conflict, NotFound, StrowgerError, Unavailable
from strowger.store.codec import from_json, to_json
from strowger.store.keyring import Keyring

CONNECT_TIMEOUT = 5.0  # seconds
STATEMENT_TIMEOUT = 30.0  # seconds; no statement here should need a hundredth of it
POOL_TIMEOUT = 10.0  # seconds to wait for a free connection
ANSWER_TIMEOUT = 5.0
"""Seconds for both where somebody waits for an answer. Of a database that hangs it takes the two of
them, at the most: a statement that is given up is followed by a ROLLBACK that is, too."""
KEYRING = "strowger_keyring"
"""The execution option under which an engine keeps its keyring."""

_JOINED: ContextVar[AsyncConnection | None] = ContextVar("joined", default=None)
"""The transaction that everything in this context is a part of."""


FAILURES = (
    exc.TimeoutError,  # no connection became free
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it shuts down, starts up or was told to stop us
    asyncpg.InsufficientResourcesError,  # disk, memory or connections have run out
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby has not taken over yet
)
"""Failures that may be over when somebody tries again."""


async def connect(url: str) -> asyncpg.Connection:
    """One connection of one's own, as LISTEN needs it. Raises Unavailable."""
    async with translated():
        return await _connect(plain(url))


def open_engine(
    url: str,
    *,
    pool_size: int = 10,
    statement_timeout: float | None = STATEMENT_TIMEOUT,
    pool_timeout: float = POOL_TIMEOUT,
    keyring: Keyring | None = None,
) -> AsyncEngine:
    """A pool of connections to `url`, a PostgreSQL URL in libpq's spelling.

    Without a `keyring` they can do everything but read and write secrets.
    """
    dsn = plain(url)

    async def creator() -> asyncpg.Connection:
        return await _connect(dsn, statement_timeout)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        json_serializer=to_json,
        json_deserializer=from_json,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    if keyring is not None:
        engine.sync_engine.update_execution_options(**{KEYRING: keyring})
    return engine


def in_use(engine: AsyncEngine) -> int:
    """Connections of the pool that somebody has in hand."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def plain(url: str) -> str:
    """The URL as libpq spells it: no driver in the scheme. Raises ConfigurationError."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ConfigurationError("the database URL has to start with postgresql://")
    return f"postgresql://{rest}"


@asynccontextmanager
async def together(engine: AsyncEngine) -> AsyncIterator[None]:
    """Everything that this task does with the database meanwhile is one transaction."""
    async with transaction(engine) as connection:
        joined = _JOINED.set(connection)
        try:
            yield
        finally:
            _JOINED.reset(joined)


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction: all of it or nothing, and failures in the house's own words.

    Within `together` it is a savepoint, so that it is undone alone where its failure is survived.
    """
    if (joined := _JOINED.get()) is not None:
        async with translated(), joined.begin_nested():
            yield joined
        return
    async with translated(), engine.begin() as connection:
        yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for one statement: saves BEGIN and COMMIT."""
    if (joined := _JOINED.get()) is not None:
        async with translated():
            yield joined
        return
    async with translated(), engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


def joined() -> bool:
    """Whether everything here is a part of the transaction of `together`."""
    return _JOINED.get() is not None


@asynccontextmanager
async def quick_reading(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """The driver's own connection, for one statement by hand: it keeps each prepared, and what
    SQLAlchemy does for each execution costs several times what the database does."""
    async with reading(engine) as connection:
        yield await driver_of(connection)


@asynccontextmanager
async def quick_transaction(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """The same for one transaction."""
    async with reading(engine) as connection:
        driver = await driver_of(connection)
        if not joined():
            async with driver.transaction():
                yield driver
            return
        if not driver.is_in_transaction():
            await connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins with a statement
        yield driver


async def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's connection beneath; it knows nothing of a transaction that has not begun."""
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, asyncpg.Connection)
    return driver


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise what went wrong with the database in the house's own words.

    What is nobody's fault but ours, such as bad SQL, goes on as it is.
    """
    try:
        yield
    except (exc.DBAPIError, *FAILURES) as error:
        meaning = _meaning(_cause(error) if isinstance(error, exc.DBAPIError) else error)
        if meaning is None:
            raise
        raise meaning from error


async def _connect(
    dsn: str, statement_timeout: float | None = STATEMENT_TIMEOUT
) -> asyncpg.Connection:
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT,
        command_timeout=statement_timeout,
        # The planner's just-in-time compiler costs more than our short statements.
        server_settings={"application_name": "strowger", "jit": "off"},
    )


def _refuse_closed(connection: object, record: ConnectionPoolEntry, proxy: object) -> None:
    """Keep a connection that the server has closed meanwhile from being used once more."""
    driver = record.driver_connection
    if isinstance(driver, asyncpg.Connection) and driver.is_closed():
        raise exc.DisconnectionError


def _cause(error: exc.DBAPIError) -> BaseException:
    """The driver's own error beneath SQLAlchemy's two layers."""
    return getattr(error.orig, "__cause__", None) or error.orig or error


def _meaning(error: BaseException) -> StrowgerError | None:
    """What a failure of the database means to who called; None for a defect of ours."""
    match error:
        case asyncpg.UniqueViolationError():
            return Conflict(_subject(error, "there is one like it already"))
        case asyncpg.ForeignKeyViolationError():
            return NotFound(_subject(error, "it refers to something that is not there"))
        case asyncpg.InvalidAuthorizationSpecificationError() | asyncpg.InvalidCatalogNameError():
            return ConfigurationError(f"the database does not let us in: {error}")
        case asyncpg.ClientConfigurationError():
            return ConfigurationError(f"the database URL is not understood: {error}")
        case asyncpg.InterfaceError() if isinstance(error, ValueError):
            return None  # a value that its column cannot hold
        case asyncpg.PostgresError() if not isinstance(error, PASSING):
            return None
        case _:
            return Unavailable(f"the database cannot be used: {type(error).__name__}: {error}")


def _subject(error: asyncpg.PostgresError, otherwise: str) -> str:
    return f"{error.table_name}: {otherwise}" if error.table_name else otherwise
