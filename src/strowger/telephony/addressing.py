"""Names to addresses, and a number to the INVITE that dials it."""

import asyncio
import socket

from strowger.errors import CallRefused, RefusalCause
from strowger.model import Trunk
from strowger.ports import DialRequest
from strowger.sip.events import Address
from strowger.sip.invitation import Invitation

EVERY_ADDRESS = {"0.0.0.0", ""}  # noqa: S104 - compared with, not bound to


async def resolve(host: str, port: int) -> Address:
    """The first IPv4 address of a host. Raises CallRefused where it has none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise CallRefused(
            503, f"cannot find the trunk {host}: {error.strerror}", cause=RefusalCause.UNREACHABLE
        ) from error
    address = found[0][4]
    return str(address[0]), int(address[1])


def own_address_towards(remote: str, listen: str) -> str:
    """Our own address as `remote` would see it, where no address translation is between."""
    if listen not in EVERY_ADDRESS:
        return listen
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, 9))  # sends nothing: the kernel only picks the route
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def uri_of(to: str, trunk: Trunk) -> str:
    """The SIP URI of an E.164 number on a trunk; a `sip:` URI is one already."""
    domain = trunk.host if trunk.port == 5060 else f"{trunk.host}:{trunk.port}"
    return to if to.startswith("sip:") else f"sip:{to}@{domain}"


def invitation(
    request: DialRequest, destination: Address, own: Address, offer: bytes
) -> Invitation:
    """The INVITE for a call: the trunk is the outbound proxy and names the domain."""
    trunk = request.trunk
    to = uri_of(request.to, trunk)
    user = request.caller_id or trunk.username or "anonymous"
    return Invitation(
        request_uri=to,
        to_uri=to,
        from_uri=f"sip:{user}@{trunk.host}",
        destination=destination,
        contact=own,
        username=trunk.username,
        password=trunk.password,
        sdp=offer,
    )
