"""`strowger doctor`: what a call needs, checked one by one, with what to do about it."""

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from strowger import __version__, app
from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.config import Settings
from strowger.errors import CallRefused, StrowgerError
from strowger.model import DEFAULT_WORKSPACE, Trunk
from strowger.providers.registry import ConfiguredProviders
from strowger.store.connect import open_engine
from strowger.store.records import PostgresRecords
from strowger.telephony.silero import SileroModel
from strowger.telephony.sockets import PortPool
from strowger.telephony.telephone import TelephoneSettings, open_telephone

TRUNK_WITHIN = 6.0
"""Seconds a trunk has to answer OPTIONS; a packet lost twice on the way still fits."""
TIMER_ROUNDS = 100
LATE = 0.005
"""Seconds after which a media tick counts as late."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    problem: str | None = None
    """None where all is well."""
    advice: str = ""


def doctor(settings: Settings) -> int:
    """0 where calls can be placed, 1 where something has to be done first."""
    console = Console(highlight=False)
    console.print(f"strowger {__version__}")
    checks: list[Callable[[Settings], Awaitable[Finding]]] = [
        _data,
        _database,
        _http,
        _signalling,
        _media_ports,
        _trunk,
        _speech,
        _voice_detection,
        _timer,
    ]
    good = True
    for check in checks:
        finding = app.run_loop(_guarded(check, settings))
        good = good and finding.problem is None
        mark, style = ("✓", "green") if finding.problem is None else ("✗", "red")
        said = f" {finding.what}" if finding.problem is None else f" {finding.problem}"
        console.print(Text.assemble((mark, style), said))
        if finding.problem is not None and finding.advice:
            console.print(Text(f"  {finding.advice}", style="yellow"))
    return 0 if good else 1


async def _guarded(check: Callable[[Settings], Awaitable[Finding]], settings: Settings) -> Finding:
    try:
        return await check(settings)
    except* StrowgerError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        problem = str(first)
    return Finding("", problem)


async def _data(settings: Settings) -> Finding:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data) as probe:
            probe.write(b"strowger")
    except OSError as error:
        problem = f"cannot write to the data folder {settings.data}: {error.strerror}"
        return Finding("", problem, "choose another with --data, or give yourself the right to it")
    return Finding(f"data folder {settings.data}")


async def _database(settings: Settings) -> Finding:
    def look() -> None:
        with app.database(settings) as url:
            asyncio.run(_ping(url))

    await asyncio.to_thread(look)
    which = "the embedded one" if settings.database_url is None else "DATABASE_URL"
    return Finding(f"database: {which} answers and is at this version")


async def _ping(url: str) -> None:
    engine = open_engine(url, pool_size=1)
    try:
        await PostgresRecords(engine).ping()
    finally:
        await engine.dispose()


async def _http(settings: Settings) -> Finding:
    return _port(settings.host, settings.port, socket.SOCK_STREAM, "API", "--port")


async def _signalling(settings: Settings) -> Finding:
    return _port(settings.sip.host, settings.sip.port, socket.SOCK_DGRAM, "SIP", "--sip")


def _port(host: str, port: int, kind: socket.SocketKind, name: str, option: str) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            problem = f"{name} address {host}:{port} cannot be used: {error.strerror}"
            return Finding("", problem, f"stop what has it, or choose another with {option}")
    return Finding(f"{name} address {host}:{port} is free")


async def _media_ports(settings: Settings) -> Finding:
    ports = settings.rtp_ports
    rtp, rtcp, port = PortPool(settings.sip.host, ports.first, ports.last).open_pair()
    rtp.close()
    rtcp.close()
    return Finding(f"audio ports {ports}: {port} is free; the firewall must let them in (UDP)")


async def _trunk(settings: Settings) -> Finding:
    if settings.trunk is None:
        return Finding(
            "",
            "no trunk is configured: there is no way to the telephone network yet",
            "set STROWGER_TRUNK=sip:user:password@host:port, or add one with POST /v1/trunks",
        )
    where = f"{settings.trunk.host}:{settings.trunk.port}"
    trunk = Trunk(
        id=app.CONFIGURED_TRUNK,
        workspace_id=DEFAULT_WORKSPACE,
        name="from the configuration",
        host=settings.trunk.host,
        port=settings.trunk.port,
    )
    listen = (settings.sip.host, 0)
    try:
        async with open_telephone(TelephoneSettings(listen=listen, lines=1), None) as telephone:
            async with asyncio.timeout(TRUNK_WITHIN):
                answer = await telephone.probe(trunk)
    except TimeoutError:
        problem = f"the trunk {where} does not answer within {TRUNK_WITHIN:g} s"
        return Finding("", problem, "check host, port and that the firewall lets SIP (UDP) through")
    except CallRefused as refusal:
        return Finding("", refusal.reason, "check the host name in STROWGER_TRUNK")
    return Finding(f"trunk {where} answers ({answer.status} {answer.reason})")


async def _speech(settings: Settings) -> Finding:
    """Speak a word and recognise it."""
    async with ConfiguredProviders(app.provider_settings(settings)) as providers:
        voice, ear = providers.text_to_speech("local"), providers.speech_to_text("local")
        spoken = b"".join(
            [pcm async for pcm in voice.speak("yes please", VoiceSettings(), language="en-US")]
        )
        phrases = ("yes please", "no thank you")
        async with ear.recognise(
            TranscriberSettings(), language="en-US", phrases=phrases
        ) as recognition:
            await recognition.send(spoken)
            await recognition.flush()
            async for result in recognition.results():
                if result.final:
                    break
    if result.text != "yes please":
        return Finding("", f"the local recogniser heard {result.text!r} for 'yes please'")
    return Finding("local voice and recogniser understand each other")


async def _voice_detection(settings: Settings) -> Finding:
    SileroModel()
    return Finding("voice detection model loads")


async def _timer(settings: Settings) -> Finding:
    """How late a 5 ms timer comes: the media clock is made of them."""
    loop, late = asyncio.get_running_loop(), 0
    for _ in range(TIMER_ROUNDS):
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        late += loop.time() - due > LATE
    if late > TIMER_ROUNDS // 10:
        problem = f"{late} of {TIMER_ROUNDS} timers came more than 5 ms late"
        return Finding("", problem, "the machine is busy or its host is: calls would stutter")
    return Finding(f"clock: {TIMER_ROUNDS - late} of {TIMER_ROUNDS} timers came within 5 ms")
