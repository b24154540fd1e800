"""`strowger secrets rotate`."""

import asyncio

from rich.console import Console

from strowger.app.database import database, keyring_of
from strowger.config import Settings
from strowger.store.connect import open_engine
from strowger.store.keyring import FILE_NAME, KeyFile, Keyring
from strowger.store.sealing import Rewrapped, rewrap


def rotate(settings: Settings) -> int:
    """Seal every secret with a new key, or with the first that is configured."""
    console = Console(stderr=True, highlight=False)
    with database(settings) as url:
        if settings.secret_keys is None:
            file = KeyFile(settings.data / FILE_NAME)
            console.print(f"· new key {file.add_key()} in {file.path}; keep a copy of that file")
        done = asyncio.run(_rewrap(url, keyring_of(settings)))
    console.print(f"· {done.changed} of {done.seen} secrets sealed anew")
    console.print("· older keys are no longer needed but for backups made before now")
    return 0


async def _rewrap(url: str, keyring: Keyring) -> Rewrapped:
    engine = open_engine(url, pool_size=1, keyring=keyring)
    try:
        return await rewrap(engine)
    finally:
        await engine.dispose()
