"""Settings: one frozen object, the only reader of the environment.

Command line before environment before `strowger.toml` before defaults. Each setting has one name:
`rtp_ports` in the file, `--rtp-ports` on the command line, `STROWGER_RTP_PORTS` in the
environment (only `DATABASE_URL` differs). `python -m strowger.config` prints the reference page.
"""

import difflib
import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from strowger.errors import ConfigurationError

T = TypeVar("T")

FILE_NAME = "strowger.toml"
FILE_VARIABLE = "STROWGER_CONFIG"


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
    r"sip:(?:(?P<username>[^:@;]+)(?::(?P<password>[^@]*))?@)?"
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


# ── one reader for each kind of value; they raise ValueError with what was expected ──────────


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected some text")
    return value.strip()


def _integer(least: int, greatest: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text):
            raise ValueError(f"expected a whole number from {least} to {greatest}")
        if not least <= int(text) <= greatest:
            raise ValueError(f"expected {least} to {greatest}, got {text}")
        return int(text)

    return read


def _seconds(value: object) -> float:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise ValueError("expected seconds, such as 30 or 2.5")
    return float(text)


def _switch(value: object) -> bool:
    words = {"true": True, "yes": True, "1": True, "on": True}
    words |= {"false": False, "no": False, "0": False, "off": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.strip().lower() not in words:
        raise ValueError("expected true or false")
    return words[value.strip().lower()]


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    return Path(_text(value)).expanduser()


def _host(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", text):
        raise ValueError("expected an IP address or a host name")
    return text


def _address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(_text(value)))
    except ValueError:
        raise ValueError("expected an IP address, such as 203.0.113.7") from None


def _endpoint(value: object) -> Endpoint:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", _text(value))
    if match is None or int(match[2]) > 65_535:
        raise ValueError("expected address:port, such as 127.0.0.1:5060")
    return Endpoint(match[1].strip("[]"), int(match[2]))


def _ports(value: object) -> PortRange:
    match = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", _text(value))
    if match is None or not 1024 <= int(match[1]) < int(match[2]) <= 65_535:
        raise ValueError("expected first-last within 1024-65535, such as 16384-32767")
    return PortRange(int(match[1]), int(match[2]))


def _items(value: object) -> list[str]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return [item.strip() for item in value]
    raise ValueError("expected a list, separated by commas in the environment")


def _countries(value: object) -> tuple[str, ...]:
    codes = tuple(item.upper() for item in _items(value))
    for code in codes:
        if not re.fullmatch(r"[A-Z]{2}|001", code):
            raise ValueError(f"expected two-letter country codes such as US, MX, got {code!r}")
    return codes


def _networks(value: object) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(item) for item in _items(value))
    except ValueError as error:
        raise ValueError(f"expected networks such as 10.0.0.0/8: {error}") from None


def _url(value: object) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError("expected an http:// or https:// URL")
    return text.rstrip("/")


def _database(value: object) -> str:
    text = _text(value)
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("expected postgresql://user:password@host:port/name")
    return text


def _trunk(value: object) -> TrunkAddress:
    return parse_trunk(_text(value))


