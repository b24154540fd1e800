"""`strowger simulate callee`: a telephone that answers by itself."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from strowger.app.given import provider_settings
from strowger.app.running import run_loop
from strowger.config import Settings
from strowger.errors import ConfigurationError
from strowger.providers.registry import ConfiguredProviders
from strowger.simulate.callee import CalleeSettings, run_callee
from strowger.simulate.library import built_in_personas, load_persona
from strowger.simulate.reports import Report, describe, record
from strowger.telephony.silero import SileroModel


def callee(
    settings: Settings, listen: str, persona: str, log: Path | None, *, as_json: bool
) -> int:
    """Answer calls until Ctrl-C. Raises ConfigurationError."""
    if persona == "list":
        for one in built_in_personas():
            _print(f"{one.name:12}  {one.description}")
        return 0
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"--listen: expected ADDRESS:PORT, got {listen!r}")
    address = CalleeSettings(listen=(host, int(port)), log=log)
    try:
        run_loop(_answer(settings, persona, address, _as_json if as_json else _as_text))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0  # its calls have been said goodbye to
    return 0


async def _answer(
    settings: Settings, persona: str, address: CalleeSettings, tell: Callable[[Report], str]
) -> None:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    async with ConfiguredProviders(provider_settings(settings)) as providers:
        host, port = address.listen
        await run_callee(
            load_persona(persona),
            address,
            providers=providers,
            model=SileroModel(),
            on_report=lambda report: _print(tell(report)),
            on_ready=lambda: _print(f"{persona} answers at sip:{host}:{port}; Ctrl-C stops"),
        )


def _as_text(report: Report) -> str:
    return f"{report.call[:8]}  {describe(report.what)}"


def _as_json(report: Report) -> str:
    return json.dumps(record(report) | {"text": describe(report.what)})


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
