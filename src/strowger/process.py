"""The entry of a child process: `python -m strowger.process ROLE [NUMBER]`.

Settings come as one line of JSON on standard input; the end of that input is the order to stop.
The first line on standard output says that the process is ready.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import quote

from strowger.config import Endpoint, PortRange, Settings, TrunkAddress, load_settings
from strowger.errors import ConfigurationError, Unavailable
from strowger.log_stream import load_structlog
from strowger.succession import StoppedWhileWaiting, input_ended, succeed
from strowger.supervisor import CONFIGURATION_STATUS, MARGIN

Ready = Callable[[str], None]

UNAVAILABLE_STATUS = 1
"""Exit status of a child that may work when it is started again, as when the database is away."""


def encode_settings(settings: Settings) -> bytes:
    """One line that `decode_settings` reads. It holds secrets: it goes through pipes only."""
    values = {field.name: _plain(getattr(settings, field.name)) for field in fields(settings)}
    return json.dumps(values).encode()


def decode_settings(line: bytes) -> Settings:
    values = json.loads(line)
    assert isinstance(values, dict)
    return load_settings(values, environ={}, file=None)


def _plain(value: object) -> object:
    match value:
        case TrunkAddress():
            user = "" if value.username is None else quote(value.username, safe="")
            password = "" if value.password is None else ":" + quote(value.password, safe="")
            at = "@" if user else ""
            return f"sip:{user}{password}{at}{value.host}:{value.port};transport={value.transport}"
        case Endpoint() | PortRange() | Path() | IPv4Network() | IPv6Network():
            return str(value)
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value


async def _until_told_to_stop() -> None:
    """Return at the end of standard input or on SIGTERM."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(reader.read(), name="standard input")
            ended.add_done_callback(lambda _: told.set())
            await told.wait()
            ended.cancel()
    finally:
        transport.close()


def _first_line() -> bytes:
    """Read byte by byte: what follows, if only the end, is for the event loop to see."""
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) not in {b"", b"\n"}:
        line += byte
    return line


def _say_ready(message: str) -> None:
    """To the supervisor; one that has gone meanwhile also ended our input, which stops us."""
    with suppress(BrokenPipeError):
        sys.stdout.write(message + "\n")
        sys.stdout.flush()


def _allow_open_files() -> None:
    """As many as this process may have: a line takes sockets, files and connections to providers,
    and the usual limit of 1,024 is meant for programs that ask `select` about them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(arguments: list[str]) -> int:
    """Run a role to its end; the exit status says how it went."""
    load_structlog()
    from strowger.app import api, database, worker
    from strowger.app.logs import configure_logging
    from strowger.app.running import run_loop

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to hear
    role, number = arguments[0], int(arguments[1]) if len(arguments) > 1 else 0
    settings = decode_settings(_first_line())
    _allow_open_files()
    configure_logging(settings, role if role != "worker" else f"worker {number}")
    if role == "worker":
        worker.come_first(settings)
    roles: dict[str, Callable[[], Coroutine[None, None, None]]] = {
        "prepare": lambda: database.prepare(settings, _say_ready),
        "api": lambda: api.run_api(settings, _say_ready, _until_told_to_stop),
        "worker": lambda: worker.run_worker(settings, number, _say_ready, _until_told_to_stop),
    }
    try:
        if role == "prepare":
            run_loop(roles[role]())
            return 0
        patience = settings.stop_timeout + MARGIN
        name = "-".join(arguments)
        with succeed(settings.data, name, patience=patience, stopped=input_ended):
            run_loop(roles[role]())
    except StoppedWhileWaiting:
        return 0
    except ConfigurationError as error:
        sys.stderr.write(f"strowger: {error}\n")
        return CONFIGURATION_STATUS
    except Unavailable as error:
        sys.stderr.write(f"strowger: {error}\n")
        return UNAVAILABLE_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
