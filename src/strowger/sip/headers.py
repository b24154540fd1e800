"""The grammar of header values: lists, parameters, URIs, name-addr, Via and CSeq.

Reads what carriers really send (RFC 3261 section 25 with spaces, stray semicolons and odd
display names forgiven) and raises MalformedMessage for what has no meaning. What is readable
but not allowed is for `validation.py` to refuse.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from strowger.errors import MalformedMessage

Parameters = dict[str, str | None]
"""Parameters by lower-case name; None for one without a value."""

DEFAULT_PORT = 5060

_DELIMITER = re.compile(r'["\\,<>]')
_PARAMETER = re.compile(r';\s*([^\s;="]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;]*))?', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_VIA = re.compile(
    r"SIP\s*/\s*(\d+\.\d+)\s*/\s*([^\s/;,]+)\s+"
    r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)\s*(?::\s*(\d{1,5})\s*)?(;.*)?",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?", re.ASCII)
_CSEQ = re.compile(r"(\d{1,10})\s+(\S+)", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_UNDECODABLE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._~-]")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def split_list(text: str) -> list[str]:
    """The members of a comma-separated value; commas in quotes and angle brackets are no ends."""
    if "," not in text:
        return [text.strip()]
    members, start = [], 0
    for comma in _commas(text):
        members.append(text[start:comma].strip())
        start = comma + 1
    members.append(text[start:].strip())
    return members


def _commas(text: str) -> Iterator[int]:
    quoted = bracketed = False
    skip = -1
    for found in _DELIMITER.finditer(text):
        at, sign = found.start(), found.group()
        if at == skip:
            continue
        match sign:
            case "\\":
                skip = at + 1 if quoted else -1
            case '"':
                quoted = not quoted and not bracketed
            case "<" | ">" if not quoted:
                bracketed = sign == "<"
            case "," if not quoted and not bracketed:
                yield at


def parse_parameters(text: str) -> Parameters:
    """Read `;name=value;name` leniently: empty ones are skipped, the first of a name counts."""
    parameters: Parameters = {}
    for name, value in _PARAMETER.findall(text):
        plain = unquote_string(value) if value.startswith('"') else value.strip()
        parameters.setdefault(name.lower(), plain or None)
    return parameters


def print_parameters(parameters: Parameters) -> str:
    return "".join(
        f";{name}" if value is None else f";{name}={value}" for name, value in parameters.items()
    )


def unquote_string(text: str) -> str:
    """The content of a quoted-string, its escapes undone."""
    return re.sub(r"\\(.)", r"\1", text.strip()[1:-1], flags=re.DOTALL)


def quote_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escape(text: str) -> str:
    """%-escape all that is not a letter, a figure or a mark that is safe everywhere (25.1)."""
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def unescape(text: str) -> str:
    """Undo %-escapes (19.1.2)."""
    return _ESCAPES.sub(
        lambda found: bytes.fromhex(found.group().replace("%", "")).decode(
            "utf-8", "surrogateescape"
        ),
        text,
    )


def host_of(address: tuple[str, int]) -> str:
    """An IP address as it stands in a URI: IPv6 goes into brackets."""
    return f"[{address[0]}]" if ":" in address[0] else address[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """A URI and its parts. Other schemes than sip, sips and tel have only `scheme`."""

    text: str
    """As it was written."""
    scheme: str
    user: str = ""
    """Still escaped, without a password; the number of a tel URI."""
    host: str = ""
    """Without the brackets of IPv6."""
    port: int | None = None
    parameters: Parameters
    has_headers: bool = False
    """A `?` part, which is forbidden in most places (RFC 3261 section 19.1.1)."""

    @classmethod
    def parse(cls, text: str) -> "Uri":
        text = text.strip()
        scheme, colon, rest = text.partition(":")
        if not colon or not _SCHEME.fullmatch(scheme):
            raise MalformedMessage(f"expected a URI, got {text[:80]!r}")
        match scheme.lower():
            case "sip" | "sips":
                return cls._parse_sip(text, scheme.lower(), rest)
            case "tel":
                number, _, tail = rest.partition(";")
                return cls(
                    text=text, scheme="tel", user=number, parameters=parse_parameters(";" + tail)
                )
            case other:
                return cls(text=text, scheme=other, parameters={})

    @classmethod
    def _parse_sip(cls, text: str, scheme: str, rest: str) -> "Uri":
        user_info, _, place = rest.rpartition("@")
        place, question, _ = place.partition("?")
        host_port, semicolon, tail = place.partition(";")
        found = _HOST_PORT.fullmatch(host_port.strip())
        if found is None:
            raise MalformedMessage(f"expected host and port in {text[:80]!r}")
        return cls(
            text=text,
            scheme=scheme,
            user=user_info.partition(":")[0],
            host=found.group(1).strip("[]"),
            port=_port(found.group(2)),
            parameters=parse_parameters(semicolon + tail),
            has_headers=bool(question),
        )

    @property
    def spoken_user(self) -> str:
        """The user part for people: escapes undone, parameters of a telephone number left out."""
        user = self.user
        if user[:1] == "+" or user[:1].isdigit():
            user = user.partition(";")[0]
        return printable(unescape(user))


def printable(text: str) -> str:
    """Text for people and logs: no control characters, no bytes that were not UTF-8."""
    readable = _UNDECODABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return "".join(sign for sign in readable if sign.isprintable())


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    port = int(text)
    if not 0 < port < 65536:
        raise MalformedMessage(f"no such port: {port}")
    return port


@dataclass(frozen=True, slots=True)
class NameAddr:
    """Value of From, To, Contact, Route and Record-Route."""

    display: str
    uri: Uri
    parameters: Parameters

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        text = text.strip()
        display, rest = "", text
        if text.startswith('"'):
            quoted = _QUOTED.match(text)
            if quoted is None:
                raise MalformedMessage(f"quotes do not close in {text[:80]!r}")
            display, rest = unquote_string(quoted.group()), text[quoted.end() :].lstrip()
            if not rest.startswith("<"):
                raise MalformedMessage(f"expected < after the display name in {text[:80]!r}")
        elif "<" in text:
            name, _, rest = text.partition("<")
            display, rest = name.strip(), "<" + rest
        if not rest.startswith("<"):  # without brackets all parameters are the header's (20.10)
            uri, semicolon, tail = rest.partition(";")
            return cls(display, Uri.parse(uri), parse_parameters(semicolon + tail))
        uri, closing, tail = rest[1:].partition(">")
        if not closing:
            raise MalformedMessage(f"expected > in {text[:80]!r}")
        return cls(display, Uri.parse(uri), parse_parameters(tail))

    @property
    def tag(self) -> str | None:
        return self.parameters.get("tag")


@dataclass(frozen=True, slots=True)
class Via:
    transport: str
    """In upper case, such as UDP."""
    host: str
    """Without the brackets of IPv6, in lower case."""
    port: int | None
    parameters: Parameters
    version: str = "2.0"

    @classmethod
    def parse(cls, text: str) -> "Via":
        found = _VIA.fullmatch(text.strip())
        if found is None:
            raise MalformedMessage(f"expected a Via, got {text[:80]!r}")
        version, transport, host, port, tail = found.groups()
        parameters = parse_parameters(tail or "")
        return cls(transport.upper(), host.strip("[]").lower(), _port(port), parameters, version)

    @property
    def branch(self) -> str:
        return self.parameters.get("branch") or ""

    @property
    def sent_by(self) -> str:
        return f"{self.host}:{self.port or DEFAULT_PORT}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        head = f"SIP/{self.version}/{self.transport} {host}{port}"
        return head + print_parameters(self.parameters)


@dataclass(frozen=True, slots=True)
class CSeq:
    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        found = _CSEQ.fullmatch(text.strip())
        if found is None or int(found.group(1)) >= 2**31:  # 8.1.1.5
            raise MalformedMessage(f"expected a number below 2**31 and a method, got {text[:80]!r}")
        return cls(int(found.group(1)), found.group(2))

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
