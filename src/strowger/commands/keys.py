"""`strowger keys create`."""

import asyncio
import sys
import time

from strowger.app.database import database
from strowger.calls.resources import KeyService, check_key
from strowger.config import Settings
from strowger.errors import ConfigurationError, InvalidRequest
from strowger.model import DEFAULT_WORKSPACE, ApiKey, KeyId
from strowger.store.connect import open_engine
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords


def create_key(settings: Settings, name: str, scopes: str, *, test: bool) -> int:
    """Print a new key, alone, on standard output. Raises ConfigurationError."""
    wanted = tuple(scope.strip() for scope in scopes.split(",") if scope.strip())
    _check(name, wanted)  # before a database is started for it
    with database(settings) as url:
        sys.stdout.write(asyncio.run(make_key(url, name, wanted, test=test)) + "\n")
    return 0


async def make_key(url: str, name: str, scopes: tuple[str, ...], *, test: bool = False) -> str:
    """A new key of the default workspace."""
    engine = open_engine(url, pool_size=1)
    try:
        keys = KeyService(PostgresRecords(engine), ids=new_id, clock=time.time)
        _, text = await keys.create(DEFAULT_WORKSPACE, name, scopes=scopes, test=test)
    finally:
        await engine.dispose()
    return text


def _check(name: str, scopes: tuple[str, ...]) -> None:
    wanted = ApiKey(id=KeyId(""), workspace_id=DEFAULT_WORKSPACE, name=name, scopes=scopes)
    try:
        check_key(wanted)
    except InvalidRequest as refusal:
        said = "; ".join(f"--{problem.field}: {problem.message}" for problem in refusal.problems)
        raise ConfigurationError(said or str(refusal)) from None
