"""A telephone with a persona at it: answers real SIP calls on its own address."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from strowger.calls.listening import Ear
from strowger.errors import CallRefused, ConfigurationError, ProviderError, Unavailable
from strowger.media.voice import SpeechModel
from strowger.ports import Providers
from strowger.simulate.acting import Actor, PersonaActor
from strowger.simulate.persona import Impairments, Persona
from strowger.simulate.reports import (
    Answered,
    GivenUp,
    Happening,
    HungUp,
    PutThrough,
    Rang,
    Refused,
    Report,
    record,
)
from strowger.simulate.scenario import TransferPlan
from strowger.simulate.session import CalleeSenses
from strowger.simulate.wire import ImpairedWire
from strowger.sip.events import Address
from strowger.telephony.incoming import IncomingCall
from strowger.telephony.line import SipLine
from strowger.telephony.sockets import LineSockets, Wire
from strowger.telephony.telephone import TelephoneSettings, open_telephone

RTP_PORTS = (20000, 29998)
"""Beside those of a server on the same machine."""
LINES = 64
"""Most calls a callee takes at the same time; further ones get 503."""
WAITING = 256
"""Most calls that have come and were not looked at yet."""
LETS_GO = 0.2
"""Seconds that the caller has to hang up on somebody it has put through."""
NORMAL_CLEARING = 16
"""Q.850 cause of a call that one side has ended."""
LONGEST_RINGING = 180.0
"""Seconds; a caller that died without CANCEL must not leave a telephone ringing for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalleeSettings:
    listen: Address
    log: Path | None = None
    """Where each report goes as a line of JSON; appended to, so that it outlives a crash."""
    recordings: Path | None = None
    """Folder for a stereo recording of each call, named by its Call-ID."""
    rtp_ports: tuple[int, int] = RTP_PORTS
    lines: int = LINES
    transfer: TransferPlan = field(default_factory=TransferPlan)
    """What becomes of a REFER."""


class SimulatedCallee:
    """Takes each call as its actor would."""

    def __init__(
        self, actor: Actor, settings: CalleeSettings, on_report: Callable[[Report], None]
    ) -> None:
        self._actor = actor
        self._settings = settings
        self._on_report = on_report
        self._calls = 0

    async def take(self, incoming: IncomingCall) -> None:
        """One call, from its INVITE to its end."""

        def tell(what: Happening) -> None:
            self._on_report(Report(incoming.session, time.time(), what))

        host, port = incoming.source
        tell(Rang(incoming.to, incoming.from_, f"{host}:{port}"))
        if self._calls >= self._settings.lines:
            _refuse(incoming, 503, None, tell)
            return
        self._calls += 1
        try:
            await self._answer(incoming, tell)
        finally:
            self._calls -= 1

    async def _answer(self, incoming: IncomingCall, tell: Callable[[Happening], None]) -> None:
        answer = self._actor.answer
        incoming.ring()
        try:
            async with asyncio.timeout(LONGEST_RINGING if answer.after is None else answer.after):
                await incoming.given_up()
                tell(GivenUp())
                return
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            _refuse(incoming, 480, None, tell)
            raise
        if answer.after is None:
            _refuse(incoming, 480, None, tell)
        elif answer.status != 200:
            _refuse(incoming, answer.status, answer.reason, tell)
        else:
            await self._talk(incoming, tell)

    async def _talk(self, incoming: IncomingCall, tell: Callable[[Happening], None]) -> None:
        referrals: asyncio.Queue[str] = asyncio.Queue()  # SIP lets one wait at a time
        incoming.on_referred = referrals.put_nowait
        try:
            async with incoming.answer(self._recording(incoming)) as line:
                tell(Answered())
                async with asyncio.TaskGroup() as tasks:
                    put_through = self._put_through(incoming, line, referrals, tell)
                    transferring = tasks.create_task(put_through, name="put through")
                    try:
                        await self._actor.act(line, tell)
                    except asyncio.CancelledError:
                        tell(HungUp("callee", "stopped"))
                        raise
                    transferring.cancel()
        except CallRefused as refusal:
            if refusal.status == 487:
                tell(GivenUp())
            else:
                tell(Refused(refusal.status))
        except Unavailable:
            _refuse(incoming, 503, None, tell)

    async def _put_through(
        self,
        incoming: IncomingCall,
        line: SipLine,
        referrals: asyncio.Queue[str],
        tell: Callable[[Happening], None],
    ) -> None:
        """Do to each REFER as is planned; who is put through hears nothing more of this call."""
        plan = self._settings.transfer
        while True:
            to = await referrals.get()
            await asyncio.sleep(plan.after)
            tell(PutThrough(to, plan.status))
            incoming.referral_ended(plan.status)
            if plan.succeeds:
                await asyncio.sleep(LETS_GO)
                line.hung_up(f"put through to {to}", NORMAL_CLEARING)

    def _recording(self, incoming: IncomingCall) -> Path | None:
        folder = self._settings.recordings
        if folder is None:
            return None
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in incoming.session)
        return folder / f"{name.lstrip('.')[:100]}.wav"


