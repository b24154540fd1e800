"""One process per role and data folder: who comes next waits until who was before has gone.

A supervisor that was killed leaves children that hold their ports while they end their calls in
order. The next supervisor's children wait here for them, and kill one that takes too long, as
their own supervisor would have done. The claim is a lock on a file: it ends with the process,
however that ends, so the process id in a locked file is that of a living one.
"""

import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from strowger.errors import ConfigurationError

POLL = 0.1  # seconds


class StoppedWhileWaiting(Exception):
    """We were told to stop before our turn came."""


@contextmanager
def succeed(
    data: Path, role: str, *, patience: float, stopped: Callable[[float], bool]
) -> Iterator[None]:
    """Be the only process of this role on the data folder, for as long as the block lasts.

    `patience` is in seconds, from now until the one before is killed; `stopped` waits for as many
    seconds as it is given and says whether we are to stop. Blocks. Raises ConfigurationError
    where the folder cannot be written to, and StoppedWhileWaiting.
    """
    try:
        claim = os.open(data / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot write to the data folder {data}: {error}") from error
    try:
        _wait_for_turn(claim, time.monotonic() + patience, stopped)
        os.ftruncate(claim, 0)
        os.pwrite(claim, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(claim)


def input_ended(seconds: float) -> bool:
    """Whether standard input, the order to go on, has ended; waits for it so long."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable)


def _wait_for_turn(claim: int, give_up_at: float, stopped: Callable[[float], bool]) -> None:
    while True:
        try:
            return fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if stopped(POLL):
                raise StoppedWhileWaiting from None
        if time.monotonic() >= give_up_at:
            _kill_holder(claim)


def _kill_holder(claim: int) -> None:
    written = os.pread(claim, 32, 0).strip()
    if written.isdigit() and int(written) > 1:
        try:
            os.kill(int(written), signal.SIGKILL)
        except ProcessLookupError:
            return  # it went by itself
