"""What a tool's texts become with the values of one use: arguments, variables, secrets."""

import json
from collections.abc import Mapping
from urllib.parse import quote

from strowger.agent import Scalar
from strowger.conversation.places import fill, fill_value
from strowger.errors import ToolFailed

BLACK = "***"
SHORTEST_BLACKED = 4
"""Characters of a secret that is blacked out: a shorter one would take half the text with it."""


ALL_ARGUMENTS = "arguments"
"""`{{arguments}}` without a name is all of them."""


class Filling:
    """The values of one use."""

    def __init__(
        self,
        arguments: Mapping[str, object],
        variables: Mapping[str, Scalar],
        secrets: Mapping[str, str],
    ) -> None:
        self._values: dict[str, Mapping[str, object]] = {
            "arguments": arguments,
            "variable": variables,
            "secrets": secrets,
        }
        self._secrets = tuple(secrets.values())

    def url(self, template: str) -> str:
        def quoted(value: object) -> str:
            return quote(_written(value), safe="", errors="replace")

        return fill(template, self._lookup, quoted)

    def query(self, templates: Mapping[str, str]) -> dict[str, str]:
        filled = {name: self._text(text) for name, text in templates.items()}
        return {name: text for name, text in filled.items() if text}

    def headers(self, templates: Mapping[str, str]) -> dict[str, str]:
        """Raises ToolFailed where a value cannot stand in a header."""
        filled = {name.lower(): self._text(text) for name, text in templates.items()}
        for name, text in filled.items():
            if not text.isascii() or not text.isprintable():
                raise ToolFailed(f"the value for the header {name} has characters no header has")
        return filled

    def secret(self, name: str) -> str:
        """One that was looked up."""
        return str(self._values["secrets"][name])

    def value(self, template: object) -> object:
        return fill_value(template, self._lookup, _written)

    def blacked_out(self, text: str) -> str:
        for secret in self._secrets:
            if len(secret) >= SHORTEST_BLACKED:
                text = text.replace(secret, BLACK)
        return text

    def _text(self, template: str) -> str:
        return fill(template, self._lookup, _written)

    def _lookup(self, kind: str, name: str) -> object:
        if kind == "variable" and name == ALL_ARGUMENTS:
            return self._values["arguments"]
        return self._values[kind].get(name)


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value)
