"""Settings: one frozen object, the only reader of the environment.

Command line before environment before `strowger.toml` before defaults. Each setting has one name:
`rtp_ports` in the file, `--rtp-ports` on the command line, `STROWGER_RTP_PORTS` in the
environment (only `DATABASE_URL` differs). `python -m strowger.config` prints the reference page.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from strowger.config.declaring import setting
from strowger.config.providers import ProviderKeys
from strowger.config.values import (
    Endpoint,
    Network,
    PortRange,
    TrunkAddress,
    parse_trunk,
    read_address,
    read_choice,
    read_countries,
    read_database,
    read_endpoint,
    read_host,
    read_hosts,
    read_integer,
    read_networks,
    read_path,
    read_ports,
    read_seconds,
    read_switch,
    read_text,
    read_trunk,
    read_url,
)
from strowger.errors import ConfigurationError

__all__ = [
    "SETTINGS",
    "Endpoint",
    "Network",
    "PortRange",
    "Settings",
    "TrunkAddress",
    "find_file",
    "help_of",
    "load_settings",
    "option_of",
    "parse_trunk",
    "process_environment",
    "reference",
    "variable_of",
]

FILE_NAME = "strowger.toml"
FILE_VARIABLE = "STROWGER_CONFIG"


ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ProviderKeys):
    """Everything an operator can set. Paths are as given, durations seconds."""

    host: str = setting("127.0.0.1", read_host, "Address the API listens on.", form="ADDRESS")
    port: int = setting(
        8080, read_integer(0, 65_535), "Port the API listens on; 0 for any free one.", form="PORT"
    )
    data: Path = setting(  # noqa: RUF009 (makes a field, as do all below)
        Path("strowger-data"),
        read_path,
        "Folder for the embedded database and the recordings.",
        form="FOLDER",
    )
    database_url: str | None = setting(
        None,
        read_database,
        "PostgreSQL to use in place of the embedded one.",
        form="postgresql://USER:PASSWORD@HOST:PORT/NAME",
        secret=True,
    )
    secret_keys: str | None = setting(
        None,
        read_text,
        "Keys for the secrets in the database, the one that seals first; without it they are in"
        " the file secret.keys of the data folder.",
        form="ID:BASE64,…",
        secret=True,
    )
    workers: int = setting(
        1, read_integer(0, 256), "Worker processes that conduct calls; 0 for none.", form="COUNT"
    )
    lines: int = setting(
        100, read_integer(1, 10_000), "Calls one worker conducts at the same time.", form="COUNT"
    )
    worker_niceness: int = setting(
        -10,
        read_integer(-20, 19),
        "Precedence of workers for the processor where the system lets: lower comes first, 0 is"
        " as everybody else.",
        form="NUMBER",
    )
    sip: Endpoint = setting(  # noqa: RUF009
        Endpoint("127.0.0.1", 5060),
        read_endpoint,
        "Address and port for SIP; workers after the first take the ports that follow.",
        form="ADDRESS:PORT",
    )
    public_address: str | None = setting(
        None,
        read_address,
        "IP address that carriers reach this machine at, where it is not the SIP address.",
        form="IP",
    )
    rtp_ports: PortRange = setting(  # noqa: RUF009
        PortRange(16_384, 32_767), read_ports, "UDP ports for audio, two for each call.", form="A-B"
    )
    trunk: TrunkAddress | None = setting(  # noqa: RUF009
        None,
        read_trunk,
        "Default trunk: the carrier that calls go through.",
        form="sip:USER:PASSWORD@HOST:PORT;transport=udp",
        secret=True,
    )
    rate_limit: int = setting(
        6000,
        read_integer(0, 1_000_000),
        "Requests a minute that one API key may make, at all API processes together; 0 for any.",
        form="NUMBER",
    )
    max_calls: int = setting(
        0,
        read_integer(0, 100_000),
        "Most calls at the same time; further ones wait in the queue. 0 for as many as come.",
        form="NUMBER",
    )
    allow_countries: tuple[str, ...] = setting(
        (),
        read_countries,
        "Countries that may be called, by ISO 3166 code; empty for all.",
        form="US,MX,…",
    )
    allow_sip_uris: bool = setting(
        False,
        read_switch,
        "Whether calls may go to sip: addresses besides numbers.",
        form="true|false",
    )
    public_url: str | None = setting(
        None,
        read_url,
        "Where customers reach the API, for links in answers and webhooks; the address it listens"
        " at otherwise.",
        form="URL",
    )
    dialect_hosts: tuple[tuple[str, str], ...] = setting(
        (),
        read_hosts,
        "Host names that lead to a dialect of the API whatever the path, such as"
        " api.vendor.example=vendor; dialects are served under their own paths in any case.",
        form="HOST=DIALECT,…",
    )
    allow_networks: tuple[Network, ...] = setting(
        (),
        read_networks,
        "Private networks that webhooks may reach; none but public addresses otherwise.",
        form="10.0.0.0/8,…",
    )
    stop_timeout: float = setting(
        60.0,
        read_seconds,
        "Seconds that calls have to end when Strowger is stopped.",
        form="SECONDS",
    )
    metrics: Endpoint | None = setting(  # noqa: RUF009
        None,
        read_endpoint,
        "Address and port of the first worker's page for Prometheus, without a key; further workers"
        " take the ports that follow. The API process has its figures at /metrics, with a key.",
        form="ADDRESS:PORT",
    )
    log_level: str = setting(
        "info",
        read_choice("debug", "info", "warning", "error"),
        "Least weight of what is logged.",
        form="debug|info|warning|error",
    )
    log_format: str = setting(
        "text", read_choice("text", "json"), "How log lines are written.", form="text|json"
    )
    server: str = setting(
        "http://127.0.0.1:8080",
        read_url,
        "Running server that `strowger call` speaks to.",
        form="URL",
    )
    api_key: str | None = setting(
        None, read_text, "API key that `strowger call` uses.", form="strowger_live_…", secret=True
    )
    turn_model: Path | None = setting(  # noqa: RUF009
        None,
        read_path,
        "A Smart Turn v3 model (ONNX) that hears whether callees are done.",
        form="FILE",
    )

    @property
    def recordings(self) -> Path:
        """Folder of the recordings."""
        return self.data / "recordings"


_OF_PROVIDERS = {field.name for field in fields(ProviderKeys)}
SETTINGS: Mapping[str, "Field[Any]"] = {
    field.name: field
    for field in sorted(fields(Settings), key=lambda field: field.name in _OF_PROVIDERS)
}
"""By name; those of the providers last."""


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return "DATABASE_URL" if name == "database_url" else f"STROWGER_{name.upper()}"


def option_of(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")


def help_of(name: str) -> str:
    """What a setting is for, in a sentence."""
    return str(SETTINGS[name].metadata["help"])


def form_of(name: str) -> str:
    """What a value of a setting looks like."""
    return str(SETTINGS[name].metadata["form"])


def default_of(name: str) -> str | None:
    """What a setting is where nobody sets it, as it is written; None for nothing."""
    default = SETTINGS[name].default
    if default is None or default == ():
        return None
    return str(default).lower() if isinstance(default, bool) else str(default)


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


def child_environment() -> dict[str, str]:
    """The environment of our child processes: without our settings, which reach them by a pipe.

    Numerical libraries get one thread: several would fight over the cores that calls need. Few
    malloc arenas: a process with few threads keeps half its memory in more of them.
    """
    ours = {variable_of(name) for name in SETTINGS} | {FILE_VARIABLE}
    rest = {name: value for name, value in os.environ.items() if name not in ours}
    return {**rest, **ONE_THREAD, "MALLOC_ARENA_MAX": "2"}


def calculate_with_one_thread() -> None:
    """The same for this process, to be asked before numpy is loaded; what is set already stays."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)


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
    read: Callable[[object], object] = SETTINGS[name].metadata["read"]
    try:
        return read(given)
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
    for name in SETTINGS:
        form, default = form_of(name).replace("|", "\\|"), default_of(name)
        shown = "–" if default is None else f"`{default}`"
        lines.append(
            f"| `{name}`<br>`{option_of(name)} {form}` | `{variable_of(name)}` "
            f"| {shown} | {help_of(name)} |"
        )
    return "\n".join(lines) + "\n"
