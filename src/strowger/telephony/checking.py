"""Asking a trunk whether it is there, from a socket of one's own: `ports.TrunkChecker`.

No media engine and no calls: what the API process can afford.
"""

import asyncio
import secrets
import socket

from strowger.errors import CallRefused, InvalidRequest, MalformedMessage, Unavailable
from strowger.media.events import Codec
from strowger.media.sdp import codecs_in
from strowger.model import Trunk
from strowger.ports import TrunkReport
from strowger.sip import events as sip
from strowger.sip.digest import Credentials
from strowger.sip.endpoint import Endpoint
from strowger.telephony.addressing import own_address_towards, resolve
from strowger.telephony.signalling import UdpTransport

PATIENCE = 6.0
"""Seconds a trunk has to answer; a packet lost twice on the way still fits (0.5 + 1 + 2 s)."""
NAMED_WITHIN = 4.0
"""Seconds for its name to become an address."""
AT_ONCE = 16
"""Trunks looked at at the same time; each takes a socket."""


class UdpTrunkChecker:
    """`ports.TrunkChecker` by OPTIONS over UDP."""

    def __init__(
        self, host: str, *, public_host: str | None = None, patience: float = PATIENCE
    ) -> None:
        """`host` is the address we listen for SIP at; `public_host` what carriers see of it."""
        self._host = host
        self._public_host = public_host
        self._patience = patience
        self._busy = 0

    async def check(self, trunk: Trunk) -> TrunkReport:
        """Raises Unavailable while too many others are being looked at."""
        if self._busy >= AT_ONCE:
            raise Unavailable(f"{AT_ONCE} trunks are being checked already")
        self._busy += 1
        try:
            return await self._check(trunk)
        finally:
            self._busy -= 1

    async def _check(self, trunk: Trunk) -> TrunkReport:
        try:
            async with asyncio.timeout(NAMED_WITHIN):
                destination = await resolve(trunk.host, trunk.port)
        except (CallRefused, TimeoutError, UnicodeError):
            return TrunkReport(
                problem="no_address",
                detail=f"there is no IPv4 address for {trunk.host}: check how it is spelled",
            )
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            answer = await self._ask(trunk, destination)
        except InvalidRequest as error:
            return TrunkReport(problem="bad_address", detail=str(error), address=destination[0])
        except OSError as error:
            return _silence(trunk, destination, f"we cannot send there ({error.strerror})")
        if answer is None or answer.silent:
            seen = self._public_host or own_address_towards(destination[0], self._host)
            return _silence(trunk, destination, f"nothing comes back to {seen}")
        return _report(trunk, destination, answer, loop.time() - asked_at)

    async def _ask(self, trunk: Trunk, destination: sip.Address) -> sip.OptionsAnswered | None:
        """None where time is up."""
        loop = asyncio.get_running_loop()
        transport = None
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.bind((self._host, 0))
            own = self._public_host or own_address_towards(destination[0], self._host)
            endpoint = Endpoint(
                local=(own, bound.getsockname()[1]), new_token=lambda: secrets.token_hex(8)
            )
            answered: asyncio.Future[sip.OptionsAnswered] = loop.create_future()

            def hear(event: sip.Event) -> None:
                if isinstance(event, sip.OptionsAnswered) and not answered.done():
                    answered.set_result(event)
                elif isinstance(event, sip.Incoming):  # nobody is to call here
                    endpoint.reject(event.session, 480, now=loop.time())

            _, transport = await loop.create_datagram_endpoint(
                lambda: UdpTransport(endpoint, hear), sock=bound
            )
            uri = f"sip:{trunk.host}:{trunk.port}"
            credentials = _credentials(trunk)
            endpoint.options(uri, destination, now=loop.time(), credentials=credentials)
            transport.flush()
            async with asyncio.timeout(self._patience):
                return await answered
        except TimeoutError:
            return None
        finally:
            if transport is None:
                bound.close()
            else:
                transport.close()  # and its socket


def _credentials(trunk: Trunk) -> Credentials | None:
    if trunk.username is None:
        return None
    return Credentials(username=trunk.username, password=trunk.password or "")


def _silence(trunk: Trunk, destination: sip.Address, why: str) -> TrunkReport:
    host, port = destination
    return TrunkReport(
        problem="no_answer",
        detail=f"{host}:{port} does not answer: {why}. Check host and port, that the firewall"
        " lets UDP through both ways, and that the carrier knows our address",
        address=host,
    )


def _report(
    trunk: Trunk, destination: sip.Address, answer: sip.OptionsAnswered, took: float
) -> TrunkReport:
    codecs = _codecs(answer.sdp)
    problem, detail = _judged(trunk, answer, codecs)
    return TrunkReport(
        problem=problem,
        detail=detail,
        address=destination[0],
        sip_status=answer.status,
        reason=answer.reason,
        methods=answer.allow,
        codecs=codecs,
        round_trip=took,
    )


def _judged(
    trunk: Trunk, answer: sip.OptionsAnswered, codecs: tuple[str, ...]
) -> tuple[str | None, str]:
    """What is wrong, in a word and in a sentence."""
    said = f"it answered {answer.status} {answer.reason}"
    if answer.status in {401, 407}:
        if trunk.username is None:
            return "authentication_needed", f"{said}: it wants a user name and a password"
        return "authentication_failed", f"{said}: it does not take our user name and password"
    if answer.status in {403, 603, 606}:
        return "refused", f"{said}: it does not want us; the carrier has to let our address in"
    if answer.status >= 500 and answer.status not in {501, 600, 604}:
        return "trouble", f"{said}: it cannot serve now; ask the carrier, or try again later"
    if answer.allow and "INVITE" not in answer.allow:
        return "no_calls", f"{said}, but it takes no calls: its Allow header lacks INVITE"
    if codecs and not any(codec.upper() in set(Codec) for codec in codecs):
        ours = " and ".join(sorted(Codec))
        return "no_common_codec", f"{said}, but it speaks {', '.join(codecs)}, and we {ours}"
    if answer.status >= 300:
        return None, f"it is there: {said}, as many do that take calls but no OPTIONS"
    return None, f"it is there: {said}"


def _codecs(description: bytes | None) -> tuple[str, ...]:
    try:
        return () if description is None else codecs_in(description)
    except MalformedMessage:
        return ()
