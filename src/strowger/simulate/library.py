"""Finds personas: those that come with Strowger by name, and anybody's own by file."""

from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from strowger.errors import ConfigurationError, FieldProblem
from strowger.simulate.persona import Persona, problems_of

LARGEST_FILE = 1 << 20
"""Bytes."""


def built_in_personas() -> list[Persona]:
    """The personas that come with Strowger, by name."""
    return [_read(_text(file), file.name) for _, file in sorted(_built_in().items())]


def load_persona(name_or_path: str) -> Persona:
    """A built-in persona by its name, or one from a YAML file.

    Raises ConfigurationError, which names everything that is wrong with the file.
    """
    if (file := _built_in().get(name_or_path)) is not None:
        return _read(_text(file), name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(_built_in()))
        raise ConfigurationError(f"no persona and no file {name_or_path!r}; there are: {known}")
    return _read(_text(path), name_or_path)


def parse_persona(text: str, source: str = "persona") -> Persona:
    """Read a persona from YAML. Raises ConfigurationError."""
    return _read(text, source)


def _built_in() -> dict[str, Traversable]:
    folder = files("strowger.simulate") / "personas"
    return {
        file.name.removesuffix(".yaml"): file
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    }


def _text(file: Path | Traversable) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ConfigurationError(f"{file}: more than {LARGEST_FILE} bytes is no persona")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the persona {file}: {error}") from error


@cache
def _adapter() -> TypeAdapter[Persona]:
    """Made once: it takes longer to make than a file to read."""
    return TypeAdapter(Persona)


@lru_cache(maxsize=64)
def _read(text: str, source: str) -> Persona:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is not YAML: {_one_line(str(error))}") from error
    except RecursionError:
        raise ConfigurationError(f"{source} is nested too deeply") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source}: a persona is a mapping with a name and a script")
    try:
        persona = _adapter().validate_python(document)
    except ValidationError as error:
        found = [
            FieldProblem(".".join(str(part) for part in one["loc"]), _message(one["msg"]))
            for one in error.errors(include_url=False, include_input=False)
        ]
        raise _refused(source, found) from error
    if problems := problems_of(persona):
        raise _refused(source, problems)
    return persona


def _refused(source: str, problems: list[FieldProblem]) -> ConfigurationError:
    said = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
    return ConfigurationError(f"{source} is no usable persona: {said}")


def _message(message: str) -> str:
    return message.replace("Unexpected keyword argument", "unknown field")


def _one_line(message: str) -> str:
    return " ".join(message.split())
