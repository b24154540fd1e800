"""The command line. Each command's work is in `commands/`; here are its words.

Whatever the operator has to change is said in one line, with exit status 2.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from strowger import __version__
from strowger.cli import trying
from strowger.commands.options import (
    ApiKey,
    ConfigFile,
    Data,
    Database,
    Host,
    Lines,
    Port,
    Server,
    Sip,
    Workers,
    settings_of,
)
from strowger.config import calculate_with_one_thread
from strowger.errors import AlreadySaid, ConfigurationError, Unavailable
from strowger.log_stream import load_structlog

CONFIGURATION_STATUS = 2

app = typer.Typer(
    help="Phone calls that an AI agent conducts. Begin with: strowger demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
secrets_app = typer.Typer(help="Secrets in the database.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(secrets_app, name="secrets")
app.add_typer(trying.simulate_app, name="simulate")
app.add_typer(trying.bench_app, name="bench")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"strowger {__version__}")
        raise typer.Exit


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    data: Data = None,
    sip: Sip = None,
    workers: Workers = None,
    lines: Lines = None,
    database_url: Database = None,
    config: ConfigFile = None,
) -> None:
    """Run everything here, until Ctrl-C.

    Database, API and line workers on this machine. Ctrl-C lets calls end, and stops in order.
    """
    from strowger.commands.serve import serve as run

    settings = settings_of(
        config,
        host=host,
        port=port,
        data=data,
        sip=sip,
        workers=workers,
        lines=lines,
        database_url=database_url,
    )
    raise typer.Exit(run(settings))


@app.command()
def demo(
    persona: Annotated[
        str, typer.Option(help="Who answers: a persona's name or a YAML file.")
    ] = "agrees",
    data: Annotated[Path, typer.Option(help="Folder for the demonstration's data.")] = Path(
        "demo-data"
    ),
) -> None:
    """Place one real call here and show it.

    From Strowger to a simulated callee, over SIP, with both sides speaking; nothing is needed
    besides this machine.
    """
    from strowger.commands.demo import demo as run

    raise typer.Exit(run(persona, data))


@app.command()
def call(
    number: Annotated[str, typer.Argument(help="Whom to call, such as +14155550100.")],
    agent: Annotated[
        str, typer.Option("--agent", help="An agent's id, or a YAML or JSON file that defines one.")
    ],
    caller: Annotated[
        str | None, typer.Option("--from", help="The number of yours that the callee sees.")
    ] = None,
    variable: Annotated[
        list[str] | None, typer.Option("--variable", help="NAME=VALUE for the agent; repeatable.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the call until it is over.")] = False,
    server: Server = None,
    key: ApiKey = None,
    config: ConfigFile = None,
) -> None:
    """Place a call on a running server.

    With --watch the exit status tells whether it was completed.
    """
    from strowger.commands.call import call as run

    settings = settings_of(config, server=server, api_key=key)
    raise typer.Exit(run(settings, number, agent, caller, tuple(variable or ()), watch=watch))


app.command()(trying.replay)


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scopes: Annotated[
        str, typer.Option("--scopes", help="Such as calls:write,calls:read; * for all.")
    ] = "*",
    test: Annotated[
        bool, typer.Option("--test", help="Its calls are answered by simulated callees.")
    ] = False,
    data: Data = None,
    database_url: Database = None,
    config: ConfigFile = None,
) -> None:
    """Make an API key and print it.

    Alone, on standard output. It is shown this once.
    """
    from strowger.commands.keys import create_key as run

    settings = settings_of(config, data=data, database_url=database_url)
    raise typer.Exit(run(settings, name, scopes, test=test))


@secrets_app.command("rotate")
def rotate_secrets(
    data: Data = None, database_url: Database = None, config: ConfigFile = None
) -> None:
    """Seal all secrets with a new key.

    The server may run meanwhile. With STROWGER_SECRET_KEYS: seal with the first of those, which you
    have put there.
    """
    from strowger.commands.secrets import rotate as run

    raise typer.Exit(run(settings_of(config, data=data, database_url=database_url)))


@app.command()
def doctor(
    host: Host = None,
    port: Port = None,
    data: Data = None,
    sip: Sip = None,
    database_url: Database = None,
    config: ConfigFile = None,
) -> None:
    """Say what is wrong here, and what to do.

    Checks the database, ports, trunk, speech, services and clock.
    """
    from strowger.commands.doctor import doctor as run

    settings = settings_of(
        config, host=host, port=port, data=data, sip=sip, database_url=database_url
    )
    raise typer.Exit(run(settings))


@app.command()
def migrate(data: Data = None, database_url: Database = None, config: ConfigFile = None) -> None:
    """Bring the database to this version.

    `serve` does it by itself.
    """
    from strowger.commands.serve import migrate as run

    raise typer.Exit(run(settings_of(config, data=data, database_url=database_url)))


def main() -> int:
    """Exit status 0 for success, 1 for a call that did not work out, 2 for a mistake to mend."""
    calculate_with_one_thread()
    load_structlog()
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        app(standalone_mode=True)
    except AlreadySaid:
        return CONFIGURATION_STATUS
    except (ConfigurationError, Unavailable) as error:
        sys.stderr.write(f"strowger: {error}\n")
        return CONFIGURATION_STATUS
    except KeyboardInterrupt:
        return 130
    return 0
