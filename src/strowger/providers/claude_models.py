"""What Anthropic's models take, told by their names. Pure.

https://platform.claude.com/docs/en/about-claude/models/migration-guide

Models since 5 think before they speak unless they are told not to, each in a way of its own; some
cannot be. None since 4.7 takes a temperature.
"""

import re
from collections.abc import Mapping

NAMED = re.compile(r"claude-(?P<family>[a-z]+)(-(?P<major>\d)(-(?P<minor>\d)(?!\d))?)?(?!\d)")
"""Since Claude 4; those before begin with their version."""
WITHOUT_TEMPERATURE = (4, 7)
THINKING = (5, 0)
SILENT: Mapping[tuple[str, tuple[int, int]], str] = {
    ("opus", (5, 0)): "disabled",
    ("sonnet", (5, 0)): "disabled",
    ("haiku", (5, 5)): "disabled",
    ("sonnet", (5, 5)): "between_tools",
}
"""How a model is told not to think; the others can only be told to think little."""
UNKNOWN = (99, 0)
"""The version of a model that is named without: those that are, are new."""


def takes_temperature(model: str) -> bool:
    return _version(model)[1] < WITHOUT_TEMPERATURE


def hurried(model: str) -> Mapping[str, object]:
    """Fields of a request that keep the model from thinking while somebody waits."""
    family, version = _version(model)
    if version < THINKING:
        return {}
    if way := SILENT.get((family, version)):
        return {"thinking": {"type": way}}
    return {"output_config": {"effort": "low"}}


def _version(model: str) -> tuple[str, tuple[int, int]]:
    named = NAMED.match(model)
    if named is None:
        return "", (0, 0)
    if named["major"] is None:
        return named["family"], UNKNOWN
    return named["family"], (int(named["major"]), int(named["minor"] or 0))