def _choice(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _text(value).lower()
        if text not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, got {text!r}")
        return text

    return read


def setting(
    default: T, read: Callable[[object], T], help: str, *, form: str, secret: bool = False
) -> T:
    """A field of Settings. `form` shows what a value looks like; a secret is never printed."""
    metadata = {"read": read, "help": help, "form": form, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. Paths are as given, durations seconds."""

    host: str = setting("127.0.0.1", _host, "Address the API listens on.", form="ADDRESS")
    port: int = setting(
        8080, _integer(0, 65_535), "Port the API listens on; 0 for any free one.", form="PORT"
    )
    data: Path = setting(  # noqa: RUF009 (makes a field, as do all below)
        Path("strowger-data"),
        _path,
        "Folder for the embedded database and the recordings.",
        form="FOLDER",
    )
    database_url: str | None = setting(
        None,
        _database,
        "PostgreSQL to use in place of the embedded one.",
        form="postgresql://USER:PASSWORD@HOST:PORT/NAME",
        secret=True,
    )
    workers: int = setting(
        1, _integer(0, 256), "Worker processes that conduct calls; 0 for none.", form="COUNT"
    )
    lines: int = setting(
        100, _integer(1, 10_000), "Calls one worker conducts at the same time.", form="COUNT"
    )
    sip: Endpoint = setting(  # noqa: RUF009
        Endpoint("127.0.0.1", 5060),
        _endpoint,
        "Address and port for SIP; workers after the first take the ports that follow.",
        form="ADDRESS:PORT",
    )
    public_address: str | None = setting(
        None,
        _address,
        "IP address that carriers reach this machine at, where it is not the SIP address.",
        form="IP",
    )
    rtp_ports: PortRange = setting(  # noqa: RUF009
        PortRange(16_384, 32_767), _ports, "UDP ports for audio, two for each call.", form="A-B"
    )
    trunk: TrunkAddress | None = setting(  # noqa: RUF009
        None,
        _trunk,
        "Default trunk: the carrier that calls go through.",
        form="sip:USER:PASSWORD@HOST:PORT;transport=udp",
        secret=True,
    )
    allow_countries: tuple[str, ...] = setting(
        (),
        _countries,
        "Countries that may be called, by ISO 3166 code; empty for all.",
        form="US,MX,…",
    )
    allow_sip_uris: bool = setting(
        False, _switch, "Whether calls may go to sip: addresses besides numbers.", form="true|false"
    )
    allow_networks: tuple[Network, ...] = setting(
        (),
        _networks,
        "Private networks that webhooks may reach; none but public addresses otherwise.",
        form="10.0.0.0/8,…",
    )
    openai_base_url: str = setting(
        "https://api.openai.com/v1",
        _url,
        "Where the OpenAI-compatible services are.",
        form="URL",
    )
    openai_api_key: str | None = setting(
        None, _text, "Key for the OpenAI-compatible services.", form="KEY", secret=True
    )
    openai_model: str = setting(
        "gpt-4.1-mini", _text, "Language model of agents that name none.", form="NAME"
    )
    openai_speech_model: str = setting(
        "gpt-4o-mini-tts", _text, "Speech model of the provider openai.", form="NAME"
    )
    openai_voice: str = setting(
        "alloy", _text, "Voice of agents with the provider openai that name none.", form="NAME"
    )
    openai_transcription_model: str = setting(
        "gpt-4o-mini-transcribe", _text, "Recognition model of agents that name none.", form="NAME"
    )
    stop_timeout: float = setting(
        60.0, _seconds, "Seconds that calls have to end when Strowger is stopped.", form="SECONDS"
    )
    log_level: str = setting(
        "info",
        _choice("debug", "info", "warning", "error"),
        "Least weight of what is logged.",
        form="debug|info|warning|error",
    )
    log_format: str = setting(
        "text", _choice("text", "json"), "How log lines are written.", form="text|json"
    )
    server: str = setting(
        "http://127.0.0.1:8080", _url, "Running server that `strowger call` speaks to.", form="URL"
    )
    api_key: str | None = setting(
        None, _text, "API key that `strowger call` uses.", form="strowger_live_…", secret=True
    )

    @property
    def recordings(self) -> Path:
        """Folder of the recordings."""
        return self.data / "recordings"


SETTINGS: Mapping[str, "Field[Any]"] = {field.name: field for field in fields(Settings)}


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return "DATABASE_URL" if name == "database_url" else f"STROWGER_{name.upper()}"


def option_of(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")


def help_of(name: str) -> str:
    """What a setting is for, in a sentence."""
    return str(SETTINGS[name].metadata["help"])


def find_file(
    given: Path | None, *, environ: Mapping[str, str], folder: Path | None = None
) -> Path | None:
    """The configuration file: the one given, else STROWGER_CONFIG, else strowger.toml here."""
    if given is not None:
        return given
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE]).expanduser()
    here = (folder or Path.cwd()) / FILE_NAME
    return here if here.is_file() else None


def process_environment() -> Mapping[str, str]:
    return os.environ


def load_settings(
    overrides: Mapping[str, object], *, environ: Mapping[str, str], file: Path | None
) -> Settings:
    """Settings from all their sources. Raises ConfigurationError that names the source."""
    values: dict[str, Any] = {}
    for name, given in _from_file(file).items():
        values[name] = _read(name, given, source=f"{file}: {name}")
    for name in SETTINGS:
        variable = variable_of(name)
        if environ.get(variable, "").strip():  # set to nothing is how shells say unset
            values[name] = _read(name, environ[variable], source=variable)
    for name, given in overrides.items():
        if name not in SETTINGS:
            raise ConfigurationError(f"there is no setting {name}{_suggestion(name)}")
        if given is not None:
            values[name] = _read(name, given, source=option_of(name))
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _read(name: str, given: object, *, source: str) -> object:
    setting = SETTINGS[name]
    if type(given) is type(setting.default) and not isinstance(given, str | int | float | tuple):
        return given  # a value made by code: tests, `strowger demo`
    try:
        return setting.metadata["read"](given)
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}") from None


def _from_file(file: Path | None) -> Mapping[str, object]:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: not TOML: {error}") from None
    for name in content:
        if name not in SETTINGS:
            raise ConfigurationError(f"{file}: there is no setting {name}{_suggestion(name)}")
    return content


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, SETTINGS, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _check_together(settings: Settings) -> None:
    ports = settings.rtp_ports
    wanted = 2 * settings.lines * settings.workers
    if ports.last - ports.first + 1 < wanted:
        raise ConfigurationError(
            f"rtp_ports: {ports} is too narrow: {settings.workers} workers of "
            f"{settings.lines} lines need {wanted} ports"
        )


def reference() -> str:
    """The page docs/reference/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Every setting has one name. On the command line it is an option, in the environment a",
        f"variable, in `{FILE_NAME}` a key; the first of these that is there counts, and the",
        "default otherwise. The file is the one of `--config` or "
        f"`{FILE_VARIABLE}`, or `{FILE_NAME}`",
        "in the current folder. A setting that cannot be read, or a key that does not exist, stops",
        "Strowger with one line and exit status 2. Lists are arrays in the file, separated by",
        "commas elsewhere.",
        "",
        "| Setting | Environment | Default | |",
        "|---|---|---|---|",
    ]
    for name, entry in SETTINGS.items():
        form = str(entry.metadata["form"]).replace("|", "\\|")
        lines.append(
            f"| `{name}`<br>`{option_of(name)} {form}` | `{variable_of(name)}` "
            f"| {_shown(entry.default)} | {help_of(name)} |"
        )
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    if default is None or default == ():
        return "–"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
