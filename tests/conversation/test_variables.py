"""Variables that only a call can bring along."""

from dataclasses import replace

from strowger.agent import SpeechToSpeechFallback, SpeechToSpeechSettings
from strowger.conversation.variables import unknown_variables
from tests.conversation.stage import modelled, scripted


def test_what_the_agent_sets_itself_and_what_every_call_has_is_known() -> None:
    assert unknown_variables(scripted()) == ()
    assert unknown_variables(replace(modelled(), prompt="It is {{now}}.")) == ()


def test_each_use_of_another_variable_is_listed_with_its_place() -> None:
    agent = replace(
        modelled("Hello {{name}} of {{firm}}."),
        prompt="Talk to {{name}}.",
        default_variables={"firm": "Acme"},
    )
    assert [(found.field, found.message) for found in unknown_variables(agent)] == [
        ("prompt", "nothing sets {{name}} unless the call does"),
        ("first_message", "nothing sets {{name}} unless the call does"),
    ]


def test_what_services_are_told_counts() -> None:
    fallback = SpeechToSpeechFallback(provider="elevenlabs", variables={"b": "{{town}}", "c": 1})
    service = SpeechToSpeechSettings(
        provider="elevenlabs", variables={"a": "{{name}}"}, fallbacks=(fallback,)
    )
    found = unknown_variables(replace(modelled(), speech_to_speech=service))
    assert [problem.field for problem in found] == [
        "speech_to_speech.variables.a",
        "speech_to_speech.fallbacks.0.variables.b",
    ]
