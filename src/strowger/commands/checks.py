"""What `strowger doctor` looks at, one function each: what is found, and what to do about it."""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.app.database import configured_trunk
from strowger.app.given import provider_settings
from strowger.config import Settings
from strowger.errors import ConfigurationError
from strowger.ports import Readiness, pcm_of
from strowger.precedence import LIMIT, take_precedence
from strowger.providers.probing import probe
from strowger.providers.registry import ConfiguredProviders
from strowger.store import embedded
from strowger.store.connect import open_engine
from strowger.store.house import PostgresHouse
from strowger.telephony.checking import UdpTrunkChecker
from strowger.telephony.silero import SileroModel
from strowger.telephony.sockets import PortPool

TRUNK_WITHIN = 6.0
"""Seconds a trunk has to answer OPTIONS; a packet lost twice on the way still fits."""
TRUNK_ADVICE = {
    "no_address": "check the host name in STROWGER_TRUNK",
    "bad_address": "check the host name in STROWGER_TRUNK",
    "no_answer": "check host, port and that the firewall lets SIP (UDP) through",
    "authentication_needed": "set STROWGER_TRUNK=sip:USER:PASSWORD@host:port",
    "authentication_failed": "check user name and password in STROWGER_TRUNK",
    "refused": "the carrier does not let this address in: tell it to",
    "trouble": "the carrier is down, or not for us: ask it, or try again later",
}
"""What to do about each `problem` of a report; else it is the carrier's."""
SERVICE_WITHIN = 5.0
"""Seconds a speech or language service has to answer."""
TIMER_ROUNDS = 100
LATE = 0.005
"""Seconds after which a media tick counts as late."""
APART = 2.0
"""Seconds that our clock and the database's may differ."""
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Any clock that shows an earlier time is wrong: this program did not exist."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    problem: str | None = None
    """None where all is well."""
    advice: str = ""


async def data_folder(settings: Settings) -> Finding:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data) as probe:
            probe.write(b"strowger")
    except OSError as error:
        problem = f"cannot write to the data folder {settings.data}: {error.strerror}"
        return Finding("", problem, "choose another with --data, or give yourself the right to it")
    return Finding(f"data folder {settings.data}")


@contextmanager
def database_as_it_is(settings: Settings) -> Iterator[str]:
    """The database's URL: what had to be started for it is stopped; its tables are left alone."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    running = embedded.start(settings.data)
    try:
        yield running.url
    finally:
        if running.started:
            with suppress(ConfigurationError), embedded.claim(settings.data):
                running.stop()  # unless a server came up meanwhile and needs it


async def database(settings: Settings) -> Finding:
    """Whether it answers, has tables we know, and tells the time as we do."""

    def look() -> tuple[Readiness, float]:
        with database_as_it_is(settings) as url:
            return asyncio.run(_look_at_database(url))

    found, ahead = await asyncio.to_thread(look)
    which = "the embedded database" if settings.database_url is None else "DATABASE_URL"
    if found.tables > found.expected and found.tables != "none":
        return Finding(
            "",
            f"{which} has tables of a newer Strowger ({found.tables}; this one knows"
            f" {found.expected})",
            "install the newer version here; going back is not possible",
        )
    if abs(ahead) > APART:
        direction = "ahead of" if ahead > 0 else "behind"
        return Finding(
            "",
            f"the clock of {which} is {abs(ahead):.0f} s {direction} this machine's",
            "set both by NTP: workers judge each other's signs of life, and webhooks are signed,"
            " by the clock",
        )
    tables = {
        "none": "is empty; `strowger serve` makes its tables",
        found.expected: "is at this version",
    }.get(found.tables, "is older; `strowger serve` brings it up to date")
    return Finding(f"{which} answers and {tables}; live workers: {found.workers}")


async def _look_at_database(url: str) -> tuple[Readiness, float]:
    """What its tables are, and by how many seconds its clock is ahead of ours."""
    engine = open_engine(url, pool_size=1)
    try:
        house = PostgresHouse(engine)
        found = await house.readiness()
        asked = time.time()
        at_database = await house.clock()
        return found, at_database - (asked + time.time()) / 2
    finally:
        await engine.dispose()


async def wall_clock(settings: Settings) -> Finding:
    """Certificates, signatures and schedules need the true time."""
    now = datetime.now(UTC)
    if now.timestamp() < WRITTEN:
        return Finding(
            "",
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, which is past",
            "set it by NTP: `timedatectl set-ntp true`",
        )
    return Finding(f"wall clock: {now:%Y-%m-%d %H:%M:%S} UTC")


async def api_address(settings: Settings) -> Finding:
    """Free, or Strowger's already."""
    finding = _port(settings.host, settings.port, socket.SOCK_STREAM, "API", "--port")
    if finding.problem is not None and await _serves(settings):
        return Finding(f"Strowger itself answers at {settings.host}:{settings.port}")
    return finding


