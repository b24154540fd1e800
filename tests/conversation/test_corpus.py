"""Every call of the recorded corpus, held again by the conversation of today."""

from pathlib import Path

import pytest

from strowger.conversation.journal import parse_journal
from strowger.conversation.replaying import describe_decision, replay_and_compare
from strowger.simulate.company import file_name
from strowger.simulate.scenario_files import load_scenarios

JOURNALS = Path(__file__).parents[1] / "captures" / "journals"


@pytest.mark.parametrize("path", sorted(JOURNALS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_recorded_call_is_decided_as_it_was(path: Path) -> None:
    found = replay_and_compare(parse_journal(path.read_bytes()))
    told = [
        f"{each.change} at {each.at:.3f} s: {describe_decision(each.decision)}"
        for each in found.differences
    ]
    assert not told, f"if this is meant: strowger replay {path}, and then make journals"
    assert found.recorded


def test_every_scenario_of_the_corpus_was_recorded_and_nothing_else() -> None:
    names = {file_name(scenario.name) for scenario in load_scenarios([JOURNALS])}
    assert {path.stem for path in JOURNALS.glob("*.jsonl")} == names
    assert len(names) >= 20