async def run_callee(
    persona: Persona,
    settings: CalleeSettings,
    *,
    providers: Providers,
    model: SpeechModel | None,
    on_report: Callable[[Report], None],
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer calls until cancelled; then hang up on all of them.

    `on_ready` is called when calls can come. Raises ConfigurationError where the address cannot
    be bound, a provider is not there, or the log cannot be written.
    """
    actor = PersonaActor(persona, senses_of(persona, providers))
    with _log(settings.log) as log:

        def report(one: Report) -> None:
            if log is not None:
                print(json.dumps(record(one)), file=log, flush=True)
            on_report(one)

        async with open_callee(
            actor,
            settings,
            model=model,
            wiring=bad_network(persona.impairments, persona.seed),
            on_report=report,
        ):
            on_ready()
            await asyncio.Event().wait()  # until cancelled


@asynccontextmanager
async def open_callee(
    actor: Actor,
    settings: CalleeSettings,
    *,
    model: SpeechModel | None,
    wiring: Callable[[LineSockets], Wire],
    on_report: Callable[[Report], None],
) -> AsyncIterator[None]:
    """An actor that answers calls for as long as it is open. Raises ConfigurationError.

    `wiring` puts something before the sockets of each call, such as `bad_network`.
    """
    bell: asyncio.Queue[IncomingCall] = asyncio.Queue(maxsize=WAITING)

    def ring(incoming: IncomingCall) -> None:
        if bell.full():
            incoming.reject(503)
        else:
            bell.put_nowait(incoming)

    telephone = TelephoneSettings(
        listen=settings.listen,
        rtp_ports=settings.rtp_ports,
        lines=settings.lines,
        takes_referrals=True,
    )
    callee = SimulatedCallee(actor, settings, on_report)

    async def take_calls(calls: asyncio.TaskGroup) -> None:
        while True:
            incoming = await bell.get()
            calls.create_task(callee.take(incoming), name=f"call {incoming.session}")

    async with (
        open_telephone(telephone, model, ring, wiring),
        asyncio.TaskGroup() as calls,  # inside, so that its calls can still say BYE
    ):
        taking = calls.create_task(take_calls(calls), name="take calls")
        yield
        taking.cancel()


def senses_of(persona: Persona, providers: Providers) -> CalleeSenses:
    """What a persona hears and speaks with. Raises ConfigurationError."""
    try:
        voice = providers.text_to_speech(persona.voice.provider)
        ear = None
        if phrases := persona.phrases():
            recogniser = providers.speech_to_text(persona.transcriber.provider)
            keywords = tuple(dict.fromkeys([*persona.transcriber.keywords, *phrases]))
            ear = Ear(recogniser, replace(persona.transcriber, keywords=keywords), persona.language)
    except ProviderError as error:
        raise ConfigurationError(f"persona {persona.name}: {error}") from error
    return CalleeSenses(ear, voice)


def bad_network(network: Impairments, seed: int) -> Callable[[LineSockets], Wire]:
    """A network as bad as wanted; every call has the same one."""
    if network == Impairments():
        return lambda sockets: sockets
    return lambda sockets: ImpairedWire(sockets, network, seed=seed)


@contextmanager
def _log(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        opened = path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write the log {path}: {error.strerror}") from error
    with opened:
        yield opened


def _refuse(
    incoming: IncomingCall, status: int, reason: str | None, tell: Callable[[Happening], None]
) -> None:
    incoming.reject(status, reason)
    tell(Refused(status))
