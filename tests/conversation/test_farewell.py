"""Calls that end because the agent has said goodbye, whatever the callee does meanwhile."""

from dataclasses import replace

import pytest

from strowger.conversation.events import Answered, Event, UtteranceEnded
from tests.conversation.stage import Stage, generated, modelled, play, says, sounds, words

PARTING = modelled(
    "This is only a message. Goodbye.", end_call_phrases=("goodbye", "a message goodbye")
)


@pytest.mark.parametrize("at", [0.75, 1.0, 1.15])
def test_a_cough_over_a_goodbye_leaves_the_call_to_end(at: float) -> None:
    scene = play(PARTING, sounds(at, seconds=0.5), (at + 0.7, words("")), until=20.0)
    assert scene.hung_up is not None
    assert scene.hung_up[1] == "agent_hangup"


class Telling(Stage):
    """Its voice tells when words are over: the last half of its sound is silence."""

    def _stop(self) -> None:
        saying, self._saying = self._saying, {}
        self._voice_free = self._now
        for utterance, (starts, ends) in saying.items():
            heard = max(0.0, self._now - starts)
            over = 99 if heard > (ends - starts) / 2 else 0
            ended = UtteranceEnded(utterance, heard, ends - starts, False, over)
            self.scene.journal.record(self._now, ended)
            self._apply(self._decided(self.scene.conversation.receive(ended, now=self._now)))


@pytest.mark.parametrize("heard", ["", "bye"])
def test_a_goodbye_whose_last_word_was_heard_ends_the_call_though_its_sound_was_cut(
    heard: str,
) -> None:
    script: list[tuple[float, Event]] = [(0.0, Answered()), *says(1.3, heard, seconds=0.5)]
    message = replace(PARTING, first_message="This is only a message and now Goodbye.")
    scene = Telling(message).run(script, until=20.0)
    assert scene.said == ["This is only a message and now Goodbye."], "nothing was left to say"
    assert scene.hung_up is not None
    assert scene.hung_up[1] == "agent_hangup"


@pytest.mark.parametrize("text", ["bye", "okay thank you", "you too goodbye"])
def test_who_answers_a_goodbye_while_it_is_said_has_understood_it(text: str) -> None:
    scene = play(
        replace(PARTING, first_message="Goodbye then. Have a nice day all of you."),
        says(1.0, text, seconds=0.5),
        until=20.0,
    )
    assert scene.said[-1].endswith("all of you.")
    assert scene.hung_up is not None
    assert scene.hung_up[1] == "agent_hangup"


def test_who_wants_something_else_while_a_goodbye_is_said_is_answered() -> None:
    scene = play(
        replace(PARTING, first_message="Goodbye then. Have a nice day all of you."),
        says(1.0, "wait one more thing", seconds=0.5),
        until=4.0,
    )
    assert scene.hung_up is None
    assert len(generated(scene)) == 1


@pytest.mark.parametrize(
    ("phrase", "message"),
    [
        ("再见", "那我们再见了。"),
        ("до свидания", "Это всё. До свидания!"),
        ("Adiós", "Muchas gracias, ¡adiós!"),
        ("auf Wiederhören", "Danke. Auf Wiederhören."),
    ],
)
def test_the_phrases_that_end_calls_may_be_of_any_language(phrase: str, message: str) -> None:
    scene = play(modelled(message, end_call_phrases=(phrase,)), until=20.0)
    assert scene.hung_up is not None
    assert scene.hung_up[1] == "agent_hangup"
    assert play(modelled("Hola.", end_call_phrases=(phrase,)), until=5.0).hung_up is None
