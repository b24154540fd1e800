"""`strowger serve`: everything on one machine."""

import asyncio
import subprocess
import sys

from rich.console import Console

from strowger.config import Settings, child_environment
from strowger.errors import AlreadySaid
from strowger.memory import settle_memory
from strowger.process import encode_settings
from strowger.store import embedded
from strowger.supervisor import (
    ChildEnded,
    ChildReady,
    Notice,
    Role,
    Supervisor,
)

MARGIN = 10.0
"""Seconds a worker has beyond its calls' own time to stop."""


def serve(settings: Settings) -> int:
    """Run until Ctrl-C. Raises ConfigurationError."""
    console = Console(stderr=True, highlight=False)
    with embedded.claim(settings.data):
        console.print("· preparing the database")
        prepare(settings)
        try:
            asyncio.run(_supervise(settings, console))
        finally:
            if settings.database_url is None:
                embedded.stop(settings.data)
        console.print("· stopped")
    return 0


def migrate(settings: Settings) -> int:
    """Bring the database up to date. Raises ConfigurationError."""
    prepare(settings)
    Console(stderr=True).print("· the database is at this version")
    return 0


def prepare(settings: Settings) -> None:
    """In a process of its own: what it loads is needed this once."""
    done = subprocess.run(
        [sys.executable, "-m", "strowger.process", "prepare"],
        input=encode_settings(settings) + b"\n",
        stdout=subprocess.PIPE,
        env=child_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise AlreadySaid("prepare")


async def _supervise(settings: Settings, console: Console) -> None:
    roles = [Role("api", ("api",))]
    roles += [
        Role(f"worker {number}", ("worker", str(number)))
        for number in range(1, settings.workers + 1)
    ]
    waiting = {role.name for role in roles}

    def notice(what: Notice) -> None:
        match what:
            case ChildReady(name, message):
                console.print(f"· {name} listens on {message}")
                if waiting:
                    waiting.discard(name)
                    if not waiting:
                        settle_memory()
                        console.print("· ready; Ctrl-C stops")
            case ChildEnded(name, status):
                console.print(f"· {name} ended with status {status}; starting it again")

    supervisor = Supervisor(
        encode_settings(settings), child_environment(), settings.stop_timeout + MARGIN
    )
    await supervisor.run(roles, notice)
