"""The command line. Each command's work is in `commands/`; here are its words.

Whatever the operator has to change is said in one line, with exit status 2.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from strowger import __version__
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
simulate_app = typer.Typer(help="Telephones that answer by themselves.", no_args_is_help=True)
bench_app = typer.Typer(help="Published measurements.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(secrets_app, name="secrets")
app.add_typer(simulate_app, name="simulate")
app.add_typer(bench_app, name="bench")


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


@app.command()
def replay(
    call: Annotated[str, typer.Argument(help="A call's id, or a file with its journal.")],
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent", help="Another agent: a YAML or JSON file, or ID, or ID@VERSION of one."
        ),
    ] = None,
    replies: Annotated[
        str,
        typer.Option(
            "--replies", help="With --agent: `model` asks its model, `recorded` takes the call's."
        ),
    ] = "model",
    as_json: Annotated[bool, typer.Option("--json", help="Answer as one JSON object.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", help="Also write the journal to this file.")
    ] = None,
    data: Data = None,
    database_url: Database = None,
    config: ConfigFile = None,
) -> None:
    """Hold a finished call again, in an instant.

    Says where today's Strowger decides otherwise than the call did. Every call keeps a journal of
    all that its conversation was told: when the callee spoke, what was recognised, what the
    providers answered. It is told to the conversation once more, at the same times, and each
    decision (listen, speak, stop, ask the model, hang up) is held against the one that was made
    then. Use it after an upgrade, or to see why a call went as it did:

    \b
    strowger replay call_0197a6…            a call out of the database
    strowger replay journal.jsonl --json    a journal that was saved

    With --agent another agent takes the call, such as the next version of a prompt. The callee says
    the same words, after the same pauses, and both transcripts are held against each other:

    \b
    strowger replay call_0197a6… --agent next.yaml
    strowger replay call_0197a6… --agent agent_0197…@3
    strowger replay call_0197a6… --agent next.yaml --replies recorded

    Exit status 0 for the same decisions, 1 for others, 2 where the call cannot be replayed.
    """
    from strowger.commands.replay import replay as run
    from strowger.commands.replay_with import replay_with

    settings = settings_of(config, data=data, database_url=database_url)
    if agent is not None:
        raise typer.Exit(replay_with(settings, call, agent, replies, as_json=as_json))
    raise typer.Exit(run(settings, call, save, as_json=as_json))


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


@simulate_app.command("callee")
def simulate_callee(
    listen: Annotated[
        str, typer.Option("--listen", help="SIP address and port it answers at.")
    ] = "127.0.0.1:5070",
    persona: Annotated[
        str,
        typer.Option("--persona", help="A persona's name, a YAML file, or `list` for the names."),
    ] = "agrees",
    log: Annotated[
        Path | None, typer.Option("--log", help="File that gets a JSON line for every INVITE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as lines of JSON.")] = False,
    config: ConfigFile = None,
) -> None:
    """Answer real SIP calls like a persona.

    As somebody would who agrees, is busy, interrupts, hangs up …
    """
    from strowger.commands.callee import callee as run

    raise typer.Exit(run(settings_of(config), listen, persona, log, as_json=as_json))


@simulate_app.command("run")
def simulate_run(  # noqa: PLR0913, PLR0917 - as many as it has options
    paths: Annotated[
        list[Path], typer.Argument(help="Scenario files, or folders of them (*.yaml).")
    ],
    only: Annotated[
        str | None, typer.Option("--only", help="Only scenarios whose name has this in it.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="In place of the scenarios' own.")
    ] = None,
    repeat: Annotated[
        int | None, typer.Option("--repeat", help="How often to hold each, each with its seed.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", help="Processes, one for each core otherwise; calls at once, 4."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="File for the results as JUnit XML.")
    ] = None,
    journals: Annotated[
        Path | None, typer.Option("--journals", help="Folder for the journal of each call.")
    ] = None,
    recordings: Annotated[
        Path | None, typer.Option("--recordings", help="Folder for a WAV file of each call.")
    ] = None,
    real_sip: Annotated[
        bool, typer.Option("--real-sip", help="Over SIP and RTP on loopback, in real time.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Only print the names.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for each call, progress aside.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Rehearse an agent on simulated calls.

    Holds the calls of scenario files, and checks what comes of them. A scenario names an agent, who
    answers, and what is expected. The call goes through the real turn-taking, the real session and
    the real audio path (G.711, jitter buffer, voice detection, playout), with speech on both sides
    and a network as bad as you like, but on a clock that skips the waiting: a minute of talk takes
    a second or two. The same seed gives the same call, to the last byte.

    \b
      name: confirms
      agent: appointment            # or a file, or a definition
      callee: agrees                # a persona, a file, or {prompt: …}
      network: {loss: 0.05, jitter_ms: 40}
      expect:
        outcome: "appointment: confirmed .*"
        agent_never_says: [sorry]
        latency: {p95: 1.0}

    \b
    strowger simulate run examples/scenarios
    strowger simulate run examples/scenarios --only interrupter --recordings heard/
    strowger simulate run scenarios/ --junit results.xml

    A matrix multiplies a scenario; docs/reference/simulation.md has every field. Exit status 0
    where everything is as expected, 1 where something is not, 2 for a mistake in a file.
    """
    from strowger.commands.rehearse import RunOptions, list_scenarios
    from strowger.commands.rehearse import run as run_scenarios

    options = RunOptions(
        paths=tuple(paths),
        only=only,
        seed=seed,
        repeat=repeat,
        jobs=jobs,
        junit=junit,
        journals=journals,
        recordings=recordings,
        real_sip=real_sip,
        as_json=as_json,
    )
    if listed:
        raise typer.Exit(list_scenarios(options))
    raise typer.Exit(run_scenarios(settings_of(config), options))


@bench_app.command("latency")
def bench_latency(
    calls: Annotated[int, typer.Option(help="Calls at the same time.")] = 5,
    turns: Annotated[int, typer.Option(help="Turns of each call.")] = 20,
) -> None:
    """Response latency, seen by the far end.

    At the wire, with providers that answer at once.
    """
    from strowger.commands.bench import latency as run

    raise typer.Exit(run(calls, turns))


@bench_app.command("lines")
def bench_lines(
    lines: Annotated[int, typer.Option(help="Lines at the same time.")] = 200,
    seconds: Annotated[float, typer.Option(help="Seconds to measure.")] = 20.0,
) -> None:
    """How many lines one worker holds.

    With voice detection and recording; the load comes from another process.
    """
    from strowger.commands.bench import lines as run

    raise typer.Exit(run(lines, seconds))


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
