"""Expectations held against what came: what is met, what is not, and what is shown for it."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from strowger.model import Turn, TurnLatency
from strowger.simulate.judging import Verdict, judge, percentile
from strowger.simulate.junit import junit
from strowger.simulate.performance import Performance
from strowger.simulate.scenario import Bounds, Expectations, LatencyLimits
from strowger.simulate.scenario_files import parse_scenarios

(SCENARIO,) = parse_scenarios("agent: appointment", Path("call.yaml"))


def turn(role: Any, text: str, started_at: float, ended_at: float, **others: Any) -> Turn:
    return Turn(role=role, text=text, started_at=started_at, ended_at=ended_at, **others)


CAME = Performance(
    scenario="call",
    repetition=0,
    seed=3,
    status="completed",
    end_reason="agent_hangup",
    error=None,
    outcome="appointment: moved to friday",
    variables={"day": "friday", "count": 2},
    duration=14.0,
    transcript=(
        turn("agent", "Hello, can you come on", 0.1, 2.0, interrupted=True),
        turn("callee", "No, I can't.", 1.7, 3.0),
        turn("agent", "Which day?", 3.6, 4.5, latency=TurnLatency(total=0.6)),
        turn("callee", "Friday.", 8.0, 8.5),
        turn("agent", "Thank you. Goodbye.", 9.7, 12.0, latency=TurnLatency(total=1.2)),
    ),
    callee=((0.2, "hears: hello"),),
    heard=("hello can you", "which day"),
    figures=None,
    journal=b"",
)  # fmt: skip


def verdicts(came: Performance = CAME, **expect: Any) -> list[Verdict]:
    return judge(replace(SCENARIO, expect=Expectations(**expect)), came)


@pytest.mark.parametrize(
    "expect",
    [
        {"status": "completed"},
        {"end_reason": "agent_hangup"},
        {"outcome": "appointment: moved to friday"},
        {"outcome": "appointment: .*"},
        {"variables": {"day": "friday", "count": 2}},
        {"agent_says": ("CAN YOU come!", "which day thank you")},
        {"agent_never_says": ("sorry", "day which")},
        {"callee_says": ("i can't",)},
        {"callee_never_says": ("monday",)},
        {"callee_hears": ("can you",)},
        {"interruptions": 1},
        {"interruptions": Bounds(at_least=1, at_most=1)},
        {"turns": Bounds(at_most=5)},
        {"duration": Bounds(at_least=13.5, at_most=14)},
        {"latency": LatencyLimits(p50=0.6, p95=1.2, longest=1.2)},
        {"longest_silence": 3.6},
        {"tools": ()},
    ],
)
def test_what_is_as_expected_is_good(expect: dict[str, Any]) -> None:
    found = verdicts(**expect)
    assert found
    assert all(each.good and not each.around for each in found)


@pytest.mark.parametrize(
    ("expect", "field", "message", "around"),
    [
        ({"status": "busy"}, "status", "'busy', got 'completed'", "Goodbye"),
        ({"end_reason": "silence"}, "end_reason", "got 'agent_hangup'", "Goodbye"),
        ({"outcome": "appointment"}, "outcome", "got 'appointment: moved to friday'", "Goodbye"),
        ({"variables": {"day": "monday"}}, "variables.day", "got 'friday'", "Friday"),
        ({"variables": {"x": 1}}, "variables.x", "got None", "Friday"),
        ({"agent_says": ("monday",)}, "agent_says", "it was not heard", "Which day?"),
        ({"agent_says": ("friday",)}, "agent_says", "it was not heard", "Which day?"),
        ({"agent_never_says": ("goodbye",)}, "agent_never_says", "it was heard", "Goodbye"),
        ({"callee_never_says": ("no",)}, "callee_never_says", "it was heard", "No, I can't."),
        ({"callee_hears": ("goodbye",)}, "callee_hears", "got hello can you / which day", ""),
        ({"interruptions": 0}, "interruptions", "0, got 1", "Hello, can you come on —"),
        ({"turns": Bounds(at_most=3)}, "turns", "at most 3, got 5", ""),
        ({"duration": Bounds(at_least=20)}, "duration", "at least 20, got 14", ""),
        ({"latency": LatencyLimits(p50=0.5)}, "latency.p50", "got 0.600 s", "Which day?   600 ms"),
        ({"latency": LatencyLimits(longest=1)}, "latency.longest", "got 1.200 s", "1200 ms"),
        ({"longest_silence": 3}, "longest_silence", "got 3.50 s from 4.50 s on", "Friday."),
        ({"tools": ("book",)}, "tools", "['book'], got []", ""),
    ],
)  # fmt: skip
def test_what_is_not_is_told_with_the_words_around_it(
    expect: dict[str, Any], field: str, message: str, around: str
) -> None:
    (found,) = verdicts(**expect)
    assert not found.good
    assert found.expectation == field
    assert message in found.message
    assert around in "\n".join(found.around)
    assert found.around


def test_what_is_left_out_is_not_looked_at() -> None:
    assert verdicts() == []


def test_answers_that_were_never_given_are_not_fast() -> None:
    silent = replace(CAME, transcript=CAME.transcript[:2])
    (found,) = verdicts(silent, latency=LatencyLimits(p95=1))
    assert not found.good


def test_silence_counts_to_the_end_of_the_call() -> None:
    assert replace(CAME, duration=30.0).longest_silence == (12.0, 18.0)
    assert replace(CAME, transcript=(), duration=5.0).longest_silence == (0.0, 5.0)


def test_percentiles_are_values_that_came() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.95) == 95
    assert percentile(values, 1.0) == 100
    assert percentile([2.0], 0.05) == 2.0


def test_junit_tells_each_failure_with_its_transcript() -> None:
    odd = replace(CAME, scenario="odd \x00 & <b>", outcome=None)
    written = junit([(CAME, verdicts(status="completed")), (odd, verdicts(odd, outcome="yes"))])
    suite = ElementTree.fromstring(written)
    assert suite.attrib["tests"] == "2"
    assert suite.attrib["failures"] == "1"
    good, bad = suite.findall("testcase")
    assert good.find("failure") is None
    assert "Thank you. Goodbye." in (good.findtext("system-out") or "")
    failure = bad.find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "outcome", "message": "outcome: 'yes', got None"}
    assert "Which day?" in (failure.text or "")
    assert bad.attrib["name"] == "odd \ufffd & <b>"


def test_a_scenario_held_again_has_a_name_of_its_own() -> None:
    assert CAME.name == "call"
    assert replace(CAME, repetition=2).name == "call #3"


def test_every_expectation_has_a_verdict() -> None:
    """One that nobody looks at would always be met."""
    samples: dict[str, Any] = {
        "status": "x", "end_reason": "x", "outcome": "x", "variables": {"x": 1},
        "agent_says": ("x",), "agent_never_says": ("hello",), "callee_says": ("x",),
        "callee_never_says": ("no",), "callee_hears": ("x",), "tools": ("x",),
        "interruptions": 9, "turns": 9, "duration": Bounds(at_most=1),
        "latency": LatencyLimits(longest=0.1), "longest_silence": 0.1,
    }  # fmt: skip
    assert set(samples) == {field.name for field in fields(Expectations)}
    for name, value in samples.items():
        assert [each.good for each in verdicts(**{name: value})] == [False], name
