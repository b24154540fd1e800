"""`strowger call`: place a call on a running server, and show it."""

import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from strowger.commands.client import ServerClient
from strowger.commands.watch import LiveView
from strowger.config import Settings
from strowger.errors import ConfigurationError


def call(
    settings: Settings,
    number: str,
    agent: str,
    caller: str | None,
    variables: tuple[str, ...],
    *,
    watch: bool,
) -> int:
    """0 for a call that was placed; watched, for one that completed. Raises ConfigurationError."""
    if settings.api_key is None:
        raise ConfigurationError(
            "an API key is needed: make one with `strowger keys create --name me` and pass it"
            " with --key or STROWGER_API_KEY"
        )
    body: dict[str, Any] = {"to": number, "variables": dict(map(_variable, variables))}
    if caller is not None:
        body["from"] = caller
    if agent.startswith("agent_") and not Path(agent).exists():
        body["agent_id"] = agent
    else:
        body["agent"] = read_agent(Path(agent))
    console = Console(highlight=False)
    with ServerClient(settings.server, settings.api_key) as server:
        placed = server.post("/v1/calls", body)
        console.print(placed["id"])
        if not watch:
            return 0
        over = LiveView(console).show(server.events(placed["id"]))
    if over.get("outcome"):
        console.print(f"outcome: {over['outcome']}")
    return 0 if over.get("status") == "completed" else 1


def read_agent(path: Path) -> dict[str, Any]:
    """An agent's definition from YAML or JSON; the server checks it. Raises ConfigurationError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--agent: cannot read {path}: {error}") from error
    try:
        definition = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"--agent: {path} cannot be read: {error}") from error
    if not isinstance(definition, dict):
        raise ConfigurationError(f"--agent: {path} does not define an agent")
    return definition


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigurationError(f"--variable: expected NAME=VALUE, got {text!r}")
    return name.strip(), value
