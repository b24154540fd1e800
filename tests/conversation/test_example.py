"""The agent that the README shows and the demonstration calls with."""

from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from strowger.agent import AgentDefinition, AskNode
from strowger.conversation.flow import validate_flow
from strowger.conversation.variables import unknown_variables
from tests.conversation.stage import play, says

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointment.yaml"


def read_example(text: str | None = None) -> AgentDefinition:
    record = yaml.safe_load(EXAMPLE.read_text() if text is None else text)
    return TypeAdapter(AgentDefinition).validate_python(record)


def test_the_example_is_a_sound_agent() -> None:
    agent = read_example()
    assert agent.flow is not None
    assert validate_flow(agent.flow) == ()
    assert unknown_variables(agent) == ()
    assert isinstance(agent.flow.nodes["confirm"], AskNode)


def test_a_node_with_a_misspelt_field_is_refused_once_and_by_its_path() -> None:
    with pytest.raises(ValidationError) as refused:
        read_example(EXAMPLE.read_text().replace("retry_text: Sorry, which", "retry: Sorry, which"))
    assert [error["loc"] for error in refused.value.errors()] == [
        ("flow", "nodes", "which_day", "ask", "retry")
    ]


def test_the_patient_confirms() -> None:
    scene = play(read_example(), says(8.0, "yes I can"))
    assert scene.said[:3] == [
        "Hello, this is Bright Dental.",
        "You have an appointment on Tuesday at 3 pm.",
        "Can you come?",
    ]
    assert scene.conversation.outcome == "appointment: confirmed tuesday"
    assert (scene.hung_up or (0, ""))[1] == "agent_hangup"


def test_the_patient_moves_the_appointment_after_a_misunderstanding() -> None:
    scene = play(
        read_example(),
        says(8.0, "no I can't"),
        says(13.0, "monday please"),
        says(18.0, "no"),
        says(23.0, "wednesday is fine"),
        says(28.0, "that's right"),
        until=120.0,
    )
    assert scene.conversation.outcome == "appointment: moved to wednesday"
    assert scene.conversation.extracted == {"day": "wednesday"}
    assert scene.dialogue[-1] == (
        "agent: Thank you. We will see you on wednesday at 3 pm. Goodbye."
    )


def test_no_weekday_suits_the_patient() -> None:
    scene = play(read_example(), says(8.0, "no"), says(13.0, "I don't know"))
    assert scene.conversation.outcome == "appointment: call back"


def test_an_agent_written_as_json_is_read_back_the_same() -> None:
    adapter, agent = TypeAdapter(AgentDefinition), read_example()
    assert adapter.validate_json(adapter.dump_json(agent)) == agent
