"""Starts the processes of one machine, keeps them running, and stops them in order.

The supervisor itself stays small: it holds no database connection, no model and no call. Its
children get their settings on standard input, so that no secret stands in the process list, and
take the end of that input as the order to stop: a supervisor that was killed leaves no orphans.
"""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass

from strowger.errors import AlreadySaid

CONFIGURATION_STATUS = 2
"""Exit status of a child that cannot work with its settings: starting it again is no use."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
"""Seconds before a child that ended is started again; doubled each time, until it has lived."""
SETTLED_AFTER = 30.0
"""Seconds a child must have lived to count as healthy again."""
READY_WITHIN = 60.0
"""Seconds a child has to say that it is ready, once who had its role before has stopped."""
MARGIN = 10.0
"""Seconds a worker has beyond its calls' own time to stop."""


@dataclass(frozen=True, slots=True)
class Role:
    """One child process."""

    name: str
    arguments: tuple[str, ...]
    """After `python -m strowger.process`."""


@dataclass(frozen=True, slots=True)
class ChildEnded:
    name: str
    status: int


@dataclass(frozen=True, slots=True)
class ChildReady:
    name: str
    message: str
    """What it said about itself, such as the address it listens on."""


Notice = ChildEnded | ChildReady


class Supervisor:
    """Keeps one process per role."""

    def __init__(self, settings: bytes, environment: dict[str, str], patience: float) -> None:
        """`settings` is one line for each child; `patience` in seconds for a child to stop."""
        self._settings = settings
        self._environment = environment
        self._patience = patience
        self._stopping = asyncio.Event()
        self._unusable: str | None = None
        """Who said that its settings cannot be worked with."""

    def stop(self) -> None:
        """Ask every child to stop; `run` returns when they have."""
        self._stopping.set()

    async def run(self, roles: list[Role], on_notice: Callable[[Notice], None]) -> None:
        """Run until `stop`. Raises AlreadySaid when a child found its settings unusable."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                for role in roles:
                    tasks.create_task(self._keep(role, on_notice), name=role.name)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._unusable is not None:
            raise AlreadySaid(f"{self._unusable} cannot work with these settings")

    async def _keep(self, role: Role, on_notice: Callable[[Notice], None]) -> None:
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while not self._stopping.is_set():
            started = loop.time()
            status = await self._live(role, on_notice)
            if status == CONFIGURATION_STATUS:
                self._unusable = role.name
                self.stop()
            if self._stopping.is_set():
                return
            on_notice(ChildEnded(role.name, status))
            pause = FIRST_PAUSE if loop.time() - started > SETTLED_AFTER else pause
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _live(self, role: Role, on_notice: Callable[[Notice], None]) -> int:
        """One life of a child, from start to exit status."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "strowger.process", *role.arguments,
            stdin=PIPE, stdout=PIPE, env=self._environment, start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(self._settings + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(READY_WITHIN + self._patience):
                message = (await process.stdout.readline()).decode().strip()
            if message:
                on_notice(ChildReady(role.name, message))
            async with asyncio.TaskGroup() as tasks:
                stopping = tasks.create_task(self._stopping.wait(), name=f"stop {role.name}")
                ended = tasks.create_task(process.wait(), name=f"wait {role.name}")
                await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if not ended.done():
                    await self._end(process)
            return ended.result()
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            await self._end(process)
            return process.returncode or 1
        finally:
            if process.returncode is None:
                process.kill()

    async def _end(self, process: Process) -> None:
        """Close its input; a child that does not stop in time is killed."""
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(self._patience):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
