"""What a call of ours asks for, and the INVITE made of it."""

import re
from dataclasses import dataclass, field

from strowger.errors import InvalidRequest, MalformedMessage
from strowger.sip.bodies import SDP
from strowger.sip.dialog import MAX_FORWARDS
from strowger.sip.digest import Credentials
from strowger.sip.events import Address
from strowger.sip.headers import Uri, quote_string
from strowger.sip.message import Headers, Request
from strowger.sip.validation import ALLOW

RESERVED = frozenset({
    "via", "max-forwards", "from", "to", "call-id", "cseq", "contact", "route", "record-route",
    "allow", "user-agent", "content-type", "content-length", "content-encoding", "require",
    "supported", "authorization", "proxy-authorization",
})  # fmt: skip
"""Header fields that callers cannot set: they are ours."""

_NAME = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_CALL_ID = re.compile(r"[!-~]{1,255}")
_UNENCODABLE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile(r'[\s<>"\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A call to place. Raises InvalidRequest for what cannot stand in an INVITE."""

    request_uri: str
    """Whom to call, such as `sip:+14155550100@trunk.example.com`."""
    destination: Address
    """Where the INVITE is sent: the resolved address of the trunk or outbound proxy."""
    from_uri: str
    sdp: bytes
    """The offer."""
    to_uri: str | None = None
    """Value of To; the request URI where it is None."""
    from_display: str = ""
    contact: Address | None = None
    """Where the far end reaches us; the endpoint's own address where it is None."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    call_id: str | None = None
    """To be found again in the trunk's logs; made up where it is None."""
    headers: tuple[tuple[str, str], ...] = ()
    """Additional header fields, such as P-Asserted-Identity."""

    def __post_init__(self) -> None:
        for uri in (self.request_uri, self.from_uri, self.to_uri or self.request_uri):
            check_uri(uri)
        for name, _ in self.headers:
            if not _NAME.fullmatch(name) or name.lower() in RESERVED:
                raise InvalidRequest(f"{name!r} is no header field that a call may set")
        for text in (self.from_display, *(value for _, value in self.headers)):
            if not text.isprintable():
                raise InvalidRequest(f"{text!r} has signs that cannot stand in a header field")
        if self.call_id is not None and not _CALL_ID.fullmatch(self.call_id):
            raise InvalidRequest("a Call-ID is printable ASCII without spaces, up to 255 signs")
        if _UNENCODABLE.search(f"{self.username}{self.password}"):
            raise InvalidRequest("user name and password must be encodable as UTF-8")

    @property
    def credentials(self) -> Credentials | None:
        if self.username is None:
            return None
        return Credentials(username=self.username, password=self.password or "")


def check_uri(text: str) -> None:
    """Raise InvalidRequest unless it can be called, and stand in a request line as it is."""
    try:
        uri = Uri.parse(text)
    except MalformedMessage as error:
        raise InvalidRequest(str(error)) from error
    if _UNSAFE.search(text) or not text.isascii() or uri.has_headers:
        raise InvalidRequest(f"{text!r} cannot stand in a request")
    if uri.scheme not in ("sip", "tel"):  # sips would promise TLS
        raise InvalidRequest(f"cannot call a {uri.scheme} URI")


def build_invite(
    invitation: Invitation,
    *,
    call_id: str,
    tag: str,
    number: int,
    via: str,
    contact: str,
    user_agent: str,
    allow: str = ALLOW,
) -> Request:
    """The INVITE, without credentials."""
    display = f"{quote_string(invitation.from_display)} " if invitation.from_display else ""
    headers = Headers()
    headers.add("via", via)
    headers.add("max-forwards", MAX_FORWARDS)
    headers.add("from", f"{display}<{invitation.from_uri}>;tag={tag}")
    headers.add("to", f"<{invitation.to_uri or invitation.request_uri}>")
    headers.add("call-id", call_id)
    headers.add("cseq", f"{number} INVITE")
    headers.add("contact", contact)
    headers.add("allow", allow)
    headers.add("user-agent", user_agent)
    for name, value in invitation.headers:
        headers.add(name.lower(), value)
    headers.add("content-type", SDP)
    return Request(
        method="INVITE", uri=invitation.request_uri, headers=headers, body=invitation.sdp
    )
