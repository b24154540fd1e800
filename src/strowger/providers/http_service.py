"""Where an HTTP service is, how it is asked, and how long that may take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from strowger.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    """How long a service may take, in seconds, and how much it may say."""

    connect: float = 3.0
    first_byte: float = 8.0
    """From the request to the first byte of the answer's body."""
    between: float = 5.0
    """From one piece of the answer to the next."""
    retry_after: float = 2.0
    """The longest wait before the one retry that a service may ask for."""
    pause: float = 0.2
    """Before the retry where the service does not ask for any."""
    largest: int = 16 << 20
    """Bytes of an answer."""
    connections: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpService:
    """Where a service is and how it is asked."""

    name: str
    """What error messages call it."""
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    key_header: str | None = None
    """The header that takes the key as it is; none for `Authorization: Bearer`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request."""
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A request body in parts; the file is called `file`."""

    fields: Sequence[tuple[str, str]]
    file: bytes
    file_name: str
    file_type: str


def headers_for(service: HttpService) -> dict[str, str]:
    """What every request says. Raises ConfigurationError for a key that cannot be right."""
    headers = {"accept-encoding": "identity", "user-agent": "strowger", **dict(service.headers)}
    if service.api_key:
        if not re.fullmatch(r"[!-~]+", service.api_key):
            raise ConfigurationError(f"the API key of {service.name} has a character no key has")
        if service.key_header is not None:
            headers[service.key_header] = service.api_key
        else:
            headers["authorization"] = f"Bearer {service.api_key}"
    return headers


def checked_url(service: HttpService) -> str:
    """Where the service is, without a slash at the end. Raises ConfigurationError."""
    try:
        parts = urlsplit(service.base_url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ConfigurationError(f"base_url of {service.name}: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigurationError(
            f"base_url of {service.name}: expected http(s)://host/…, got {service.base_url!r}"
        )
    if parts.username is not None and "authorization" in headers_for(service):
        raise ConfigurationError(
            f"base_url of {service.name}: a user and password go where the API key does:"
            " only one of them can be sent"
        )
    return service.base_url.rstrip("/")
