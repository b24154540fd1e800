"""The words of what is tried without customers: replays, simulations, measurements."""

from pathlib import Path
from typing import Annotated

import typer

from strowger.commands.options import ConfigFile, Data, Database, settings_of

simulate_app = typer.Typer(help="Telephones that answer by themselves.", no_args_is_help=True)
bench_app = typer.Typer(help="Published measurements.", no_args_is_help=True)


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
