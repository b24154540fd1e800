"""`{{…}}` in the URLs, headers and bodies of tools: `variable`, `arguments.name`, `secrets.NAME`.

What is filled in never changes where a request goes: a URL has no place before its path.
"""

import re
from collections.abc import Callable, Iterator, Mapping

_PLACE = re.compile(r"\{\{\s*((?:arguments|secrets)\.)?([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BRACES = re.compile(r"\{\{(.*?)(?:\}\}|$)", re.DOTALL)
_ORIGIN = re.compile(r"https?://[^/?#{}\s]+(?=[/?#]|$)", re.IGNORECASE)

Lookup = Callable[[str, str], object]
"""From kind (`variable`, `arguments`, `secrets`) and name to a JSON value; None for nothing."""


def places_in(text: str) -> Iterator[tuple[str, str]]:
    """Kind and name of each."""
    for found in _PLACE.finditer(text):
        yield _kind(found), found.group(2)


def malformed_places(text: str) -> Iterator[str]:
    """What looks like a place and is none."""
    for found in _BRACES.finditer(text):
        if not _PLACE.fullmatch(found.group()):
            yield found.group()


def leads_elsewhere(url: str) -> bool:
    """Whether what is filled in could change the host that a URL leads to."""
    return _ORIGIN.match(url) is None


def fill(text: str, lookup: Lookup, written: Callable[[object], str]) -> str:
    """The text with every place filled in."""
    return _PLACE.sub(lambda found: written(lookup(_kind(found), found.group(2))), text)


def fill_value(value: object, lookup: Lookup, written: Callable[[object], str]) -> object:
    """A JSON value whose texts have places; a text that is nothing but one becomes its value."""
    match value:
        case str():
            whole = _PLACE.fullmatch(value)
            if whole is not None:
                return lookup(_kind(whole), whole.group(2))
            return fill(value, lookup, written)
        case Mapping():
            return {name: fill_value(item, lookup, written) for name, item in value.items()}
        case list() | tuple():
            return [fill_value(item, lookup, written) for item in value]
        case _:
            return value


def texts_within(value: object) -> Iterator[str]:
    """Every text of a JSON value."""
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from texts_within(item)
        case list() | tuple():
            for item in value:
                yield from texts_within(item)
        case _:
            return


def _kind(found: re.Match[str]) -> str:
    return (found.group(1) or "variable").removesuffix(".")