async def sip_address(settings: Settings) -> Finding:
    """Free, or a worker's of the Strowger that runs here."""
    finding = _port(settings.sip.host, settings.sip.port, socket.SOCK_DGRAM, "SIP", "--sip")
    if finding.problem is not None and await _serves(settings):
        return Finding(f"SIP address {settings.sip}: in use, as Strowger runs")
    return finding


async def _serves(settings: Settings) -> bool:
    """Whether what answers at the API's address is Strowger."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=SERVICE_WITHIN) as client:
            answer = await client.get(f"http://{host}:{settings.port}/healthz")
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False
    return answer.is_success and answer.headers.get("x-request-id", "").startswith("request_")


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


async def audio_ports(settings: Settings) -> Finding:
    ports = settings.rtp_ports
    rtp, rtcp, port = PortPool(settings.sip.host, ports.first, ports.last).open_pair()
    rtp.close()
    rtcp.close()
    return Finding(f"audio ports {ports}: {port} is free; the firewall must let them in (UDP)")


async def trunk(settings: Settings) -> Finding:
    """Whether it is there and takes our user name and password, as `POST /v1/trunks/{id}/check`
    tells of others."""
    if settings.trunk is None:
        return Finding(
            "",
            "no trunk is configured: there is no way to the telephone network yet",
            "set STROWGER_TRUNK=sip:user:password@host:port, or add one with POST /v1/trunks",
        )
    configured = configured_trunk(settings.trunk, now=time.time())
    checker = UdpTrunkChecker(
        settings.sip.host, public_host=settings.public_address, patience=TRUNK_WITHIN
    )
    report = await checker.check(configured)
    if report.problem is None:
        return Finding(f"trunk {configured.host}:{configured.port}: {report.detail}")
    problem = f"trunk {configured.host}:{configured.port}: {report.detail}"
    return Finding("", problem, TRUNK_ADVICE.get(report.problem, "ask the carrier"))


async def openai(settings: Settings) -> Finding:
    """Whether the services an agent may name as `openai` let us in, where they are configured."""
    base, key = settings.openai_base_url, settings.openai_api_key
    if not provider_settings(settings).openai.configured:
        return Finding("openai: not configured")
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=SERVICE_WITHIN) as client:
            answer = await client.get(f"{base.rstrip('/')}/models", headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Finding(
            "",
            f"openai: {base} does not answer ({str(error) or type(error).__name__})",
            "check STROWGER_OPENAI_BASE_URL, and that this machine may connect there",
        )
    if answer.status_code in {401, 403}:
        problem = f"openai: {base} does not take our key ({answer.status_code})"
        return Finding("", problem, "check STROWGER_OPENAI_API_KEY")
    if answer.status_code >= 500:
        problem = f"openai: {base} answers {answer.status_code}"
        return Finding("", problem, "the service has trouble; try again later")
    return Finding(f"openai: {base} answers")


async def services(settings: Settings) -> Finding:
    """Whether the other services that are configured let us in."""
    found = await probe(provider_settings(settings))
    problems = [f"{name}: {problem}" for name, problem in found.items() if problem is not None]
    if problems:
        advice = "check the provider's key and address, and that this machine may connect there"
        return Finding("", "; ".join(problems), advice)
    if not found:
        none = "speech and model services besides openai: none configured"
        if not provider_settings(settings).openai.configured:
            none += ", so only agents with a flow and speech of this machine work"
        return Finding(none)
    return Finding(f"{', '.join(found)} {'answers' if len(found) == 1 else 'answer'}")


async def local_speech(settings: Settings) -> Finding:
    """Speak a word and recognise it."""
    async with ConfiguredProviders(provider_settings(settings)) as providers:
        voice, ear = providers.text_to_speech("local"), providers.speech_to_text("local")
        speech = voice.speak("yes please", VoiceSettings(), language="en-US")
        spoken = b"".join([pcm async for pcm in pcm_of(speech)])
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


async def voice_detection(settings: Settings) -> Finding:
    SileroModel()
    return Finding("voice detection model loads")


async def precedence(settings: Settings) -> Finding:
    """Asked of this thread, which gives it back."""
    wanted, usual = settings.worker_niceness, os.getpriority(os.PRIO_PROCESS, 0)
    if wanted >= 0:
        return Finding(f"calls take no precedence over other programs (niceness {wanted})")
    if wanted < usual:  # else a service manager has seen to it
        if not take_precedence(wanted):
            return Finding(f"calls may wait for other programs: niceness {wanted} takes {LIMIT}")
        take_precedence(usual)
    return Finding(f"calls come before other programs (niceness {wanted})")


async def timers(settings: Settings) -> Finding:
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
