"""Scenarios from files: what they hold, what a matrix makes of them, and what is refused."""

from pathlib import Path

import pytest

from strowger.errors import ConfigurationError
from strowger.simulate.persona import Impairments, Persona
from strowger.simulate.scenario import AgentCallee, Bounds, Scenario
from strowger.simulate.scenario_files import load_scenarios, parse_scenarios

EXAMPLES = Path(__file__).parents[2] / "examples" / "scenarios"


def read(text: str, folder: Path = Path("nowhere")) -> list[Scenario]:
    return parse_scenarios(text, folder / "call.yaml")


def test_a_file_is_one_scenario_named_after_it() -> None:
    (scenario,) = read("agent: appointment")
    assert scenario.name == "call"
    assert scenario.agent.name == "appointment-reminder"
    assert isinstance(scenario.callee, Persona)
    assert scenario.callee.name == "agrees"


def test_several_scenarios_share_a_file() -> None:
    assert [
        each.name for each in read("name: a\nagent: appointment\n---\nname: b\nagent: appointment")
    ] == ["a", "b"]


def test_agents_and_personas_lie_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text("{name: mine, first_message: Hello., prompt: Be brief.}")
    (tmp_path / "who.yaml").write_text("{name: somebody, patience: 5}")
    text = "agent: agent.yaml\ncallee: who.yaml\nmodel: {replies: [{say: Yes.}]}"
    (scenario,) = read(text, tmp_path)
    assert scenario.agent.name == "mine"
    assert isinstance(scenario.callee, Persona)
    assert scenario.callee.patience == 5


def test_a_callee_with_a_prompt_is_an_agent_that_waits_to_be_spoken_to() -> None:
    text = "agent: appointment\ncallee: {prompt: You are ill., model: {replies: [{say: Yes.}]}}"
    (scenario,) = read(text)
    assert isinstance(scenario.callee, AgentCallee)
    assert scenario.callee.agent.turn_taking.who_speaks_first == "callee"
    assert "goodbye" in scenario.callee.agent.end_call_phrases


def test_a_matrix_makes_a_scenario_of_every_combination() -> None:
    made = read(
        """
        agent: appointment
        network: {delay_ms: 5}
        expect: {interruptions: {at_most: 2}}
        matrix:
          network.loss: [0, 0.1]
          callee:
            - agrees
            - {label: a robot, value: menu}
          expect.turns: [3]
        """
    )
    assert [each.name for each in made] == [
        "call [loss=0, callee=agrees, turns=3]",
        "call [loss=0, a robot, turns=3]",
        "call [loss=0.1, callee=agrees, turns=3]",
        "call [loss=0.1, a robot, turns=3]",
    ]
    assert made[2].network == Impairments(loss=0.1, delay_ms=5)
    assert made[2].expect.turns == 3
    assert made[2].expect.interruptions == Bounds(at_most=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("callee: agrees", "agent: needed"),
        ("agent: nothing.yaml", "agent: there is no file nowhere/nothing.yaml"),
        ("agent: {nam: x}", "agent.name: Field required"),
        (
            "agent: appointment\ncallee: {agent: {name: x, speech_to_speech: {provider: openai}}}",
            "callee.agent.speech_to_speech: cannot play a callee",
        ),
        ("agent: appointment\ncallee: nobody", "callee: no persona and no file 'nobody'"),
        ("agent: appointment\ncallee: {scrip: []}", "callee.scrip: unknown field"),
        ("agent: appointment\ncallee: {script: [{delay: 1}]}", "callee.script.0: needs exactly"),
        ("agent: appointment\ncallee: {prompt: a, agent: appointment}", "either a prompt or"),
        ("agent: appointment\nexpekt: {}", "expekt: unknown field"),
        ("agent: appointment\nexpect: {turns: many}", "expect.turns"),
        ("agent: appointment\nexpect: {outcome: '('}", "expect.outcome: is no regular expression"),
        ("agent: appointment\nexpect: {agent_says: ['']}", "expect.agent_says: a phrase must not"),
        ("agent: appointment\nrepeat: 0", "repeat: must be between"),
        ("agent: appointment\norders: [{after: 1}]", "orders.0: needs exactly one of say"),
        ("agent: appointment\norders: [{after: 1, press: x}]", "orders.0.press: may hold"),
        ("agent: {name: x, prompt: y}", "model: an agent without a flow needs `replies`"),
        ("agent: appointment\nmatrix: [1]", "matrix: names places"),
        ("agent: appointment\nmatrix: {seed: []}", "matrix: names places"),
        ("agent: appointment\nmatrix: {agent.name: [x]}", "leads through what is no mapping"),
        ("agent: {name: x, flow: {start: a, nodes: {}}}", "agent.flow"),
        ("[1, 2]", "a scenario is a mapping"),
        ("a: [", "is not YAML"),
    ],
)  # fmt: skip
def test_a_bad_scenario_is_refused_with_the_place_and_the_reason(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("(", r"\(")):
        read(text)


def test_names_are_not_given_twice_and_folders_are_not_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no scenarios in"):
        load_scenarios([tmp_path])
    with pytest.raises(ConfigurationError, match="there is no file or folder"):
        load_scenarios([tmp_path / "none"])
    (tmp_path / "a.yaml").write_text("{name: same, agent: appointment}")
    (tmp_path / "b.yaml").write_text("{name: same, agent: appointment}")
    with pytest.raises(ConfigurationError, match="two scenarios are called 'same'"):
        load_scenarios([tmp_path])


def test_the_examples_can_be_read_and_are_many() -> None:
    scenarios = load_scenarios([EXAMPLES])
    assert len(list(EXAMPLES.glob("*.yaml"))) >= 10
    assert sum(each.name.startswith("fifty") for each in scenarios) == 50
