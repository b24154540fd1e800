"""Reads scenarios from YAML files and folders, and multiplies those that have a matrix.

A file holds one scenario, or several as documents divided by `---`. In it, `agent` is a file
beside it, the name `appointment`, or a definition; `callee` is a persona's name, a file beside it,
a persona, or an agent (`prompt: …`, or `agent: …`). `matrix` names places in the scenario and the
values that each of them is to have: every combination becomes a scenario of its own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from strowger.agent import AgentDefinition
from strowger.conversation.flow import validate_flow
from strowger.errors import ConfigurationError, FieldProblem
from strowger.simulate.library import LARGEST_FILE, load_persona
from strowger.simulate.persona import Persona, problems_of
from strowger.simulate.scenario import AgentCallee, Scenario, problems_of_scenario

T = TypeVar("T")
Document = dict[str, Any]

MOST_SCENARIOS = 10_000
"""That one matrix may make."""
GOODBYES = ("goodbye", "good bye", "bye")
"""What a callee with a prompt says before it hangs up."""


class _Refused(Exception):
    """What is wrong with one scenario."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in problems))


def load_scenarios(paths: Sequence[Path]) -> list[Scenario]:
    """All scenarios of the files, and of the files in the folders, in order of their names.

    Raises ConfigurationError, which names everything that is wrong with the first bad file.
    """
    found: list[Scenario] = []
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"there is no file or folder {path}")
        for file in sorted(path.glob("*.y*ml")) if path.is_dir() else [path]:
            found += parse_scenarios(_text(file), file)
    if not found:
        raise ConfigurationError(f"no scenarios in {', '.join(map(str, paths))}: *.yaml expected")
    names = [scenario.name for scenario in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"two scenarios are called {twice[0]!r}")
    return found


def parse_scenarios(text: str, source: Path) -> list[Scenario]:
    """Read the scenarios of one file; paths in it count from its folder.

    Raises ConfigurationError.
    """
    try:
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise ConfigurationError(f"{source} is nested too deeply") from None
    scenarios = []
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, dict):
            raise ConfigurationError(f"{source}: a scenario is a mapping with a name")
        place = f"{source}" if len(documents) == 1 else f"{source}, document {number}"
        try:
            for one in _multiplied({"name": source.stem, **document}):
                scenarios.append(_scenario(one, source.parent))
        except _Refused as refused:
            raise ConfigurationError(f"{place} is no usable scenario: {refused}") from refused
    return scenarios


# ── the matrix ───────────────────────────────────────────────────────────────────────────────


def _multiplied(document: Document) -> Iterator[Document]:
    matrix = document.pop("matrix", None)
    if matrix is None:
        yield document
        return
    if not isinstance(matrix, dict) or not all(
        isinstance(values, list) and values for values in matrix.values()
    ):
        raise _Refused([FieldProblem("matrix", "names places, and a list of values for each")])
    combinations = 1
    for values in matrix.values():
        combinations *= len(values)
    if combinations > MOST_SCENARIOS:
        raise _Refused([FieldProblem("matrix", f"makes more than {MOST_SCENARIOS} scenarios")])
    for values in product(*matrix.values()):
        one = deepcopy(document)
        labels = []
        for path, value in zip(matrix, values, strict=True):
            place = str(path)
            if isinstance(value, dict) and set(value) == {"label", "value"}:
                labels.append(str(value["label"]))
                _put(one, place, value["value"])
            else:
                labels.append(f"{place.rpartition('.')[2]}={_short(value)}")
                _put(one, place, value)
        one["name"] = f"{document['name']} [{', '.join(labels)}]"
        yield one


def _put(document: Document, path: str, value: object) -> None:
    """Set what a dotted path names; what is missing on the way is made."""
    at: Any = document
    *way, last = path.split(".")
    for name in way:
        at = at.setdefault(name, {}) if isinstance(at, dict) else None
        if not isinstance(at, dict):
            raise _Refused([FieldProblem("matrix", f"{path} leads through what is no mapping")])
    at[last] = value


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:39]}…"


# ── one scenario ─────────────────────────────────────────────────────────────────────────────


