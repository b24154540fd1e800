"""One real server, one simulated callee and one webhook receiver for the calls of all dialects."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.server import HOST, Server, callee, serve
from tests.e2e.test_calls import ASKS
from tests.webhooks.server import Endpoint, Received, listening

PATIENCE = 90.0
TO, FROM = "+14155550100", "+14155550000"


@dataclass
class Exchange:
    """A server whose calls reach a callee that agrees, and a place for webhooks."""

    server: Server
    hooks: Endpoint
    agent: str
    """A native agent that asks a question and ends the call."""

    def curl(self, line: str) -> Any:
        """Run a curl line as a vendor's page prints it; the answer's JSON."""
        done = subprocess.run(
            ["bash", "-c", f"{line} --silent --show-error --noproxy '*'"],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return json.loads(done.stdout)

    def wait(self, call_id: str) -> dict[str, Any]:
        """The native call, once it is over."""
        return self.server.wait(call_id)

    def hook(self, wanted: Callable[[Received], bool]) -> Received:
        """The first delivery that is `wanted`, now or later."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for received in list(self.hooks.received):
                if wanted(received):
                    return received
            time.sleep(0.1)
        raise AssertionError(f"not delivered; there is {[r.body for r in self.hooks.received]}")


@contextmanager
def exchange(folder: Path) -> Iterator[Exchange]:
    with receiver() as hooks, serve(folder) as server, callee(folder, "agrees") as patient:
        server.client.post(
            "/v1/trunks",
            {"name": "callee", "host": HOST, "port": patient.port, "is_default": True},
        )
        server.client.post("/v1/phone-numbers", {"number": FROM})
        agent = str(server.client.post("/v1/agents", ASKS)["id"])
        yield Exchange(server, hooks, agent)


@contextmanager
def receiver() -> Iterator[Endpoint]:
    """An endpoint that says 200, in a thread of its own."""
    started: list[tuple[Endpoint, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def listen() -> None:
        async with listening() as endpoint:
            stop = asyncio.Event()
            started.append((endpoint, asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    assert ready.wait(10)
    endpoint, loop, stop = started[0]
    try:
        yield endpoint
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
