"""Who answers a call that was placed with a test key, by the number it calls.

The numbers are of the +1 500 555 range, which belongs to nobody. They are special to test calls
only; every other destination of a test call is answered by `ANYBODY`. What the names stand for is
in `simulate/personas`; docs/reference/test-calls.md lists them for customers.
"""

from collections.abc import Mapping

ANYBODY = "says-yes"
"""The persona that answers where the number asks for no other."""

SIMULATED_CALLEES: Mapping[str, str] = {
    "+15005550001": "says-yes",
    "+15005550002": "busy",
    "+15005550003": "no-answer",
    "+15005550004": "hangs-up",
    "+15005550005": "voicemail",
    "+15005550006": "declines",
    "+15005550007": "unavailable",
    "+15005550008": "says-no",
    "+15005550009": "silent",
    "+15005550010": "keypad",
    "+15005550011": "interrupter",
}
"""Personas by number."""


def persona_for(destination: str) -> str:
    """The name of the persona that answers there."""
    return SIMULATED_CALLEES.get(destination, ANYBODY)
