"""PostgreSQL inside the data folder, for who has none of their own.

The server is a daemon: it outlives whoever started it, however that ended, and the next start
finds it again. It listens on a unix socket in a folder that only its own user may enter, never
on the network. Everything here blocks: call it in a thread, or before the event loop runs.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from strowger.errors import ConfigurationError
from strowger.store.cluster import START_TIMEOUT, Cluster

START_ATTEMPTS = 3
POLL = 0.2  # seconds
STILL_DYING = "is still in use"
"""What PostgreSQL says, in the C locale, while children of a killed server hold on to its memory:
on a busy disk for seconds. That passes, and is no failure."""


@contextmanager
def claim(data: Path) -> Iterator[None]:
    """Be the only server on this data folder. Raises ConfigurationError where there is one.

    The claim ends with the process, however it ends.
    """
    with _lock_file(data, "serve.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"the data folder {data} is in use by another Strowger"
            ) from None
        yield


@contextmanager
def _lock_file(data: Path, name: str) -> Iterator[int]:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot write to the data folder {data}: {error}") from error
    try:
        yield lock
    finally:
        os.close(lock)


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server."""

    url: str
    folder: Path
    started: bool
    """By us just now; False where it was running already."""

    def stop(self) -> None:
        """Close all connections in order and end the server. Stopping twice is harmless."""
        cluster = Cluster(self.folder)
        if not cluster.running():
            return
        socket_folder = cluster.found_socket_folder()
        cluster.control("stop", "--mode=fast", "--wait", f"--timeout={START_TIMEOUT}")
        if socket_folder is not None and Path(socket_folder) != self.folder:
            with suppress(OSError):
                Path(socket_folder).rmdir()


def stop(data: Path) -> None:
    """Stop the server in `data/postgres`, whoever started it."""
    EmbeddedPostgres("", data.absolute() / "postgres", started=False).stop()


def lives(data: Path) -> bool:
    """Whether the server in `data/postgres` has a process. Whether it answers is not asked."""
    return Cluster(data.absolute() / "postgres").lives()


def start(data: Path) -> EmbeddedPostgres:
    """Start the server in `data/postgres`, or find it running. Raises ConfigurationError."""
    data = data.absolute()
    with _lock_file(data, "start.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two who start at once: the second finds it running
        cluster = Cluster(data / "postgres")
        cluster.create()
        started = _bring_up(cluster)
    return EmbeddedPostgres(cluster.url(), cluster.folder, started)


def _bring_up(cluster: Cluster) -> bool:
    """Start the server unless it runs, and wait until it answers: True if it was us.

    One that is just dying, or whose children are, is neither running nor out of the way; one
    that was killed replays its log first.
    """
    started = False
    failure = ConfigurationError(f"the database in {cluster.folder} does not get ready")
    give_up_at = time.monotonic() + START_TIMEOUT
    failures = 0
    while time.monotonic() < give_up_at and failures < START_ATTEMPTS:
        if not cluster.running():
            try:
                cluster.start()
                started = True
            except ConfigurationError as error:
                failure = error
                failures += STILL_DYING not in str(error)
        if cluster.ready():
            return started
        time.sleep(POLL)
    raise failure
