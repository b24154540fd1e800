"""The load of the benchmarks: a SIP address that answers every call and drives its RTP.

It shares no media code with what it measures beyond the tables of G.711: packets are prepared
beforehand, leave at exact moments, and are timed by the kernel when they arrive.
"""

import asyncio
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from strowger.errors import ConfigurationError, FarEndError
from strowger.media import sdp
from strowger.media.events import Codec
from strowger.simulate.load_streams import Script, Stream, StreamThread, phase_of
from strowger.sip import events as sip
from strowger.sip.endpoint import Endpoint
from strowger.telephony.signalling import UdpTransport, open_udp_transport
from strowger.telephony.sockets import PortPool

RTP_PORTS = (26000, 29998)

Scripts = Callable[[int, Callable[[], None]], Script]
"""Makes the script of the call with this number, counted from 0; what is handed in hangs up."""


@dataclass(frozen=True, slots=True)
class LoadCall:
    """One call that was answered."""

    script: Script
    stream: Stream


class Load:
    """Answers calls, and keeps what came of each."""

    def __init__(self, listen: sip.Address, thread: StreamThread, scripts: Scripts) -> None:
        self.calls: list[LoadCall] = []
        """In the order of their answers; those that are over stay."""
        self.thread = thread
        self.listen = listen
        self._scripts = scripts
        self.loop = asyncio.get_running_loop()
        self._ports = PortPool(listen[0], *RTP_PORTS)
        self._endpoint = Endpoint(local=listen, new_token=lambda: secrets.token_hex(8))
        self._transport: UdpTransport | None = None
        self._talking: dict[sip.SessionId, Stream] = {}
        self._answered = 0
        self._unread: list[socket.socket] = []
        """RTCP sockets: reports are taken, so that nothing bounces, and not looked at."""

    async def open(self) -> None:
        """Raises ConfigurationError where the address cannot be bound."""
        self._transport = await open_udp_transport(self._endpoint, self.listen, self._on_event)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        for rtcp in self._unread:
            rtcp.close()

    def _on_event(self, event: sip.Event) -> None:
        now = self.loop.time()
        match event:
            case sip.Incoming(session=session, sdp=offer):
                try:
                    self._answer(session, offer or b"")
                except FarEndError:
                    self._endpoint.reject(session, 488, now=now)
            case sip.Reoffered(session=session):
                self._endpoint.reject_reoffer(session, 488, now=now)
            case sip.Ended(session=session):
                if (stream := self._talking.pop(session, None)) is not None:
                    self.thread.remove(stream)
            case _:
                pass

    def _answer(self, session: sip.SessionId, offer: bytes) -> None:
        """Answer, and send from now on. Raises FarEndError."""
        number, self._answered = self._answered, self._answered + 1
        rtp, rtcp, port = self._ports.open_pair()
        self._unread.append(rtcp)
        media = sdp.LocalMedia(
            host=self.listen[0], port=port, session_id=number, codecs=(Codec.PCMU,)
        )
        try:
            answer, agreement = sdp.answer_offer(offer, media)
        except FarEndError:
            rtp.close()
            raise
        script = self._scripts(number, lambda: self._hang_up_soon(session))
        stream = Stream(
            rtp, agreement.remote, script, ssrc=secrets.randbits(32), phase=phase_of(number)
        )
        self.calls.append(LoadCall(script, stream))
        self._talking[session] = stream
        self.thread.add(stream)
        self._endpoint.answer(session, answer, now=self.loop.time())

    def _hang_up_soon(self, session: sip.SessionId) -> None:
        """From the streams' thread."""
        self.loop.call_soon_threadsafe(self._hang_up, session)

    def _hang_up(self, session: sip.SessionId) -> None:
        self._endpoint.hang_up(session, now=self.loop.time())
        if self._transport is not None:
            self._transport.flush()
        if (stream := self._talking.pop(session, None)) is not None:
            self.thread.remove(stream)


@asynccontextmanager
async def open_load(listen: sip.Address, scripts: Scripts) -> AsyncIterator[Load]:
    """A load that answers and talks for as long as it is open.

    Raises ConfigurationError where the address is taken, or the system stamps no packets.
    """
    if sys.platform != "linux":
        raise ConfigurationError("the load generator needs Linux: its kernel stamps packets")
    thread = StreamThread()
    load = Load(listen, thread, scripts)
    await load.open()
    try:
        running = load.loop.run_in_executor(None, thread.run)
        try:
            yield load
        finally:
            thread.stop()
            await running
    finally:
        load.close()
