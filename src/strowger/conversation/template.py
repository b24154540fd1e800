"""`{{name}}` in what an agent says and writes: which names, and how their values sound."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime

from strowger.agent import Scalar
from strowger.conversation.spoken_numbers import ordinal

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BRACES = re.compile(r"\{\{(.*?)(?:\}\}|$)", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_TELEPHONE = re.compile(r"\+\d{7,15}")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip

ALWAYS_PRESENT = frozenset({
    "now", "call_id", "call_uuid", "direction", "user_number", "agent_number", "timezone",
})  # fmt: skip
"""Variables that every call has."""


def names_in(text: str) -> tuple[str, ...]:
    """The variables a template uses, in order, each once."""
    return tuple(dict.fromkeys(_PLACE.findall(text)))


def malformed_in(text: str) -> Iterator[str]:
    """What looks like a place for a variable and is none."""
    for found in _BRACES.finditer(text):
        if not _PLACE.fullmatch(found.group()):
            yield found.group()


def render(text: str, variables: Mapping[str, Scalar]) -> str:
    """Fill in the values as they are written; an unknown variable leaves nothing behind."""
    return _PLACE.sub(lambda place: _written(variables.get(place.group(1))), text)


def render_speech(text: str, variables: Mapping[str, Scalar]) -> str:
    """Fill in the values as they are said: dates, times and telephone numbers in words."""
    filled = _PLACE.sub(lambda place: _said(variables.get(place.group(1))), text)
    return re.sub(r" {2,}", " ", re.sub(r" +([.,;:!?])", r"\1", filled)).strip()


def _written(value: Scalar) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _said(value: Scalar) -> str:
    if not isinstance(value, str):
        return _written(value)
    if _TELEPHONE.fullmatch(value):
        return "plus " + " ".join(value[1:])
    if _DATE.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        day = say_date(moment.date())
        return day if len(value) == len("2026-01-31") else f"{day} at {_say_time(moment)}"
    return value


def say_date(day: date) -> str:
    """Such as `Tuesday, March 3rd`: the year goes without saying."""
    return f"{_WEEKDAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {ordinal(day.day)}"


def _say_time(moment: datetime) -> str:
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    return f"{hour}:{moment.minute:02d} {half}" if moment.minute else f"{hour} {half}"
