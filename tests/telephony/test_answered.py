"""What a far end says within an answered call: a real telephone, and a SIP peer played by hand."""

import asyncio
import errno
import socket

import pytest
import uvloop

from strowger.media import events as media
from strowger.sip.layer import response_to
from strowger.sip.message import Headers, Request, Response, parse
from strowger.telephony.line import SipLine
from strowger.telephony.telephone import open_telephone
from tests.telephony.test_telephone import HOST, free_port, request, settings, until

LOUD = bytes([0x80, 0]) + bytes(10) + bytes(160)
"""RTP of 20 ms at full scale."""


def described(sound: socket.socket) -> bytes:
    """The SDP of who wants sound at that socket."""
    port = sound.getsockname()[1]
    at = f"c=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    return f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\n{at}".encode()


class FarEnd(asyncio.DatagramProtocol):
    """Answers every call, and can move one of them."""

    def __init__(self, sound: socket.socket) -> None:
        self._sound = sound
        self._invites: list[Request] = []
        self.byes: list[str] = []
        self.moves_at_once: int | None = None
        """The port of a telephone that hears 200 and a re-INVITE in one breath."""
        self.answers: list[int] = []
        """To what it asked."""
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse(data)
        if isinstance(message, Response):
            self.answers.append(message.status)
        elif message.method != "ACK":
            answer = response_to(message, 200, to_tag="peer")
            answer.headers.add("contact", f"<sip:peer@{HOST}:{self.port}>")
            if message.method == "INVITE":
                self._invites.append(message)
                answer.headers.add("content-type", "application/sdp")
                answer.body = described(self._sound)
            else:
                self.byes.append(message.call_id)
            self._transport.sendto(answer.serialise(), addr)
            if message.method == "INVITE" and self.moves_at_once is not None:
                self.move(len(self._invites) - 1, self._sound, self.moves_at_once)

    def sound_port(self, call: int) -> int:
        """Where our telephone wants its sound."""
        return int(self._invites[call].body.decode().partition("m=audio ")[2].split()[0])

    def call_id(self, call: int) -> str:
        return self._invites[call].call_id

    def move(self, call: int, sound: socket.socket, telephone: int) -> None:
        """Say in a re-INVITE that sound is wanted elsewhere from now on."""
        invite = self._invites[call]
        headers = Headers()
        for name, value in (
            ("via", f"SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bKmove{call};rport"),
            ("max-forwards", "70"),
            ("from", f"{invite.headers.get('to')};tag=peer"),
            ("to", invite.headers.get("from") or ""),
            ("call-id", invite.call_id),
            ("cseq", "10 INVITE"),
            ("contact", f"<sip:peer@{HOST}:{self.port}>"),
            ("content-type", "application/sdp"),
        ):
            headers.add(name, value)
        uri, body = f"sip:us@{HOST}", described(sound)
        move = Request(method="INVITE", uri=uri, headers=headers, body=body)
        self._transport.sendto(move.serialise(), (HOST, telephone))


async def heard(line: SipLine, sound: socket.socket, port: int) -> None:
    """Make sound until it arrives: then the line knows its peer."""
    while not any(line.captured(0)[0]):
        sound.sendto(LOUD, (HOST, port))
        await asyncio.sleep(0.02)


def test_a_call_whose_port_is_lost_while_the_far_end_moves_ends_and_no_other_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        own = free_port()
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sound in sockets:
            sound.bind((HOST, 0))
        transport, far = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: FarEnd(sockets[0]), local_addr=(HOST, 0)
        )
        async with (
            asyncio.timeout(60),
            open_telephone(settings(own, 23000), None) as telephone,
            telephone.dial(request(far.port), lambda status: None) as other,
        ):
            async with telephone.dial(request(far.port), lambda status: None) as line:
                await heard(line, sockets[0], far.sound_port(1))

                def taken(host: str, port: int) -> socket.socket:
                    raise OSError(errno.EADDRINUSE, "Address already in use")

                monkeypatch.setattr("strowger.telephony.sockets._bind", taken)
                far.move(1, sockets[1], own)
                await until(line, media.MediaLost)
                while 500 not in far.answers:
                    await asyncio.sleep(0.01)
            while far.byes != [far.call_id(1)]:
                await asyncio.sleep(0.01)
            monkeypatch.undo()
            await heard(other, sockets[0], far.sound_port(0))
            async with telephone.dial(request(far.port), lambda status: None) as line:
                await heard(line, sockets[0], far.sound_port(2))
        transport.close()
        for sound in sockets:
            sound.close()

    asyncio.run(main())


def test_a_far_end_that_moves_as_it_answers_is_answered_at_once() -> None:
    """uvloop hands over both datagrams before the task that dials has seen the first."""

    async def main() -> None:
        own = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound:
            sound.bind((HOST, 0))
            transport, far = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: FarEnd(sound), local_addr=(HOST, 0)
            )
            far.moves_at_once = own
            try:
                async with (
                    asyncio.timeout(10),
                    open_telephone(settings(own, 23000), None) as telephone,
                    telephone.dial(request(far.port), lambda status: None),
                ):
                    while 200 not in far.answers:
                        await asyncio.sleep(0.01)
            finally:
                transport.close()
                await asyncio.sleep(0)  # uvloop does not end while it is open

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
