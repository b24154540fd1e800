from pathlib import Path

import pytest

from strowger.errors import ConfigurationError
from strowger.simulate.library import built_in_personas, load_persona, parse_persona
from strowger.simulate.persona import Sound, Step, WaitFor

EXAMPLES = Path(__file__).parents[2] / "examples" / "personas"


def problem_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_persona(text, "mine.yaml")
    return str(caught.value)


def test_the_personas_the_manual_names_are_there_and_are_called_so() -> None:
    personas = {persona.name: persona for persona in built_in_personas()}
    assert set(personas) >= {
        "agrees", "reschedules", "busy", "no-answer", "declines", "unavailable", "voicemail",
        "hangs-up", "interrupter", "mumbler", "silent", "keypad", "late", "echo",
    }  # fmt: skip
    for name, persona in personas.items():
        assert load_persona(name) == persona
        assert persona.description


def test_refusals_have_the_status_they_are_named_after() -> None:
    answers = {name: load_persona(name).answer for name in ("busy", "declines", "unavailable")}
    assert [answer.status for answer in answers.values()] == [486, 603, 503]
    assert load_persona("no-answer").answer.after is None


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_example_personas_can_be_used(path: Path) -> None:
    assert load_persona(str(path)).name == path.stem


def test_there_are_example_personas() -> None:
    assert list(EXAMPLES.glob("*.yaml"))


def test_a_persona_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nscript:\n- {wait_for: nothing, play: beep}\n")
    persona = load_persona(str(file))
    assert persona.script == (Step(wait_for=WaitFor.NOTHING, play=Sound.BEEP),)


def test_a_persona_that_is_neither_known_nor_a_file_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no persona and no file 'agreeable'.*agrees"):
        load_persona("agreeable")


def test_everything_wrong_with_the_shape_is_told_at_once() -> None:
    problem = problem_of(
        "nam: x\nscript: [{say: yes, dela: 2}, {press: 12}]\nimpairments: {loss: much}\n"
    )
    assert "mine.yaml" in problem
    for field in ("nam: unknown field", "name: ", "script.0.say: ", "script.0.dela: unknown field",
                  "script.1.press: ", "impairments.loss: "):  # fmt: skip
        assert field in problem
    assert "\n" not in problem


def test_everything_that_makes_no_sense_is_told_at_once() -> None:
    problem = problem_of(
        """
        name: x
        answer: {status: 180, after: -1}
        patience: 0
        script:
        - {say: hi, press: "1"}
        - {press: "1x"}
        - {wait_for: words, say: hi}
        - {say: " ", repeat: 0, delay: -1, hears: [""]}
        rules:
        - {say: hi}
        - {digits: q, hang_up: true, times: 0}
        impairments: {loss: 2, jitter_ms: -1}
        """
    )
    for field in (
        "answer.status: ", "answer.after: ", "patience: ", "script.0: needs exactly one",
        "script.1.press: ", "script.2.hears: ", "script.3.say: ", "script.3.repeat: ",
        "script.3.delay: ", "script.3.hears: ", "rules.0: needs either", "rules.1.digits: ",
        "rules.1.times: ", "impairments.loss: ", "impairments.jitter_ms: ",
    ):  # fmt: skip
        assert field in problem, field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "not YAML"),
        ("- a\n- b\n", "a mapping"),
        ("", "a mapping"),
        ("name: x\necho: true\nscript: [{say: hi}]\n", "an echo has none"),
        ("[" * 5000, "mine.yaml"),
        ("1: x\nname: y\n", "mine.yaml"),
    ],
)
def test_what_is_no_persona_is_refused_in_words(text: str, said: str) -> None:
    assert said in problem_of(text)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_persona(str(file))
    file.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigurationError, match="bytes"):
        load_persona(str(file))


def test_a_persona_listens_for_each_of_its_phrases_once() -> None:
    persona = parse_persona(
        """
        name: x
        script: [{hears: [yes or no, hello], say: hi}, {hears: [hello], say: hi}]
        rules: [{hears: [goodbye], hang_up: true}]
        """
    )
    assert persona.phrases() == ("yes or no", "hello", "goodbye")
