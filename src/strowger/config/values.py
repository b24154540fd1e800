"""The kinds of values that settings have, and one reader for each.

A reader takes what the command line, the environment or the file gives, or the value itself, and
raises ValueError that says what was expected. What it was given it says only where that cannot be
a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen: an IP address or host name, and a port; 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkAddress:
    """A SIP peer as one line of configuration names it."""

    host: str
    port: int = 5060
    transport: str = "udp"
    username: str | None = None
    password: str | None = field(default=None, repr=False)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRUNK = re.compile(
    r"sip:(?:(?P<username>[^:@;\s]+)(?::(?P<password>[^@\s]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:;transport=(?P<transport>[A-Za-z]+))?"
)


def parse_trunk(text: str) -> TrunkAddress:
    """Read `sip:user:password@host:port;transport=udp`. Raises ValueError, without the password.

    `%40` stands for an @ in the user name or password, as in any URI.
    """
    match = TRUNK.fullmatch(text)
    if match is None:
        raise ValueError("expected sip:user:password@host:port;transport=udp")
    port = int(match["port"] or 5060)
    if not 1 <= port <= 65_535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    transport = (match["transport"] or "udp").lower()
    if transport != "udp":
        raise ValueError(f"expected transport=udp, got {transport}")
    return TrunkAddress(
        host=match["host"].strip("[]"),
        port=port,
        transport=transport,
        username=None if match["username"] is None else unquote(match["username"]),
        password=None if match["password"] is None else unquote(match["password"]),
    )


def read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected some text")
    return value.strip()


def read_integer(least: int, greatest: int) -> Callable[[object], int]:
    form = r"-?[0-9]{1,9}" if least < 0 else r"[0-9]{1,9}"

    def read(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(form, text):
            raise ValueError(f"expected a whole number from {least} to {greatest}")
        if not least <= int(text) <= greatest:
            raise ValueError(f"expected {least} to {greatest}, got {text}")
        return int(text)

    return read


def read_seconds(value: object) -> float:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise ValueError("expected seconds, such as 30 or 2.5")
    return float(text)


def read_switch(value: object) -> bool:
    words = {"true": True, "yes": True, "1": True, "on": True}
    words |= {"false": False, "no": False, "0": False, "off": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.strip().lower() not in words:
        raise ValueError("expected true or false")
    return words[value.strip().lower()]


def read_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    return Path(read_text(value)).expanduser()


def read_host(value: object) -> str:
    text = read_text(value)
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", text):
        raise ValueError("expected an IP address or a host name")
    return text


def read_address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(read_text(value)))
    except ValueError:
        raise ValueError("expected an IP address, such as 203.0.113.7") from None


def read_endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", read_text(value))
    if match is None or int(match[2]) > 65_535:
        raise ValueError("expected address:port, such as 127.0.0.1:5060")
    return Endpoint(match[1].strip("[]"), int(match[2]))


def read_ports(value: object) -> PortRange:
    if isinstance(value, PortRange):
        return value
    match = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", read_text(value))
    if match is None or not 1024 <= int(match[1]) < int(match[2]) <= 65_535:
        raise ValueError("expected first-last within 1024-65535, such as 16384-32767")
    return PortRange(int(match[1]), int(match[2]))


def read_items(value: object) -> list[str]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return [item.strip() for item in value]
    raise ValueError("expected a list, separated by commas in the environment")


def read_countries(value: object) -> tuple[str, ...]:
    codes = tuple(item.upper() for item in read_items(value))
    for code in codes:
        if not re.fullmatch(r"[A-Z]{2}|001", code):
            raise ValueError(f"expected two-letter country codes such as US, MX, got {code!r}")
    return codes


def read_networks(value: object) -> tuple[Network, ...]:
    if isinstance(value, tuple):
        value = [str(item) for item in value]
    try:
        return tuple(ipaddress.ip_network(item) for item in read_items(value))
    except ValueError as error:
        raise ValueError(f"expected networks such as 10.0.0.0/8: {error}") from None


def read_hosts(value: object) -> tuple[tuple[str, str], ...]:
    """Host names and what each leads to: `api.example.com=name`."""
    if isinstance(value, tuple | list):
        value = ["=".join(item) if isinstance(item, tuple | list) else item for item in value]
    pairs = []
    for item in read_items(value):
        host, equals, name = (part.strip() for part in item.partition("="))
        if not equals or not re.fullmatch(r"[A-Za-z0-9.-]+", host) or not name:
            raise ValueError(f"expected HOST=DIALECT, got {item}")
        pairs.append((host.lower(), name))
    return tuple(pairs)


def read_url(value: object) -> str:
    text = read_text(value)
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError("expected an http:// or https:// URL")
    return text.rstrip("/")


def read_database(value: object) -> str:
    text = read_text(value)
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("expected postgresql://user:password@host:port/name")
    return text


def read_trunk(value: object) -> TrunkAddress:
    if isinstance(value, TrunkAddress):
        return value
    return parse_trunk(read_text(value))


def read_choice(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = read_text(value).lower()
        if text not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, got {text!r}")
        return text

    return read
