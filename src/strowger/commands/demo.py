"""`strowger demo`: one whole call on this machine, shown as it happens and checked at its end.

Starts Strowger and a simulated callee as anybody would, places the call over real SIP, and then
checks what a customer would look at: the outcome, the recording, the webhook and its signature.
"""

import asyncio
import json
import socket
import subprocess
import sys
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from math import log10, sqrt
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from strowger.app.database import database_url
from strowger.app.running import run_loop
from strowger.commands.client import ServerClient
from strowger.commands.keys import make_key
from strowger.commands.receiver import Received, Receiver, open_receiver
from strowger.commands.serve import prepare
from strowger.commands.watch import LiveView
from strowger.config import Settings, child_environment, load_settings
from strowger.errors import ConfigurationError
from strowger.process import encode_settings
from strowger.store import embedded
from strowger.supervisor import ChildEnded, ChildReady, Notice, Role, Supervisor

HOST = "127.0.0.1"
NUMBER = "+14155550100"
CALLER = "+14155550199"
READY_WITHIN = 60.0
CALL_WITHIN = 120.0
WEBHOOK_WITHIN = 20.0
SOUND = -60.0
"""dBFS that a channel's loudest second must reach to count as sound."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something a customer would look at, and whether it is right."""

    what: str
    good: bool


def demo(persona: str, data: Path) -> int:
    """0 only if the call happened as it should. Raises ConfigurationError."""
    console = Console(highlight=False)
    settings = load_settings(
        {
            "host": HOST,
            "port": _free_port(socket.SOCK_STREAM),
            "sip": f"{HOST}:{_free_port(socket.SOCK_DGRAM)}",
            "data": data,
            "trunk": f"sip:{HOST}:{_free_port(socket.SOCK_DGRAM)}",
            "allow_networks": [f"{HOST}/32"],
            "lines": 4,
            "log_level": "warning",
            "stop_timeout": 5,
        },
        environ={},
        file=None,
    )
    with embedded.claim(settings.data):
        console.print("· preparing the database (the first time takes a few seconds)")
        prepare(settings)
        try:
            checks = run_loop(_run(settings, persona, console))
        finally:
            embedded.stop(settings.data)
    console.print()
    for check in checks:
        mark, style = ("✓", "green") if check.good else ("✗", "red")
        console.print(Text.assemble((mark, style), f" {check.what}"), soft_wrap=True)
    return 0 if all(check.good for check in checks) else 1


async def _run(settings: Settings, persona: str, console: Console) -> list[Check]:
    url = await asyncio.to_thread(database_url, settings)
    key = await make_key(url, "demo", ("*",))
    heard: list[str] = []
    async with (
        _server(settings, console),
        _callee(settings, persona, console, heard),
        open_receiver() as receiver,
    ):
        server = ServerClient(f"http://{settings.host}:{settings.port}", key)
        with server:
            call = await asyncio.to_thread(_place, server, receiver, persona, console)
            console.print(f"· calling {NUMBER} over SIP; both sides speak and listen\n")
            async with asyncio.timeout(CALL_WITHIN):
                view = LiveView(console)
                await asyncio.to_thread(view.show, server.events(call["id"]))
            try:
                async with asyncio.timeout(WEBHOOK_WITHIN):
                    webhook = await receiver.wait_for("call.completed", "call.failed")
            except TimeoutError:
                webhook = None
            over = await asyncio.to_thread(server.get, f"/v1/calls/{call['id']}")
    if webhook is not None:
        _show(webhook, console)
    recording = settings.recordings / over["workspace_id"] / f"{over['id']}.wav"
    return [*_checks(over, webhook, heard, persona), *_check_recording(over, recording)]


def _place(
    server: ServerClient, receiver: Receiver, persona: str, console: Console
) -> dict[str, Any]:
    webhook = server.post("/v1/webhooks", {"url": receiver.url, "events": ["*"]})
    receiver.secret = webhook["secret"]
    agent = server.post("/v1/agents", read_example())
    console.print(f"· agent {agent['name']!r} is {agent['id']}")
    return server.post(
        "/v1/calls",
        {"agent_id": agent["id"], "to": NUMBER, "metadata": {"persona": persona}},
    )


def read_example() -> dict[str, Any]:
    """The appointment reminder that the demonstration and the examples share."""
    text = resources.files("strowger.simulate").joinpath("agents/appointment.yaml").read_text()
    definition = yaml.safe_load(text)
    assert isinstance(definition, dict)
    return {**definition, "caller_id": CALLER}


