"""The reference of events against what there is."""

import re
from pathlib import Path

from strowger.calls.resources import EVENT_TYPES

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "events.md"


def test_the_reference_has_every_event_and_no_other() -> None:
    told = re.findall(r"^\| `([a-z.]+_?[a-z]*)` \|", REFERENCE.read_text(), re.MULTILINE)
    assert tuple(told) == EVENT_TYPES
