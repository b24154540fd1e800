"""The strict second step: may this readable message be acted upon, and if not, what is said?

A request gets a status (RFC 3261 section 8.2), a response is used or not (8.1.3, 18.1.2).
Nothing here depends on what happened before.
"""

import re
from dataclasses import dataclass

from strowger.errors import MalformedMessage
from strowger.sip.bodies import SDP, has_unusable_body
from strowger.sip.headers import NameAddr, Uri, Via
from strowger.sip.message import Message, Request, Response

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY"
KNOWN_METHODS = frozenset({
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK", "REFER",
    "NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH",
})  # fmt: skip

_ONCE = ("call-id", "cseq", "from", "to", "max-forwards", "content-length")
_NOT_IN_URI = re.compile(r'[\s<>"]')
_CALL_ID = re.compile(r"[!-~]{1,1024}")
_MAX_MAX_FORWARDS = 255


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a request is to be answered instead of being acted upon."""

    status: int
    problem: str
    """What is wrong, for the reason phrase of a 400."""
    headers: tuple[tuple[str, str], ...] = ()


def refusal_of(request: Request) -> Refusal | None:
    """Why this request cannot be acted upon; None where it can."""
    if request.version != "SIP/2.0":
        return Refusal(505, f"version {request.version}")
    try:
        _check_headers(request)
    except MalformedMessage as error:
        return Refusal(400, str(error))
    if problem := _problem_of_request_uri(request):
        return problem
    if request.method in ("ACK", "CANCEL"):
        return None  # neither may be refused for what it requires (8.2.2.3)
    return _problem_of_extensions(request) or _problem_of_body(request)


def check_response(response: Response) -> None:
    """Raise MalformedMessage for a response that must be dropped."""
    if response.version != "SIP/2.0":
        raise MalformedMessage(f"version {response.version}")
    if len(response.headers.members("via")) > 1:  # 8.1.3.3: it went astray
        raise MalformedMessage("a response with more than one Via is not for us")
    _check_headers(response)


def _check_headers(message: Message) -> None:
    headers = message.headers
    for name in _ONCE:
        values = headers.all(name)
        if len(values) > 1 and len(set(values)) > 1:
            raise MalformedMessage(f"{name} more than once")
    for via in headers.members("via"):
        Via.parse(via)
    if not _CALL_ID.fullmatch(message.call_id):
        raise MalformedMessage("no Call-ID, or one of more than printable ASCII")
    for party in (message.from_, message.to):
        _check_party(party)
    _ = message.via
    if isinstance(message, Request) and message.cseq.method != message.method:
        raise MalformedMessage(f"CSeq is not of a {message.method}")
    _check_numbers(message)


def _check_party(party: NameAddr) -> None:
    if party.uri.has_headers:
        raise MalformedMessage("headers in the URI of From or To")  # 19.1.1


def _check_numbers(message: Message) -> None:
    length = message.headers.get("content-length")
    if length is not None:
        if not (length.isascii() and length.isdigit()):
            raise MalformedMessage("Content-Length is no number")
        if len(length) > 9 or int(length) > len(message.body):  # 18.3
            raise MalformedMessage("Content-Length beyond the end of the datagram")
    hops = message.headers.get("max-forwards")
    if hops is not None and not (
        hops.isascii() and hops.isdigit() and len(hops) < 9 and int(hops) <= _MAX_MAX_FORWARDS
    ):
        raise MalformedMessage("Max-Forwards is no number up to 255")


def _problem_of_request_uri(request: Request) -> Refusal | None:
    if _NOT_IN_URI.search(request.uri):
        return Refusal(400, "a space or bracket in the request URI")
    scheme = request.uri.partition(":")[0].lower()
    if scheme not in ("sip", "sips", "tel"):
        return Refusal(416, "request URI of a scheme we do not speak")
    try:
        uri = Uri.parse(request.uri)
    except MalformedMessage as error:
        return Refusal(400, str(error))
    if uri.has_headers:  # 19.1.1
        return Refusal(400, "headers in the request URI")
    return None


def _problem_of_extensions(request: Request) -> Refusal | None:
    required = [option for option in request.headers.members("require") if option]
    if required:  # none is supported yet
        return Refusal(420, "extensions", (("unsupported", ", ".join(required)),))
    return None


def _problem_of_body(request: Request) -> Refusal | None:
    if request.method != "INVITE":
        return None
    if has_unusable_body(request):
        return Refusal(415, "body", (("accept", SDP), ("accept-encoding", "identity")))
    accepted = request.headers.members("accept")
    kinds = {member.partition(";")[0].strip().lower() for member in accepted if member}
    if kinds and not kinds & {SDP, "application/*", "*/*"}:
        return Refusal(406, "none of the accepted types is a session description")
    return None
