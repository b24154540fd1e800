"""SIP messages as bytes and as records: a lenient reader with hard limits, and the printer.

What can be told apart is read, so that a bad request can at least be answered; whether it may
be is decided by `validation.py`. Values are read when asked for. Text is UTF-8 whose stray
bytes survive (`surrogateescape`), so that what is echoed is echoed exactly.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from strowger.errors import MalformedMessage
from strowger.sip.headers import CSeq, NameAddr, Via, split_list


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a message may at most be; one beyond it is not read at all."""

    message_size: int = 65_536
    """Bytes."""
    header_count: int = 256
    comma_count: int = 512
    """Commas in the header: what bounds the members of its lists."""
    line_length: int = 8_192
    """Bytes of one unfolded header line."""


DEFAULT_LIMITS = Limits()

COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""One-letter header names (RFC 3261 section 7.3.3 and the IANA registry)."""

_PRINTED = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate"}
_FOLD = re.compile(rb"\r?\n[ \t]+")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_METHOD = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_VERSION = re.compile(r"SIP/\d+\.\d+", re.IGNORECASE | re.ASCII)
_STATUS_LINE = re.compile(
    r"(SIP/\d+\.\d+)[ \t]+([1-6]\d\d)(?:[ \t]+(.*))?", re.IGNORECASE | re.ASCII
)
_LINE_BREAK = re.compile(r"[\r\n]+[ \t]*")


class Headers:
    """Header fields in their order; names are long and in lower case, values unfolded."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def get(self, name: str) -> str | None:
        """The first field of that name."""
        return next((value for key, value in self._fields if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._fields if key == name]

    def members(self, name: str) -> list[str]:
        """All members of a list that may be spread over several fields."""
        return [member for value in self.all(name) for member in split_list(value)]

    def add(self, name: str, value: str) -> None:
        """Append a field. A line break in it would begin another one, so it becomes a space."""
        if "\n" in value or "\r" in value:
            value = _LINE_BREAK.sub(" ", value)
        self._fields.append((name, value))

    def replace(self, name: str, values: Iterable[str]) -> None:
        """Put `values` where the first field of that name was, and drop the others."""
        at = next((i for i, (key, _) in enumerate(self._fields) if key == name), 0)
        kept = [pair for pair in self._fields if pair[0] != name]
        self._fields = kept[:at] + [(name, value) for value in values] + kept[at:]


@dataclass(slots=True, kw_only=True)
class Message:
    """What requests and responses share. The readers raise MalformedMessage."""

    headers: Headers
    body: bytes = b""
    version: str = "SIP/2.0"
    _via: Via | None = field(default=None, repr=False, compare=False)

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            members = self.headers.members("via")
            if not members:
                raise MalformedMessage("expected a Via, got none")
            self._via = Via.parse(members[0])
        return self._via

    @via.setter
    def via(self, via: Via) -> None:
        self._via = via
        self.headers.replace("via", [str(via), *self.headers.members("via")[1:]])

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self.headers.get("cseq") or "")

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id") or ""

    @property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self.headers.get("from") or "")

    @property
    def to(self) -> NameAddr:
        return NameAddr.parse(self.headers.get("to") or "")

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact that is an address; None for `*` and where there is none."""
        members = self.headers.members("contact")
        return NameAddr.parse(members[0]) if members and members[0] not in ("", "*") else None

    def _serialise(self, start_line: str) -> bytes:
        lines = [start_line]
        for key, value in self.headers:
            if key != "content-length":
                lines.append(f"{_PRINTED.get(key) or key.title()}: {value}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(slots=True, kw_only=True)
class Request(Message):
    method: str
    uri: str

    def serialise(self) -> bytes:
        return self._serialise(f"{self.method} {self.uri} {self.version}")


@dataclass(slots=True, kw_only=True)
class Response(Message):
    status: int
    reason: str

    def serialise(self) -> bytes:
        return self._serialise(f"{self.version} {self.status} {self.reason}")


def is_keep_alive(data: bytes) -> bool:
    """Bare line breaks, NULs or nothing: what NAT-minded peers send to keep a path open."""
    return not data.strip(b"\r\n\0 \t")


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Read one datagram. Raises MalformedMessage."""
    if len(data) > limits.message_size:
        raise MalformedMessage(f"{len(data)} bytes, more than {limits.message_size}")
    data = data.lstrip(b"\r\n")  # 7.5
    blank = _BLANK_LINE.search(data)
    head, rest = (data[: blank.start()], data[blank.end() :]) if blank else (data, b"")
    if head.count(b",") > limits.comma_count:
        raise MalformedMessage(f"more than {limits.comma_count} commas in the header")
    if b"\n " in head or b"\n\t" in head:
        head = _FOLD.sub(b" ", head)
    lines = head.split(b"\n")
    if len(lines) > limits.header_count + 1:
        raise MalformedMessage(f"more than {limits.header_count} header fields")
    texts = [_decode(line, limits) for line in lines]
    headers = Headers(_field(text) for text in texts[1:] if text)
    return _with_start_line(texts[0], headers, _body(headers, rest))


def _decode(line: bytes, limits: Limits) -> str:
    if len(line) > limits.line_length:
        raise MalformedMessage(f"a line of {len(line)} bytes, more than {limits.line_length}")
    text = line.decode("utf-8", "surrogateescape").strip(" \t\r")
    return text.replace("\r", " ") if "\r" in text else text


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name = name.rstrip().lower()
    if not colon or not name or " " in name:
        raise MalformedMessage(f"expected a header field, got {text[:80]!r}")
    return COMPACT.get(name, name), value.strip()


def _body(headers: Headers, rest: bytes) -> bytes:
    """What Content-Length leaves of the datagram (18.3); a wrong one is refused later."""
    length = headers.get("content-length")
    if length is not None and length.isascii() and length.isdigit() and len(length) < 10:
        return rest[: int(length)]
    return rest


def _with_start_line(line: str, headers: Headers, body: bytes) -> Request | Response:
    if found := _STATUS_LINE.fullmatch(line):
        version, status, reason = found.groups()
        return Response(
            version=version.upper(),
            status=int(status),
            reason=(reason or "").strip(),
            headers=headers,
            body=body,
        )
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rpartition(" ")
    if uri.strip() and _METHOD.fullmatch(method) and _VERSION.fullmatch(version):
        return Request(
            version=version.upper(), method=method, uri=uri.strip(), headers=headers, body=body
        )
    raise MalformedMessage(f"expected a SIP start line, got {line[:80]!r}")