def _scenario(document: Document, folder: Path) -> Scenario:
    document = {**document}
    agent = _agent(document.pop("agent", None), folder, "agent")
    callee = _callee(document.pop("callee", "agrees"), folder)
    if isinstance(agents := document.get("agents"), dict):
        document["agents"] = {
            name: _agent(each, folder, f"agents.{name}") for name, each in agents.items()
        }
    if isinstance(tools := document.get("tools"), dict):
        document["tools"] = {
            name: answers if isinstance(answers, list) else [answers]
            for name, answers in tools.items()
        }
    made = _validated(_scenarios(), {**document, "agent": agent, "callee": callee}, "")
    if problems := list(problems_of_scenario(made)):
        raise _Refused(problems)
    return made


def _agent(wanted: object, folder: Path, where: str) -> AgentDefinition:
    if wanted is None:
        raise _Refused([FieldProblem(where, "needed: a file, `appointment`, or a definition")])
    if isinstance(wanted, str):
        definition = _agent_of(_agent_text(wanted, folder, where), wanted, where)
    else:
        definition = _validated(_agents(), wanted, where)
    if definition.flow is not None and (problems := list(validate_flow(definition.flow))):
        raise _Refused([FieldProblem(f"{where}.{p.field}", p.message) for p in problems])
    return definition


@lru_cache(maxsize=64)
def _agent_of(text: str, source: str, where: str) -> AgentDefinition:
    """A matrix asks for the same one many times."""
    return _validated(_agents(), read_mapping(text, source), where)


def _agent_text(name: str, folder: Path, where: str) -> str:
    built_in = files("strowger.simulate") / "agents" / f"{name}.yaml"
    if name.isidentifier() and built_in.is_file():
        return built_in.read_text("utf-8")
    path = folder / name
    if not path.is_file():
        raise _Refused([FieldProblem(where, f"there is no file {path}")])
    return _text(path)


def _callee(wanted: object, folder: Path) -> Persona | AgentCallee:
    if isinstance(wanted, str):
        beside = folder / wanted
        try:
            return load_persona(str(beside) if beside.is_file() else wanted)
        except ConfigurationError as error:
            raise _Refused([FieldProblem("callee", str(error))]) from error
    if not isinstance(wanted, dict):
        raise _Refused([FieldProblem("callee", "a persona's name, a file, or a mapping")])
    if "prompt" in wanted or "agent" in wanted:
        return _agent_callee(wanted, folder)
    persona = _validated(_personas(), {"name": "callee", **wanted}, "callee")
    if problems := problems_of(persona):
        raise _Refused([FieldProblem(f"callee.{p.field}", p.message) for p in problems])
    return persona


def _agent_callee(wanted: Mapping[str, object], folder: Path) -> AgentCallee:
    rest = {"name": "callee", **wanted}
    prompt, agent = rest.pop("prompt", None), rest.pop("agent", None)
    if agent is None:
        agent = {
            "name": "callee",
            "prompt": prompt,
            "turn_taking": {"who_speaks_first": "callee", "silence_timeout": 20},
            "end_call_phrases": list(GOODBYES),
        }
    elif prompt is not None:
        raise _Refused([FieldProblem("callee", "needs either a prompt or an agent")])
    definition = _agent(agent, folder, "callee.agent")
    if definition.speech_to_speech is not None:
        problem = "cannot play a callee: give it a flow, or a prompt and a model"
        raise _Refused([FieldProblem("callee.agent.speech_to_speech", problem)])
    return _validated(_agent_callees(), {**rest, "agent": definition}, "callee")


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def read_mapping(text: str, source: str) -> Document:
    """A YAML or JSON mapping. Raises ConfigurationError."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source} does not hold a mapping")
    return document


# Each is made once: it takes longer to make than a file to read.


@cache
def _scenarios() -> TypeAdapter[Scenario]:
    return TypeAdapter(Scenario)


@cache
def _agents() -> TypeAdapter[AgentDefinition]:
    return TypeAdapter(AgentDefinition)


@cache
def _personas() -> TypeAdapter[Persona]:
    return TypeAdapter(Persona)


@cache
def _agent_callees() -> TypeAdapter[AgentCallee]:
    return TypeAdapter(AgentCallee)


def _validated(adapter: TypeAdapter[T], document: object, where: str) -> T:
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise _Refused(
            [
                FieldProblem(
                    ".".join(filter(None, [where, *(str(part) for part in one["loc"])])) or where,
                    one["msg"].replace("Unexpected keyword argument", "unknown field"),
                )
                for one in error.errors(include_url=False, include_input=False)
            ]
        ) from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ConfigurationError(f"{path}: more than {LARGEST_FILE} bytes")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
