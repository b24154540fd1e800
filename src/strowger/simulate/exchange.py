"""An exchange of simulated callees on loopback, for calls that were placed with test keys.

Two telephones of this process: one dials, as a worker's does, and at the other every persona of
`calls/simulated.py` answers, by the number dialled. Both are bound to 127.0.0.1, whence no
datagram leaves the machine, and the dialling one sends every INVITE to the other: it is never told
of another address.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from strowger.calls.simulated import persona_for
from strowger.errors import ConfigurationError
from strowger.media.voice import SpeechModel
from strowger.model import Trunk, TrunkId, WorkspaceId
from strowger.ports import DialRequest, Line, Providers, SimulatedDial
from strowger.simulate.acting import PersonaActor
from strowger.simulate.callee import RTP_PORTS, WAITING, CalleeSettings, SimulatedCallee, senses_of
from strowger.simulate.library import load_persona
from strowger.simulate.reports import Report, describe
from strowger.sip.events import Address
from strowger.telephony.incoming import IncomingCall
from strowger.telephony.telephone import SipTelephone, TelephoneSettings, open_telephone

log = structlog.get_logger()

HOST = "127.0.0.1"
TRIES = 5
"""How often a port is looked for that nobody takes before we have it."""


class LoopbackTelephone:
    """`ports.SimulatedTelephone`: dials simulated callees at one address."""

    def __init__(self, telephone: SipTelephone, callees: Address) -> None:
        self._telephone = telephone
        host, port = callees
        self._trunk = Trunk(
            id=TrunkId("simulated"),
            workspace_id=WorkspaceId("simulated"),
            name="simulated callees",
            host=host,
            port=port,
        )

    @asynccontextmanager
    async def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[Line]:
        dial = DialRequest(
            call_id=request.call_id,
            to=request.to,
            caller_id=request.caller_id,
            trunk=self._trunk,
            ring_timeout=request.ring_timeout,
            recording=request.recording,
        )
        async with self._telephone.dial(dial, on_ringing) as line:
            yield line


class Callees:
    """Everybody who can be reached at the exchange; each made when first called."""

    def __init__(self, providers: Providers, settings: CalleeSettings) -> None:
        self._providers = providers
        self._settings = settings
        self._known: dict[str, SimulatedCallee] = {}

    async def take(self, incoming: IncomingCall) -> None:
        """One call, from its INVITE to its end."""
        try:
            await self._callee(persona_for(incoming.to)).take(incoming)
        except ConfigurationError as error:
            log.warning("simulated_callee.not_there", problem=str(error))
            incoming.reject(500, "No Such Callee Here")
        except Exception:  # the edge of one call: its defect must not end the others
            log.exception("simulated_callee.broken")

    def _callee(self, name: str) -> SimulatedCallee:
        """Raises ConfigurationError where a provider that the persona needs is not there."""
        if name not in self._known:
            persona = load_persona(name)
            actor = PersonaActor(persona, senses_of(persona, self._providers))
            tell = partial(_log_report, name)
            self._known[name] = SimulatedCallee(actor, self._settings, tell)
        return self._known[name]


@asynccontextmanager
async def open_exchange(
    providers: Providers, model: SpeechModel | None, *, lines: int
) -> AsyncIterator[LoopbackTelephone]:
    """Callees that answer while this is entered. Raises ConfigurationError."""
    bell: asyncio.Queue[IncomingCall] = asyncio.Queue(maxsize=WAITING)

    def ring(incoming: IncomingCall) -> None:
        if bell.full():
            incoming.reject(503)
        else:
            bell.put_nowait(incoming)

    async with AsyncExitStack() as stack:
        called, at = await _open(stack, model, 2 * lines, ring)  # those who are consulted as well
        caller, _ = await _open(stack, model, lines, None)
        assert called is not caller
        callees = Callees(providers, CalleeSettings(listen=at, lines=lines))
        async with asyncio.TaskGroup() as calls:
            answering = calls.create_task(_answer(bell, callees), name="simulated callees")
            log.info("simulated_callees.ready", sip=f"{at[0]}:{at[1]}", since=time.time())
            try:
                yield LoopbackTelephone(caller, at)
            finally:
                answering.cancel()


async def _answer(bell: asyncio.Queue[IncomingCall], callees: Callees) -> None:
    async with asyncio.TaskGroup() as calls:
        while True:
            incoming = await bell.get()
            calls.create_task(callees.take(incoming), name=f"simulated {incoming.session}")


async def _open(
    stack: AsyncExitStack,
    model: SpeechModel | None,
    lines: int,
    on_incoming: Callable[[IncomingCall], None] | None,
) -> tuple[SipTelephone, Address]:
    for tries_left in reversed(range(TRIES)):
        at = (HOST, _free_port())
        settings = TelephoneSettings(listen=at, rtp_ports=RTP_PORTS, lines=lines)
        try:
            telephone = open_telephone(settings, model, on_incoming)
            return await stack.enter_async_context(telephone), at
        except ConfigurationError:  # somebody took it meanwhile
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _log_report(persona: str, report: Report) -> None:
    log.debug("simulated_callee", persona=persona, did=describe(report.what))
