"""Options that settings have on the command line, explained there as everywhere."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strowger.config import (
    Settings,
    default_of,
    find_file,
    form_of,
    help_of,
    load_settings,
    process_environment,
    variable_of,
)


def _option(name: str, *flags: str) -> Any:
    """The option of a setting, explained as everywhere."""
    default = default_of(name)
    described = f"{help_of(name)} [env: {variable_of(name)}]"
    if default is not None:
        described += f" [default: {default}]"
    return typer.Option(*flags, help=described, metavar=form_of(name), show_default=False)


Host = Annotated[str | None, _option("host", "--host")]
Port = Annotated[str | None, _option("port", "--port")]
Data = Annotated[str | None, _option("data", "--data")]
Sip = Annotated[str | None, _option("sip", "--sip")]
Workers = Annotated[str | None, _option("workers", "--workers")]
Lines = Annotated[str | None, _option("lines", "--lines")]
Server = Annotated[str | None, _option("server", "--server")]
ApiKey = Annotated[str | None, _option("api_key", "--key")]
Database = Annotated[str | None, _option("database_url", "--database-url")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Configuration file; strowger.toml here otherwise. [env: STROWGER_CONFIG]"
    ),
]


def settings_of(config: Path | None = None, **overrides: object) -> Settings:
    environ = process_environment()
    return load_settings(overrides, environ=environ, file=find_file(config, environ=environ))
