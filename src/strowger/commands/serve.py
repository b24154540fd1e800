"""`strowger serve`: everything on one machine."""

import asyncio
import subprocess
import sys

from strowger.config import Settings, child_environment
from strowger.errors import AlreadySaid, ConfigurationError, leaves
from strowger.log_stream import lossy
from strowger.memory import settle_memory
from strowger.process import encode_settings
from strowger.store import embedded
from strowger.supervisor import (
    MARGIN,
    ChildEnded,
    ChildReady,
    Notice,
    Role,
    Supervisor,
)

LOOK_AFTER_DATABASE = 0.5
"""Seconds between two looks whether the embedded database lives."""
LONGEST_PAUSE = 5.0
"""Seconds between two tries to start it; what keeps it down, such as a full disk, may pass."""


def serve(settings: Settings) -> int:
    """Run until Ctrl-C. Raises ConfigurationError."""
    with embedded.claim(settings.data):
        _say("· preparing the database")
        prepare(settings)
        try:
            asyncio.run(_supervise(settings))
        finally:
            if settings.database_url is None:
                embedded.stop(settings.data)
        _say("· stopped")
    return 0


def migrate(settings: Settings) -> int:
    """Bring the database up to date. Raises ConfigurationError."""
    prepare(settings)
    _say("· the database is at this version")
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


async def _supervise(settings: Settings) -> None:
    roles = [Role("api", ("api",))]
    roles += [
        Role(f"worker {number}", ("worker", str(number)))
        for number in range(1, settings.workers + 1)
    ]
    waiting = {role.name for role in roles}

    def notice(what: Notice) -> None:
        match what:
            case ChildReady(name, message):
                _say(f"· {name} listens on {message}")
                if waiting:
                    waiting.discard(name)
                    if not waiting:
                        settle_memory()
                        _say("· ready; Ctrl-C stops")
            case ChildEnded(name, status):
                _say(f"· {name} ended with status {status}; starting it again")

    supervisor = Supervisor(
        encode_settings(settings), child_environment(), settings.stop_timeout + MARGIN
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(_keep_database(settings), name="database")
            await supervisor.run(roles, notice)
            keeper.cancel()
    except* ConfigurationError as errors:
        raise next(leaves(errors)) from None


async def _keep_database(settings: Settings) -> None:
    """Start the embedded server again where it has died; everybody else connects again."""
    if settings.database_url is not None:
        return
    pause = LOOK_AFTER_DATABASE
    while True:
        await asyncio.sleep(pause)
        if embedded.lives(settings.data):
            pause = LOOK_AFTER_DATABASE
            continue
        _say("· the database has ended; starting it again")
        try:
            # Cancelled, the thread still finishes before the process goes on to stop the server.
            await asyncio.to_thread(embedded.start, settings.data)
        except ConfigurationError as error:
            _say(f"· {error}")
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            _say("· the database is back")


def _say(line: str) -> None:
    """Plainly: rich would stay in memory for as long as the server runs."""
    lossy(sys.stderr).write(f"{line}\n")
