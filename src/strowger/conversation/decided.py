"""A decision in plain values, as a journal keeps it to be compared with another day's."""

import hashlib
import json
from collections.abc import Mapping, Sized
from dataclasses import MISSING, Field, fields, is_dataclass

from strowger.conversation.events import Effect
from strowger.conversation.speech_to_speech.events import SpokenEffect

LONGEST_KEPT = 300
"""Characters of JSON beyond which a field is kept as its digest."""

Decision = Mapping[str, object]
"""An effect: `type`, and its fields as far as they are short."""


def decision_of(effect: Effect | SpokenEffect) -> Decision:
    """The effect in plain values. Equal effects, and they alone, are equal in this form.

    What has its default is left out, so that a field that is new in a version of Strowger does not
    make all decisions of the versions before look like others.
    """
    kept: dict[str, object] = {"type": type(effect).__name__}
    for name, value in _fields_of(effect).items():
        written = json.dumps(value, separators=(",", ":"))
        if len(written) <= LONGEST_KEPT:
            kept[name] = value
        else:
            length = len(value) if isinstance(value, Sized) else len(written)
            digest = hashlib.sha256(written.encode()).hexdigest()
            kept[name] = {"length": length, "sha256": digest}
    return kept


def _fields_of(record: object) -> dict[str, object]:
    """The fields of a record that are not at their defaults, as JSON has them."""
    assert is_dataclass(record), "effects are records of records"
    plain: dict[str, object] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if value != _default_of(field):
            plain[field.name] = _plain(value)
    return plain


def _default_of(field: "Field[object]") -> object:
    """MISSING, which equals nothing else, where the field has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _fields_of(value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return value
