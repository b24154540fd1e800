"""The grammar of SDP, RFC 8866: bytes to lines to records.

Reads leniently, as far as offers and answers need it; what they mean is decided in
`media/sdp.py`.
"""

from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from strowger.errors import MalformedMessage

SIZE_LIMIT: Final = 16 * 1024
LINES_LIMIT: Final = 500
MEDIA_LIMIT: Final = 16
FORMATS_LIMIT: Final = 64

Attributes = tuple[tuple[str, str], ...]
"""Names and values, in order; the value is empty for a flag."""


def attribute(attributes: Attributes, name: str) -> str | None:
    """The first value of an attribute; empty for a flag, None where it is not there."""
    return next((value for each, value in attributes if each == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription:
    """One m= line and what belongs to it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    """The address of its own c= line."""
    attributes: Attributes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    connection: str | None = None
    attributes: Attributes = ()
    media: tuple[MediaDescription, ...] = ()


@dataclass(slots=True)
class _Section:
    """The session, or one medium, while its lines are read."""

    heading: str = ""
    connection: str | None = None
    attributes: list[tuple[str, str]] = field(default_factory=list)


def parse_sdp(body: bytes) -> SessionDescription:
    """Raises MalformedMessage."""
    if len(body) > SIZE_LIMIT:
        raise MalformedMessage(f"SDP of at most {SIZE_LIMIT} bytes expected, got {len(body)}")
    lines = [line for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines or lines[0].strip() != "v=0":
        raise MalformedMessage("SDP begins with v=0")
    if len(lines) > LINES_LIMIT:
        raise MalformedMessage(f"SDP of at most {LINES_LIMIT} lines expected, got {len(lines)}")
    sections = [_Section()]
    for line in lines[1:]:
        letter, separator, value = line.partition("=")
        value = value.strip()
        match letter.strip() if separator else "":
            case "m":
                sections.append(_Section(value))
            case "c":
                sections[-1].connection = _address(value)
            case "a":
                name, _, content = value.partition(":")
                sections[-1].attributes.append((name.strip().lower(), content.strip()))
            case _:
                pass  # timing, bandwidth, keys …: nothing that a telephone call turns on
    if len(sections) - 1 > MEDIA_LIMIT:
        raise MalformedMessage(f"SDP of at most {MEDIA_LIMIT} media expected")
    return SessionDescription(
        connection=sections[0].connection,
        attributes=tuple(sections[0].attributes),
        media=tuple(_medium(section) for section in sections[1:]),
    )


def number(text: str, highest: int, what: str) -> int:
    """A decimal number from 0 on. Raises MalformedMessage."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= highest):
        raise MalformedMessage(f"{what} from 0 to {highest} expected, got {text[:20]!r}")
    return int(text)


def is_address(text: str) -> bool:
    """An IPv4 address that one may send to."""
    try:
        return not IPv4Address(text).is_multicast
    except AddressValueError:
        return False


def _medium(section: _Section) -> MediaDescription:
    words = section.heading.split()
    if len(words) < 4 or len(words) > 3 + FORMATS_LIMIT:
        raise MalformedMessage(f"m=<media> <port> <proto> <fmt> … expected, got {len(words)} words")
    port, _, _count = words[1].partition("/")
    return MediaDescription(
        kind=words[0].lower(),
        port=number(port, 65535, "port"),
        protocol=words[2],
        formats=tuple(words[3:]),
        connection=section.connection,
        attributes=tuple(section.attributes),
    )


def _address(value: str) -> str:
    words = value.split()
    if len(words) < 3:
        raise MalformedMessage("c=<nettype> <addrtype> <address> expected")
    return words[2].partition("/")[0]
