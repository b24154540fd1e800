"""`strowger simulate run`: what it prints, writes and answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import structlog

from strowger.commands.rehearse import RunOptions, list_scenarios, run
from strowger.commands.replay import replay
from strowger.config import load_settings
from strowger.errors import ConfigurationError

GOOD = """
name: leaves
agent: appointment
callee: hangs-up
expect: {end_reason: callee_hangup}
"""
BAD = """
name: stays
agent: appointment
callee: hangs-up
expect:
  end_reason: agent_hangup
  agent_says: [we look forward]
  duration: {at_most: 30}
"""
SETTINGS = load_settings({}, environ={}, file=None)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A rehearsal turns the log down, for its whole process."""
    yield
    structlog.reset_defaults()


def options(folder: Path, **chosen: Any) -> RunOptions:
    (folder / "a.yaml").write_text(GOOD)
    (folder / "b.yaml").write_text(BAD)
    return RunOptions(**{"paths": (folder,), "jobs": 1, **chosen})


def test_all_as_expected_is_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SETTINGS, options(tmp_path, only="leaves")) == 0
    printed = capsys.readouterr().out
    assert "✓ 1/1  leaves" in printed
    assert "1 call, all as expected" in printed


def test_what_is_not_as_expected_is_explained_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "out" / "results.xml"
    assert run(SETTINGS, options(tmp_path, junit=results)) == 1
    printed = capsys.readouterr().out
    assert "✓ 1/2  leaves" in printed
    assert "✗ 2/2  stays" in printed
    assert "end_reason: 'agent_hangup', got 'callee_hangup'" in printed
    assert "the agent says “we look forward”, and it was not heard" in printed
    assert "agent   Hello" in printed
    assert "2 calls, 1 failed" in printed

    suite = ElementTree.fromstring(results.read_bytes())
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "1")
    failures = [each.attrib["type"] for each in suite.iter("failure")]
    assert failures == ["end_reason", "agent_says"]


def test_json_is_a_line_for_each_call_and_the_same_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = options(tmp_path, as_json=True, only="leaves", repeat=2, seed=5)
    assert run(SETTINGS, wanted) == 0
    first = capsys.readouterr().out
    assert run(SETTINGS, wanted) == 0
    assert capsys.readouterr().out == first
    calls = [json.loads(line) for line in first.splitlines()]
    assert [(call["repetition"], call["seed"]) for call in calls] == [(0, 5), (1, 6)]
    assert all(call["passed"] for call in calls)
    assert calls[0]["verdicts"][0]["expectation"] == "end_reason"


def test_journals_are_kept_and_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(SETTINGS, options(tmp_path, only="leaves", journals=tmp_path / "kept"))
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name == "leaves.jsonl"
    assert replay(SETTINGS, str(kept), None, as_json=False) == 0


def test_names_can_be_listed_and_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_scenarios(options(tmp_path, repeat=3)) == 0
    assert capsys.readouterr().out == "leaves  ×3\nstays  ×3\n"
    with pytest.raises(ConfigurationError, match="--only: no scenario fits 'nothing'"):
        run(SETTINGS, options(tmp_path, only="nothing"))


def test_what_a_service_speaks_for_cannot_be_held_in_virtual_time(tmp_path: Path) -> None:
    text = "agent: {name: x, prompt: y, speech_to_speech: {provider: openai}}\nname: spoken\n"
    (tmp_path / "spoken.yaml").write_text(text)
    chosen = RunOptions(paths=(tmp_path / "spoken.yaml",))
    with pytest.raises(ConfigurationError, match=r"spoken: .*real time.*run it with --real-sip"):
        run(SETTINGS, chosen)
    assert list_scenarios(chosen) == 0


def test_mistakes_in_files_are_mistakes_to_mend(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("agent: appointment\nexpect: {tone: nice}")
    with pytest.raises(ConfigurationError, match=r"c\.yaml is no usable scenario: expect\.tone"):
        run(SETTINGS, options(tmp_path))


def test_a_provider_that_is_not_there_fails_the_call_and_not_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "only.yaml").write_text(GOOD.replace("leaves", "dumb") + "speech: {provider: x}\n")
    assert run(SETTINGS, RunOptions(paths=(tmp_path / "only.yaml",), jobs=1)) == 1
    assert "got 'provider_failed'" in capsys.readouterr().out
