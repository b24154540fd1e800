"""The API in a process of its own, over a real database, for tests that ask it as a customer would.

`python -m tests.api.live_server DATABASE_URL FOLDER` prints one line of JSON when it listens, and
serves until it is terminated. It has no workers and sends nothing anywhere: what others send it
(addresses of trunks, of webhooks) may be anybody's.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from strowger.lifecycle import CallStatus
from strowger.model import CallId, WorkerId
from tests.api.house import CALL, House, house, served
from tests.e2e.server import ENVIRONMENT
from tests.store.samples import RESULT

ROOT = Path(__file__).parents[2]
STRANGERS = 64


@dataclass(frozen=True)
class Live:
    """Where it listens, a key that may do everything, and a call that is over, with recording."""

    url: str
    key: str
    finished_call: str
    strangers: list[str]
    """Keys of other workspaces, each with nothing in it."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextmanager
def live_server(database_url: str, folder: Path) -> Iterator[Live]:
    log = folder / "server.log"
    command = [sys.executable, "-m", "tests.api.live_server", database_url, str(folder)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=output, text=True, env=ENVIRONMENT
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Live(**json.loads(line))
    finally:
        process.terminate()
        process.communicate(timeout=30)


@asynccontextmanager
async def _serving(database_url: str, folder: Path) -> AsyncIterator[Live]:
    async with house(database_url, folder) as home, asyncio.TaskGroup() as tasks:
        home.now[0] = time.time()
        bell = tasks.create_task(home.bell.run(), name="bell")
        headers = await home.key()
        await home.trunk(headers, is_default=True)
        over = await _finished_call(home, headers, folder)
        strangers = [await home.key(workspace=f"workspace_{n}") for n in range(STRANGERS)]
        async with served(home.app) as client:
            key = headers["Authorization"].removeprefix("Bearer ")
            keys = [each["Authorization"].removeprefix("Bearer ") for each in strangers]
            yield Live(str(client.base_url), key, over, keys)
        bell.cancel()


async def _finished_call(home: House, headers: dict[str, str], folder: Path) -> str:
    worker = WorkerId("worker_1")
    made = await home.client.post("/v1/calls", json=CALL, headers=headers)
    call = CallId(made.json()["id"])
    await home.store.claim_dial_attempt(call, worker, now=1.0)
    for status in (CallStatus.INITIATED, CallStatus.IN_PROGRESS):
        await home.store.set_status(call, status, worker, now=2.0)
    await home.store.finish(call, RESULT)
    with wave.open(str(folder / f"{call}.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 800, "NONE", ""))
        file.writeframes(bytes(3200))
    return call


async def main(database_url: str, folder: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with _serving(database_url, Path(folder)) as live:
        print(json.dumps(asdict(live)), flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