# ── the processes ────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _server(settings: Settings, console: Console) -> AsyncIterator[None]:
    """An API process and a worker, as `strowger serve` has them."""
    waiting = {"api", "worker 1"}
    ready = asyncio.Event()

    def notice(what: Notice) -> None:
        match what:
            case ChildReady(name, message):
                console.print(f"· {name} listens on {message}")
                waiting.discard(name)
                if not waiting:
                    ready.set()
            case ChildEnded(name, status):
                console.print(f"· {name} ended with status {status}; starting it again")

    supervisor = Supervisor(encode_settings(settings), child_environment(), 15.0)
    roles = [Role("api", ("api",)), Role("worker 1", ("worker", "1"))]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run(roles, notice), name="supervisor")
        try:
            try:
                async with asyncio.timeout(READY_WITHIN):
                    await ready.wait()
            except TimeoutError:
                late = " and ".join(sorted(waiting))
                raise ConfigurationError(f"{late} did not get ready; see above") from None
            yield
        finally:
            supervisor.stop()


@asynccontextmanager
async def _callee(
    settings: Settings, persona: str, console: Console, heard: list[str]
) -> AsyncIterator[None]:
    """The other end of the line, in a process of its own."""
    assert settings.trunk is not None
    at = f"{settings.trunk.host}:{settings.trunk.port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "strowger", "simulate", "callee",
        "--listen", at, "--persona", persona, "--json",
        stdout=subprocess.PIPE, env=child_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.TaskGroup() as tasks:
        try:
            async with asyncio.timeout(READY_WITHIN):
                first = (await process.stdout.readline()).decode().strip()
            if not first:
                raise ConfigurationError("the simulated callee did not start; see above")
            console.print(f"· {first.partition(';')[0]}")
            reader = tasks.create_task(_relay(process.stdout, console, heard), name="callee")
            yield
            reader.cancel()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _relay(stream: asyncio.StreamReader, console: Console, heard: list[str]) -> None:
    """Show what the callee's side reports of itself."""
    while line := await stream.readline():
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if report["event"] == "reacted" and report["recognised"] is not None:
            heard.append(report["recognised"])
        if report["event"] in {"reacted", "trouble"}:
            said = Text(f"          · the callee {report['text']}", style="dim")
            console.print(said, soft_wrap=True)


# ── what a customer would look at ────────────────────────────────────────────────────────────


def _checks(
    call: dict[str, Any], webhook: Received | None, heard: list[str], persona: str
) -> list[Check]:
    outcome, latency = call["outcome"] or "none", call["latency"] or {}
    said = [turn for turn in call["transcript"] if turn["role"] == "callee" and turn["text"]]
    checks = [Check(f"status {call['status']}, {call['end_reason']}", call["status"] != "failed")]
    if latency:
        checks.append(
            Check(f"answers came after {1000 * latency['p50']:.0f} ms (median)", bool(latency))
        )
    if persona == "agrees":
        confirmed = outcome.startswith("appointment: confirmed")
        checks += [
            Check(f"Strowger understood the callee (turns: {len(said)})", bool(said)),
            Check(f"the callee understood Strowger ({', '.join(heard) or 'nothing'})", bool(heard)),
            Check(f"outcome: {outcome}", confirmed and call["status"] == "completed"),
        ]
    else:
        checks.append(Check(f"outcome: {outcome}", True))
    if webhook is None:
        return [*checks, Check("no webhook came", False)]
    verified = "signature verified" if webhook.verified else "signature WRONG"
    same = webhook.data.get("id") == call["id"]
    return [*checks, Check(f"webhook {webhook.type}: {verified}", webhook.verified and same)]


def _show(webhook: Received, console: Console) -> None:
    """The webhook as it came, without what was shown already."""
    shown = {
        name: webhook.data[name]
        for name in ("id", "status", "end_reason", "to", "duration", "outcome", "metadata")
        if name in webhook.data
    }
    console.print(f"\nwebhook {webhook.type}, as it was received at the customer's address:")
    console.print(json.dumps(shown, indent=2), style="dim")


def _check_recording(call: dict[str, Any], path: Path) -> list[Check]:
    if not call["recording"]["available"]:
        return [Check("no recording", call["status"] != "completed")]
    left, right, seconds = levels(path)
    good = left > SOUND and right > SOUND
    said = f"recording {path} ({seconds:.1f} s; callee {left:.0f} dBFS, agent {right:.0f} dBFS)"
    return [Check(said, good)]


def levels(path: Path) -> tuple[float, float, float]:
    """The level of the loudest second of the left and right channel in dBFS, and the seconds."""
    with wave.open(str(path), "rb") as file:
        rate, frames = file.getframerate(), file.getnframes()
        samples = array("h", file.readframes(frames))
    left, right = (_loudest(samples[channel::2], rate) for channel in (0, 1))
    return left, right, frames / rate


def _loudest(samples: "array[int]", rate: int) -> float:
    seconds = [samples[at : at + rate] for at in range(0, len(samples), rate)]
    powers = [sum(s * s for s in second) / len(second) for second in seconds if second]
    loudest = max(powers, default=0.0)
    return 20 * log10(max(sqrt(loudest), 1.0) / 32768)


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
