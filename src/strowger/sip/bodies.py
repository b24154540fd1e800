"""Which part of a message is the session description, and which bodies we cannot use.

A gateway to the telephone network often packs ISUP beside the description (RFC 3204), so a
multipart body is looked through (RFC 5621: implementing it is a must). Only what stands at the
top level of it is seen.
"""

from strowger.sip.headers import parse_parameters
from strowger.sip.message import Headers, Message

SDP = "application/sdp"
SIPFRAG = "message/sipfrag"
"""The body of NOTIFYs that tell what has come of a REFER (RFC 3420)."""
_MAX_PARTS = 16


def content_type(headers: Headers) -> tuple[str, str]:
    """Media type in lower case, and its parameters as written."""
    kind, semicolon, tail = (headers.get("content-type") or "").partition(";")
    return kind.strip().lower(), semicolon + tail


def sdp_of(message: Message) -> bytes | None:
    """The session description, where the message brings one."""
    kind, parameters = content_type(message.headers)
    if not message.body:
        return None
    if kind.startswith("multipart/"):
        return _part_of_multipart(message.body, parse_parameters(parameters).get("boundary"))
    if kind == SDP or (not kind and message.body.startswith(b"v=0")):
        return message.body
    return None


def has_unusable_body(message: Message) -> bool:
    """A body in a form that we were asked to understand and do not (8.2.3)."""
    if not message.body:
        return False
    disposition = message.headers.get("content-disposition") or ""
    if (parse_parameters(";" + disposition.partition(";")[2]).get("handling") or "") == "optional":
        return False
    encoding = (message.headers.get("content-encoding") or "identity").strip().lower()
    kind, _ = content_type(message.headers)
    known = kind in ("", SDP, SIPFRAG) or kind.startswith("multipart/")
    return not known or encoding != "identity"


def _part_of_multipart(body: bytes, boundary: str | None) -> bytes | None:
    if not boundary:
        return None
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "surrogateescape"))
    for part in parts[1 : _MAX_PARTS + 1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            kind = value.partition(b";")[0].strip().lower()
            if name.strip().lower() in (b"content-type", b"c") and kind == SDP.encode():
                return content if blank else None
    return None
